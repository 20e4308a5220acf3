"""How good a model is at each of its labels: precision, recall, F1, and how well it ranks."""

import numpy as np
from numpy.typing import NDArray

from eyebright.evaluation.calibration import Floats, calibration_test, expected_calibration_error
from eyebright.evaluation.intervals import DRAWS, Interval, bootstrap_each, uncertain, wilson
from eyebright.evaluation.metrics import WORK, counts, f1, ranked
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
    for itself (`binary`'s second label, `multi`) `ap` and `auroc`; for `multi` also `ece` and `calibration_p`. What no
    picture determines is left out.
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
            figures["f1"] = _figure(uncertain(both[at], max(true, times)), int(known[at]))
        if at >= labels - alone and true > 0:
            of = int(known[at])
            figures |= {name: _figure(one, of) for name, one in ranked(scores[:, at], targets[:, at]).items()}
        if metadata.task == "multi" and known[at]:
            figures |= honest(scores[:, at : at + 1], targets[:, at : at + 1], draws)
        result[label.id] = figures
    return result


def honest(scores: Floats, targets: Floats, draws: int = DRAWS) -> dict[str, Figure]:
    """`ece` and `calibration_p` of one of many labels, scores (N, 1) and targets (N, 1)."""
    known = int((~np.isnan(targets)).sum())
    p = calibration_test(scores, targets, "multi", draws)
    return {
        "ece": _figure(expected_calibration_error(scores, targets, "multi"), known),
        "calibration_p": Figure(p, n=known, method=f"truth drawn {draws} times from the scores"),
    }


def _figure(interval: Interval, n: int) -> Figure:
    return Figure(interval.value, interval.low, interval.high, n, interval.method)
