"""What Eyebright says of one picture: the one shape that every part of it shows, stores and sends.

As JSON, one object a line (docs/recognize.md): a Prediction, or a Failure for an input that could not be read.
"""

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from eyebright.errors import EyebrightError
from eyebright.modelfile import Task

Reason = Literal["unsure", "none_of_these"]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class LabelScore(_Part, frozen=True):
    """A label or parent with its score, 0..1; `on` where the task is `multi` and the score is over its threshold."""

    label: str
    id: str
    score: float
    on: bool | UnsetType = UNSET


class Summary(_Part, frozen=True):
    """The most specific statement that is sure enough."""

    label: str
    id: str
    score: float
    threshold: float


class Prediction(_Part, frozen=True):
    """`labels` are the model's own, best first; what stands above them in the hierarchy is in `parents`."""

    source: str
    task: Task
    labels: tuple[LabelScore, ...]
    parents: tuple[LabelScore, ...]
    summary: Summary | None
    reason: Reason | UnsetType = UNSET
    """Why there is no summary."""
    set: tuple[str, ...] | UnsetType = UNSET
    time_s: float | UnsetType = UNSET
    """Where in a video or animation this frame stands."""
    start_s: float | UnsetType = UNSET
    end_s: float | UnsetType = UNSET

    def to_json(self) -> str:
        """One line."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> "Prediction":
        """The inverse of `to_json`."""
        return msgspec.json.decode(text, type=cls)


class Problem(_Part, frozen=True):
    kind: str
    message: str


class Failure(_Part, frozen=True):
    """An input that could not be read, and why."""

    source: str
    error: Problem

    def to_json(self) -> str:
        """One line."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def of(cls, source: str, error: EyebrightError) -> "Failure":
        return cls(source, Problem(error.kind, str(error)))
