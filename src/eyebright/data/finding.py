"""One thing that an audit found, in a sentence, with the pictures that show it."""

from dataclasses import dataclass
from typing import Literal

from eyebright.data.dataset import Item

Severity = Literal["stop", "warn", "note"]
SEVERITIES: dict[Severity, str] = {
    "stop": "Stops training",
    "warn": "Worth a look",
    "note": "Good to know",
}
"""From the gravest, with a heading."""


@dataclass(frozen=True)
class Finding:
    """`groups` holds pictures that belong together: copies of one picture, or each alone."""

    kind: str
    """One word for machines, as `leak`; docs/data-check.md lists them."""
    severity: Severity
    sentence: str
    """What it is, how often, what to do."""
    groups: tuple[tuple[Item, ...], ...] = ()
    outside: tuple[Item, ...] = ()
    """Of the folder that the data are compared with: pictures to see beside those in `groups`."""


def pictures(count: int) -> str:
    """A count with its noun.

    >>> pictures(1), pictures(1200)
    ('1 picture', '1,200 pictures')
    """
    return "1 picture" if count == 1 else f"{count:,} pictures"
