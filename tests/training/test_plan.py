"""A promised time becomes the most steps that keep it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")

from eyebright.training.plan import JUDGEMENTS, by_epochs, by_time, judged_every


def seconds(steps, step_s, judge_s, a_pass):
    """What so many steps take, with the judgements between them."""
    return steps * step_s + min(steps / a_pass, JUDGEMENTS) * judge_s


@given(st.floats(1, 1e5), st.floats(0.01, 10), st.floats(0, 60), st.integers(1, 1000))
def test_a_promise_is_kept_and_used(left_s, step_s, judge_s, a_pass):
    """All steps fit into the time, and not one more would."""
    steps = by_time(left_s, step_s, judge_s, a_pass, 10**9)
    assert steps == 1 or seconds(steps, step_s, judge_s, a_pass) <= left_s * (1 + 1e-9)
    assert seconds(steps + 1, step_s, judge_s, a_pass) > left_s * (1 - 1e-9)


def test_a_time_that_is_over_is_one_step():
    """A run without any would have nothing to show."""
    assert by_time(-10, 1, 1, 10, 100) == 1


def test_no_more_steps_than_make_sense():
    assert by_time(1e9, 1, 1, 10, 100) == 100


@given(st.integers(1, 10**6), st.integers(1, 10**4))
def test_a_run_is_judged_after_each_pass_or_30_times(steps, a_pass):
    every = judged_every(steps, a_pass)
    assert every >= a_pass
    assert every == a_pass or steps / every <= JUDGEMENTS


def test_a_part_of_a_pass_is_a_step():
    assert by_epochs(1, 33, 32) == 2
    assert by_epochs(0.5, 64, 32) == 1
    assert by_epochs(0, 64, 32) == 1
