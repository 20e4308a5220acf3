"""What a user may say of a foreign model; the rest is read from its file or guessed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Layout = Literal["nchw", "nhwc"]
Activation = Literal["softmax", "sigmoid", "none"]
Interpolation = Literal["bicubic", "bilinear", "lanczos", "box", "nearest"]
Three = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Choices:
    """How the foreign model wants its pictures and what it says; None is read from the file or guessed."""

    label_names: Sequence[str] | None = None
    mean: Three | None = None
    """In units of 0..1, as torchvision has it; with a value over 1, of 0..255. In the order of its own channels."""
    std: Three | None = None
    size: int | None = None
    crop: float | None = None
    layout: Layout | None = None
    activation: Activation | None = None
    """What is still to be applied to its output; "none" where the output is scores already."""
    positive: str | None = None
    """Makes a `binary` model: the label that is looked for."""
    name: str | None = None
    licence: str = ""
    bgr: bool = False
    interpolation: Interpolation = "bilinear"
    """Of the resize."""
