"""All that is found out about a model from its answers to pictures with known labels: figures, and where it fails.

What a report shows and `evaluate --format json` prints is computed here, once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from eyebright.evaluation import abstain, calibration, conformal, confusions, levels, metrics, outside, slices
from eyebright.evaluation.answers import Answers
from eyebright.evaluation.calibration import Floats, Reliability
from eyebright.evaluation.intervals import bootstrap, uncertain, wilson
from eyebright.evaluation.per_class import per_class
from eyebright.labels import Hierarchy
from eyebright.modelfile import Figure, Metadata
from eyebright.recognize.silence import NEEDS, limit_for, threshold_for

Values = NDArray[np.float64]

PAIRS = 12
GROUPED = 1000
"""Labels that are still put into groups, which takes the cube of their number."""
COVERAGES = (0.8, 0.9, 0.95, 0.99)
ACCURACIES = (0.9, 0.95, 0.98, 0.99)
"""For which it is told how many pictures could be answered."""


@dataclass(frozen=True)
class Judgement:
    """What a model is worth on some pictures; what has no meaning for its task is empty or None."""

    metadata: Metadata
    answers: Answers
    figures: dict[str, Figure]
    per_class: dict[str, dict[str, Figure]]
    uncooled: dict[str, Figure]
    """nll, brier and ece without the model file's temperature."""
    reliability: Reliability
    levels: list[levels.Level]
    related: tuple[int, int]
    """Mistakes under the right parent, and all mistakes."""
    table: NDArray[np.int64]
    """(L, L): the confusion matrix."""
    pairs: list[confusions.Pair]
    groups: list[list[int]]
    curve: abstain.Curve | None
    answered: dict[float, float]
    """Accuracy -> share of these pictures that can be answered so well."""
    promised: dict[float, dict[str, Figure]]
    """Accuracy that the model file promises -> what came of it here: `accuracy`, `coverage`."""
    sets: dict[float, dict[str, Figure]]
    """Coverage that is asked for -> `set_coverage`, `set_size`."""
    sets_by_label: list[Figure | None]
    """Of each label, how often sets of coverage 0.9 hold it."""
    refused: Figure | None
    """Of these pictures, which are its own, of how many it says none of these."""
    slices: list[slices.Slice]

    @property
    def scores(self) -> Floats:
        return self.answers.outputs["scores"]

    @property
    def targets(self) -> Floats:
        return self.answers.targets


def needed(metadata: Metadata, outputs: tuple[str, ...]) -> list[str]:
    """The outputs that a judgement is made from, of those that a model has."""
    wanted = ["scores", "logits", *([NEEDS[metadata.abstain.method]] if metadata.abstain else [])]
    return [name for name in dict.fromkeys(wanted) if name in outputs]


def judge(answers: Answers, metadata: Metadata, columns: Mapping[str, list[str]] | None = None) -> Judgement:
    """The judgement of a model's answers; `columns` of a table of slices, a value for each picture."""
    scores, targets, task = answers.outputs["scores"], answers.targets, metadata.task
    one = task != "multi"
    hierarchy = Hierarchy.of(metadata)
    figures = metrics.figures(scores, targets, task) | metrics.honesty(scores, targets, task)
    if one:
        risk = uncertain(bootstrap(abstain.risk(scores, targets), len(scores)), len(scores))
        figures["aurc"] = Figure(risk.value, risk.low, risk.high, len(scores), risk.method)
    curve = abstain.curve(scores, targets) if one else None
    table = metrics.confusion(scores, targets) if one else np.zeros((0, 0), np.int64)
    return Judgement(
        metadata=metadata,
        answers=answers,
        figures=figures,
        per_class=per_class(scores, targets, metadata),
        uncooled=uncooled(answers, metadata),
        reliability=calibration.reliability(scores, targets, task),
        levels=levels.levels(scores, targets, hierarchy) if one else [],
        related=levels.related(scores, targets, hierarchy) if one else (0, 0),
        table=table,
        pairs=confusions.pairs(table, PAIRS),
        groups=confusions.groups(table) if one and len(table) <= GROUPED else [],
        curve=curve,
        answered={accuracy: abstain.answerable(curve, accuracy) for accuracy in ACCURACIES} if curve else {},
        promised=promised(scores, targets, metadata),
        sets=label_sets(scores, targets, metadata),
        sets_by_label=conformal.by_label(scores, targets, metadata.sets, limit_for(metadata, 0.9))
        if metadata.sets and metadata.sets.coverages[-1] >= 0.9
        else [],
        refused=refused(answers, metadata),
        slices=judged_slices(scores, targets, metadata, columns) if columns else [],
    )


def uncooled(answers: Answers, metadata: Metadata) -> dict[str, Figure]:
    """nll, brier and ece of the logits as they are; empty where the model gives none."""
    if "logits" not in answers.outputs or metadata.temperature is None:
        return {}
    scores = calibration.activate(answers.outputs["logits"], metadata.task)
    found = metrics.honesty(scores, answers.targets, metadata.task)
    error = calibration.expected_calibration_error(scores, answers.targets, metadata.task)
    found["ece"] = Figure(error.value, error.low, error.high, len(scores), error.method)
    return found


def promised(scores: Floats, targets: Floats, metadata: Metadata) -> dict[float, dict[str, Figure]]:
    """What came of each promise of the model file on these pictures."""
    confidence, right = np.max(scores, axis=1), metrics.hits(scores, targets)
    found = {}
    for promise in metadata.selective:
        answered = confidence >= threshold_for(metadata, promise.accuracy).threshold
        coverage = share(int(answered.sum()), len(answered))
        accuracy = share(int(right[answered].sum()), int(answered.sum()))
        if coverage and accuracy:
            found[promise.accuracy] = {"accuracy": accuracy, "coverage": coverage}
    return found


def label_sets(scores: Floats, targets: Floats, metadata: Metadata) -> dict[float, dict[str, Figure]]:
    """What label sets of some coverages do on these pictures."""
    if metadata.sets is None:
        return {}
    return {
        coverage: conformal.figures(scores, targets, metadata.sets, limit_for(metadata, coverage))
        for coverage in COVERAGES
        if coverage <= metadata.sets.coverages[-1]
    }


def refused(answers: Answers, metadata: Metadata) -> Figure | None:
    """Of how many of these pictures, all of which have a label that it knows, it says none of these."""
    if metadata.abstain is None or NEEDS[metadata.abstain.method] not in answers.outputs:
        return None
    found = outside.refused(metadata.abstain, answers.outputs)
    return Figure(found.value, found.low, found.high, len(answers.items), found.method)


def judged_slices(
    scores: Floats, targets: Floats, metadata: Metadata, columns: Mapping[str, list[str]]
) -> list[slices.Slice]:
    """The main figure of each slice: top1, or ap or map where that is the task's."""
    right = metrics.hits(scores, targets)

    def figure(inside: NDArray[np.bool_]) -> Figure | None:
        if metadata.task == "single":
            return share(int(right[inside].sum()), int(inside.sum()))
        found = metrics.figures(scores[inside], targets[inside], metadata.task)
        return found.get("ap" if metadata.task == "binary" else "map")

    return slices.judged(dict(columns), figure, right.astype(np.float64) if metadata.task == "single" else None)


def share(right: int, n: int) -> Figure | None:
    if n == 0:
        return None
    found = wilson(right, n)
    return Figure(found.value, found.low, found.high, n, found.method)


def as_json(judgement: Judgement) -> dict[str, Any]:
    """DESIGN's shape: figures by name and `per_class`; beside them what was found besides."""
    labels = judgement.metadata.labels
    plain = msgspec.to_builtins
    entry: dict[str, Any] = {name: plain(figure) for name, figure in judgement.figures.items()}
    entry["per_class"] = plain(judgement.per_class)
    if judgement.uncooled:
        entry["without_temperature"] = plain(judgement.uncooled)
    if judgement.levels:
        entry["levels"] = [
            {"depth": level.depth, "groups": level.groups, "top1": plain(level.right)} for level in judgement.levels
        ]
    if judgement.pairs:
        entry["confused"] = [
            {"label": labels[pair.true].id, "taken_for": labels[pair.said].id, "times": pair.times, "of": pair.of}
            for pair in judgement.pairs
        ]
    if judgement.answered:
        entry["answered_at"] = {f"{accuracy:g}": part for accuracy, part in judgement.answered.items()}
    if judgement.promised:
        entry["promised"] = {f"{accuracy:g}": plain(figures) for accuracy, figures in judgement.promised.items()}
    if judgement.sets:
        entry["sets"] = {f"{coverage:g}": plain(figures) for coverage, figures in judgement.sets.items()}
    if judgement.refused:
        entry["none_of_these"] = plain(judgement.refused)
    if judgement.slices:
        entry["slices"] = [
            {
                "column": one.column,
                "value": one.value,
                "figure": plain(one.figure),
                "less_the_rest": {key: _number(getattr(one.rest, key)) for key in ("value", "low", "high")},
            }
            for one in judgement.slices
        ]
    entry["failed"] = list(judgement.answers.failed)
    return entry


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value
