"""Metrics are the textbook's: scikit-learn is the oracle where it is installed."""

import numpy as np
import pytest

from eyebright.errors import BadRequest
from eyebright.evaluation import metrics
from eyebright.evaluation.intervals import samples
from eyebright.evaluation.metrics import (
    area_under_roc,
    average_precision,
    balanced_accuracy,
    confusion,
    counts,
    f1,
    figures,
    hits,
    honesty,
    mean_average_precision,
    micro_average_precision,
)


def answers(n=300, labels=8, seed=0):
    """Scores (n, labels) with rows that sum to 1, better than chance, and one-hot targets."""
    random = np.random.default_rng(seed)
    targets = np.eye(labels)[random.integers(0, labels, n)]
    odds = np.exp(random.normal(size=(n, labels)) + 1.5 * targets)
    return (odds / odds.sum(1, keepdims=True)).astype(np.float32), targets.astype(np.float32)


def tags(n=200, labels=6, seed=0):
    """Scores and targets of many labels a picture; rounded scores, so that many are equal."""
    random = np.random.default_rng(seed)
    targets = (random.random((n, labels)) < 0.3).astype(np.float32)
    return np.clip(0.3 * targets + random.random((n, labels)) * 0.7, 0, 1).round(1), targets


def test_top_k_balanced_accuracy_and_confusion_are_scikit_learns():
    oracle = pytest.importorskip("sklearn.metrics")
    scores, targets = answers()
    truth, said = targets.argmax(1), scores.argmax(1)
    for k in (1, 3, 5):
        assert hits(scores, targets, k).mean() == pytest.approx(oracle.top_k_accuracy_score(truth, scores, k=k))
    assert balanced_accuracy(scores, targets) == pytest.approx(oracle.balanced_accuracy_score(truth, said))
    assert np.array_equal(confusion(scores, targets), oracle.confusion_matrix(truth, said))


def test_average_precision_is_scikit_learns_with_equal_scores_too():
    oracle = pytest.importorskip("sklearn.metrics")
    scores, targets = tags()
    for at in range(targets.shape[1]):
        expected = oracle.average_precision_score(targets[:, at], scores[:, at])
        assert average_precision(scores[:, at], targets[:, at]) == pytest.approx(expected)
    assert mean_average_precision(scores, targets) == pytest.approx(oracle.average_precision_score(targets, scores))


def test_a_weight_of_two_is_the_picture_twice():
    """So a row of counts is a sample of the bootstrap."""
    scores, targets = tags(50)
    one_hot_scores, one_hot = answers(50)
    weights = samples(np.random.default_rng(1), 4, 50)
    for row in weights.astype(int):
        often, count = np.repeat(np.arange(50), row), row[None].astype(float)
        assert mean_average_precision(scores, targets, count) == pytest.approx(
            mean_average_precision(scores[often], targets[often])
        )
        assert balanced_accuracy(one_hot_scores, one_hot, count) == pytest.approx(
            balanced_accuracy(one_hot_scores[often], one_hot[often])
        )


def test_what_nobody_checked_counts_for_nothing():
    scores, targets = tags()
    unknown = np.random.default_rng(3).random(targets.shape) < 0.5
    masked = np.where(unknown, np.nan, targets)
    other = np.where(unknown, 1 - scores, scores)
    assert mean_average_precision(scores, masked) == mean_average_precision(other, masked)
    assert mean_average_precision(scores, masked) != mean_average_precision(scores, targets)
    assert figures(scores, masked, "multi") == figures(other, masked, "multi")


def test_labels_without_a_positive_are_left_out_and_counted():
    scores, targets = tags()
    targets[:, 2] = 0
    targets[:, 4] = np.nan
    kept = [0, 1, 3, 5]
    figure = figures(scores, targets, "multi")["map"]
    assert figure.value == pytest.approx(mean_average_precision(scores[:, kept], targets[:, kept])[0])
    assert "2 labels without positives left out" in figure.method


def test_equal_scores_give_the_average_precision_of_chance():
    assert average_precision(np.full(10, 0.5), np.array([1, 1, 1, 0, 0, 0, 0, 0, 0, 0])) == pytest.approx(0.3)


def test_a_label_that_no_picture_has_does_not_lower_balanced_accuracy():
    scores = np.eye(3)[[0, 0, 1]]
    assert balanced_accuracy(scores, np.eye(3)[[0, 0, 1]]) == 1
    assert balanced_accuracy(scores, np.eye(3)[[0, 0, 0]]) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("task", "labels", "names"),
    [
        ("single", 8, {"top1", "top5", "balanced_accuracy", "ece"}),
        ("single", 5, {"top1", "balanced_accuracy", "ece"}),
        ("binary", 2, {"top1", "balanced_accuracy", "ap", "ece"}),
        ("multi", 6, {"map", "map_micro", "ece"}),
    ],
)
def test_each_task_has_its_figures_with_intervals(task, labels, names):
    found = figures(*(tags(labels=labels) if task == "multi" else answers(labels=labels)), task)
    assert set(found) == names
    for figure in found.values():
        assert 0 <= figure.low <= figure.value <= figure.high <= 1
        assert figure.high > figure.low
        assert figure.n in (200, 300)
        assert figure.method


def test_figures_that_the_pictures_do_not_determine_are_not_made_up():
    scores, _ = answers(20, 2)
    only_negatives = np.tile([1.0, 0.0], (20, 1))
    assert "ap" not in figures(scores, only_negatives, "binary")
    assert figures(scores, np.full((20, 2), np.nan), "multi") == {}


def test_no_pictures_are_no_figures():
    with pytest.raises(BadRequest, match="no pictures to judge"):
        figures(np.zeros((0, 3)), np.zeros((0, 3)), "single")


def test_the_same_pictures_give_the_same_interval():
    assert figures(*answers(), "single") == figures(*answers(), "single")


def test_the_area_under_roc_is_scikit_learns_with_equal_scores_too():
    oracle = pytest.importorskip("sklearn.metrics")
    scores, targets = tags()
    for at in range(targets.shape[1]):
        expected = oracle.roc_auc_score(targets[:, at], scores[:, at])
        assert area_under_roc(scores[:, at], targets[:, at]) == pytest.approx(expected, abs=1e-12)
    assert np.isnan(area_under_roc(scores[:, 0], np.ones(len(scores)))).all()


def test_the_micro_average_is_scikit_learns():
    oracle = pytest.importorskip("sklearn.metrics")
    scores, targets = tags()
    expected = oracle.average_precision_score(targets, scores, average="micro")
    assert micro_average_precision(scores, targets) == pytest.approx(expected, abs=1e-12)


def test_precision_recall_and_f1_of_each_label_are_scikit_learns():
    """A label that is never given and one that no picture has are among them."""
    oracle = pytest.importorskip("sklearn.metrics")
    scores, targets = tags()
    targets[:, 1], scores[:, 2] = 0, 0
    given = scores >= 0.5
    found = counts(given, targets)
    nothing = {"average": None, "zero_division": np.nan}
    precision, recall, both, true = oracle.precision_recall_fscore_support(targets, given, **nothing)
    with np.errstate(invalid="ignore"):
        assert (found.right / found.said)[0] == pytest.approx(precision, nan_ok=True)
        assert (found.right / found.true)[0] == pytest.approx(recall, nan_ok=True)
    assert found.true[0] == pytest.approx(true)
    assert f1(given, targets)[0] == pytest.approx(both, nan_ok=True)


def test_a_weight_of_two_is_the_picture_twice_for_each_label_too():
    scores, targets = tags(50)
    given = scores >= 0.5
    (row,) = samples(np.random.default_rng(1), 1, 50).astype(int)
    often, count = np.repeat(np.arange(50), row), row[None].astype(float)
    assert f1(given, targets, count) == pytest.approx(f1(given[often], targets[often]), nan_ok=True)
    one = scores[:, 0], targets[:, 0]
    assert area_under_roc(*one, count) == pytest.approx(area_under_roc(one[0][often], one[1][often]))
    assert micro_average_precision(scores, targets, count) == pytest.approx(
        micro_average_precision(scores[often], targets[often])
    )


def test_honest_scores_are_told_from_boasting_ones():
    random = np.random.default_rng(0)
    scores = random.dirichlet(np.ones(4), 400)
    targets = np.eye(4)[(scores.cumsum(1) < random.random((400, 1))).sum(1)]
    honest = honesty(scores, targets, "single")
    boasting = honesty(scores**3 / (scores**3).sum(1, keepdims=True), targets, "single")
    assert honest["calibration_p"].value > 0.05 > boasting["calibration_p"].value
    for measure in ("nll", "brier"):
        assert honest[measure].high < boasting[measure].low
    assert set(honesty(scores, targets, "multi")) == {"nll", "brier"}


@pytest.mark.parametrize("name", ["average_precision", "area_under_roc"])
@pytest.mark.parametrize("seed", range(4))
def test_the_influence_of_a_picture_is_the_slope_over_its_weight(name, seed):
    """With ties, and with pictures that nobody checked, which move nothing."""
    random = np.random.default_rng(seed)
    scores = random.random(40).round(1 if seed % 2 else 6)
    targets = (random.random(40) < 0.4).astype(float)
    targets[:5] = np.nan
    statistic, influence = getattr(metrics, name), getattr(metrics, f"{name}_influence")
    slope = influence(scores, targets)
    step = 1e-5
    weights = np.ones((40, 40)) + step * np.eye(40)
    found = (statistic(scores, targets, weights) - statistic(scores, targets)) / step
    np.testing.assert_allclose(slope, found, atol=1e-4)
    assert slope.sum() == pytest.approx(0, abs=1e-9)
    assert not slope[:5].any()
