"""A genotype: the cells of a network as data, for people and searches to write down. `nasnet.py` builds it.

A cell sees two states: 0 is the output of the cell before it, 1 that of the one before that. Each step applies an
operation to each of two states that are there already, and their sum is the next state: 2, 3, ... The states that
`output` names, side by side, leave the cell. In a reduction cell what is applied to 0 or 1 halves height and width.
"""

from dataclasses import dataclass
from typing import NamedTuple

from eyebright.errors import BadRequest

OPERATIONS = ("skip", "average 3x3", "max 3x3", "separable 3x3", "separable 5x5", "separable 7x7")
INPUTS = 2  # states that a cell begins with
MOST_STEPS = 32


class Step(NamedTuple):
    """The sum of one operation on one state and another on another."""

    first: str
    of: int
    second: str
    and_of: int


@dataclass(frozen=True)
class Wiring:
    """The inside of a cell.

    Raises BadRequest where an operation is unknown, or where a state is not there yet or never used.
    """

    steps: tuple[Step, ...]
    output: tuple[int, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.steps) <= MOST_STEPS:
            raise BadRequest(f"A cell has 1 to {MOST_STEPS} steps; this one has {len(self.steps)}.")
        for number, step in enumerate(self.steps):
            for operation, state in ((step.first, step.of), (step.second, step.and_of)):
                if operation not in OPERATIONS:
                    raise BadRequest(f"There is no operation {operation!r}; there are {', '.join(OPERATIONS)}.")
                if not 0 <= state < INPUTS + number:
                    raise BadRequest(f"Step {number + 1} uses state {state}; until then there are 0 to {number + 1}.")
        states = range(INPUTS + len(self.steps))
        if not self.output or any(state not in states for state in self.output):
            raise BadRequest(f"A cell's output is some of its states 0 to {states[-1]}, not {list(self.output)}.")
        used = {state for step in self.steps for state in (step.of, step.and_of)} | set(self.output)
        if unused := set(states) - used:
            raise BadRequest(f"State {min(unused)} is never used: apply something to it, or put it into the output.")


@dataclass(frozen=True)
class Genotype:
    """A network's two cells. Raises BadRequest where a reduction's output would hold a state that is not halved."""

    normal: Wiring
    reduction: Wiring

    def __post_init__(self) -> None:
        if min(self.reduction.output) < INPUTS:
            raise BadRequest("The output of a reduction cell cannot hold 0 or 1, which are not halved.")


NASNET_A = Genotype(  # figure 4 of Zoph et al. 2017, arXiv:1707.07012
    normal=Wiring(
        steps=(
            Step("separable 5x5", 0, "separable 3x3", 1),
            Step("separable 5x5", 1, "separable 3x3", 1),
            Step("average 3x3", 0, "skip", 1),
            Step("average 3x3", 1, "average 3x3", 1),
            Step("separable 3x3", 0, "skip", 0),
        ),
        output=(1, 2, 3, 4, 5, 6),
    ),
    reduction=Wiring(
        steps=(
            Step("separable 5x5", 0, "separable 7x7", 1),
            Step("max 3x3", 0, "separable 7x7", 1),
            Step("average 3x3", 0, "separable 5x5", 1),
            Step("skip", 3, "average 3x3", 2),
            Step("separable 3x3", 2, "max 3x3", 0),
        ),
        output=(3, 4, 5, 6),
    ),
)
