"""Who answers less is right more often, and says how often with a proof."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyebright.evaluation import abstain, conformal
from eyebright.evaluation.metrics import hits
from eyebright.modelfile import Sets
from eyebright.recognize.silence import members


def calibrated(n, labels=4, sharp=2.0, seed=0):
    """Scores that mean what they say: truth is drawn from them."""
    random = np.random.default_rng(seed)
    logits = sharp * random.normal(size=(n, labels))
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = (random.random((n, 1)) < np.cumsum(scores, axis=1)).argmax(axis=1)
    return scores.astype(np.float32), np.eye(labels, dtype=np.float32)[truth]


def test_the_curve_ends_with_every_picture_answered():
    scores, targets = calibrated(300)
    curve = abstain.curve(scores, targets)
    assert curve.coverage[-1] == 1
    assert curve.accuracy[-1] == hits(scores, targets).mean()
    assert (np.diff(curve.threshold) < 0).all()
    for threshold, coverage, accuracy in zip(*(part[::50] for part in curve), strict=True):
        answered = scores.max(axis=1) >= threshold
        assert coverage == pytest.approx(answered.mean())
        assert accuracy == pytest.approx(hits(scores, targets)[answered].mean())


def test_the_risk_of_a_confidence_that_knows_nothing_is_the_share_of_errors():
    """All scores alike: every answer comes at once."""
    targets = np.eye(2)[[0, 1, 1, 0, 1]]
    assert abstain.area_under_risk(np.full((5, 2), 0.5), targets) == pytest.approx(0.6)


def test_the_risk_is_the_mean_over_how_many_are_answered():
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]])
    targets = np.eye(2)[[0, 1, 0]]  # right, wrong, right
    assert abstain.area_under_risk(scores, targets) == pytest.approx((0 + 1 / 2 + 1 / 3) / 3)


def test_a_picture_that_counts_twice_is_as_two():
    scores, targets = calibrated(40)
    twice = np.r_[np.arange(40), np.arange(10)]
    weights = np.ones((1, 40))
    weights[:, :10] = 2
    assert abstain.area_under_risk(scores, targets, weights) == pytest.approx(
        abstain.area_under_risk(scores[twice], targets[twice])
    )


def test_promises_hold_on_pictures_never_seen():
    """Of 9 promises with 95% each on 50 sets few may break; on far more pictures it shows."""
    far, truth = calibrated(200_000, seed=99)
    right, confidence = hits(far, truth), far.max(axis=1)
    broken = made = 0
    for seed in range(50):
        scores, targets = calibrated(800, seed=seed)
        for promise in abstain.promises(scores[:400], targets[:400], scores[400:], targets[400:]):
            made += 1
            broken += right[confidence >= promise.threshold].mean() < promise.accuracy
    assert made > 50
    assert broken <= 0.05 * made


def test_nothing_is_promised_on_a_handful_of_pictures():
    scores, targets = calibrated(10)
    assert abstain.promises(scores[:5], targets[:5], scores[5:], targets[5:]) == ()


@given(st.integers(1, 400), st.integers(2, 12), st.integers(0, 5))
def test_a_set_holds_the_best_label_and_a_larger_coverage_gives_a_larger_set(n, labels, seed):
    scores, targets = calibrated(n, labels, seed=seed)
    sets = conformal.measure(scores, targets)
    if sets is None:
        assert n < 1 / 0.5
        return
    assert list(sets.limits) == sorted(sets.limits)
    assert list(sets.coverages) == sorted(sets.coverages)
    before = np.zeros(scores.shape, bool)
    for limit in sets.limits[::10]:
        inside = members(scores, sets, limit)
        assert inside[np.arange(n), scores.argmax(axis=1)].all()
        assert (inside >= before).all()
        before = inside


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
def test_sets_hold_the_right_label_as_often_as_they_say(coverage):
    """On 40 draws of 200 pictures to measure and 1000 to try: the mean is within what chance allows."""
    held = []
    for seed in range(40):
        scores, targets = calibrated(1200, labels=10, sharp=1.0, seed=seed)
        sets = conformal.measure(scores[:200], targets[:200])
        limit = sets.limits[sets.coverages.index(coverage)]
        held.append(conformal.figures(scores[200:], targets[200:], sets, limit)["set_coverage"].value)
    low, high = np.quantile(held, [0.05, 0.95])
    assert low < coverage + 0.01 < high + 0.02
    assert np.mean(held) == pytest.approx(coverage, abs=0.015)


def test_few_pictures_show_no_high_coverage():
    scores, targets = calibrated(20)
    assert max(conformal.measure(scores, targets).coverages) == pytest.approx(0.95)


def test_the_limit_of_every_label_takes_them_all():
    scores, _ = calibrated(5)
    assert members(scores, Sets(0.01, 5, (0.5,), (2.0,), 5), 2.0).all()


def test_the_band_is_that_of_the_coverage():
    low, high = conformal.band(200, 1000, 0.9)
    assert low < 0.9 < high
    assert high - low == pytest.approx(0.1, abs=0.03)


def test_of_yes_or_no_a_promise_never_lets_the_weaker_answer_speak():
    """Half is the least that the better of two scores can be."""
    scores, targets = calibrated(800, labels=2, sharp=3.0)
    for promise in abstain.promises(scores[:400], targets[:400], scores[400:], targets[400:]):
        assert promise.threshold >= 0.5
