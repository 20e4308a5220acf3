"""`eyebright embed`: embeddings of pictures into one .npz file."""

import os
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryFile, gettempdir
from typing import IO, Any

import click

from eyebright.cli import options
from eyebright.errors import BadRequest


@click.command(no_args_is_help=True)
@options.sources
@options.output(required=True, help="The .npz file to write: arrays `source` (N,) and `embedding` (N, D) float32.")
@options.model
@options.every
@options.size
@options.batch
@options.threads
@options.provider
@options.megapixels
@options.force
@options.trust
def command(sources: tuple[str, ...], output: Path, every: str, batch: int, force: bool, **how: Any) -> int:
    """Write the embeddings of pictures, for search and for teaching.

    \b
      eyebright embed holiday/ -o vectors.npz
      python -c "import numpy; print(numpy.load('vectors.npz')['embedding'].shape)"
    """
    from eyebright.cli import progress
    from eyebright.recognize import Failure
    from eyebright.recognize.sources import Sources, count, expand
    from eyebright.recognize.video import Every

    given = expand(sources, has_stdin=True)
    interval = Every.parse(every)
    options.must_be_free(output, force)
    recognizer = options.recognizer(**how)
    items = Sources(given, sys.stdin.buffer)
    found = recognizer.stream_embeddings(items, every=interval, batch=batch)
    if progress.wanted(results_on_terminal=False):
        found = progress.told(found, items, count(given))
    names: list[str] = []
    failed, stopped = 0, False
    try:
        with TemporaryFile() as rows:  # 80,000 pictures are 400 MB: not for memory
            try:
                for name, vector in found:
                    if isinstance(vector, Failure):
                        failed += 1
                        click.echo(f"{options.one_line(name)}: not read: {vector.error.message}", err=True)
                    else:
                        rows.write(vector.tobytes())
                        names.append(name)
            except KeyboardInterrupt:
                stopped = True  # what is finished is written
            if names:
                _write(output, names, rows)
    except OSError as error:
        raise options.cannot_write(output, error, f"see that {gettempdir()} has room") from None
    if stopped:
        click.echo(f"{output}: the first {len(names):,} embeddings." if names else "Nothing was written.", err=True)
        raise KeyboardInterrupt
    if not names and not failed:
        raise BadRequest(options.nothing_in(given, items.others))
    options.tell_rest(items.others, failed, failed + len(names))
    click.echo(f"{output}: {len(names):,} embeddings." if names else "Nothing was written.", err=True)
    return 1 if failed else 0


def _write(output: Path, names: list[str], rows: IO[bytes]) -> None:
    import numpy as np

    width = rows.seek(0, os.SEEK_END) // 4 // len(names)
    rows.seek(0)
    with options.beside(output) as partial, zipfile.ZipFile(partial, "w") as archive:
        with archive.open("source.npy", "w", force_zip64=True) as member:
            np.lib.format.write_array(member, np.array(names))
        with archive.open("embedding.npy", "w", force_zip64=True) as member:
            header = {"descr": "<f4", "fortran_order": False, "shape": (len(names), width)}
            np.lib.format.write_array_header_1_0(member, header)
            while block := rows.read(1 << 20):
                member.write(block)
