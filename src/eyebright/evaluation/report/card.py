"""A model card in Markdown (Mitchell et al. 2019, arXiv:1810.03993): what a model file says of itself, for people."""

from collections.abc import Iterator, Sequence

from eyebright.evaluation.report.verdict import shown
from eyebright.modelfile import Metadata, ModelFile

LABELS = 100
"""That are named one by one."""


def markdown(file: ModelFile) -> str:
    """The card; what the file does not say is left out, what it should say and does not is named."""
    metadata, card = file.metadata, file.metadata.card
    parts = [f"# {text(metadata.name)}", text(card.description)]
    parts += section("What it does", _what(metadata))
    parts += section("How good it is", _figures(metadata))
    parts += section("Label by label", _labels(metadata))
    parts += section("When it speaks, and when not", _silences(metadata))
    parts += section("What to know before trusting it", _limits(metadata))
    parts += section("How it was made", _made(file))
    return "\n\n".join(part for part in parts if part) + "\n"


def section(title: str, content: Iterator[str]) -> list[str]:
    found = [part for part in content if part]
    return [f"## {title}", *found] if found else []


def _what(metadata: Metadata) -> Iterator[str]:
    kinds = {
        "single": "one label for each picture",
        "binary": "yes or no for each picture",
        "multi": "any number of labels for each picture",
    }
    names = [label.label for label in metadata.labels]
    some = ", ".join(map(text, names[:LABELS])) + (f" and {len(names) - LABELS:,} more" if len(names) > LABELS else "")
    yield f"It gives {kinds[metadata.task]}, out of {len(names):,}: {some}."
    spec = metadata.input
    crop = "the centered square" if spec.crop == 1 else f"the middle square, {spec.crop:.1%} of the shorter side"
    crop = crop if spec.crop else "the whole picture, stretched"
    yield f"It looks at {spec.size} x {spec.size} pixels: {crop}."


def _figures(metadata: Metadata) -> Iterator[str]:
    if not metadata.card.metrics:
        yield "The file does not say. `eyebright evaluate` measures it."
        return
    rows = [(name, shown(figure), f"{figure.n or ''}", figure.method) for name, figure in metadata.card.metrics.items()]
    yield table(("figure", "value, 95% interval", "pictures", "how"), rows)
    yield f"Calibration: {text(metadata.card.calibration)}."


def _labels(metadata: Metadata) -> Iterator[str]:
    each = metadata.card.per_class
    columns = list(dict.fromkeys(name for figures in each.values() for name in figures))
    promises = metadata.promises
    heads = ["label", *columns]
    if metadata.thresholds:
        heads.append("from score")
    if promises:
        heads.append("promised")
    rows = []
    for label in metadata.labels[:LABELS]:
        found = each.get(label.id, {})
        row = [label.label, *(shown(found[name]) if name in found else "" for name in columns)]
        if metadata.thresholds:
            row.append(f"{metadata.thresholds[label.id]:.3f}" if label.id in metadata.thresholds else "")
        if promises:
            promise = promises.get(label.id)
            row.append(f"{promise.goal}: {shown(promise.reached)} on {promise.reached.method}" if promise else "")
        rows.append(row)
    if len(heads) > 1:
        yield table(heads, rows)


def _silences(metadata: Metadata) -> Iterator[str]:
    if metadata.selective:
        rows = [
            (f"{one.accuracy:g}", f"{one.threshold:.3f}", f"{one.coverage:.1%}", one.n) for one in metadata.selective
        ]
        yield "Answers that are right so often, each proved with 95% confidence:"
        yield table(("accuracy", "from score", "pictures answered", "answers that proved it"), rows)
    if metadata.sets:
        yield (
            f"Sets of labels with a stated coverage, up to {metadata.sets.coverages[-1]:g}, "
            f"measured on {metadata.sets.n:,} pictures."
        )
    if metadata.abstain:
        yield f"None of these, by {metadata.abstain.method.replace('_', ' ')}: {text(metadata.abstain.basis)}."
    else:
        yield "It was not taught to say none of these: a picture of something else gets one of its labels."


def _limits(metadata: Metadata) -> Iterator[str]:
    yield text(metadata.card.limits)


def _made(file: ModelFile) -> Iterator[str]:
    card = file.metadata.card
    facts = (
        ("data", card.data),
        ("made from", "; ".join(card.lineage)),
        ("licence", card.licence),
        ("weights", f"{card.parameters:,}, {card.precision}" if card.parameters else card.precision),
        ("size", f"{file.stored_bytes / 1e6:.2f} MB"),
        ("format", f"Eyebright model file {file.metadata.format}"),
        ("sha256", file.sha256),
    )
    yield "\n".join(f"- {name}: {text(value)}" for name, value in facts if value)
    for latency in card.latencies:
        where = f"{text(latency.runtime)}, {latency.threads} threads of {text(latency.device)}"
        yield f"- {latency.ms_p50:g} ms a picture: {where}"


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(text(str(cell)) for cell in line)} |" for line in lines)


def text(words: str) -> str:
    """Words that cannot become markup, another cell or another line."""
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>|#" else sign for sign in " ".join(words.split()))
