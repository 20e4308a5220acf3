"""Statistical heads: what classified pictures before networks did, fitted to embeddings by scikit-learn.

`fit` takes embeddings (N, D) and targets (N, L), 1, 0 or NaN where nobody checked. Methods that separate two groups are
asked once for each label, it against the rest, and never see the pictures where it is unknown; those that vote count
an unknown answer as the label's share among the known ones.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyebright.classifier.fitted import Floats, Head, Kernel, Linear, Neighbors, Quadratic, Trees
from eyebright.classifier.logistic import path
from eyebright.errors import BadRequest, extra
from eyebright.modelfile import Task

Doubles = NDArray[np.float64]

NEVER = -30.0
"""The logit of a label that no picture has."""
MAX_KERNEL = 10_000
"""Pictures that a kernel compares, each with each: 0.8 GB."""
DEEPEST = 20
"""Levels of a tree: the graph has a few nodes for each."""


def fit(kind: str, embeddings: NDArray[Any], targets: NDArray[Any], task: Task, **options: Any) -> Head:
    """The head of this kind, one of `HEADS`, for embeddings (N, D) and targets (N, L); options are the method's own.

    Raises BadRequest for an unknown kind, and where all pictures have the same label; MissingExtra without
    scikit-learn.
    """
    if kind not in HEADS:
        raise BadRequest(f"No head is called {kind!r}; there are {', '.join(HEADS)}.")
    if not ((targets == 1).any(axis=0) & (targets == 0).any(axis=0)).any():
        raise BadRequest("All pictures have the same labels, so there is nothing to tell apart.")
    with extra("train", "fitting a head"):
        import sklearn.svm  # noqa: F401  the libraries whose threads are limited must be there
        from threadpoolctl import threadpool_limits  # comes with scikit-learn
    with threadpool_limits(1):  # products this thin are slower on two threads, and depend on how many there are
        return HEADS[kind](np.asarray(embeddings, np.float32), np.asarray(targets, np.float64), task, **options)


def logistic(x: Floats, targets: Doubles, task: Task, c: float = 0.01) -> Linear:
    """Logistic regression; `c` is what a wrong answer costs against large weights."""
    return next(path(x, float32(targets), task, (c,)))


def svm(x: Floats, targets: Doubles, task: Task, c: float = 0.001) -> Linear:
    """A linear support vector machine for each label (Cortes and Vapnik 1995); logits are distances from its plane."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    def separate(z: NDArray[Any], y: NDArray[np.intp]) -> tuple[Doubles, Doubles]:
        with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
            model = LinearSVC(C=c, dual="auto", random_state=0).fit(z, y)
        return model.coef_, model.intercept_

    center, scale = standard(x)
    return unscaled(*one_against_rest((x - center) * scale, targets, task, separate), center, scale)


def svm_rbf(x: Floats, targets: Doubles, task: Task, c: float = 1.0, gamma: float | None = None) -> Kernel:
    """A support vector machine for each label with a Gaussian kernel, `gamma` 1 / D by default."""
    from sklearn.svm import SVC

    if len(x) > MAX_KERNEL:
        raise BadRequest(f"svm-rbf compares all pictures with each other, at most {MAX_KERNEL:,}; take svm or forest.")
    center, scale = standard(x)
    z = (x - center) * scale
    width = 1 / x.shape[1] if gamma is None else gamma
    lengths = (z**2).sum(1)
    near = np.exp(-width * np.maximum(lengths[:, None] - 2 * z @ z.T + lengths, 0))

    def separate(rows: NDArray[np.intp], y: NDArray[np.intp]) -> tuple[Doubles, Doubles]:
        model = SVC(C=c, kernel="precomputed").fit(near[np.ix_(rows[:, 0], rows[:, 0])], y)
        weight = np.zeros((1, len(x)))
        weight[0, rows[model.support_, 0]] = model.dual_coef_[0]
        return weight, model.intercept_

    weight, bias = one_against_rest(np.arange(len(x))[:, None], targets, task, separate)
    used = weight.any(axis=0)
    return Kernel(float32(center), float32(scale), float32(z[used]), width, float32(weight[:, used]), float32(bias))


def naive_bayes(x: Floats, targets: Doubles, task: Task, smoothing: float = 0.1) -> Quadratic:
    """Gaussian naive Bayes; each variance is raised by `smoothing` of the feature's own, so that none is 0."""
    from sklearn.naive_bayes import GaussianNB

    center, scale = standard(x)
    z = (x - center) * scale

    def densities(rows: Doubles, y: NDArray[np.intp]) -> tuple[Doubles, Doubles]:
        """For each group, log(prior * density) as factors of z^2 and of z, side by side, and constants."""
        model = GaussianNB(var_smoothing=smoothing).fit(rows, y)
        mean, var = model.theta_, model.var_
        constant = np.log(model.class_prior_) - 0.5 * (np.log(2 * np.pi * var) + mean**2 / var).sum(1)
        return np.concatenate([-0.5 / var, mean / var], axis=1), constant

    def separate(rows: Doubles, y: NDArray[np.intp]) -> tuple[Doubles, Doubles]:
        factors, constants = densities(rows, y)
        return factors[1:] - factors[:1], constants[1:] - constants[:1]

    if task == "multi":
        factors, bias = one_against_rest(z, targets, task, separate)
    else:
        factors, bias = among_present(targets, lambda y: densities(z, y))
    square, weight = np.split(factors, 2, axis=1)
    return Quadratic(float32(center), float32(square * scale**2), float32(weight * scale), float32(bias))


def tree(x: Floats, targets: Doubles, task: Task, leaf: int = 5) -> Trees:
    """One decision tree; at least `leaf` pictures come to each leaf. Squared error of 0 and 1 is Gini's criterion."""
    from sklearn.tree import DecisionTreeRegressor

    model = DecisionTreeRegressor(min_samples_leaf=leaf, max_depth=DEEPEST, random_state=0)
    return grown([model.fit(x, filled(targets))], x.shape[1])


def forest(x: Floats, targets: Doubles, task: Task, trees: int = 100, seed: int = 0) -> Trees:
    """A random forest (Breiman 2001)."""
    from sklearn.ensemble import RandomForestRegressor

    model = RandomForestRegressor(trees, max_features="sqrt", max_depth=DEEPEST, random_state=seed)
    return grown(model.fit(x, filled(targets)).estimators_, x.shape[1])


def nearest(x: Floats, targets: Doubles, task: Task, k: int = 10) -> Neighbors:
    """The k nearest neighbors by angle (Cover and Hart 1967)."""
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    return Neighbors(float32(x / np.maximum(lengths, 1e-12)), float32(filled(targets)), min(k, len(x)))


HEADS: dict[str, Callable[..., Head]] = {
    "logistic": logistic,
    "naive-bayes": naive_bayes,
    "svm": svm,
    "svm-rbf": svm_rbf,
    "tree": tree,
    "forest": forest,
    "nearest": nearest,
}


def one_against_rest(
    x: NDArray[Any], targets: Doubles, task: Task, separate: Callable[..., tuple[Doubles, Doubles]]
) -> tuple[Doubles, Doubles]:
    """(L, F) and (L,): `separate(rows of x, 0 or 1 each)` gives factors (1, F) and a constant (1,) for each label."""
    mirrored = task != "multi" and targets.shape[1] == 2
    found: dict[int, tuple[Doubles, Doubles]] = {}
    for at in [1] if mirrored else range(targets.shape[1]):
        known = ~np.isnan(targets[:, at])
        y = targets[known, at].astype(np.intp)
        if 0 < y.sum() < len(y):
            found[at] = separate(x[known], y)
    weight = np.zeros((targets.shape[1], next(iter(found.values()))[0].shape[1]))
    bias = np.where((targets == 1).any(axis=0), -NEVER, NEVER)
    for at, (factors, constant) in found.items():
        weight[at], bias[at] = factors[0], constant[0]
    if mirrored:
        weight, bias = np.stack([-weight[1], weight[1]]) / 2, np.stack([-bias[1], bias[1]]) / 2
    return weight, bias


def among_present(
    targets: Doubles, separate: Callable[[NDArray[np.intp]], tuple[Doubles, Doubles]]
) -> tuple[Doubles, Doubles]:
    """(L, F) and (L,) of a method that tells all labels apart at once; one without pictures stays below another."""
    truth = np.argmax(targets, axis=1)
    present = np.unique(truth)
    factors, constants = separate(truth)
    weight = np.tile(factors[0], (targets.shape[1], 1))
    bias = np.full(targets.shape[1], constants[0] + NEVER)
    weight[present], bias[present] = factors, constants
    return weight, bias


def grown(trees: list[Any], num_features: int) -> Trees:
    """scikit-learn's trees side by side, their nodes in one row."""
    counts = [model.tree_.node_count for model in trees]
    roots = np.cumsum([0, *counts[:-1]])
    leaf = np.concatenate([model.tree_.children_left < 0 for model in trees])
    own, first = np.arange(sum(counts)), np.repeat(roots, counts)

    def joined(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(model.tree_, name) for model in trees])

    exact = joined("threshold")
    threshold = exact.astype(np.float32)
    # scikit-learn compares float32 with float64; rounded down, the comparison comes out the same
    threshold = np.where(threshold > exact, np.nextafter(threshold, np.float32(-np.inf)), threshold)
    return Trees(
        num_features=num_features,
        roots=roots,
        feature=np.where(leaf, 0, joined("feature")),
        threshold=threshold,
        left=np.where(leaf, own, first + joined("children_left")),
        right=np.where(leaf, own, first + joined("children_right")),
        votes=joined("value")[:, :, 0].astype(np.float32),
        depth=max(model.tree_.max_depth for model in trees),
    )


def filled(targets: Doubles) -> Doubles:
    """(N, L) in 0..1: what nobody checked becomes the label's share among the pictures where somebody did."""
    known = ~np.isnan(targets)
    share = np.nansum(targets, axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.where(known, targets, share)


def standard(x: Floats) -> tuple[Doubles, Doubles]:
    """(D,) and (D,): what to take away and to multiply by, so that each number has mean 0 and deviation 1."""
    deviation = x.std(axis=0, dtype=np.float64)
    return x.mean(axis=0, dtype=np.float64), 1 / np.where(deviation > 1e-6, deviation, 1)


def unscaled(weight: Doubles, bias: Doubles, center: Doubles, scale: Doubles) -> Linear:
    """The head for x, from one for (x - center) * scale."""
    return Linear(float32(weight * scale), float32(bias - (weight * scale) @ center))


def float32(array: NDArray[Any]) -> Floats:
    return np.ascontiguousarray(array, np.float32)
