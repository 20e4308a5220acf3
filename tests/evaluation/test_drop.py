"""Whether a changed model lost more than was allowed: three words, each with what it rests on."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from eyebright.errors import BadRequest
from eyebright.evaluation.drop import JUDGED, MOST, Allowed, Drop, of_shares, points, sentence, verdict
from eyebright.evaluation.intervals import Interval
from eyebright.modelfile import Label

LABELS = tuple(Label(f"l{at}", f"label {at}") for at in range(4))


def table(both, only_a, only_b, neither):
    """Hits (N,) of both models, from the four numbers of a paired table."""
    counts = both, only_a, only_b, neither
    return np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)


def judged(*counts, allowed=0.005):
    return of_shares(*table(*counts), allowed)


def answers(hits, targets):
    """Scores (N, L) that are right just where `hits` says so."""
    wrong = np.roll(targets, 1, axis=1)
    return np.where(np.asarray(hits)[:, None], targets, wrong).astype(np.float32)


def one_label_each(*counts):
    """Targets (N, L), so many pictures of each label."""
    return np.eye(len(counts), dtype=np.float32)[np.repeat(np.arange(len(counts)), counts)]


@pytest.mark.parametrize(
    ("counts", "word"),
    [
        ((3600, 2, 2, 396), "proved"),
        ((3600, 0, 40, 360), "proved"),
        ((90, 0, 0, 10), "not contradicted"),
        ((340, 1, 0, 31), "not contradicted"),
        ((340, 3, 0, 29), "refused"),
        ((0, 100, 0, 0), "refused"),
        ((1, 0, 0, 0), "not contradicted"),
    ],
)
def test_the_word_follows_from_estimate_and_bound(counts, word):
    assert judged(*counts).word == word


def test_a_loss_of_just_what_is_allowed_is_not_refused_and_nothing_would_prove_it():
    """1 of 200 pictures is half a point, whatever floating point makes of it."""
    found = judged(180, 1, 0, 19)
    assert (found.word, found.needed) == ("not contradicted", None)


def test_nothing_is_allowed_and_nothing_was_lost():
    assert judged(90, 0, 0, 10, allowed=0.0).word == "not contradicted"


@given(st.tuples(*[st.integers(0, 60)] * 4), st.floats(0, 0.2))
def test_the_bound_lies_between_the_interval_and_the_estimate(counts, allowed):
    """It is one-sided, so it is nearer than the lower end of the two-sided interval."""
    assume(sum(counts))
    found = judged(*counts, allowed=allowed)
    assert found.change.low - 1e-12 <= found.bound <= found.change.value + 1e-12
    if found.word == "proved":
        assert found.change.value >= -allowed


@given(st.tuples(*[st.integers(0, 60)] * 4), st.floats(0, 0.1), st.floats(0, 0.1))
def test_who_allows_more_is_not_told_worse(counts, allowed, more):
    assume(sum(counts))
    words = ["refused", "not contradicted", "proved"]
    one, other = (judged(*counts, allowed=some).word for some in (allowed, allowed + more))
    assert words.index(other) >= words.index(one)


@given(st.integers(40, 400), st.integers(0, 6), st.integers(0, 6), st.integers(0, 60), st.floats(0.01, 0.1))
def test_as_many_pictures_as_it_asks_for_prove_it(both, only_a, only_b, neither, room):
    """The same table, so many times: the promise may be careful, but is kept."""
    counts = both, only_a, only_b, neither
    allowed = max(only_a - only_b, 0) / sum(counts) + room
    times = -(-judged(*counts, allowed=allowed).needed // sum(counts))
    assert judged(*(times * count for count in counts), allowed=allowed).word == "proved"


@pytest.mark.parametrize(("lost", "gained"), [(0.03, 0.03), (0.06, 0.02), (0.02, 0.01)])
def test_the_bound_is_right_in_95_of_100_samples(lost, gained):
    """Of 400 pictures; chance makes it 93.5 to 96.5 of 2000 samples, and Newcombe's intervals are careful."""
    random = np.random.default_rng(0)
    cells = random.multinomial(400, [0.9 - lost, lost, gained, 0.1 - gained], size=2000)
    covered = np.mean([judged(*cell).bound <= gained - lost for cell in cells])
    assert 0.935 <= covered <= 0.985


def test_labels_with_a_hundred_pictures_are_judged_each_and_others_listed():
    targets = one_label_each(JUDGED, JUDGED - 1, 150)
    hits = np.ones(len(targets), bool)
    hits[-10:] = False
    found = verdict(answers(np.ones(len(targets)), targets), answers(hits, targets), targets, "single", Allowed())
    assert list(found.labels) == [0, 2]
    assert found.listed == (1,)
    assert (found.labels[0].pictures, found.labels[0].change.value) == (JUDGED, 0)
    assert found.labels[2].change.value == pytest.approx(-10 / 150)


def test_one_label_that_lost_too_much_refuses_what_is_fine_as_a_whole():
    targets = one_label_each(3000, JUDGED)
    hits = np.ones(len(targets), bool)
    hits[-10:] = False
    a, b = answers(np.ones(len(targets)), targets), answers(hits, targets)
    found = verdict(a, b, targets, "single", Allowed(whole=0.01))
    assert (found.whole.word, found.labels[1].word, found.word) == ("proved", "refused", "refused")
    said = sentence(found, LABELS)
    assert said.startswith("refused: top1 1.000 before, 0.997 after on 3,100 pictures; -0.32 points, at worst -0.")
    assert said.endswith("-1.00 allowed. Lost by more than 3 points: label 1.")


def test_a_sentence_says_how_many_pictures_would_do():
    targets = one_label_each(60, 60)
    same = answers(np.ones(120), targets)
    found = verdict(same, same, targets, "single", Allowed())
    assert f"About {found.whole.needed:,} pictures would prove it." in sentence(found, LABELS)
    lost = answers(np.arange(120) > 0, targets)
    found = verdict(same, lost, targets, "single", Allowed(whole=1 / 120))
    assert "No number of such pictures would prove it" in sentence(found, LABELS)


def test_a_sentence_names_labels_of_which_it_is_open():
    targets = one_label_each(3000, JUDGED)
    same = answers(np.ones(len(targets)), targets)
    found = verdict(same, same, targets, "single", Allowed(whole=0.01, label=0.001))
    assert (found.whole.word, found.word) == ("proved", "not contradicted")
    assert sentence(found, LABELS).endswith("Too few of label 1 to prove it of them.")


def ranked(count, labels, seed=0):
    """Scores (N, L) that tell something, and targets (N, L)."""
    random = np.random.default_rng(seed)
    targets = (random.uniform(size=(count, labels)) < np.linspace(0.6, 0.05, labels)).astype(np.float32)
    return (0.5 * targets + random.normal(0, 0.3, targets.shape)).astype(np.float32), targets


def test_of_many_labels_the_mean_average_precision_is_judged_and_each_that_is_common():
    a, targets = ranked(300, 4)
    found = verdict(a, a, targets, "multi", Allowed(whole=0.02))
    counts = (targets == 1).sum(0)
    assert found.measure == "map"
    assert found.word == "proved"
    assert set(found.labels) == set(np.flatnonzero(counts >= JUDGED).tolist())
    assert set(found.labels) | set(found.listed) == {0, 1, 2, 3}
    assert found.labels[0].pictures == counts[0]
    blind = a.copy()
    blind[:, 0] = np.random.default_rng(1).uniform(size=len(a))
    found = verdict(a, blind, targets, "multi", Allowed())
    assert (found.whole.word, found.labels[0].word) == ("refused", "refused")
    assert found.whole.change.value == pytest.approx(found.labels[0].change.value / 4)


def test_what_nobody_checked_says_nothing():
    a, targets = ranked(300, 3)
    b, some = a.copy(), targets.copy()
    some[:50, 0] = np.nan
    b[:50, 0] = 0
    assert verdict(a, b, some, "multi", Allowed()).whole.change.value == pytest.approx(0)


def test_of_yes_or_no_the_average_precision_of_yes_is_judged():
    a, targets = ranked(300, 2)
    targets[:, 0] = 1 - targets[:, 1]
    found = verdict(a, a, targets, "binary", Allowed(0.3))
    assert (found.measure, found.word, found.labels, found.listed) == ("ap", "proved", {}, ())
    assert verdict(a, -a, targets, "binary", Allowed()).word == "refused"


def test_a_ranking_that_never_moved_is_not_certain():
    """Without a floor, every draw of the bootstrap would be 0, and 15 pictures would prove anything."""
    for n, task in ((15, "binary"), (60, "multi")):
        a, targets = ranked(n, 2)
        targets[:, 0] = 1 - targets[:, 1] if task == "binary" else targets[:, 0]
        found = verdict(a, a, targets, task, Allowed())
        assert found.word == "not contradicted"
        assert found.whole.bound < -0.01
        assert found.whole.needed > n
    assert found.labels == {}
    assert found.listed == (0, 1)


def test_both_labels_of_yes_or_no_are_judged_by_what_is_said():
    """A ranking may stay while the labels that are given flip: a threshold that moved."""
    a, targets = ranked(400, 2)
    targets[:, 0] = 1 - targets[:, 1]
    said = np.stack([targets[:, 0] == 1, targets[:, 1] == 1], axis=1)
    other = said.copy()
    other[:] = [False, True]
    found = verdict(a, a, targets, "binary", Allowed(0.05, 0.03), (said, said))
    counts = targets.sum(0)
    assert set(found.labels) == set(np.flatnonzero(counts >= JUDGED).tolist())
    assert set(found.labels) | set(found.listed) == {0, 1}
    lost = verdict(a, a, targets, "binary", Allowed(0.05, 0.03), (said, other))
    assert lost.word == "refused"
    assert lost.labels[0].word == "refused"


def test_pictures_that_judge_nothing_are_refused():
    with pytest.raises(BadRequest, match="no pictures"):
        verdict(*[np.zeros((0, 3))] * 3, "single", Allowed())
    with pytest.raises(BadRequest, match="No label is on any"):
        verdict(*[np.zeros((5, 3))] * 3, "multi", Allowed())


def test_a_number_nobody_could_collect_is_not_named():
    assert Drop(0.9, Interval(-0.00499999, -0.1, 0.1, ""), -0.1, 100, 0.005).needed is None
    assert MOST > 1_000_000


@given(st.floats(-1, 1))
def test_points_are_hundredths_with_a_sign(share):
    said = points(share)
    assert float(said) == pytest.approx(100 * share, abs=0.0051)
    assert said == "0.00" or said[0] in "+-"
