"""How good a model is at each of its labels: precision, recall, F1, and how well it ranks."""

import numpy as np
from numpy.typing import NDArray

from eyebright.evaluation.calibration import Floats
from eyebright.evaluation.intervals import DRAWS, Interval, Weights, bootstrap_each, wilson
from eyebright.evaluation.metrics import WORK, area_under_roc, average_precision, counts, f1
from eyebright.labels import SURE
from eyebright.modelfile import Figure, Metadata


def given(scores: Floats, metadata: Metadata) -> NDArray[np.bool_]:
    """(N, L): which labels a model gives: the best one of each picture, or for `multi` all that reach their threshold.

    For `binary` the threshold of the label that is looked for decides.
    """
    needed = np.array([metadata.thresholds.get(label.id, SURE) for label in metadata.labels])
    if metadata.task == "multi":
        return np.asarray(scores >= needed)
    if metadata.task == "binary" and metadata.labels[1].id in metadata.thresholds:
        positive = scores[:, 1] >= needed[1]
        return np.stack([~positive, positive], axis=1)
    return np.asarray(np.eye(scores.shape[1], dtype=bool)[np.argmax(scores, axis=1)])


def per_class(scores: Floats, targets: Floats, metadata: Metadata) -> dict[str, dict[str, Figure]]:
    """Label id -> `precision` (n: pictures that were given it), `recall` (n: that have it), `f1`, and where it stands
    for itself (`binary`'s second label, `multi`) `ap` and `auroc`. What no picture determines is left out.
    """
    said = given(scores, metadata)
    found = counts(said, targets)
    n, labels = scores.shape
    known = (~np.isnan(targets)).sum(axis=0)
    draws = min(max(WORK // max(n * labels, 1), 100), DRAWS)
    both = bootstrap_each(lambda weights: f1(said, targets, weights), n, draws)
    alone = {"single": 0, "binary": 1, "multi": labels}[metadata.task]
    result = {}
    for at, label in enumerate(metadata.labels):
        right, true, times = (round(float(part[0, at])) for part in found)
        figures: dict[str, Figure] = {}
        if times:
            figures["precision"] = _figure(wilson(right, times), times)
        if true:
            figures["recall"] = _figure(wilson(right, true), true)
        if true or times:
            figures["f1"] = _figure(both[at], int(known[at]))
        if at >= labels - alone and true > 0:
            figures |= ranked(scores[:, at], targets[:, at], draws)
        result[label.id] = figures
    return result


def ranked(scores: Floats, targets: Floats, draws: int = DRAWS) -> dict[str, Figure]:
    """`ap` and `auroc` of one label, scores (N,) and targets (N,), whatever its threshold."""

    def each(weights: Weights) -> NDArray[np.float64]:
        return np.stack([average_precision(scores, targets, weights), area_under_roc(scores, targets, weights)], axis=1)

    known = int((~np.isnan(targets)).sum())
    found = zip(("ap", "auroc"), bootstrap_each(each, len(scores), draws), strict=True)
    return {name: _figure(interval, known) for name, interval in found if not np.isnan(interval.value)}


def _figure(interval: Interval, n: int) -> Figure:
    return Figure(interval.value, interval.low, interval.high, n, interval.method)
