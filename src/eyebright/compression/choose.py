"""Which network learns: of those with pretrained weights on this machine, the one that suits the budget.

A head is fitted on each that is smaller than the first or likely to be within the budget, which takes a minute and says
what its features are worth here; a network that is over the budget can be pruned, so that alone does not rule it out.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from eyebright.compression.goal import in_int8
from eyebright.encoders import slim
from eyebright.encoders.count import count
from eyebright.encoders.published import SOURCES, find
from eyebright.errors import MissingExtra
from eyebright.modelfile import Task
from eyebright.training.network import drawn

T = TypeVar("T")


class Cost(NamedTuple):
    """Of a network in 8 bits, by its layers."""

    size_bytes: int
    macs: float


def installed() -> Iterator[str]:
    """Encoders whose pretrained weights are on this machine."""
    for name, source in SOURCES.items():
        try:
            find(source)
        except MissingExtra:
            continue
        yield name


def cost(encoder: str, labels: int, task: Task, size: int = 0) -> Cost:
    """`size` is pixels a side; 0: what the encoder was drawn for."""
    side = size or slim.input_size(encoder)
    network = drawn(slim.asked(encoder, 1.0, 1.0, 3, side), "logistic", labels, task)
    return Cost(in_int8(network), float(count(network, (side, side, 3)).num_macs))


def best(tried: Sequence[T], value: Callable[[T], float], over: Callable[[T], float], allowed: float) -> T:
    """Of what is at most `allowed` worse than the best: what is within the budget, the better first, else the nearest.

    Of two that are as good the one that costs less is taken. `over` is how many times the budget it costs.

    >>> best([(0.90, 2.0), (0.895, 1.2), (0.80, 0.5)], lambda one: one[0], lambda one: one[1], 0.01)
    (0.895, 1.2)
    >>> best([(0.90, 2.0), (0.895, 0.9), (0.891, 0.5)], lambda one: one[0], lambda one: one[1], 0.01)
    (0.895, 0.9)
    >>> best([(0.90, 0.8), (0.90, 0.7)], lambda one: one[0], lambda one: one[1], 0.01)
    (0.9, 0.7)
    """
    top = max(map(value, tried))
    near = [one for one in tried if value(one) >= top - allowed]
    return min(near, key=lambda one: (max(over(one), 1.0), -value(one), over(one)))
