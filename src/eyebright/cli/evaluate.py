"""`eyebright evaluate`: how good a model is on pictures whose labels are known."""

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from eyebright.cli import options
from eyebright.errors import BadRequest

if TYPE_CHECKING:
    from eyebright.data import Dataset
    from eyebright.modelfile import Figure, Metadata

ROWS = 50
"""Labels that are listed in text; --format json has all."""
COLUMNS = ("precision", "recall", "f1", "ap", "auroc")


@click.command(name="evaluate")
@click.argument("model", type=click.Path(readable=False))
@click.argument("data", type=click.Path(readable=False))
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test", "all"]),
    default="test",
    show_default=True,
    help="The pictures to judge by; those that it learned from prove nothing.",
)
@click.option("--reader", metavar="NAME", help="The format, where it is detected wrongly: folders, csv, coco ...")
@click.option("--crops", is_flag=True, help="Of COCO and VOC: each box is a picture of its own.")
@options.text_or_json
@options.provider
@options.threads
@options.trust
def command(
    model: str,
    data: str,
    split: str,
    reader: str | None,
    crops: bool,
    form: str,
    provider: str,
    threads: int | None,
    trust: bool,
) -> int:
    """Judge a model file by pictures whose labels are known; every figure has a 95% interval.

    DATA is what `eyebright data show` reads: folders, an archive, a table, annotations.

    \b
      eyebright evaluate run/model.onnx photos/
      eyebright evaluate lite0 photos.zip --split all --format json
    """
    from eyebright import models, selftest, trial
    from eyebright.evaluation.answers import ask, in_terms_of
    from eyebright.evaluation.metrics import figures, honesty
    from eyebright.evaluation.per_class import per_class
    from eyebright.modelfile import read
    from eyebright.runtime import cores

    file = read(models.path(model))
    whole = labeled(data, reader, crops, file.metadata)
    part = whole if split == "all" else whole.part(split)  # type: ignore[arg-type]
    if not part.items:
        have = ", ".join(whole.counts())
        raise BadRequest(f"{whole.name} has no {split} split; it has {have}, and --split all takes every picture.")
    understood = in_terms_of(file.metadata, part)
    if not trust and file.sha256 not in models.SHIPPED.values():
        trial.prove(file)
    runtime, _ = selftest.open_and_check(file, provider)
    answers = ask(understood.data, file, runtime, ["scores"], threads or cores(), progress())
    scores, targets = answers.outputs["scores"], answers.targets
    task = file.metadata.task
    found = figures(scores, targets, task) | honesty(scores, targets, task)
    each = per_class(scores, targets, file.metadata)
    for sentence in (*understood.remarks, *answers.failed):
        click.echo(options.one_line(sentence), err=True)
    if form == "json":
        click.echo(as_json(found, each))
    else:
        click.echo(f"{options.one_line(file.metadata.name)}, on {len(answers.items):,} pictures of", nl=False)
        click.echo(f" {options.one_line(whole.name)}{'' if split == 'all' else f', {split} split'}:")
        tell(found, each, file.metadata)
    return 1 if answers.failed else 0


def labeled(path: str, reader: str | None, crops: bool, metadata: "Metadata") -> "Dataset":
    """The data set; of several labels, the one that a model of yes or no looks for is the yes."""
    from eyebright.data import Dataset

    data = Dataset.read(path, reader, crops=crops)
    if metadata.task == "binary" and data.task == "single":
        wanted = (metadata.labels[1].id, metadata.labels[1].label)
        for label in data.labels:
            if label.id in wanted or label.label in wanted:
                return Dataset.read(path, reader, positive=label.id, crops=crops)
    return data


def progress() -> Callable[[int, int], None]:
    """How far it is, on stderr, for whoever waits at a terminal."""
    if not sys.stderr.isatty():
        return lambda done, total: None

    def told(done: int, total: int) -> None:
        click.echo(f"\r{done:,} of {total:,} seen" + (" \r" if done == total else ""), nl=False, err=True)

    return told


def as_json(found: "dict[str, Figure]", each: "dict[str, dict[str, Figure]]") -> str:
    """DESIGN's shape: one object of figures, and `per_class`."""
    import msgspec

    entry: dict[str, Any] = {key: msgspec.to_builtins(figure) for key, figure in found.items()}
    return json.dumps({**entry, "per_class": msgspec.to_builtins(each)}, ensure_ascii=False)


def tell(found: "dict[str, Figure]", each: "dict[str, dict[str, Figure]]", metadata: "Metadata") -> None:
    from eyebright.cli.encoders import print_table

    for key, figure in found.items():
        click.echo(f"  {key:<18} {shown(figure)}")
    columns = [name for name in COLUMNS if any(name in figures for figures in each.values())]
    lines = []
    for label in metadata.labels[:ROWS]:
        figures = each[label.id]
        pictures = figures["recall"].n if "recall" in figures else 0
        cells = [shown(figures[name]) if name in figures else "" for name in columns]
        lines.append((options.one_line(label.label), f"{pictures:,}", *cells))
    click.echo()
    print_table(("label", "pictures", *columns), lines, left={0})
    if len(metadata.labels) > ROWS:
        click.echo(f"... and {len(metadata.labels) - ROWS:,} more labels: --format json has them all.")


def shown(figure: "Figure") -> str:
    if figure.low is None or figure.high is None:
        return f"{figure.value:.3f}"
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"
