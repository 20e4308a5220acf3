"""The data beside the pictures that a model will meet: how they differ in what can be measured without a network.

Benchmarks are not always like the pictures of the wild. For each property the two distributions are compared by the
statistic of Kolmogorov and Smirnov: the largest difference of their cumulative shares, 0 for equal, 1 for no overlap.
"""

from collections.abc import Callable, Iterator, Sequence
from math import sqrt
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eyebright.data.archives import open_archive
from eyebright.data.dataset import Dataset, Item
from eyebright.data.finding import Finding
from eyebright.data.look import Look
from eyebright.data.source import Source
from eyebright.data.stores import Folder
from eyebright.errors import BadRequest

APART = 0.25
"""Distributions further apart are told of, where chance does not explain it either ..."""
RATIO = 1.1
"""... and the larger median is so many times the smaller: all may be 200 pixels here and 208 there, and no matter."""
ENOUGH = 20
"""Pictures on each side that a comparison needs."""
_SHOWN = 6


class Property(NamedTuple):
    """What is compared, and what a lower and a higher value are called."""

    of: Callable[[Look], float]
    lower: str
    higher: str
    shown: str
    """How a value is written."""


PROPERTIES = {
    "brightness": Property(lambda seen: seen.brightness, "darker", "brighter", "{:.0%}"),
    "contrast": Property(lambda seen: seen.contrast, "flatter", "richer in contrast", "{:.0%}"),
    "saturation": Property(lambda seen: seen.saturation, "less colorful", "more colorful", "{:.0%}"),
    "sharpness": Property(lambda seen: seen.sharpness, "softer", "sharper or busier", "{:.2f}"),
    "shorter side": Property(lambda seen: float(min(seen.width, seen.height)), "smaller", "larger", "{:,.0f} pixels"),
    "width to height": Property(lambda seen: seen.width / seen.height, "narrower", "wider", "{:.2f}"),
}


def outside(path: Path) -> Dataset:
    """The pictures of a folder or archive as a data set without labels. Raises BadRequest where there are none."""
    if not path.exists():
        raise BadRequest(f"no such file or folder: {path}")
    tree = Folder(path) if path.is_dir() else open_archive(path)
    if tree is None:
        raise BadRequest(f"{path} is neither a folder nor an archive of pictures; name one that is.")
    names = Source(tree, str(path)).pictures()
    if not names:
        raise BadRequest(f"{path}: there are no pictures in it to compare with.")
    return Dataset(path.name, tuple(Item(name, (), "test") for name in names), (), "multi", tree)


def findings(inside: Sequence[Look], outside: Sequence[Look]) -> Iterator[Finding]:
    """Where the pictures outside differ most from all of the data, the largest difference first."""
    data = [seen for seen in inside if not seen.problem]
    met = [seen for seen in outside if not seen.problem]
    if min(len(data), len(met)) < ENOUGH:
        yield Finding(
            "difference",
            "note",
            f"Not compared: {len(data):,} pictures here and {len(met):,} there could be read, {ENOUGH} are needed.",
        )
        return
    chance = 1.63 * sqrt((len(data) + len(met)) / (len(data) * len(met)))  # exceeded by chance once in 100
    apart = {name: ks(_values(data, what), _values(met, what)) for name, what in PROPERTIES.items()}
    told = [
        name
        for name in sorted(apart, key=lambda name: -apart[name])
        if apart[name] > max(APART, chance) and _ratio(PROPERTIES[name], data, met) > RATIO
    ]
    for name in told:
        yield _difference(name, apart[name], data, met)
    grays = [sum(seen.gray for seen in looks) / len(looks) for looks in (data, met)]
    if abs(grays[0] - grays[1]) > max(APART, chance):
        yield Finding(
            "difference",
            "warn",
            f"Of the pictures it will meet {grays[1]:.0%} are gray, of the data {grays[0]:.0%}.",
            (tuple(seen.item for seen in data if seen.gray == (grays[0] > grays[1]))[:_SHOWN],),
            tuple(seen.item for seen in met if seen.gray == (grays[1] > grays[0]))[:_SHOWN],
        )
    elif not told:
        largest = max(apart, key=lambda name: apart[name])
        yield Finding(
            "difference",
            "note",
            f"The {len(met):,} pictures it will meet measure like the data in {', '.join(PROPERTIES)} and gray share; "
            f"furthest apart is {largest} ({apart[largest]:.2f} of 1). What they show was not compared.",
        )


def ks(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """The two-sample statistic of Kolmogorov and Smirnov, 0..1.

    >>> ks(np.array([1.0, 2.0]), np.array([3.0, 4.0])), ks(np.array([1.0, 2.0]), np.array([1.0, 2.0]))
    (1.0, 0.0)
    """
    every = np.concatenate((one, other))
    shares = [np.searchsorted(np.sort(side), every, "right") / len(side) for side in (one, other)]
    return float(np.abs(shares[0] - shares[1]).max())


def _values(looks: Sequence[Look], what: Property) -> NDArray[np.float64]:
    return np.array([what.of(seen) for seen in looks])


def _ratio(what: Property, data: Sequence[Look], met: Sequence[Look]) -> float:
    low, high = sorted(float(np.median(_values(looks, what))) for looks in (data, met))
    return high / max(low, 1e-6)


def _difference(name: str, apart: float, data: Sequence[Look], met: Sequence[Look]) -> Finding:
    what = PROPERTIES[name]
    here, there = _values(data, what), _values(met, what)
    word = what.higher if np.median(there) > np.median(here) else what.lower
    written = []
    for values in (there, here):
        low, middle, high = (what.shown.format(value) for value in np.quantile(values, (0.25, 0.5, 0.75)))
        written.append(f"{middle} (half of them {low} to {high})")
    return Finding(
        "difference",
        "warn",
        f"The pictures it will meet are {word}: {name} {written[0]}, in the data {written[1]}; "
        f"the distributions are {apart:.2f} of 1 apart.",
        (_typical(data, here),),
        _typical(met, there),
    )


def _typical(looks: Sequence[Look], values: NDArray[np.float64]) -> tuple[Item, ...]:
    """The pictures nearest to the median."""
    order = np.argsort(np.abs(values - np.median(values)), kind="stable")
    return tuple(looks[place].item for place in order[:_SHOWN])
