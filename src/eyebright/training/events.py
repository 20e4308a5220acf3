"""What a training tells whoever watches: the command line prints it, a page streams it, tests collect it."""

from collections.abc import Callable
from dataclasses import dataclass

from eyebright.modelfile import Task


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence for a person."""

    text: str


@dataclass(frozen=True, slots=True)
class Counted:
    """How far something is that takes long and is no training step."""

    what: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Judged:
    """How good a network is on the validation split."""

    value: float
    """top-1, average precision or mean average precision, 0..1, by the task."""
    loss: float
    """Negative log-likelihood at the temperature that suits it best, in nats."""

    def better_than(self, other: "Judged | None", task: Task) -> bool:
        """One label: less surprised, which says more of a few hundred pictures than how many are right. Many: mAP.

        There the loss is that of the common labels, and rises while rare ones are still being learned.
        """
        if other is None:
            return True
        if task == "multi":
            return (self.value, -self.loss) > (other.value, -other.loss)
        return self.loss < other.loss


@dataclass(frozen=True, slots=True)
class Progress:
    """What there is to say after a step."""

    step: int
    steps: int
    epoch: float
    loss: float
    rate: float
    images_s: float
    left_s: float
    judged: Judged | None = None
    best: bool = False
    """Whether this was the best judgement so far."""


class Enough(Exception):
    """Raised by whoever is told of progress: learn no longer, and finish with the best there is."""


Event = Said | Counted | Progress
Tell = Callable[[Event], None]
MEASURES = {"single": "top-1", "binary": "average precision", "multi": "mAP"}
"""What `Judged.value` is, by task."""


def counting(tell: Tell, what: str) -> Callable[[int, int], None]:
    """`tell` for those who only count."""
    return lambda done, total: tell(Counted(what, done, total))


def clock(seconds: float) -> str:
    """A time in words.

    >>> clock(75), clock(3700), clock(-3)
    ('1:15', '1:01:40', '0:00')
    """
    minutes, rest = divmod(max(round(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
