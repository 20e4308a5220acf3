"""Logistic regression on embeddings, for a row of costs in one go: each solution is the start of the next.

All labels are fitted together, by softmax for one label a picture and by a sigmoid each for many; what nobody checked
(NaN) does not count. Features are standardized within, so that one cost suits them all.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from eyebright.classifier.fitted import Linear
from eyebright.modelfile import Task

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

COSTS = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1)
"""What a wrong answer costs against large weights, from cautious to bold; scikit-learn calls it C."""
STEPS = 300


def path(
    embeddings: Floats, targets: Floats, task: Task, costs: Sequence[float] = COSTS, weights: Floats | None = None
) -> Iterator[Linear]:
    """A head for each cost, ascending; embeddings (N, D), targets (N, L), weights (N,) of the pictures."""
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    count, width = embeddings.shape
    labels = targets.shape[1]
    weights = np.ones(count, np.float32) if weights is None else weights
    center = embeddings.mean(0, dtype=np.float64)
    deviation = embeddings.std(0, dtype=np.float64)
    scale = 1 / np.where(deviation > 1e-6, deviation, 1)
    z = np.ones((count, width + 1), np.float32)
    z[:, :width] = (embeddings - center) * scale
    known = (~np.isnan(targets) * weights[:, None]).astype(np.float32)
    wanted = np.nan_to_num(targets)
    at = np.zeros(labels * (width + 1))
    for cost in costs:

        def loss(flat: Doubles, cost: float = cost) -> tuple[float, Doubles]:
            """Over all pictures, and its slope."""
            parameters = flat.reshape(labels, width + 1)
            logits = z @ parameters.T.astype(np.float32)
            wrong, slope = (_sigmoid if task == "multi" else _softmax)(logits, wanted, known)
            gradient = (slope.T @ z).astype(np.float64)
            pull = parameters[:, :width] / cost
            gradient[:, :width] += pull
            return (wrong + 0.5 * float((pull * parameters[:, :width]).sum())) / count, gradient.ravel() / count

        with threadpool_limits(1):  # its many small products lose more by sharing than they gain
            at = minimize(loss, at, jac=True, method="L-BFGS-B", options={"maxiter": STEPS, "ftol": 1e-8}).x
        weight = at.reshape(labels, width + 1)[:, :width] * scale
        bias = at.reshape(labels, width + 1)[:, width] - weight @ center
        yield Linear(weight.astype(np.float32), bias.astype(np.float32))


def _softmax(logits: Floats, wanted: Floats, known: Floats) -> tuple[float, Floats]:
    shifted = logits - logits.max(1, keepdims=True)
    rising = np.exp(shifted)
    total = rising.sum(1, keepdims=True)
    weights = known[:, :1]
    loss = -float((weights * wanted * (shifted - np.log(total))).sum(dtype=np.float64))
    return loss, weights * (rising / total - wanted)


def _sigmoid(logits: Floats, wanted: Floats, known: Floats) -> tuple[float, Floats]:
    loss = float((known * (np.logaddexp(0, logits) - wanted * logits)).sum(dtype=np.float64))
    said = 1 / (1 + np.exp(-np.clip(logits, -60, 60)))
    return loss, known * (said.astype(np.float32) - wanted)
