"""What a reader hands over: rows that say what a format says, nothing decided yet (assemble.py does that)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from eyebright.data.dataset import Box, Split, Store
from eyebright.modelfile import Label


class Row(NamedTuple):
    """One picture, or a part of one, as a format tells of it; labels by id."""

    name: str
    labels: tuple[str, ...]
    split: Split | None = None
    unknown: tuple[str, ...] = ()
    box: Box | None = None


@dataclass
class Found:
    """All that a reader found."""

    rows: list[Row]
    store: Store
    labels: Sequence[Label] = ()
    """Names and order, where the format has them; else ids are names, in their natural order."""
    multi: bool = False
    """Whether the format is one of several labels a picture, even where each has one."""
    remarks: list[str] = field(default_factory=list)


def listed(words: Iterable[str], most: int = 5) -> str:
    """A few of them for a sentence.

    >>> listed("abcdefgh", 3)
    'a, b, c and 5 more'
    """
    known = list(words)
    return ", ".join(known[:most]) + (f" and {len(known) - most:,} more" if len(known) > most else "")


def natural(word: str) -> tuple[int, int, str]:
    """Sorts numbers by size, then words.

    >>> sorted(["b", "10", "9", "a"], key=natural)
    ['9', '10', 'a', 'b']
    """
    number = word.isascii() and word.isdigit() and len(word) < 19
    return (0, int(word), word) if number else (1, 0, word)
