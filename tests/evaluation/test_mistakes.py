"""Wrong labels: those that are wrong come first, those that are right are left alone, a doubt comes true as it says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyebright.evaluation import mistakes
from eyebright.evaluation.calibration import activate
from eyebright.evaluation.mistakes import NONE, suspects


def sure(truth, labels, sharp=8.0, seed=0):
    """Scores of a model that is right and sure of it."""
    noise = np.random.default_rng(seed).normal(0, 1, (len(truth), labels))
    return activate(sharp * np.eye(labels)[truth] + noise, "single")


def flipped(truth, labels, places, seed=0):
    """(N, L): the same labels, wrong at some places."""
    said = np.array(truth)
    said[places] = (said[places] + np.random.default_rng(seed).integers(1, labels, len(places))) % labels
    return np.eye(labels, dtype=np.float32)[said]


@pytest.mark.parametrize("labels", [2, 3, 10])
def test_wrong_labels_come_first_with_the_right_one_proposed(labels):
    truth = np.arange(400) % labels
    places = np.array([3, 50, 51, 200, 399])
    found = suspects(sure(truth, labels), flipped(truth, labels, places), "binary" if labels == 2 else "single")
    assert set(found.picture[:5]) == set(places)
    assert found.flagged.tolist() == [True] * 5 + [False] * 395
    assert (found.proposed[:5] == truth[found.picture[:5]]).all()
    assert (np.diff(found.doubt) <= 0).all()


@pytest.mark.parametrize("task", ["single", "multi"])
def test_where_nothing_is_wrong_nothing_is_flagged(task):
    truth = np.arange(300) % 3
    assert not suspects(sure(truth, 3), np.eye(3, dtype=np.float32)[truth], task).flagged.any()


@settings(max_examples=30)
@given(seed=st.integers(0, 2**31), task=st.sampled_from(["single", "binary", "multi"]))
def test_the_order_of_the_pictures_does_not_matter(seed, task):
    """A picture's doubt is its own, wherever it stands."""
    random = np.random.default_rng(seed)
    labels = 2 if task == "binary" else 4
    scores = activate(random.normal(0, 3, (30, labels)), task)
    targets = np.eye(labels, dtype=np.float32)[random.integers(0, labels, 30)]
    if task == "multi":
        targets[random.random((30, labels)) < 0.2] = np.nan
    order = random.permutation(30)
    doubt = mistakes.doubts(scores, targets, task)
    np.testing.assert_allclose(mistakes.doubts(scores[order], targets[order], task), doubt[order], rtol=1e-9)


@settings(max_examples=30)
@given(seed=st.integers(0, 2**31))
def test_of_two_labels_the_one_that_scores_less_is_doubted_more(seed):
    random = np.random.default_rng(seed)
    scores = activate(random.normal(0, 3, (40, 2)), "single")
    targets = np.eye(2, dtype=np.float32)[random.integers(0, 2, 40)]
    found = suspects(scores, targets, "binary")
    assert (np.diff((scores * targets).sum(1)[found.picture]) >= 0).all()
    assert ((found.doubt >= 0) & (found.doubt <= 1)).all()


def test_a_label_that_is_often_mixed_up_with_the_proposed_one_is_doubted_more():
    """Both pictures give the wrong label the same score; people, too, take shirts for blouses sooner than for shoes."""
    scores = np.array(
        [[0.6, 0.38, 0.02]] * 20 + [[0.38, 0.6, 0.02]] * 20 + [[0.01, 0.01, 0.98]] * 40 + [[0.97, 0.02, 0.01]]
    )
    scores = np.concatenate([scores, [[0.97, 0.01, 0.02]]])
    targets = np.eye(3, dtype=np.float32)[[0] * 20 + [1] * 20 + [2] * 40 + [1, 2]]
    doubt = mistakes.doubts(scores, targets, "single")
    assert doubt[-2] > doubt[-1] > doubt[0]


@pytest.mark.parametrize("share", [0.05, 0.1, 0.25])
def test_a_doubt_comes_true_as_often_as_it_says(share):
    """Truth is drawn from the scores, so that they are calibrated; then labels are flipped."""
    random = np.random.default_rng(1)
    scores = activate(random.normal(0, 4, (20_000, 5)), "single")
    truth = (scores.cumsum(1) > random.random((20_000, 1))).argmax(1)
    places = np.flatnonzero(random.random(20_000) < share)
    targets = flipped(truth, 5, places)
    wrong = targets.argmax(1) != truth
    noise = mistakes.estimate(scores, targets, "single")
    assert noise.wrong[0] == pytest.approx(share, abs=0.03)
    assert noise.temperature == pytest.approx(1, abs=0.1)
    doubt = mistakes.doubts(scores, targets, "single")
    for low, high in ((0, 0.1), (0.1, 0.5), (0.5, 0.9), (0.9, 1.01)):
        part = (doubt >= low) & (doubt < high)
        assert wrong[part].mean() == pytest.approx(doubt[part].mean(), abs=0.1)


def test_of_many_labels_a_missing_one_and_a_surplus_one_are_found():
    """What nobody checked is no suspect, however sure the model is."""
    random = np.random.default_rng(0)
    holds = random.random((200, 3)) < 0.4
    scores = activate(np.where(holds, 6.0, -6.0) + random.normal(0, 1, (200, 3)), "multi")
    targets = holds.astype(np.float32)
    missing, surplus = np.argwhere(holds)[7], np.argwhere(~holds)[9]
    targets[tuple(missing)], targets[tuple(surplus)] = 0, 1
    unknown = np.argwhere(holds)[30]
    targets[tuple(unknown)] = np.nan
    found = suspects(scores, targets, "multi")
    assert len(found.doubt) == 599
    first = {tuple(part[at].item() for part in found[:3]) for at in range(2)}
    assert first == {(missing[0], NONE, missing[1]), (surplus[0], surplus[1], NONE)}
    assert found.flagged.sum() == 2


@pytest.mark.parametrize("task", ["single", "multi"])
def test_one_picture_is_judged_without_a_crash(task):
    found = suspects(np.array([[0.9, 0.1]]), np.array([[1, 0]], np.float32), task)
    assert found.picture[0] == 0
    assert not found.flagged.any()


def test_a_label_that_has_no_chance_at_all_is_wrong():
    """Scores of 0 and 1 are no reason to divide by nothing."""
    truth = np.arange(60) % 3
    targets = flipped(truth, 3, np.array([5]))
    found = suspects(np.eye(3)[truth], targets, "single")
    assert found.picture[0] == 5
    assert found.doubt[0] > 0.99
    assert np.isfinite(found.doubt).all()
