"""Encoders by name: what a person may ask for, checked once, and what is known of each."""

import difflib
import inspect
import re
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from eyebright.encoders import ENCODERS, Encoder
from eyebright.encoders.encoder import SMALLEST
from eyebright.errors import BadRequest

HIGHEST = 4.0  # of channels or blocks
LARGEST_SIDE = 1024  # pixels
MOST_COLORS = 16


def build(name: str, width: float = 1.0, depth: float = 1.0, colors: int = 3, size: int | None = None) -> Encoder:
    """The encoder of this name with random weights, for the size that it was drawn for unless another is given.

    Raises BadRequest for a name that there is not, or numbers that no network can be built with.
    """
    check(name)
    size = input_size(name) if size is None else size
    for what, multiplier in (("width", width), ("depth", depth)):
        if not 0 < multiplier <= HIGHEST:
            raise BadRequest(f"The {what} of a network is over 0 and at most {HIGHEST:g}, not {multiplier:g}.")
    if not 1 <= colors <= MOST_COLORS:
        raise BadRequest(f"An image has 1 to {MOST_COLORS} colors, not {colors}.")
    if not SMALLEST <= size <= LARGEST_SIDE:
        raise BadRequest(f"The size of an image is {SMALLEST} to {LARGEST_SIDE} pixels a side, not {size}.")
    return ENCODERS[name](width=width, depth=depth, colors=colors, size=size)


def check(name: str) -> None:
    """Raise BadRequest for a name that there is not."""
    if name not in ENCODERS:
        near = difflib.get_close_matches(name, ENCODERS, 1, 0.5)
        hint = f"did you mean {near[0]}?" if near else "`eyebright encoders` lists them."
        raise BadRequest(f"There is no encoder {name!r}; {hint}")


def input_size(name: str) -> int:
    """Pixels a side of the images that it was drawn for."""
    size: int = inspect.signature(ENCODERS[name]).parameters["size"].default
    return size


def paper(name: str) -> str:
    """Where it was published, from the first line of its own or else of its family's documentation.

    >>> paper("resnet-50")
    'He et al. 2015, arXiv:1512.03385'
    """
    for described in (function(name), family(name)):
        if found := re.search(r"\(([^()]* arXiv:[\d.]+)\)", (described.__doc__ or "").partition("\n")[0]):
            return found[1]
    return ""


def family(name: str) -> ModuleType:
    """The module that draws this encoder and knows how to read published weights of it (`translate`)."""
    return sys.modules[function(name).__module__]


def function(name: str) -> Callable[..., Any]:
    """What draws it, without the arguments that ENCODERS has filled in."""
    build = ENCODERS[name]
    inner: Callable[..., Any] = getattr(build, "func", build)
    return inner
