"""Logistic regression on embeddings, for a row of costs in one go: each solution is the start of the next.

All labels are fitted together, by softmax for one label a picture and by a sigmoid each for many; what nobody checked
(NaN) does not count. Features are standardized within, so that one cost suits them all.

Features of a network go together, which makes for a long narrow valley. So the search goes in coordinates in which the
valley is round, as far as the features' covariance tells: a third of the steps.
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
STILL = 0.05
"""Of the typical deviation, under which a feature is not stretched to the others' length: of few pictures it is noise,
and the weight would be so large that 8 bits hold nothing else."""
LEAST_DOUBT = 1e-3
"""Mean of p (1 - p), below which the valley's shape is not trusted."""


def path(
    embeddings: Floats, targets: Floats, task: Task, costs: Sequence[float] = COSTS, weights: Floats | None = None
) -> Iterator[Linear]:
    """A head for each cost, ascending; embeddings (N, D), targets (N, L), weights (N,) of the pictures."""
    from scipy.linalg import cholesky, solve_triangular
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    count, width = embeddings.shape
    labels = targets.shape[1]
    weights = np.ones(count, np.float32) if weights is None else weights
    center = embeddings.mean(0, dtype=np.float64)
    deviation = embeddings.std(0, dtype=np.float64)
    typical = float(np.sqrt((deviation**2).mean()))
    scale = 1 / np.maximum(deviation, max(STILL * typical, 1e-6))
    z = np.ones((count, width + 1), np.float32)
    z[:, :width] = (embeddings - center) * scale
    known = (~np.isnan(targets) * weights[:, None]).astype(np.float32)
    wanted = np.nan_to_num(targets)
    answer = _sigmoid if task == "multi" else _softmax
    shape = (width + 1, labels)
    at = np.zeros(shape, np.float32)
    with threadpool_limits(1):  # many small products lose more by sharing than they gain
        covariance = (z * weights[:, None]).T @ z
    for cost in costs:
        said = answer(z @ at, wanted, known)[1] / np.maximum(known, 1e-9) + wanted
        doubt = max(float((said * (1 - said)).mean()), LEAST_DOUBT)
        pulled = np.append(np.full(width, 1 / cost, np.float32), np.float32(0))
        with threadpool_limits(1):
            root = cholesky(doubt * covariance + np.diag(pulled), overwrite_a=True, check_finite=False)

        def loss(flat: Doubles, root: Floats = root, pulled: Floats = pulled) -> tuple[float, Doubles]:
            """Over all pictures, and its slope, in the round coordinates."""
            parameters = solve_triangular(root, flat.reshape(shape).astype(np.float32), check_finite=False)
            wrong, slope = answer(z @ parameters, wanted, known)
            pull = parameters * pulled[:, None]
            value = wrong + 0.5 * float((pull * parameters).sum(dtype=np.float64))
            gradient = solve_triangular(root, z.T @ slope + pull, trans=1, check_finite=False)
            return value / count, gradient.ravel().astype(np.float64) / count

        with threadpool_limits(1):
            options = {"maxiter": STEPS, "ftol": 1e-8, "gtol": 3e-6}
            found = minimize(loss, (root @ at).ravel(), jac=True, method="L-BFGS-B", options=options)
        at = solve_triangular(root, found.x.reshape(shape).astype(np.float32), check_finite=False)
        weight = at[:width].T * scale
        bias = at[width] - weight @ center
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
