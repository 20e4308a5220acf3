"""`eyebright embed`: embeddings of pictures into one .npz file."""

import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import click

from eyebright.cli import options
from eyebright.errors import BadRequest, CannotWrite


@click.command(no_args_is_help=True)
@click.argument("sources", nargs=-1, required=True)
@options.output(required=True, help="The .npz file to write: arrays `source` (N,) and `embedding` (N, D) float32.")
@options.model
@options.every
@options.batch
@options.threads
@options.provider
@options.megapixels
@options.force
@options.trust
def command(
    sources: tuple[str, ...], output: Path, every: str, batch: int, megapixels: int, force: bool, **how: Any
) -> int:
    """Write the embeddings of pictures, for search and for teaching.

    \b
      eyebright embed holiday/ -o vectors.npz
      python -c "import numpy; print(numpy.load('vectors.npz')['embedding'].shape)"
    """
    from eyebright.images import Limits
    from eyebright.recognize import Failure, load
    from eyebright.recognize.sources import Sources, expand

    if output.exists() and not force:
        raise CannotWrite(f"{output} exists; --force overwrites it.")
    given = expand(sources, has_stdin=True)
    recognizer = load(limits=Limits(pixels=megapixels * 1_000_000), **how)
    items = Sources(given, sys.stdin.buffer)
    failed, names = 0, []
    with TemporaryFile() as rows:  # 80,000 pictures are 400 MB: not for memory
        for name, vector in recognizer.stream_embeddings(items, every=every, batch=batch):
            if isinstance(vector, Failure):
                failed += 1
                click.echo(f"{name}: not read: {vector.error.message}", err=True)
            else:
                names.append(name)
                rows.write(vector.tobytes())
        if not names:
            raise BadRequest(f"no picture in {', '.join(given)} could be read." if failed else "no pictures found.")
        _write(output, names, rows)
    click.echo(
        f"{output}: {len(names):,} embeddings" + (f"; {failed:,} inputs could not be read." if failed else "."),
        err=True,
    )
    return 1 if failed else 0


def _write(output: Path, names: list[str], rows: IO[bytes]) -> None:
    import numpy as np

    width = rows.tell() // 4 // len(names)
    rows.seek(0)
    with options.beside(output) as partial, zipfile.ZipFile(partial, "w") as archive:
        with archive.open("source.npy", "w", force_zip64=True) as member:
            np.lib.format.write_array(member, np.array(names))
        with archive.open("embedding.npy", "w", force_zip64=True) as member:
            header = {"descr": "<f4", "fortran_order": False, "shape": (len(names), width)}
            np.lib.format.write_array_header_1_0(member, header)
            while block := rows.read(1 << 20):
                member.write(block)
