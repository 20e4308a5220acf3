"""Scores are made to mean what they say, and it is measured whether they do."""

import numpy as np
import pytest

from eyebright.evaluation.calibration import (
    activate,
    brier_score,
    calibration_test,
    expected_calibration_error,
    fit_temperature,
    log_loss,
    negative_log_likelihood,
    reliability,
)
from eyebright.evaluation.intervals import samples


def honest(task, n=4000, labels=4, seed=0):
    """Logits (n, labels), and targets drawn with just the probabilities that they say."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(n, labels)) * 2
    scores = activate(logits, task)
    if task == "multi":
        return logits, (random.random((n, labels)) < scores).astype(float)
    return logits, np.eye(labels)[(scores.cumsum(1) < random.random((n, 1))).sum(1)]


@pytest.mark.parametrize("task", ["single", "multi"])
@pytest.mark.parametrize("factor", [0.2, 1.0, 5.0, 300.0])
def test_the_temperature_undoes_a_factor(task, factor):
    logits, targets = honest(task)
    assert fit_temperature(logits * factor, targets, task) == pytest.approx(factor, rel=0.06)


@pytest.mark.parametrize("task", ["single", "binary", "multi"])
def test_no_other_temperature_explains_the_answers_better(task):
    logits, targets = honest(task, 400, 2 if task == "binary" else 4)
    best = fit_temperature(3 * logits, targets, task)
    at = {
        t: negative_log_likelihood(activate(3 * logits / t, task), targets, task)
        for t in (best, 0.9 * best, 1.1 * best)
    }
    assert min(at, key=at.get) == best


def test_a_model_without_a_mistake_keeps_a_doubt():
    """Ten right answers are no proof of infinite sureness."""
    logits, targets = np.eye(2)[[0, 1] * 5] * 2, np.eye(2)[[0, 1] * 5]
    for task in ("binary", "multi"):
        scores = activate(logits / fit_temperature(logits, targets, task), task)
        assert 0.9 < scores.max() < 0.999


def test_a_model_that_knows_nothing_becomes_unsure():
    random = np.random.default_rng(0)
    logits, targets = random.normal(size=(500, 3)) * 10, np.eye(3)[random.integers(0, 3, 500)]
    assert activate(logits / fit_temperature(logits, targets, "single"), "single").max() < 0.5


def test_unchecked_answers_do_not_move_the_temperature():
    logits, targets = honest("multi", 200)
    unknown = np.random.default_rng(1).random(targets.shape) < 0.4
    masked = np.where(unknown, np.nan, targets)
    found = fit_temperature(logits, masked, "multi")
    assert found == fit_temperature(np.where(unknown, 77.0, logits), masked, "multi")
    assert found != fit_temperature(logits, targets, "multi")


@pytest.mark.parametrize("task", ["single", "multi"])
def test_activation_and_likelihood_stay_finite(task):
    logits = np.array([[1e4, -1e4, 0.0], [3.0, 3.0, 3.0]], np.float32)
    scores = activate(logits, task)
    assert np.isfinite(scores).all()
    assert scores.min() >= 0
    assert scores.max() <= 1
    assert np.isfinite(negative_log_likelihood(scores, np.array([[0, 1, 0], [0, 0, 1]]), task))


def test_the_likelihood_is_scikit_learns():
    oracle = pytest.importorskip("sklearn.metrics")
    logits, targets = honest("single", 200)
    scores = activate(logits, "single")
    assert negative_log_likelihood(scores, targets, "single") == pytest.approx(oracle.log_loss(targets, scores))
    logits, targets = honest("multi", 200)
    scores = activate(logits, "multi")
    each = [oracle.log_loss(targets[:, at], scores[:, at], labels=[0, 1]) for at in range(4)]
    assert negative_log_likelihood(scores, targets, "multi") == pytest.approx(np.mean(each))


@pytest.mark.parametrize("task", ["single", "multi"])
def test_honest_scores_have_a_small_calibration_error_and_boasting_a_large_one(task):
    logits, targets = honest(task)
    small = expected_calibration_error(activate(logits, task), targets, task)
    large = expected_calibration_error(activate(4 * logits, task), targets, task)
    assert small.value < 0.02
    assert large.value > 0.08
    assert large.low > small.high
    assert small.low == 0
    assert "15 bins of equal mass, debiased" in small.method


def test_calibration_error_of_one_score_is_its_distance_from_the_truth():
    """Equal scores share a bin, whatever the order of the pictures."""
    targets = np.eye(2)[[0] * 60 + [1] * 40]
    scores = np.tile([0.9, 0.1], (100, 1))
    assert expected_calibration_error(scores, targets, "single").value == pytest.approx(
        (0.3**2 - 0.6 * 0.4 / 99) ** 0.5
    )


@pytest.mark.parametrize("task", ["single", "multi"])
def test_the_calibration_error_of_honest_scores_is_noise_of_either_sign(task):
    """The square, of which it is the root, is 0 in the mean: so half of the errors are 0."""
    found = [
        expected_calibration_error(activate(logits, task), targets, task)
        for logits, targets in (honest(task, 400, seed=seed) for seed in range(60))
    ]
    assert 15 < sum(one.value == 0 for one in found) < 50
    assert sum(one.low > 0 for one in found) <= 5


def test_of_a_dozen_pictures_no_calibration_error_is_claimed():
    """Each alone in its bin would have no noise to take away, and an interval of no width."""
    found = [
        expected_calibration_error(activate(logits, "single"), targets, "single")
        for logits, targets in (honest("single", 12, seed=seed) for seed in range(40))
    ]
    assert sum(one.low > 0 for one in found) <= 6
    assert min(one.high for one in found) > 0


def test_answers_of_one_picture_go_together():
    """The same picture ten times over is one picture: the interval does not shrink."""
    random = np.random.default_rng(0)
    once = random.random((200, 1))
    truth = (random.random((200, 1)) < once**1.5).astype(float)
    tenfold = expected_calibration_error(once.repeat(10, 1), truth.repeat(10, 1), "multi")
    single = expected_calibration_error(once, truth, "multi")
    assert tenfold.high == pytest.approx(single.high, rel=0.05)


def test_honest_scores_pass_the_test_of_calibration_as_often_as_it_says():
    """p is uniform where scores are honest, and small where they are not."""
    many = [honest("single", 300, seed=seed) for seed in range(80)]
    fair = [calibration_test(activate(logits, "single"), targets, "single", 200) for logits, targets in many]
    assert np.mean(np.array(fair) <= 0.05) < 0.15
    assert 0.3 < np.mean(fair) < 0.7
    boasting = [calibration_test(activate(2 * logits, "single"), targets, "single", 200) for logits, targets in many]
    assert np.median(boasting) < 0.01


def test_a_reliability_diagram_counts_every_answer_once():
    logits, targets = honest("multi", 100)
    targets[::3] = np.nan
    found = reliability(activate(logits, "multi"), targets, "multi")
    assert found.answers.sum() == (~np.isnan(targets)).sum()
    assert (np.diff(found.confidence) > 0).all()
    assert found.gap == pytest.approx(found.confidence - found.right)


def test_the_brier_score_is_scikit_learns():
    oracle = pytest.importorskip("sklearn.metrics")
    logits, targets = honest("single", 200)
    scores = activate(logits, "single")
    expected = np.mean(((scores - targets) ** 2).sum(1))
    assert brier_score(scores, targets, "single") == pytest.approx(expected)
    logits, targets = honest("multi", 200)
    scores = activate(logits, "multi")
    each = [oracle.brier_score_loss(targets[:, at], scores[:, at]) for at in range(4)]
    assert brier_score(scores, targets, "multi") == pytest.approx(np.mean(each), abs=1e-12)


@pytest.mark.parametrize("measure", [brier_score, log_loss])
@pytest.mark.parametrize("task", ["single", "multi"])
def test_a_weight_of_two_is_the_picture_twice(measure, task):
    logits, targets = honest(task, 50)
    if task == "multi":
        targets[::3, 1] = np.nan
    scores = activate(logits, task)
    (row,) = samples(np.random.default_rng(1), 1, 50).astype(int)
    often = np.repeat(np.arange(50), row)
    assert measure(scores, targets, task, row[None].astype(float)) == pytest.approx(
        measure(scores[often], targets[often], task)
    )
