"""Many inputs at once: in order, in bounded memory, and ended cleanly."""

import itertools
import threading
import time

import pytest

from eyebright.recognize.stream import handfuls, in_order
from pictures import color_recognizer, encoded, plain


def ours():
    return [thread for thread in threading.enumerate() if thread.name.startswith("eyebright")]


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_the_order_of_the_items(workers):
    """The first may take longest; its result is still the first."""

    def slow(some):
        time.sleep(0.002 * (10 - min(some[0], 10)))
        return [item * 2 for item in some]

    assert list(in_order(slow, range(50), workers, 4)) == [item * 2 for item in range(50)]


@pytest.mark.parametrize(("workers", "most"), [(1, 1), (2, 8), (4, 3)])
def test_no_more_than_a_few_handfuls_are_read_ahead(workers, most):
    """A million photos may be still to come."""
    taken = 0

    def endless():
        nonlocal taken
        for number in itertools.count():
            taken = number + 1
            yield number

    found = in_order(list, endless(), workers, most)
    for done, _ in enumerate(itertools.islice(found, 200), 1):
        assert taken - done <= (workers + 1) * most
    found.close()


def test_a_consumer_that_stops_early_leaves_no_threads():
    """`break` in a loop over results is a normal end."""
    assert not ours()
    for _ in in_order(list, itertools.count(), 4, 2):
        assert ours()
        break
    assert not ours()


def test_an_error_in_the_work_reaches_the_caller_and_leaves_no_threads():
    """A broken runtime is not a lost result."""

    def work(some):
        if 5 in some:
            raise ValueError("five")
        return some

    with pytest.raises(ValueError, match="five"):
        list(in_order(work, range(10), 2, 1))
    assert not ours()


def test_an_error_in_the_items_reaches_the_caller_and_leaves_no_threads():
    """The same for a generator that somebody passed."""

    def items():
        yield 1
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(in_order(list, items(), 2, 1))
    assert not ours()


def test_handfuls_grow_so_that_the_first_answer_comes_soon():
    """One, one, two, two, four ..."""
    assert [len(some) for some in handfuls(range(40), 8)] == [1, 1, 2, 2, 4, 4, 8, 8, 8, 2]


def test_a_stream_of_pictures_does_not_read_ahead_and_stops_cleanly():
    """The same through the recognizer: a generator of many pictures is read as they are needed."""
    taken = []
    data = encoded(plain("red"))

    def endless():
        for number in itertools.count():
            taken.append(number)
            yield data

    results = color_recognizer(threads=2).stream(endless(), batch=4)
    for result in itertools.islice(results, 100):
        assert result.summary.label == "red"
    assert len(taken) <= 100 + 3 * 4
    assert ours()
    results.close()
    assert not ours()
