"""Two models on the same pictures: who answers must not matter, chance must look like chance."""

import itertools

import numpy as np
import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

import models
from eyebright.errors import BadRequest
from eyebright.evaluation.compare import words as compare_words
from eyebright.evaluation.compare.difference import columns, compare
from eyebright.evaluation.paired import adjusted, gains, share_gain
from eyebright.modelfile import Label

TASKS = ("single", "binary", "multi")


def answers(task, n=80, labels=4, skill=1.5, seed=0):
    """Scores (n, labels) of two models of like skill, targets, and what they say."""
    random = np.random.default_rng(seed)
    labels = 2 if task == "binary" else labels
    if task == "multi":
        targets = (random.random((n, labels)) < 0.3).astype(np.float32)
        targets[random.random((n, labels)) < 0.1] = np.nan
    else:
        targets = np.eye(labels, dtype=np.float32)[random.integers(labels, size=n)]
    shared = skill * np.nan_to_num(targets) + random.normal(size=targets.shape)
    logits = [shared + random.normal(size=targets.shape) for _ in range(2)]
    if task == "multi":
        scores = [1 / (1 + np.exp(1 - one)) for one in logits]
        said = [one >= 0.5 for one in scores]
    else:
        scores = [np.exp(one) / np.exp(one).sum(1, keepdims=True) for one in logits]
        said = [np.eye(labels, dtype=bool)[one.argmax(1)] for one in scores]
    return *(one.astype(np.float32) for one in scores), targets, *said


@pytest.mark.parametrize("task", TASKS)
def test_swapping_the_two_turns_every_difference_around_and_keeps_p(task):
    a, b, targets, said_a, said_b = answers(task)
    one, other = compare(a, b, targets, task, said_a, said_b), compare(b, a, targets, task, said_b, said_a)
    assert one.figures.keys() == other.figures.keys()
    for name, there in one.figures.items():
        back = other.figures[name]
        assert (there.a, there.b, there.p) == (back.b, back.a, back.p)
        turned = [-back.difference.value, -back.difference.high, -back.difference.low]
        assert [there.difference.value, there.difference.low, there.difference.high] == pytest.approx(turned)
    back = {label.at: label for label in other.labels}
    for label in one.labels:
        assert label.p == back[label.at].p
        assert label.adjusted == back[label.at].adjusted
        assert label.difference.value == pytest.approx(-back[label.at].difference.value)
        assert label.difference.low == pytest.approx(-back[label.at].difference.high)
    assert one.gained.tolist() == other.lost.tolist()
    assert one.lost.tolist() == other.gained.tolist()
    assert one.agreement == other.agreement


@pytest.mark.parametrize("task", TASKS)
def test_a_model_is_no_better_than_itself(task):
    a, _, targets, said, _ = answers(task)
    found = compare(a, a, targets, task, said, said)
    for one in found.figures.values():
        assert (one.difference.value, one.p) == (0, 1)
        assert one.difference.low <= 0 <= one.difference.high
    assert all(
        (label.difference.value, label.p, label.adjusted, label.marked) == (0, 1, 1, False) for label in found.labels
    )
    assert len(found.gained) == len(found.lost) == 0
    assert found.agreement.value == 1
    assert compare_words.verdict(found).startswith("B is right just where A is, on all 80 pictures")


@drawn(st.integers(2, 9), st.sampled_from(TASKS), st.integers(0, 2**32 - 1))
def test_few_pictures_with_equal_scores_are_compared_too(n, task, seed):
    """Ties, labels without a picture, pictures of which nobody checked anything."""
    random = np.random.default_rng(seed)
    labels = 2 if task == "binary" else 3
    a, b = random.integers(0, 3, (2, n, labels)) / 2
    if task == "multi":
        targets = random.choice([0, 1, np.nan], (n, labels))
        targets[0, 0] = 1
    else:
        targets = np.eye(labels)[random.integers(labels, size=n)]
    said = [one >= 0.5 if task == "multi" else np.eye(labels, dtype=bool)[one.argmax(1)] for one in (a, b)]
    found = compare(a, b, targets, task, *said)
    for one in found.figures.values():
        assert one.difference.value == pytest.approx(one.b.value - one.a.value)
        assert 0 < one.p <= 1
    right = [(one == targets) if task == "multi" else one & (targets == 1) for one in said]
    assert len(found.gained) - len(found.lost) == right[1].sum() - right[0].sum()


def test_the_figures_are_those_of_evaluate_and_p_is_mcnemars():
    stats = pytest.importorskip("scipy.stats")
    a, b, targets, said_a, said_b = answers("single", 200)
    found = compare(a, b, targets, "single", said_a, said_b)
    truth = targets.argmax(1)
    right = a.argmax(1) == truth, b.argmax(1) == truth
    assert found.figures["top1"].a.value == right[0].mean()
    assert found.figures["top1"].difference.value == pytest.approx(right[1].mean() - right[0].mean())
    wins, losses = int((right[1] & ~right[0]).sum()), int((right[0] & ~right[1]).sum())
    assert (len(found.gained), len(found.lost)) == (wins, losses)
    assert found.figures["top1"].p == pytest.approx(stats.binomtest(wins, wins + losses).pvalue)
    for label in found.labels:
        of = truth == label.at
        only = int((right[1] & ~right[0] & of).sum()), int((right[0] & ~right[1] & of).sum())
        assert label.pictures == of.sum()
        assert label.p == pytest.approx(stats.binomtest(only[0], sum(only)).pvalue if sum(only) else 1)


def test_newcombes_interval_is_the_published_one():
    """Newcombe 1998, Statistics in Medicine 17:2635, method 10: 36 both, 12 only one, 2 only the other, 0 neither."""
    one = [True] * 36 + [True] * 12 + [False] * 2
    other = [True] * 36 + [False] * 12 + [True] * 2
    interval, _ = share_gain(other, one)
    assert interval[:3] == pytest.approx((0.2, 0.0569, 0.3404), abs=1e-4)


@pytest.mark.parametrize(("n", "skills"), [(30, (0.9, 0.8)), (300, (0.8, 0.85))])
def test_the_interval_of_a_difference_holds_the_truth_19_times_of_20(n, skills):
    random = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        first = random.random(n)
        second = np.where(random.random(n) < 0.6, first, random.random(n))  # pictures that are hard for both
        interval, _ = share_gain(first < skills[0], second < skills[1])
        held += interval.low <= skills[1] - skills[0] <= interval.high
    assert 0.93 <= held / 400 <= 0.99


def test_p_is_the_share_of_all_swaps_that_part_them_as_far():
    """Six pictures can be swapped in 64 ways."""
    losses = np.random.default_rng(3).normal(0.4, 1, (2, 6, 1))

    def mean(answers, targets, weights):
        return (weights @ answers) / weights.sum(1, keepdims=True)

    ((interval, p),) = gains(mean, losses[0], losses[1], np.ones((6, 1)), draws=20_000)
    difference = (losses[1] - losses[0])[:, 0]
    swapped = [abs(np.dot(signs, difference)) for signs in itertools.product((-1, 1), repeat=6)]
    assert interval.value == pytest.approx(difference.mean())
    assert p == pytest.approx(np.mean(np.array(swapped) >= abs(difference.sum()) - 1e-12), abs=0.015)


def test_models_of_one_skill_rarely_look_different():
    """With few pictures of a label too; one in 20 is what is allowed."""
    small = 0
    for seed in range(60):
        a, b, targets, said_a, said_b = answers("multi", 40, 2, seed=seed)
        small += compare(a, b, targets, "multi", said_a, said_b).figures["map"].p < 0.05
    assert small <= 8


def test_p_of_many_questions_is_benjaminis_and_hochbergs():
    stats = pytest.importorskip("scipy.stats")
    p = np.random.default_rng(0).random(30) ** 3
    assert adjusted(p) == pytest.approx(stats.false_discovery_control(p))
    assert adjusted([]) == []


def test_what_nobody_checked_says_nothing():
    a, b, targets, said_a, said_b = answers("multi")
    before = compare(a, b, targets, "multi", said_a, said_b)
    unknown = np.isnan(targets)
    b[unknown], said_b[unknown] = 0.999, True
    after = compare(a, b, targets, "multi", said_a, said_b)
    assert after.figures == before.figures
    assert after.agreement == before.agreement
    assert after.gained.tolist() == before.gained.tolist()
    assert not any(unknown[row, label] for row, label in after.lost.tolist())


@pytest.mark.parametrize("task", TASKS)
def test_the_order_of_labels_changes_nothing(task):
    """A model that was trained again may list the same labels otherwise."""
    a, b, targets, said_a, said_b = answers(task)
    count = a.shape[1]
    order = [0, 1] if task == "binary" else [2, 0, 3, 1]
    ours = models.metadata(task, count)
    theirs = models.metadata(task, count, labels=tuple(ours.labels[at] for at in order))
    back = columns(ours, theirs)
    assert [theirs.labels[at].id for at in back] == [label.id for label in ours.labels]
    turned = compare(a, b[:, order][:, back], targets, task, said_a, said_b[:, order][:, back])
    same = compare(a, b, targets, task, said_a, said_b)
    assert turned.figures == same.figures
    assert turned.labels == same.labels


def test_labels_are_matched_by_id_or_else_by_name():
    ours = models.metadata(labels=(Label("n1", "cat"), Label("n2", "dog"), Label("n3", "owl")))
    theirs = models.metadata(labels=(Label("x", "Dog"), Label("n3", "night bird"), Label("y", "CAT")))
    assert columns(ours, theirs) == [2, 0, 1]


def test_what_is_not_there_has_many_names():
    ours = models.metadata("binary", 2, labels=(Label("normal", "normal"), Label("fire", "fire")))
    theirs = models.metadata("binary", 2, labels=(Label("other", "other"), Label("fire", "fire")))
    assert columns(ours, theirs) == [0, 1]


@pytest.mark.parametrize(
    ("task", "labels", "sentence"),
    [
        ("single", "abd", r"only A knows c; only B knows d\.$"),
        ("single", "ab", r"only A knows c\.$"),
        ("single", "abcdefghi", r"only B knows d, e, f, g, h and 1 more\.$"),
        ("multi", "abc", "A is a model of task single and B of task multi"),
    ],
)
def test_models_of_different_labels_are_not_compared(task, labels, sentence):
    ours = models.metadata(labels=tuple(Label(name, name) for name in "abc"))
    theirs = models.metadata(task, len(labels), labels=tuple(Label(name, name) for name in labels))
    with pytest.raises(BadRequest, match=sentence):
        columns(ours, theirs)


def test_two_labels_of_one_name_are_not_guessed_at():
    ours = models.metadata(labels=(Label("1", "cat"), Label("2", "Cat")), count=2)
    with pytest.raises(BadRequest, match="Two labels of A have the name of one label of B"):
        columns(ours, models.metadata(labels=(Label("3", "cat"),), count=1))


def test_one_picture_cannot_tell_and_says_so():
    a, b, targets, said_a, said_b = (part[:1] for part in answers("single"))
    with pytest.raises(BadRequest, match=r"^1 picture cannot tell two models apart"):
        compare(a, b, targets, "single", said_a, said_b)


def test_pictures_that_nobody_checked_cannot_tell():
    a, b, targets, said_a, said_b = answers("multi")
    with pytest.raises(BadRequest, match="Nobody checked any label of these 80 pictures"):
        compare(a, b, np.full_like(targets, np.nan), "multi", said_a, said_b)


def test_the_verdict_names_the_better_one_and_only_where_it_is():
    a, _, targets, said_a, _ = answers("single", 300)
    perfect = np.where(targets == 1, 0.97, 0.01).astype(np.float32)
    said = targets == 1
    assert compare_words.verdict(compare(a, perfect, targets, "single", said_a, said)).startswith("B is better: top1")
    assert compare_words.verdict(compare(perfect, a, targets, "single", said, said_a)).startswith("A is better: top1")
    duller = np.where(targets == 1, 0.4, 0.2).astype(np.float32)
    said_same = compare_words.verdict(compare(duller, perfect, targets, "single", said, said))
    assert said_same.startswith("B is right just where A is")
    assert "But the scores of B fit the truth better: nll" in said_same


def test_labels_that_only_chance_marks_are_called_so():
    a, b, targets, said_a, said_b = answers("single", 300, 12)
    words = [Label(str(at), f"label {at}") for at in range(12)]
    found = compare(a, b, targets, "single", said_a, said_b)
    broken = compare(a, np.where(np.arange(12) == 3, 0, b), targets, "single", said_a, said_b & (np.arange(12) != 3))
    assert "of 12, chance alone would mark about 0.6" in compare_words.by_chance(broken, words)
    assert compare_words.by_chance(broken, words).endswith("these are left: label 3.")
    assert broken.labels[-1].at == 3
    assert broken.labels[-1].marked
    assert not any(label.adjusted < 0.05 for label in found.labels)
