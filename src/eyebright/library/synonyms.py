"""Names that mean the same, as "sofa" and "couch": WordNet's synsets of what pictures show (Miller 1995).

They are English. `tools/synonyms.py` makes the file that they are read from.
"""

import gzip
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).with_name("synonyms.txt.gz")


class Meaning(NamedTuple):
    """One thing that a name may mean."""

    id: str
    """Of WordNet 3.0, as ImageNet uses it: n02958343."""
    names: list[str]
    """Those that mean this more often than anything else, in small letters."""


def meanings(name: str) -> Iterator[Meaning]:
    """What a name in small letters may mean, the most usual first.

    >>> [(meaning.id, meaning.names) for meaning in meanings("couch")]
    [('n04256520', ['sofa', 'couch', 'settee', 'lounge']), ('n04256520', ['sofa', 'couch', 'lounge'])]
    """
    text = lines()
    for form in (f"\t{name}\t", f"\t~{name}\t"):
        at = text.find(form)
        while at >= 0:
            end = text.index("\n", at)
            number, *names = text[text.rindex("\n", 0, at) + 1 : end - 1].split("\t")
            yield Meaning(number, [name for name in names if not name.startswith("~")])
            at = text.find(form, end)


@cache
def lines() -> str:
    """All synsets: a line each, its id and then its names, a tab after each; ~ before one that usually is another."""
    return "\n" + gzip.decompress(FILE.read_bytes()).decode()
