"""`eyebright evaluate`: how good a model is on pictures whose labels are known."""

import json
from typing import TYPE_CHECKING, Any

import click

from eyebright.cli import judging, options

if TYPE_CHECKING:
    from eyebright.modelfile import Figure, Metadata

ROWS = 50
"""Labels that are listed in text; --format json has all."""
COLUMNS = ("precision", "recall", "f1", "ap", "auroc")


@click.command(name="evaluate")
@click.argument("model", type=click.Path(readable=False))
@click.argument("data", type=click.Path(readable=False))
@judging.split
@judging.reader
@judging.crops
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
    from eyebright.evaluation.metrics import figures, honesty
    from eyebright.evaluation.per_class import per_class

    file, runtime = judging.opened(model, provider, trust)
    understood = judging.labeled(data, file.metadata, split, reader, crops).data
    answers = judging.asked(understood, file, runtime, ["scores"], threads)
    scores, targets = answers.outputs["scores"], answers.targets
    task = file.metadata.task
    found = figures(scores, targets, task) | honesty(scores, targets, task)
    each = per_class(scores, targets, file.metadata)
    if form == "json":
        click.echo(as_json(found, each))
    else:
        click.echo(f"{options.one_line(file.metadata.name)}, on {len(answers.items):,} pictures of", nl=False)
        click.echo(f" {options.one_line(understood.name)}{'' if split == 'all' else f', {split} split'}:")
        tell(found, each, file.metadata)
    return 1 if answers.failed else 0


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
