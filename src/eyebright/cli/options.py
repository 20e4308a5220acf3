"""Options that several verbs share, so that each means one thing, and the one way to write a file."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from eyebright.errors import BadRequest, CannotWrite

Command = Callable[..., Any]

model = click.option("--model", metavar="MODEL", help="A model file, or the name of one that ships (lite0).")
provider = click.option(
    "--provider", default="cpu", show_default=True, help="What computes: cpu, cuda, coreml, openvino ..."
)
threads = click.option("--threads", type=int, help="Threads of the processor to use; all by default.")
batch = click.option("--batch", type=int, default=8, show_default=True, help="Pictures that the network sees at once.")
every = click.option("--every", default="1s", show_default=True, help="Of a video: a time (1s, 500ms) or frames (30).")
trust = click.option(
    "--trust", is_flag=True, help="Load a model from elsewhere without trying it in a safe place first."
)
megapixels = click.option(
    "--megapixels", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Refuse larger pictures."
)
plain = click.option("--plain", is_flag=True, help="Sentences: no bars, colors or redrawn lines.")
output_format = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "csv"]),
    default=None,
    help="text, json (one object a line) or csv.",
)
text_or_json = click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
force = click.option("--force", is_flag=True, help="Overwrite a file that exists.")


def output(
    required: bool = False, help: str = "Write to this file instead of the screen."
) -> Callable[[Command], Command]:
    """-o, --output FILE."""
    return click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=required, help=help)


@contextmanager
def beside(output: Path) -> Iterator[Path]:
    """A path to write to; it takes the place of `output` only when all went well."""
    partial = output.with_name(output.name + ".partial")
    try:
        yield partial
        os.replace(partial, output)
    except OSError as error:
        raise CannotWrite(f"{output} cannot be written: {(error.strerror or str(error)).lower()}.") from None
    finally:
        partial.unlink(missing_ok=True)


def write_bytes(output: Path, data: bytes) -> None:
    """A whole file or none."""
    with beside(output) as partial:
        partial.write_bytes(data)


def three_numbers(option: str, text: str) -> tuple[float, float, float]:
    """One number for all channels, or three: "0.5" or "0.485,0.456,0.406"."""
    try:
        numbers = [float(part) for part in re.split(r"[,\s]+", text.strip())]
    except ValueError:
        numbers = []
    if len(numbers) == 1:
        numbers *= 3
    if len(numbers) != 3:
        raise BadRequest(f"{option} takes one number or three with commas between, as 0.485,0.456,0.406; got {text!r}.")
    return numbers[0], numbers[1], numbers[2]
