"""`eyebright frontier`: which networks are best for what they cost, over widths, depths, input sizes and bits."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from eyebright.cli import options
from eyebright.errors import BadRequest, extra

if TYPE_CHECKING:
    from eyebright.compression.frontier import Asked, Found

T = TypeVar("T")
OPTIONS = {"encoders": str, "widths": float, "depths": float, "sizes": int, "bits": int}
"""Those that take several values with commas between."""


@click.command(name="frontier", no_args_is_help=True)
@click.argument("data", required=False, type=click.Path(readable=False))
@click.option(
    "-o", "--output", "folder", required=True, type=click.Path(path_type=Path), help="The folder to make or go on with."
)
@click.option("--encoders", metavar="A,B", help="Networks, of `eyebright encoders`; the first is never stopped.")
@click.option("--widths", metavar="1,.5", help="What multiplies their channels; 1 by default.")
@click.option("--depths", metavar="1,.5", help="What multiplies their blocks; 1 by default.")
@click.option("--sizes", metavar="224,160", help="Pixels a side that they see; 224,160,128 by default.")
@click.option("--bits", metavar="32,8", help="32 (float), 8 (int8) or both, which is the default.")
@click.option("--time", "promised", metavar="2h", help="For everything; without it, as many passes as the recipe says.")
@click.option("--mode", type=click.Choice(["scratch", "finetune"]), help="How they learn; scratch by default.")
@click.option("--teacher", metavar="MODEL", help="A model file whose answers all of them imitate.")
@click.option("--seeds", type=int, help="Trainings of each network on the frontier; 3 by default.")
@click.option("--whole", is_flag=True, default=None, help="Stop none on the way: for a curve that has all of them.")
@click.option("--set", "keys", metavar="KEY=VALUE", multiple=True, help="Any other key of a recipe; may be repeated.")
@click.option("--reader", metavar="NAME", help="The data's format, where it is detected wrongly.")
@click.option("--resume", is_flag=True, help="Go on with the frontier in the folder, which was stopped.")
@click.option("--anyway", is_flag=True, help="Train although the audit found what spoils the result.")
@options.text_or_json
@options.plain
@click.option("--force", is_flag=True, help="Replace the frontier that is in the folder.")
def command(
    data: str | None,
    folder: Path,
    promised: str | None,
    teacher: str | None,
    keys: tuple[str, ...],
    reader: str | None,
    resume: bool,
    anyway: bool,
    form: str,
    plain: bool,
    force: bool,
    **given: Any,
) -> int:
    """Train networks of several widths, depths and input sizes, and draw which are best for what they cost.

    Each is trained once, the fastest first, and stopped where a smaller and faster one is better; then measured, in 8
    bits too; what no other one beats is trained with other seeds. The test split is opened once, at the end.

    \b
      eyebright frontier photos/ -o frontier/ --encoders mobilenet-v2,resnet-18 --widths 1,.5,.25 --time 2h
      eyebright frontier photos/ -o frontier/ --encoders mobilenet-v2 --mode finetune --sizes 224,160 --teacher big.onnx
      eyebright frontier photos/ -o curve/ --encoders mobilenet-v1 --widths 1,.75,.5,.25 --sizes 128 --whole
      eyebright frontier --resume -o frontier/
    """
    from eyebright.cli.show import Show
    from eyebright.cli.train import read

    with extra("train", "a frontier"):
        from eyebright.compression.frontier import Asked, frontier
        from eyebright.compression.frontier import state as known

    wanted = {name: value for name, value in given.items() if value is not None}
    wanted |= {name: several(name, wanted[name], kind) for name, kind in OPTIONS.items() if name in wanted}
    if promised is not None:
        wanted["minutes"] = options.minutes(promised)
    if keys or teacher:
        wanted["keys"] = options.of_sets(keys) | ({"teacher": where(teacher)} if teacher else {})
    show = Show(plain)
    if resume:
        state = known.read(folder)
        source = state.data
        asked = as_begun(state.asked, wanted, folder)
        if data is not None and str(Path(data).absolute()) != source.get("path"):
            raise BadRequest(f"{folder} was begun with other pictures, {source.get('path')}; leave out {data}.")
        if reader:
            raise BadRequest(f"--resume reads the pictures as {folder} was begun; leave out --reader.")
        if "path" not in source:
            raise BadRequest(f"{folder} does not say where its pictures are; it can be gone on with in Python only.")
    else:
        if data is None:
            raise BadRequest("which data? Name a folder, an archive or a table of labeled pictures.")
        if "encoders" not in wanted:
            raise BadRequest("Which networks? Name some with --encoders; `eyebright encoders` lists them.")
        asked = Asked(**wanted)
        source = {"path": str(Path(data).absolute()), "reader": reader}
        known.may_begin(folder, force)
    try:
        found = frontier(
            read(source, show), folder, asked, resume=resume, force=force, anyway=anyway, tell=show, source=source
        )
    except KeyboardInterrupt:
        if (folder / known.NAME).exists():
            show.say(f"Go on with:  eyebright frontier --resume -o {folder}")
        raise
    show.clear()
    tell(found, form)
    return 0


def several(name: str, text: str, kind: Callable[[str], T]) -> tuple[T, ...]:
    """The values of an option with commas between.

    >>> several("widths", "1, .5", float)
    (1.0, 0.5)
    """
    parts = [part.strip() for part in text.split(",")]
    try:
        return tuple(kind(part) for part in parts if part)
    except ValueError:
        what = "whole numbers" if kind is int else "numbers"
        raise BadRequest(f"--{name} takes {what} with commas between; got {text!r}.") from None


def where(teacher: str) -> str:
    """A file by its whole path, since it may be gone on with from elsewhere; else the name of a model that ships."""
    return str(Path(teacher).absolute()) if Path(teacher).exists() else teacher


def as_begun(begun: "Asked", wanted: dict[str, Any], folder: Path) -> "Asked":
    """What was asked at the beginning. Raises BadRequest where something else is now."""
    names = {"minutes": "--time", "keys": "--set or --teacher"}
    for key, value in wanted.items():
        if getattr(begun, key) != value:
            option = names.get(key, f"--{key}")
            raise BadRequest(f"{folder} was begun with another {option}; leave it out, or begin in another folder.")
    return begun


def tell(found: "Found", form: str) -> None:
    """The table and what is worth saying, or everything as JSON."""
    from eyebright.cli.encoders import print_table
    from eyebright.compression.frontier.words import HEADER, rows

    if form == "json":
        state = found.state
        said = {"folder": str(found.folder), "points": state.points, "says": state.says, "remarks": state.remarks}
        click.echo(json.dumps(said, ensure_ascii=False))
        return
    print_table(HEADER, rows(found.points, found.frontier), left={1, 8})
    click.echo()
    for sentence in found.state.says:
        click.echo(click.wrap_text(options.one_line(sentence), 98))
    for sentence in found.state.remarks:
        click.echo(click.wrap_text(options.one_line(sentence), 98))
    click.echo(f"Look at it: {found.folder / 'frontier.html'}", err=True)
