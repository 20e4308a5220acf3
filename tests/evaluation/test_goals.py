"""A threshold is promised only where pictures that had no say in it prove what was asked."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyebright.errors import BadRequest
from eyebright.evaluation import goals
from eyebright.evaluation.goals import Goal, Promise, Refusal, aim, needed, parse
from eyebright.evaluation.intervals import at_least


def drawn(n, prevalence=0.3, apart=3.0, seed=0):
    random = np.random.default_rng(seed)
    truth = (random.random(n) < prevalence).astype(float)
    return 1 / (1 + np.exp(-(random.normal(size=n) + apart * truth - apart / 2))), truth


@pytest.mark.parametrize(
    ("text", "goal"),
    [
        ("precision>=0.95", Goal("precision", 0.95)),
        ("Recall >= 90%", Goal("recall", 0.9)),
        ("recall=.8", Goal("recall", 0.8)),
        ("f1", Goal("f1")),
        ("cost fp=1 fn=20", Goal("cost", fp=1, fn=20)),
        ("cost fp=0.5, fn=3", Goal("cost", fp=0.5, fn=3)),
    ],
)
def test_goals_are_written_as_people_write_them(text, goal):
    assert parse(text) == goal
    assert parse(str(goal)) == goal


@pytest.mark.parametrize(
    "text",
    ["", "accuracy>=0.9", "precision", "precision>=", "precision>=1", "recall>=0", "cost fp=0 fn=1", "recall>=1.2.3"],
)
def test_what_is_no_goal_is_said(text):
    with pytest.raises(BadRequest):
        parse(text)


@settings(max_examples=60)
@given(st.integers(1, 300), st.sampled_from([0.5, 0.8, 0.95, 0.99]))
def test_as_many_are_needed_as_the_exact_bound_asks(n, least):
    need = needed(n, least)
    assert need == n + 1 or at_least(need, n) >= least - 1e-9
    assert need == 0 or at_least(need - 1, n) < least


def test_the_bound_is_that_of_clopper_and_pearson():
    beta = pytest.importorskip("scipy.stats").beta
    for hits, n in ((1, 3), (14, 14), (90, 100), (990, 1000)):
        assert at_least(hits, n) == pytest.approx(beta.ppf(0.05, hits, n - hits + 1), abs=1e-9)


def test_the_chance_of_each_count_is_that_of_the_beta_binomial():
    stats = pytest.importorskip("scipy.stats")
    found = np.exp(goals.log_beta_binomial(20, 7.5, 2.5))
    np.testing.assert_allclose(found, stats.betabinom(20, 7.5, 2.5).pmf(np.arange(21)), atol=1e-12)


@pytest.mark.parametrize("goal", [Goal("precision", 0.9), Goal("recall", 0.9)])
def test_a_promise_is_what_the_proving_pictures_show(goal):
    scores, truth = drawn(1000)
    found = aim(goal, scores[:500], truth[:500], scores[500:], truth[500:])
    assert isinstance(found, Promise)
    said = scores[500:] >= found.threshold
    right = (said * truth[500:]).sum()
    of = said.sum() if goal.kind == "precision" else truth[500:].sum()
    assert found.reached.value == pytest.approx(right / of)
    assert found.n == of
    assert goal.least <= found.reached.low <= found.reached.value


def test_promises_are_kept():
    """On 200 draws with a truth that is known: broken in at most 5% (and a little, by chance)."""
    far, far_truth = drawn(200_000, seed=10_000)
    broken = made = 0
    for seed in range(200):
        scores, truth = drawn(400, seed=seed)
        found = aim(Goal("precision", 0.9), scores[:200], truth[:200], scores[200:], truth[200:])
        if isinstance(found, Promise):
            made += 1
            broken += far_truth[far >= found.threshold].mean() < 0.9
    assert made > 50
    assert broken <= 0.08 * made


def test_the_cheapest_threshold_moves_with_the_costs():
    scores, truth = drawn(2000)
    halves = scores[:1000], truth[:1000], scores[1000:], truth[1000:]
    cautious, bold = (aim(Goal("cost", fp=fp, fn=fn), *halves) for fp, fn in ((20, 1), (1, 20)))
    assert bold.threshold < cautious.threshold
    each = 20 * (scores[1000:] >= cautious.threshold) * (1 - truth[1000:])
    each += (scores[1000:] < cautious.threshold) * truth[1000:]
    assert cautious.reached.value == pytest.approx(each.mean())


def test_too_little_data_is_an_answer_with_a_number():
    scores, truth = drawn(60, prevalence=0.4)
    found = aim(Goal("precision", 0.98), scores[:30], truth[:30], scores[30:], truth[30:])
    assert isinstance(found, Refusal)
    assert found.sentence.startswith("not enough data: ")
    assert "more checked positives would do" in found.sentence or "no threshold helps" in found.sentence


def test_a_model_that_knows_nothing_is_not_helped_by_more():
    random = np.random.default_rng(0)
    scores, truth = random.random(2000), (random.random(2000) < 0.1).astype(float)
    found = aim(Goal("precision", 0.99), scores[:1000], truth[:1000], scores[1000:], truth[1000:])
    assert isinstance(found, Refusal)
    assert "more checked" not in found.sentence


@pytest.mark.parametrize("goal", [Goal("precision", 0.9), Goal("recall", 0.9), Goal("f1"), Goal("cost", fp=1, fn=2)])
def test_without_positives_nothing_is_promised(goal):
    scores = np.linspace(0, 1, 50)
    assert isinstance(aim(goal, scores, np.zeros(50), scores, np.ones(50)), Refusal)
    assert isinstance(aim(goal, scores, np.ones(50), scores, np.zeros(50)), Refusal)


def test_unchecked_pictures_have_no_say():
    scores, truth = drawn(400)
    more = np.concatenate([scores[:200], np.ones(100)]), np.concatenate([truth[:200], np.full(100, np.nan)])
    goal = Goal("recall", 0.8)
    assert aim(goal, *more, scores[200:], truth[200:]) == aim(
        goal, scores[:200], truth[:200], scores[200:], truth[200:]
    )


def test_equal_scores_all_around_end_in_an_answer():
    scores, truth = np.full(100, 0.5), (np.arange(100) % 2).astype(float)
    for goal in (Goal("precision", 0.9), Goal("recall", 0.9), Goal("f1"), Goal("cost", fp=1, fn=1)):
        assert isinstance(aim(goal, scores, truth, scores, truth), (Promise, Refusal))


def test_what_is_never_said_is_not_said_by_a_threshold_of_nothing():
    """Where another label is given, no threshold makes this one be said."""
    random = np.random.default_rng(0)
    truth = (random.random(400) < 0.5).astype(float)
    scores = np.where(random.random(400) < 0.6, np.where(truth == 1, 0.9, -1), -1)
    found = aim(Goal("recall", 0.95), scores[:200], truth[:200], scores[200:], truth[200:])
    assert isinstance(found, Refusal)
    for goal in (Goal("f1"), Goal("cost", fp=1, fn=100)):
        assert aim(goal, scores[:200], truth[:200], scores[200:], truth[200:]).threshold > 0
    never = np.full(200, -1.0)
    assert "never gives this label" in aim(Goal("f1"), never, truth[:200], never, truth[200:]).sentence


def test_a_threshold_is_proved_as_it_is_compared():
    """Scores that differ after the sixth digit are one score for whoever uses the model."""
    random = np.random.default_rng(0)
    truth = (random.random(400) < 0.5).astype(float)
    scores = 1 - 1e-8 * (1 + np.where(truth == 1, random.random(400), 1 + random.random(400)))
    assert isinstance(aim(Goal("precision", 0.9), scores[:200], truth[:200], scores[200:], truth[200:]), Refusal)
