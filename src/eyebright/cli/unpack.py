"""`eyebright unpack`: the model file that a packed file holds."""

from pathlib import Path

import click

from eyebright.cli import options
from eyebright.errors import BadModelFile


@click.command(no_args_is_help=True)
@click.argument("packed_file", metavar="PACKED", type=click.Path(readable=False))
@options.output(required=True, help="The model file to write.")
@options.force
def command(packed_file: str, output: Path, force: bool) -> int:
    """Write the model file that a packed file holds, bit for bit.

    Other programs that run ONNX need it; Eyebright takes the packed file as it is.

    \b
      eyebright unpack small.eyb -o model.onnx
    """
    from eyebright import models, packed
    from eyebright.modelfile import read

    options.must_be_free(output, force)
    path = models.path(packed_file)
    if path.is_file():
        with path.open("rb") as start:
            if not packed.is_packed(start.read(len(packed.MAGIC))):
                raise BadModelFile(f"{path}: not a packed model file, so there is nothing to unpack.")
    file = read(path)
    options.write_bytes(output, file.data)
    click.echo(f"{output}: {len(file.data) / 1e6:.3f} MB, sha256 {file.sha256}")
    return 0
