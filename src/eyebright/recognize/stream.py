"""Many inputs at once, in order, in bounded memory.

Work comes in handfuls. A worker thread takes a handful all the way, from bytes to answers, so nothing is handed over
and no core waits for another; at most a few handfuls are under way, whatever is still to come.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def handfuls(items: Iterable[T], most: int) -> Iterator[list[T]]:
    """Lists of 1, 1, 2, 2, 4, 4 ... up to `most` items: the first answers come soon.

    >>> list(handfuls("abcdefgh", 2))
    [['a'], ['b'], ['c', 'd'], ['e', 'f'], ['g', 'h']]
    """
    rest = iter(items)
    for turn in range(1 << 62):
        handful = list(islice(rest, min(most, 1 << min(turn // 2, 20))))
        if not handful:
            return
        yield handful


def in_order(work: Callable[[list[T]], list[R]], items: Iterable[T], workers: int, most: int) -> Iterator[R]:
    """The results of `work` over handfuls of items, in the order of the items.

    Ends cleanly when the caller stops early: what is under way is finished, nothing new begins.
    """
    waiting: deque[Future[list[R]]] = deque()
    pool = ThreadPoolExecutor(workers, "eyebright")
    try:
        for handful in handfuls(items, most):
            waiting.append(pool.submit(work, handful))
            if len(waiting) > workers:  # one more than are worked on, so that no worker runs dry
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
