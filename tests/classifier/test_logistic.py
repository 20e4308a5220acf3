"""Logistic regression says what scikit-learn's says, of labels that somebody checked."""

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("scipy")

from sklearn.linear_model import LogisticRegression

from eyebright.classifier import logistic
from eyebright.evaluation.calibration import activate


def clouds(count=120, width=6, labels=3, seed=0):
    """Overlapping ones: embeddings (N, D) of different scales, and which cloud each is of (N,)."""
    random = np.random.default_rng(seed)
    which = np.arange(count) % labels
    middles = 1.5 * random.normal(size=(labels, width))
    scales = np.geomspace(0.5, 5, width)
    return ((middles[which] + random.normal(size=(count, width))) * scales + 5).astype(np.float32), which


def standardized(x):
    return (x - x.mean(0, dtype=np.float64)) / x.std(0, dtype=np.float64)


def fitted(x, targets, task, cost, weights=None):
    (head,) = logistic.path(x, targets, task, (cost,), weights)
    return head, activate(x @ head.weight.T + head.bias, task)


def test_a_feature_that_hardly_moves_gets_no_huge_weight():
    """By chance it goes with a label, and stretched to the others' length it would outweigh them in 8 bits."""
    x, which = clouds(count=16, labels=2)
    still = 5 + 1e-5 * which[:, None]
    targets = np.eye(2, dtype=np.float32)[which]
    head, _ = fitted(np.hstack([x, still]).astype(np.float32), targets, "single", 0.3)
    assert np.abs(head.weight[:, -1]).max() < 10 * np.abs(head.weight[:, :-1]).max()


@pytest.mark.parametrize("cost", [3e-3, 1e-1])
def test_one_label_is_scikit_learns(cost):
    x, which = clouds()
    _, scores = fitted(x, np.eye(3, dtype=np.float32)[which], "single", cost)
    theirs = LogisticRegression(C=cost, max_iter=1000, tol=1e-8).fit(standardized(x), which)
    np.testing.assert_allclose(scores, theirs.predict_proba(standardized(x)), atol=5e-3)


def test_yes_or_no_is_scikit_learns():
    """Two outputs share the weights between them, so they are pulled half as much as one would be."""
    x, which = clouds(labels=2)
    _, scores = fitted(x, np.eye(2, dtype=np.float32)[which], "binary", 0.02)
    theirs = LogisticRegression(C=2 * 0.02, max_iter=1000, tol=1e-8).fit(standardized(x), which)
    np.testing.assert_allclose(scores[:, 1], theirs.predict_proba(standardized(x))[:, 1], atol=5e-3)


def test_many_labels_are_many_questions_and_the_unchecked_are_not_asked():
    """Each label is fitted on the pictures of which somebody knows."""
    x, which = clouds()
    targets = np.stack([which == 0, which != 1], 1).astype(np.float32)
    targets[:40, 1] = np.nan
    _, scores = fitted(x, targets, "multi", 0.05)
    z = standardized(x)
    for label, rows in ((0, slice(0, None)), (1, slice(40, None))):
        theirs = LogisticRegression(C=0.05, max_iter=1000, tol=1e-8).fit(z[rows], targets[rows, label])
        np.testing.assert_allclose(scores[:, label], theirs.predict_proba(z)[:, 1], atol=5e-3)


@pytest.mark.parametrize("task", ["single", "multi"])
def test_two_halves_are_a_whole(task):
    """A picture and its mirror image count one half each: all twice at one half changes nothing."""
    x, which = clouds()
    targets = np.eye(3, dtype=np.float32)[which]
    _, once = fitted(x, targets, task, 0.03)
    halves = np.full(2 * len(x), 0.5, np.float32)
    _, twice = fitted(np.concatenate([x, x]), np.concatenate([targets, targets]), task, 0.03, halves)
    np.testing.assert_allclose(once, twice[: len(x)], atol=2e-3)


def test_the_bolder_the_larger():
    """Heads come one for each cost, from cautious to bold."""
    x, which = clouds()
    z = standardized(x).astype(np.float32)
    sizes = [
        float(np.square(head.weight).sum()) for head in logistic.path(z, np.eye(3, dtype=np.float32)[which], "single")
    ]
    assert len(sizes) == len(logistic.COSTS)
    assert sizes == sorted(sizes)


def test_a_feature_that_never_changes_says_nothing():
    x, which = clouds()
    x[:, 2] = 7
    head, scores = fitted(x, np.eye(3, dtype=np.float32)[which], "single", 0.1)
    assert np.isfinite(scores).all()
    assert np.abs(head.weight[:, 2]).max() < 1e-6


def test_a_label_without_pictures_is_never_said():
    """Its score is low everywhere, and nothing overflows."""
    x, which = clouds()
    _, scores = fitted(x, np.eye(4, dtype=np.float32)[which], "single", 0.3)
    assert scores[:, 3].max() < 0.2
