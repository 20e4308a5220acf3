"""Every metric is scikit-learn's to nine digits, on whatever hypothesis thinks of: ties, absent labels, one picture."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyebright.evaluation import metrics
from eyebright.evaluation.calibration import brier_score, log_loss

oracle = pytest.importorskip("sklearn.metrics")

NINE = {"abs": 1e-9, "rel": 1e-9}
LEVELS = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.5000001, 0.9, 1.0])  # many of them equal
CHECKED = settings(max_examples=150, deadline=None)


@st.composite
def ranking(draw):
    """Scores and truth of one label, with at least one positive."""
    count = draw(st.integers(1, 30))
    scores = draw(st.lists(LEVELS | st.floats(0, 1), min_size=count, max_size=count))
    truth = draw(st.lists(st.sampled_from([0.0, 1.0]), min_size=count, max_size=count))
    truth[draw(st.integers(0, count - 1))] = 1.0
    return np.array(scores), np.array(truth)


@st.composite
def answers(draw):
    """Scores (N, L) that sum to 1 and one label a picture; labels may be absent, scores equal or certain."""
    count, labels = draw(st.integers(1, 20)), draw(st.integers(2, 6))
    raw = np.array(draw(st.lists(LEVELS, min_size=count * labels, max_size=count * labels))).reshape(count, labels)
    scores = (raw + 1e-3) / (raw + 1e-3).sum(axis=1, keepdims=True)
    truth = np.array(draw(st.lists(st.integers(0, labels - 1), min_size=count, max_size=count)))
    return scores, truth


@CHECKED
@given(ranking())
def test_average_precision(case):
    scores, truth = case
    assert metrics.average_precision(scores, truth)[0] == pytest.approx(
        oracle.average_precision_score(truth, scores), **NINE
    )


@CHECKED
@given(ranking())
def test_area_under_roc(case):
    scores, truth = case
    if truth.all():
        assert np.isnan(metrics.area_under_roc(scores, truth)[0])
    else:
        assert metrics.area_under_roc(scores, truth)[0] == pytest.approx(oracle.roc_auc_score(truth, scores), **NINE)


@CHECKED
@given(answers())
def test_what_one_label_a_picture_is_measured_by(case):
    scores, truth = case
    labels = scores.shape[1]
    targets, said = np.eye(labels)[truth], scores.argmax(axis=1)
    all_labels = list(range(labels))
    assert metrics.hits(scores, targets).mean() == pytest.approx(oracle.accuracy_score(truth, said), **NINE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about labels that were said and are not there
        balanced = oracle.balanced_accuracy_score(truth, said)
    assert metrics.balanced_accuracy(scores, targets)[0] == pytest.approx(balanced, **NINE)
    assert np.array_equal(metrics.confusion(scores, targets), oracle.confusion_matrix(truth, said, labels=all_labels))
    given_labels = np.eye(labels, dtype=bool)[said]
    precision, recall, f1, _ = oracle.precision_recall_fscore_support(
        truth, said, labels=all_labels, zero_division=np.nan
    )
    found = metrics.counts(given_labels, targets)
    with np.errstate(invalid="ignore"):
        assert found.right[0] / found.said[0] == pytest.approx(precision, nan_ok=True, **NINE)
        assert found.right[0] / found.true[0] == pytest.approx(recall, nan_ok=True, **NINE)
    either = found.said[0] + found.true[0] > 0
    assert metrics.f1(given_labels, targets)[0][either] == pytest.approx(np.nan_to_num(f1)[either], **NINE)
    assert log_loss(scores, targets, "single")[0] == pytest.approx(
        oracle.log_loss(truth, scores, labels=all_labels), **NINE
    )
    squares = [oracle.mean_squared_error(targets[:, at], scores[:, at]) for at in range(labels)]
    assert brier_score(scores, targets, "single")[0] == pytest.approx(sum(squares), **NINE)


@CHECKED
@given(st.lists(ranking(), min_size=1, max_size=1), st.integers(1, 5), st.integers(0, 100))
def test_many_labels_in_the_mean_and_in_one_row(cases, labels, seed):
    """Labels without a positive are left out of the mean, unchecked answers of both."""
    scores, truth = cases[0]
    random = np.random.default_rng(seed)
    more = np.stack([scores, *(random.permutation(scores) for _ in range(labels))], axis=1)
    targets = np.stack([truth, *((random.random(len(truth)) < 0.3).astype(float) for _ in range(labels))], axis=1)
    kept = targets.any(axis=0)
    expected = oracle.average_precision_score(targets[:, kept], more[:, kept], average="macro")
    assert metrics.mean_average_precision(more, targets)[0] == pytest.approx(expected, **NINE)
    unknown = random.random(targets.shape) < 0.2
    unknown[np.argmax(truth), 0] = False
    holes = np.where(unknown, np.nan, targets)
    expected = oracle.average_precision_score(targets[~unknown], more[~unknown])
    assert metrics.micro_average_precision(more, holes)[0] == pytest.approx(expected, **NINE)
