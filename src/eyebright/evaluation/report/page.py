"""The report of a judgement: one page that is whole in itself, for eyes and for screen readers.

Sections come from functions of one name each; what a model's task or file does not have is left out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from eyebright import htmlpage
from eyebright.data import Dataset
from eyebright.data.thumbnail import thumbnail
from eyebright.evaluation.calibration import Floats
from eyebright.evaluation.intervals import wilson
from eyebright.evaluation.judgement import Judgement
from eyebright.evaluation.report import charts, tables
from eyebright.evaluation.report.charts import Axis, Series
from eyebright.evaluation.report.tables import section, table
from eyebright.evaluation.report.verdict import headline, percent, sentences, shown
from eyebright.modelfile import Figure

PICTURES = 12
"""Mistakes of each kind that are shown."""
SIDE = 132
MATRIX = 40
"""Labels of a confusion matrix that is still drawn."""
ROWS = 400
"""Labels whose row is on the page; all are in report.json."""
MEANINGS = {
    "top1": "the first answer is right",
    "top5": "the right one is among five",
    "balanced_accuracy": "mean over labels, so that rare ones count as much",
    "ap": "average precision of yes",
    "map": "average precision, mean over labels",
    "map_micro": "average precision of all answers in one row, so that common labels count more",
    "ece": "how far scores are from being right that often",
    "nll": "how much the truth surprises it, in nats",
    "brier": "the same as a squared distance",
    "calibration_p": "under 0.05, scores do not mean what they say",
    "aurc": "share of wrong answers, mean over how many are answered",
}


@dataclass(frozen=True)
class Facts:
    """What the answers alone do not tell."""

    split: str
    size_bytes: int
    sha256: str
    command: str
    machine: str
    version: str
    latency: Figure | None = None
    macs: int | None = None
    audit: Sequence[str] = ()
    """A sentence for each finding."""


def page(judgement: Judgement, data: Dataset, facts: Facts) -> str:
    """The whole report; `data` has the pictures that were judged, in the model's labels."""
    name = judgement.metadata.name
    told = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences(judgement))
    split = "all splits" if facts.split == "all" else f"{facts.split} split"
    parts = (
        figures(judgement),
        mistakes(judgement, data),
        confusion(judgement),
        levels(judgement),
        ranking(judgement),
        labels(judgement),
        calibration(judgement),
        silence(judgement),
        slices(judgement),
        cost(facts),
        audit(facts),
        reproduce(judgement, data, facts),
    )
    body = f"""<main>
<h1>{escape(name)}</h1>
<p>Judged by {len(judgement.answers.items):,} pictures of {escape(data.name)}, {split}. In brackets: 95% intervals.</p>
<p class="headline">{escape(headline(judgement))}</p>
<ul>{told}</ul>
{"".join(parts)}
</main>"""
    return htmlpage.page(f"{name}: report", body, STYLE + charts.STYLE + tables.STYLE, tables.SORTING)


def figures(judgement: Judgement) -> str:
    rows = [
        (escape(key), shown(figure), escape(MEANINGS.get(key, "")), escape(figure.method))
        for key, figure in judgement.figures.items()
    ]
    return section("Figures", table(("figure", "value", "meaning", "interval by"), rows, texts=(2, 3)))


def mistakes(judgement: Judgement, data: Dataset) -> str:
    """Pictures that it got wrong: those it was surest of, and those whose truth it held for least likely."""
    found = missed_and_made_up(judgement) if judgement.metadata.task == "multi" else surest_and_worst(judgement)
    parts = "".join(
        f"<h3>{title}</h3><ul class=pictures>{''.join(_pictures(judgement, data, rows))}</ul>"
        for title, rows in found.items()
        if rows
    )
    return section("Mistakes", parts or "<p>There are none.</p>")


def surest_and_worst(judgement: Judgement) -> dict[str, list[tuple[int, str]]]:
    """Title -> rows of pictures, of which only one label is true, and a text for each."""
    known = [label.label for label in judgement.metadata.labels]
    scores = judgement.scores
    said, true = scores.argmax(axis=1), judgement.targets.argmax(axis=1)
    wrong = np.flatnonzero(said != true)

    def about(row: int) -> str:
        return f"{known[said[row]]} {scores[row, said[row]]:.2f}, is {known[true[row]]} {scores[row, true[row]]:.2f}"

    surest = wrong[np.argsort(-scores[wrong, said[wrong]], kind="stable")][:PICTURES].tolist()
    worst = wrong[np.argsort(scores[wrong, true[wrong]], kind="stable")].tolist()
    others = [row for row in worst if row not in set(surest)][:PICTURES]
    return {
        "It was surest of these": [(row, about(row)) for row in surest],
        "Of the rest, it held the truth for least likely here": [(row, about(row)) for row in others],
    }


def missed_and_made_up(judgement: Judgement) -> dict[str, list[tuple[int, str]]]:
    """The same where many labels may be true: those it said wrongly, and those it did not say."""
    known = [label.label for label in judgement.metadata.labels]
    scores, targets = judgement.scores, judgement.targets
    made_up = np.where(targets == 0, scores, -1)
    missed = np.where(targets == 1, 1 - scores, -1)

    def worst(values: Floats, told: str) -> list[tuple[int, str]]:
        places = [divmod(at, len(known)) for at in np.argsort(-values, axis=None, kind="stable")[:PICTURES].tolist()]
        return [(row, f"{known[at]} {scores[row, at]:.2f}, {told}") for row, at in places if values[row, at] > 0]

    return {"Said, and not there": worst(made_up, "not there"), "There, and not said": worst(missed, "there")}


def _pictures(judgement: Judgement, data: Dataset, rows: Sequence[tuple[int, str]]) -> Iterator[str]:
    for row, about in rows:
        item = judgement.answers.items[row]
        caption = f"{escape(about)}<br><small>{escape(item.name)}</small>"
        yield f"<li><figure>{thumbnail(data, item, about, SIDE)}<figcaption>{caption}</figcaption></figure></li>"


def confusion(judgement: Judgement) -> str:
    """The matrix with mixed-up labels side by side where it can be drawn; pairs and groups always."""
    if judgement.metadata.task != "single" or not judgement.pairs:
        return ""
    known = [label.label for label in judgement.metadata.labels]
    order = [label for group in judgement.groups for label in group]
    drawn = ""
    if len(known) <= MATRIX:
        rows = judgement.table[np.ix_(order, order)].tolist()
        worst = judgement.pairs[0]
        said = (
            f"Confusion matrix of {len(known)} labels; the commonest mistake: {worst.times} of {worst.of} "
            f"{known[worst.true]} taken for {known[worst.said]}."
        )
        drawn = '<div class="wide" tabindex="0" role="region" aria-label="Confusion matrix">'
        drawn += f"{charts.matrix(rows, [known[at] for at in order], said)}</div>"
        drawn += "<p>Rows are what is true, columns what was said; labels that are mixed up stand side by side.</p>"
    pairs = [(escape(known[one.true]), escape(known[one.said]), f"{one.times} of {one.of}") for one in judgement.pairs]
    mixed = [group for group in judgement.groups if len(group) > 1]
    groups = "".join(f"<li>{escape(', '.join(known[at] for at in group))}</li>" for group in mixed[:PICTURES])
    told = f"<p>Mixed up among themselves:</p><ul>{groups}</ul>" if groups else ""
    return section("Taken for another", drawn + told + table(("is", "was taken for", "times"), pairs, texts=(1,)))


def levels(judgement: Judgement) -> str:
    if not judgement.levels:
        return ""
    rows = [(str(one.depth), f"{one.groups:,}", shown(one.right)) for one in judgement.levels]
    rows.append(("labels", f"{len(judgement.metadata.labels):,}", shown(judgement.figures["top1"])))
    return section("How wrong its mistakes are", table(("level", "groups", "right"), rows))


def ranking(judgement: Judgement) -> str:
    """Of yes or no: precision over recall, the ROC, and where the threshold stands."""
    if judgement.metadata.task != "binary" or "ap" not in judgement.figures:
        return ""
    scores, truth = judgement.scores[:, 1], judgement.targets[:, 1]
    order = np.argsort(-scores, kind="stable")
    step = np.flatnonzero(np.diff(scores[order], append=-np.inf))
    right = np.cumsum(truth[order])[step]
    recall, precision = right / truth.sum(), right / (step + 1)
    ap = judgement.figures["ap"]
    drawn = charts.plot(
        [Series("precision", recall.tolist(), precision.tolist())],
        Axis("recall"),
        Axis("precision"),
        f"Precision over recall; average precision {shown(ap)}.",
    )
    negatives = len(truth) - truth.sum()
    roc = ""
    if negatives:
        wrong = (step + 1 - right) / negatives
        auroc = judgement.per_class[judgement.metadata.labels[1].id].get("auroc")
        roc = charts.plot(
            [Series("found", [0.0, *wrong.tolist()], [0.0, *recall.tolist()])],
            Axis("share of no that is called yes"),
            Axis("share of yes that is found"),
            f"ROC curve; area {shown(auroc) if auroc else ''}.",
            ideal=True,
        )
    return section("Yes or no", f'<div class="beside">{drawn}{roc}</div>')


def labels(judgement: Judgement) -> str:
    """The table of labels, sorted by any column when a head is pressed."""
    columns = [
        name
        for name in ("precision", "recall", "f1", "ap", "auroc", "ece", "calibration_p")
        if any(name in figures for figures in judgement.per_class.values())
    ]
    thresholds, held = judgement.metadata.thresholds, judgement.sets_by_label
    more = [*(["threshold"] if thresholds else []), *(["in sets of 0.9"] if held else [])]
    rows = []
    for at, label in enumerate(judgement.metadata.labels[:ROWS]):
        found = judgement.per_class[label.id]
        count = int(np.nansum(judgement.targets[:, at]))
        cells = [shown(found[name]) if name in found else "" for name in columns]
        if thresholds:
            cells.append(f"{thresholds[label.id]:.3f}" if label.id in thresholds else "")
        if held:
            one = held[at]
            cells.append(shown(one) if one else "")
        rows.append((escape(label.label), f"{count:,}", *cells))
    rest = len(judgement.metadata.labels) - ROWS
    note = f"<p>And {rest:,} more labels, in report.json.</p>" if rest > 0 else ""
    return section("Labels", table(("label", "pictures", *columns, *more), rows, sorts=True) + note)


def calibration(judgement: Judgement) -> str:
    """The reliability diagram, and what the temperature did."""
    found = judgement.reliability
    if not len(found.answers):
        return ""
    spread = []
    for right, count in zip(found.right.tolist(), found.answers.tolist(), strict=True):
        bounds = wilson(round(right * count), round(count))
        spread.append((bounds.low, bounds.high))
    said = "; ".join(
        f"of {count:.0f} answers with {confidence:.2f}, {right:.0%} were right"
        for count, confidence, right in zip(found.answers, found.confidence, found.right, strict=True)
    )
    drawn = charts.plot(
        [Series("right", found.confidence.tolist(), found.right.tolist(), spread)],
        Axis("score of the answer"),
        Axis("share that is right"),
        f"Reliability diagram: {said}.",
        ideal=True,
    )
    rows = [
        (name, shown(judgement.uncooled[name]), shown(judgement.figures[name]))
        for name in ("nll", "brier", "ece")
        if name in judgement.uncooled and name in judgement.figures
    ]
    effect = table(("", "without temperature", "with it"), rows) if rows else ""
    note = f"<p>Temperature: {escape(judgement.metadata.card.calibration)}. Points should lie on the broken line.</p>"
    return section("Can its scores be believed?", f'<div class="beside">{drawn}<div>{effect}{note}</div></div>')


def silence(judgement: Judgement) -> str:
    """Coverage and accuracy, promises, sets, none of these."""
    if judgement.curve is None:
        return ""
    curve = judgement.curve
    some = np.unique(np.linspace(0, len(curve.coverage) - 1, 200).astype(int))
    low = float(np.floor(curve.accuracy.min() * 10) / 10)
    drawn = charts.plot(
        [Series("accuracy", curve.coverage[some].tolist(), curve.accuracy[some].tolist())],
        Axis("share of pictures that are answered"),
        Axis("share of answers that is right", min(low, 0.9)),
        "Accuracy over coverage: "
        + "; ".join(f"{part:.0%} answered with {accuracy:.0%} right" for accuracy, part in judgement.answered.items())
        + ".",
    )
    rows = [
        (f"{accuracy:g}", shown(found["accuracy"]), percent(found["coverage"]))
        for accuracy, found in judgement.promised.items()
    ]
    parts = ""
    if rows:
        parts += "<h3>Promises of the model file</h3>" + table(("asked (--abstain)", "came true", "answered"), rows)
    rows = [
        (f"{coverage:g}", shown(found["set_coverage"]), f"{found['set_size'].value:.2f}")
        for coverage, found in judgement.sets.items()
    ]
    if rows:
        parts += "<h3>Sets of labels</h3>" + table(("asked (--set-coverage)", "holds the right one", "labels"), rows)
    if judgement.refused:
        parts += f"<p>Of these pictures it calls {percent(judgement.refused)} none of its labels (--none-of-these).</p>"
    return section("When it should say nothing", f'<div class="beside">{drawn}<div>{parts}</div></div>')


def slices(judgement: Judgement) -> str:
    if not judgement.slices:
        return ""
    rows = []
    for one in judgement.slices:
        apart = f"{one.rest.value:+.3f}"
        if not np.isnan(one.rest.low):
            apart += f" ({one.rest.low:+.3f} to {one.rest.high:+.3f})"
        rows.append((escape(one.column), escape(one.value), f"{one.figure.n:,}", shown(one.figure), apart))
    heads = ("slice", "value", "pictures", "figure", "less the rest")
    return section("Slices", table(heads, rows, texts=(1,), sorts=True))


def cost(facts: Facts) -> str:
    rows = [("file", f"{facts.size_bytes / 1e6:.2f} MB")]
    if facts.macs is not None:
        rows.append(("multiply-adds a picture", f"{facts.macs / 1e6:,.0f} M"))
    if facts.latency is not None:
        rows.append(("time a picture", f"{facts.latency.value:.2f} ms ({escape(facts.latency.method)})"))
    rows.append(("machine", escape(facts.machine)))
    return section("What it costs", table(("", ""), rows, texts=(1,), name="Cost"))


def audit(facts: Facts) -> str:
    if not facts.audit:
        return ""
    found = "".join(f"<li>{escape(sentence)}</li>" for sentence in facts.audit)
    return section("What the audit of the data found", f"<ul>{found}</ul>")


def reproduce(judgement: Judgement, data: Dataset, facts: Facts) -> str:
    left_out = "".join(f"<li>{escape(sentence)}</li>" for sentence in judgement.answers.failed)
    rows = [
        ("eyebright", escape(facts.version)),
        ("model file, sha256", f"<code>{facts.sha256}</code>"),
        ("data, by names and labels", f"<code>{data.content_hash}</code>"),
        ("learned from", escape(judgement.metadata.card.data or "not said")),
    ]
    unread = f"<p>Could not be read:</p><ul>{left_out}</ul>" if left_out else ""
    command = f"<pre>{escape(facts.command)}</pre>"
    return section("Again", command + table(("", ""), rows, texts=(1,), name="What was judged") + unread)


STYLE = """
.headline { font-size: 1.25rem; }
section { border-top: 1px solid var(--faint); margin-top: 1.5rem; }
figure { width: 132px; }
.beside { display: flex; flex-wrap: wrap; gap: 1rem 2rem; align-items: start; }
.beside > * { flex: 1 1 20rem; min-width: 0; }
code { font-size: .8rem; overflow-wrap: anywhere; white-space: normal; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; }
"""
