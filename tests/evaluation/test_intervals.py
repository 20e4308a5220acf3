"""An interval of 95% holds the truth 19 times of 20."""

import numpy as np
import pytest

from eyebright.evaluation.intervals import bootstrap, mcnemar, paired_difference, samples, wilson


def test_wilsons_interval_is_the_published_one():
    """Newcombe 1998, table I."""
    for hits, n, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)):
        interval = wilson(hits, n)
        assert interval.value == hits / n
        assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-4)
    assert wilson(1, 29).low == pytest.approx(0.0061, abs=1e-4)


@pytest.mark.parametrize("method", ["Wilson", "bootstrap"])
def test_intervals_hold_the_truth_19_times_of_20(method):
    random = np.random.default_rng(0)
    held = 0
    for seed in range(300):
        hits = random.random(120) < 0.8
        if method == "Wilson":
            interval = wilson(int(hits.sum()), 120)
        else:
            interval = bootstrap(lambda weights, hits=hits: weights @ hits / 120, 120, draws=400, seed=seed)
        held += interval.low <= 0.8 <= interval.high
    assert 0.91 <= held / 300 <= 0.99


def test_a_sample_has_as_many_pictures_as_there_are():
    drawn = samples(np.random.default_rng(0), 50, 30)
    assert drawn.shape == (50, 30)
    assert (drawn.sum(1) == 30).all()
    assert drawn.mean() == 1
    assert drawn.max() > 1


def test_the_bootstrap_says_how_it_was_done_and_repeats():
    values = np.random.default_rng(0).random(100)
    first = bootstrap(lambda weights: weights @ values / 100, 100)
    assert first.method == "bootstrap over pictures, 1000 draws"
    assert first == bootstrap(lambda weights: weights @ values / 100, 100)
    assert first != bootstrap(lambda weights: weights @ values / 100, 100, seed=1)


def test_a_large_set_is_drawn_in_parts():
    """Memory stays bounded: a sample at a time, if need be."""
    sizes = []
    n = 400_000

    def mean(weights):
        sizes.append(weights.size)
        return weights.mean(1)

    assert bootstrap(mean, n, draws=5).value == 1
    assert max(sizes) <= 1_000_000
    assert sum(sizes) == 6 * n


def test_a_paired_comparison_sees_what_intervals_apart_do_not():
    """Two models that are right on nearly the same pictures: the few others decide."""
    theirs = np.arange(500) < 400
    ours = np.arange(500) < 415
    apart = wilson(415, 500), wilson(400, 500)
    assert apart[0].low < apart[1].high
    difference = paired_difference(ours, theirs)
    assert difference.value == pytest.approx(0.03)
    assert difference.low > 0
    assert difference.method.startswith("paired bootstrap")


def test_mcnemar_is_the_sign_test_on_what_differs():
    stats = pytest.importorskip("scipy.stats")
    random = np.random.default_rng(0)
    ours, theirs = random.random(200) < 0.8, random.random(200) < 0.7
    wins, losses = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    assert mcnemar(ours, theirs) == pytest.approx(stats.binomtest(wins, wins + losses).pvalue)
    assert mcnemar(ours, theirs) == mcnemar(theirs, ours)
    assert mcnemar(ours, ours) == 1
    assert mcnemar(np.ones(5000), np.zeros(5000)) == 0
