"""What the verbs share that shrink a model: what may be lost, the verdict on the screen, the file or none."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eyebright.cli import options
from eyebright.errors import BadRequest, Refused

if TYPE_CHECKING:
    from eyebright.compression.contract import Judged
    from eyebright.evaluation.drop import Allowed

strict = click.option("--strict", is_flag=True, help="Write only what is proved to be within that.")


def allowed(max_drop: float, max_class_drop: float) -> "Allowed":
    from eyebright.evaluation.drop import Allowed

    for name, value in (("--max-drop", max_drop), ("--max-class-drop", max_class_drop)):
        if not 0 <= value <= 100:
            raise BadRequest(f"{name} is in percentage points, 0 to 100; {value:g} is not.")
    return Allowed(max_drop / 100, max_class_drop / 100)


def write(
    judged: "Judged", steps: Sequence[str], output: Path, html: Path | None, form: str, strict: bool, part: str
) -> None:
    """Both models side by side, the verdict, and the file if it holds. Raises Refused where it does not."""
    show(judged, steps, html, form, part)
    held(judged, steps, form, lambda: judged.must_hold(strict))
    options.write_bytes(output, judged.after.file.data)
    say(judged, steps, output, form)


def show(judged: "Judged", steps: Sequence[str], html: Path | None, form: str, part: str) -> None:
    """Both models side by side, on the screen and as a page, and what was done."""
    from eyebright.cli import compare
    from eyebright.evaluation.compare.page import page

    if html:
        text = page(judged.found, judged.data, judged.data.targets(), judged.before, judged.after, part)
        options.write_bytes(html, text.encode("utf-8", "replace"))
    if form == "text":
        compare.tell(judged.found, judged.data, judged.before, judged.after, part)
        click.echo()
        for step in steps:
            click.echo(f"- {options.one_line(step)}")
        click.echo()


def held(judged: "Judged", steps: Sequence[str], form: str, must_hold: Callable[[], None]) -> None:
    """Raise Refused where `must_hold` does; as JSON the comparison is told all the same."""
    try:
        must_hold()
    except Refused:
        if form == "json":
            click.echo(json.dumps({"model": None, **as_json(judged, steps)}, ensure_ascii=False))
        raise


def say(judged: "Judged", steps: Sequence[str], output: Path, form: str) -> None:
    """What was written, and the verdict."""
    if form == "json":
        click.echo(json.dumps({"model": str(output), **as_json(judged, steps)}, ensure_ascii=False))
        return
    click.echo(click.wrap_text(options.one_line(judged.sentence), 98))
    size, before = judged.after.file.stored_bytes, judged.before.file.stored_bytes
    click.echo(f"{output}: {size / 1e6:.2f} MB, {size / before:.2f} of before")


def as_json(judged: "Judged", steps: Sequence[str]) -> dict[str, Any]:
    """The comparison as `eyebright compare` prints it, with the verdict and each label that was judged."""
    from eyebright.cli import compare

    verdict, labels = judged.verdict, judged.data.labels

    def drop(one: Any) -> dict[str, Any]:
        return {
            "verdict": one.word,
            "before": one.before,
            "difference": one.change._asdict(),
            "bound": one.bound,
            "allowed": one.allowed,
            "n": one.pictures,
            "needed": one.needed,
        }

    return {
        "verdict": verdict.word,
        "sentence": judged.sentence,
        "measure": verdict.measure,
        "drop": drop(verdict.whole),
        "labels": {labels[at].id: drop(one) for at, one in verdict.labels.items()},
        "not_judged": [labels[at].id for at in verdict.listed],
        "steps": list(steps),
        "comparison": compare.as_json(judged.found, judged.data, judged.data.targets(), judged.before, judged.after),
    }


Command = Callable[..., Any]


def of_contract(
    points: float = 0.5, page: str = "Write a page with the pictures that flip."
) -> Callable[[Command], Command]:
    """--max-drop, by default so many points; --max-class-drop, --strict, and --html, which writes `page`."""
    html = click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help=page)
    max_drop = click.option(
        "--max-drop", type=float, default=points, show_default=True, help="Percentage points that may be lost in all."
    )
    max_class_drop = click.option(
        "--max-class-drop",
        type=float,
        default=3.0,
        show_default=True,
        help="Points that a label with at least 100 pictures may lose.",
    )

    def all_of_them(command: Command) -> Command:
        for option in (html, strict, max_class_drop, max_drop):
            command = option(command)
        return command

    return all_of_them
