"""`eyebright inspect`: the card of a model file."""

import json
from typing import TYPE_CHECKING, Any

import click

from eyebright.cli import options

if TYPE_CHECKING:
    from eyebright.modelfile import ModelFile


@click.command(no_args_is_help=False)
@click.argument("model", required=False, type=click.Path(readable=False))
@click.option("--labels", is_flag=True, help="Also list every label, under what stands above it.")
@click.option("--card", is_flag=True, help="Print the model card as Markdown.")
@click.option("--schema", is_flag=True, help="Print the JSON schema of the metadata instead.")
@options.text_or_json
def command(model: str | None, labels: bool, card: bool, schema: bool, form: str) -> int:
    """Show the card of a model file: what it names, how well, from what it was made.

    \b
      eyebright inspect
      eyebright inspect mine.onnx --format json
      eyebright inspect mine.onnx --card > CARD.md
    """
    import msgspec

    from eyebright import modelfile, models

    if schema:
        click.echo(json.dumps(modelfile.schema(), indent=1))
        return 0
    file = modelfile.read(models.path(model))
    if form == "json":
        metadata: dict[str, Any] = json.loads(msgspec.json.encode(file.metadata))
        found = {"operators": dict(file.contents.operators.most_common()), "values": file.contents.values}
        sizes = {"size_bytes": file.stored_bytes, "unpacked_bytes": len(file.data)}
        entry = {"path": file.path, **sizes, "sha256": file.sha256, "graph": found}
        click.echo(json.dumps({**entry, "metadata": metadata}, ensure_ascii=False))
        return 0
    if card:
        from eyebright.evaluation.report.card import markdown

        click.echo(markdown(file), nl=False)
        return 0
    tell(file, labels)
    return 0


def tell(file: "ModelFile", labels: bool) -> None:
    """The card for a terminal."""
    metadata_, card = file.metadata, file.metadata.card
    spec = metadata_.input
    crop = f"the middle {spec.crop:.1%} of the shorter side" if spec.crop else "the whole picture, stretched"
    if spec.crop == 1:
        crop = "the centered square"
    parts = [f"{len(metadata_.labels):,} labels"] + (
        [f"{len(metadata_.hierarchy):,} above them"] * bool(metadata_.hierarchy)
    )
    whole = f" packed, {len(file.data) / 1e6:.2f} MB unpacked" if file.stored_bytes != len(file.data) else ""
    rows = [
        ("", card.description),
        ("task", f"{metadata_.task}, {', '.join(parts)}"),
        ("input", f"{spec.size} x {spec.size} pixels: {crop}, {spec.interpolation}"),
        ("sizes", ", ".join(map(str, spec.sizes))),
        ("file", f"{file.stored_bytes / 1e6:.2f} MB{whole}, {card.precision}, format {metadata_.format}"),
        ("parameters", f"{card.parameters:,}" if card.parameters else ""),
        ("calibration", card.calibration),
        (
            "thresholds",
            f"{len(metadata_.thresholds)} set in the file" if metadata_.thresholds else "0.6 for a statement",
        ),
        ("none of these", metadata_.abstain.basis if metadata_.abstain else "not taught"),
        ("does not know", card.limits),
        ("data", card.data),
        ("made from", "; ".join(card.lineage)),
        ("licence", card.licence),
        *((name, _figure(figure)) for name, figure in card.metrics.items()),
        *(("latency", f"{x.ms_p50:g} ms, {x.threads} thread(s), {x.runtime}, {x.device}") for x in card.latencies),
        ("sha256", file.sha256),
    ]
    click.echo(click.style(options.one_line(metadata_.name), bold=True))
    for name, text in rows:
        if text:
            click.echo(_wrapped(name, text))
    if labels:
        _tree(file.metadata)


def _figure(figure: Any) -> str:
    interval = f" ({figure.low:.3f} to {figure.high:.3f})" if figure.low is not None else ""
    rest = [f"n = {figure.n:,}"] * bool(figure.n) + [figure.method] * bool(figure.method)
    return ", ".join([f"{figure.value:.3f}{interval}", *rest])


def _wrapped(name: str, text: str) -> str:
    indent = " " * 20 if name else "  "
    return click.wrap_text(options.one_line(text), 98, f"  {name:<18}" if name else "  ", indent)


def _tree(metadata: Any) -> None:
    """Labels under their parents, as an indented outline."""
    below: dict[str | None, list[Any]] = {}
    for node in (*metadata.hierarchy, *metadata.labels):
        below.setdefault(node.parent, []).append(node)
    inner = {node.id for node in metadata.hierarchy}

    def show(parent: str | None, depth: int) -> None:
        for node in sorted(below.get(parent, ()), key=lambda node: (node.id not in inner, node.label.lower())):
            label = options.one_line(node.label)
            click.echo("  " * depth + "  " + (click.style(label, bold=True) if node.id in inner else label))
            if node.id in inner:
                show(node.id, depth + 1)

    click.echo()
    show(None, 0)
