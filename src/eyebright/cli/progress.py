"""A bar with rate and time left on stderr, for whoever waits at a terminal."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import click

from eyebright.recognize.sources import Sources

T = TypeVar("T")
REDRAW_S = 0.1


def told(found: Iterator[T], items: Sources, total: int) -> Iterator[T]:
    """What is found, as it comes, with a bar for how many of `total` items are behind it."""
    began = drawn = time.monotonic()
    with click.progressbar(length=max(total, 1), file=sys.stderr, show_pos=True, width=30) as bar:
        for done, result in enumerate(found, 1):
            yield result
            now = time.monotonic()
            if now - drawn >= REDRAW_S:
                drawn = now
                bar.label = f"{done / (now - began):,.0f} a second"
                bar.update(max(items.taken - 1 - bar.pos, 0))  # the last one that was taken is under way
                bar.render_progress()
        bar.update(bar.length - bar.pos if bar.length else 0)


@contextmanager
def counted(what: str, shown: bool) -> Iterator[Callable[[int, int], None]]:
    """A function that is told how many of how many are done, with a bar that shows it where somebody looks."""
    if not shown:
        yield lambda done, total: None
        return
    with click.progressbar(length=1, label=what, file=sys.stderr, show_pos=True, width=30) as bar:

        def tell(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        yield tell
        bar.length = bar.length if bar.pos else 0


def wanted(results_on_terminal: bool, plain: bool = False) -> bool:
    """Whether somebody looks at stderr, and no results run over the same screen."""
    return sys.stderr.isatty() and not results_on_terminal and not plain
