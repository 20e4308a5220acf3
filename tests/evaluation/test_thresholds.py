"""A threshold is the one that serves best on pictures that were not trained on."""

import numpy as np
import pytest

from eyebright.evaluation.thresholds import best_f1, cuts


def f1(scores, targets, threshold):
    said = scores >= threshold
    return 2 * (said & (targets == 1)).sum() / (said.sum() + (targets == 1).sum())


@pytest.mark.parametrize("seed", range(5))
def test_no_other_threshold_has_a_better_f1(seed):
    random = np.random.default_rng(seed)
    targets = (random.random(80) < 0.2).astype(float)
    scores = (0.4 * targets + 0.6 * random.random(80)).round(1 if seed % 2 else 6).astype(np.float32)
    cut = best_f1(scores, targets)
    assert cut.f1 == pytest.approx(f1(scores, targets, cut.threshold))
    assert cut.f1 >= max(f1(scores, targets, threshold) for threshold in np.linspace(0, 1, 1001))
    assert (cut.positives, cut.known) == (targets.sum(), 80)


def test_a_threshold_stands_in_the_middle_of_a_gap():
    """A score a little below those seen counts as well."""
    assert best_f1(np.array([0.9, 0.8, 0.2]), np.array([1, 1, 0])).threshold == pytest.approx(0.5)
    assert best_f1(np.array([0.9, 0.8, 0.2]), np.array([0, 1, 1])).threshold == pytest.approx(0.1)


def test_unchecked_pictures_are_not_counted():
    cut = best_f1(np.array([0.9, 0.8, 0.7, 0.2]), np.array([1, np.nan, 1, 0]))
    assert cut == best_f1(np.array([0.9, 0.7, 0.2]), np.array([1, 1, 0]))
    assert cut.known == 3


@pytest.mark.parametrize("targets", [[1, 1, np.nan], [0, 0, np.nan], [np.nan] * 3])
def test_a_label_without_both_answers_has_no_threshold(targets):
    assert best_f1(np.array([0.9, 0.5, 0.1]), np.array(targets)) is None


def test_which_labels_have_thresholds_depends_on_the_task():
    scores = np.array([[0.8, 0.2], [0.3, 0.7], [0.4, 0.6]])
    targets = np.array([[1, 0], [0, 1], [1, 0]])
    assert cuts(scores, targets, "single") == (None, None)
    negative, positive = cuts(scores, targets, "binary")
    assert negative is None
    assert positive == best_f1(scores[:, 1], targets[:, 1])
    assert None not in cuts(scores, targets, "multi")
