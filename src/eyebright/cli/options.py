"""What several verbs share: options that mean one thing, words that are said one way, the one way to write a file."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eyebright.errors import BadPicture, BadRequest, CannotWrite

if TYPE_CHECKING:
    from eyebright.recognize import Recognizer

Command = Callable[..., Any]
UNITS_S = {"s": 1, "m": 60, "min": 60, "h": 3600}
BYTES = {"b": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9}
MILLISECONDS = {"us": 1e-3, "ms": 1.0, "s": 1e3}
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")

sources = click.argument("sources", nargs=-1, required=True, type=click.Path(readable=False))
model = click.option(
    "--model",
    metavar="MODEL",
    type=click.Path(readable=False),
    help="A model file, or the name of one that ships (lite0).",
)
provider = click.option(
    "--provider", default="cpu", show_default=True, help="What computes: cpu, cuda, coreml, openvino ..."
)
threads = click.option("--threads", type=click.IntRange(1), help="Threads of the processor to use; all by default.")
size = click.option("--size", type=int, help="Side of the input in pixels, one that the model lists (see inspect).")
batch = click.option(
    "--batch", type=click.IntRange(1), default=4, show_default=True, help="Pictures that the network sees at once."
)
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
library = click.option(
    "--library",
    "folder",
    metavar="FOLDER",
    default="",
    help="Where the library lies; EYEBRIGHT_LIBRARY, or where the system keeps such things.",
)
force = click.option("--force", is_flag=True, help="Overwrite a file that exists.")


def output(
    required: bool = False, help: str = "Write to this file instead of the screen."
) -> Callable[[Command], Command]:
    """-o, --output FILE."""
    return click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=required, help=help)


def recognizer(megapixels: int, **how: Any) -> "Recognizer":
    """What --model, --threads, --megapixels and the like ask for."""
    from eyebright.bounds import Limits
    from eyebright.recognize import load

    return load(limits=Limits(pixels=megapixels * 1_000_000), **how)


def one_line(text: str) -> str:
    r"""Text from a file name or a model file that cannot break a line or command a terminal.

    >>> print(one_line("two\nlines \x1b[2J"))
    two\nlines \x1b[2J
    """
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def counted(number: int, thing: str) -> str:
    """A number of things.

    >>> counted(1, "photo"), counted(2000, "query")
    ('1 photo', '2,000 queries')
    """
    if number == 1:
        return f"1 {thing}"
    return f"{number:,} {thing[:-1]}ies" if thing.endswith("ry") else f"{number:,} {thing}s"


def nothing_in(given: list[str], others: int) -> str:
    """What to say where no picture was met."""
    return f"no pictures or videos in {', '.join(given)}" + (f" ({others:,} other files)." if others else ".")


def left_out(others: int) -> str:
    """
    >>> left_out(1)
    '1 file that is no picture or video was left out'
    """
    if others == 1:
        return "1 file that is no picture or video was left out"
    return f"{others:,} files that are no pictures or videos were left out"


def tell_rest(others: int, failed: int, total: int) -> None:
    """On stderr, what did not become a result."""
    if others:
        click.echo(f"{left_out(others)}.", err=True)
    if failed:
        click.echo(f"{failed:,} of {total:,} could not be read.", err=True)


@contextmanager
def beside(output: Path) -> Iterator[Path]:
    """A path to write to; it takes the place of `output` only when all went well."""
    target, partial = places(output)
    try:
        yield partial
        os.replace(partial, target)
    except OSError as error:
        raise cannot_write(output, error) from None
    finally:
        if partial != target:
            partial.unlink(missing_ok=True)


def places(output: Path) -> tuple[Path, Path]:
    """Where a file ends up, and where it is written until it is whole.

    A link stays a link, and what is no file (/dev/stdout, a named pipe) is written to and never replaced.
    """
    target = Path(os.path.realpath(output))
    special = target.exists() and not target.is_file()
    return target, target if special else target.with_name(target.name + ".partial")


def must_be_free(output: Path, force: bool, remedy: str = "--force overwrites it", over: str = "") -> None:
    """Whether a result may be written to `output`, asked before any work is done. Raises CannotWrite.

    A picture, video or database is never overwritten, unless the result is such a one, too (`over`).
    """
    target, partial = places(output)
    folder = target.parent
    if target == partial:
        return
    if target.exists() and not force:
        raise CannotWrite(f"{output} exists; {remedy}.")
    if force and (what := precious(target)) not in ("", over):
        raise CannotWrite(f"{output} is a {what}; --force overwrites results, and no {what}.")
    if not folder.is_dir():
        raise CannotWrite(f"{output} cannot be written: there is no folder {folder}; make it first.")
    if not os.access(folder, os.W_OK):
        raise CannotWrite(f"{output} cannot be written: you may not write in {folder}; choose another place.")


def precious(file: Path) -> str:
    """What a file is that holds more than a command could make again: a picture, a video, a database; else nothing."""
    from eyebright import images

    try:
        with images.opened(file) as opened:
            head = opened.read(images.HEAD_BYTES)
    except (OSError, BadPicture):
        return ""
    if head.startswith(b"SQLite format 3\0"):
        return "database"
    kind = images.sniff(head)
    return "" if not kind else "video" if kind in images.VIDEOS else "picture"


def cannot_write(output: Path, error: OSError, hint: str = "") -> CannotWrite:
    """The error of the system as Eyebright's."""
    why = (error.strerror or str(error)).lower()
    return CannotWrite(f"{output} cannot be written: {why}{'; ' if hint else ''}{hint}.")


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


def minutes(text: str) -> float:
    """A time as minutes.

    >>> minutes("90s"), minutes("10m"), minutes("2h")
    (1.5, 10.0, 120.0)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|min|h)", text.strip().lower())
    if not found or not float(found[1]):
        raise BadRequest(f"--time is a number with a unit, as 90s, 10m or 2h; got {text!r}.")
    return float(found[1]) * UNITS_S[found[2]] / 60


def of_sets(keys: tuple[str, ...]) -> dict[str, Any]:
    """What --set asks for."""
    from eyebright.tomlfile import value_of

    found = {}
    for text in keys:
        key, equals, value = text.partition("=")
        if not equals:
            raise BadRequest(f"--set takes key=value, as --set epochs=30; got {text!r}.")
        found[key.strip()] = value_of(value.strip())
    return found


def quantity(option: str, text: str | None, units: dict[str, float], example: str) -> float:
    """A number over 0 with a unit; 0 where it was not given.

    >>> quantity("--max-size", "2.5MB", BYTES, "2MB"), quantity("--max-latency", None, MILLISECONDS, "3ms")
    (2500000.0, 0.0)
    """
    if text is None:
        return 0.0
    found = re.fullmatch(r"(\d+\.?\d*|\.\d+)\s*([a-z]+)", text.strip().lower(), re.ASCII)
    value = float(found[1]) * units.get(found[2], 0.0) if found else 0.0
    if not 0 < value < 1e15:
        raise BadRequest(f"{option} is a number with a unit ({', '.join(units)}), as {example}; got {text!r}.")
    return value
