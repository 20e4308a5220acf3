"""What a frontier is made of: networks that were trained, their model files as points, and which of these are beaten.

Three things count: the main figure of the task on the validation split, the latency and the size of the file.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from eyebright.errors import BadRequest
from eyebright.modelfile import Figure

FLOAT, INT8 = 32, 8
BITS = (FLOAT, INT8)
RUNGS = (0.25, 0.5)
"""Shares of the way at which a network may be stopped."""
SMALLER, FASTER = 0.9, 0.9
"""Another network must have at most this share of the size and of the latency to stop one."""
LEAD = 0.02
"""And its main figure must be so much better by then."""
SAME = 1.03
"""Latencies whose ratio is less than this are the same: so far apart are two measurements of one file."""


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be tried; every combination is a network."""

    encoders: tuple[str, ...]
    widths: tuple[float, ...] = (1.0,)
    depths: tuple[float, ...] = (1.0,)
    sizes: tuple[int, ...] = (224, 160, 128)
    bits: tuple[int, ...] = BITS
    seeds: int = 3
    """Trainings of each network on the frontier."""
    minutes: float = 0.0
    """For everything; 0: as many passes as the recipe says."""
    mode: str = "scratch"
    whole: bool = False
    """Whether every network learns to its end."""
    keys: dict[str, Any] = {}
    """Other keys of the recipe."""

    def __post_init__(self) -> None:
        for name in ("encoders", "widths", "depths", "sizes", "bits"):
            values = tuple(getattr(self, name))
            msgspec.structs.force_setattr(self, name, values)
            if not values:
                raise BadRequest(f"There is nothing in {name} to try; name one at least.")
            if len(set(values)) < len(values):
                raise BadRequest(f"Something stands twice in {name}; once is enough.")
        for bits in self.bits:
            if bits not in BITS:
                raise BadRequest(f"bits is 32 (float), 8 (int8) or both; {bits} is neither.")
        if not 1 <= self.seeds <= 100:
            raise BadRequest(f"seeds is a number from 1 to 100; {self.seeds} is not.")
        if self.mode not in ("scratch", "finetune"):
            raise BadRequest(f"A frontier is trained with mode scratch or finetune; {self.mode!r} is neither.")
        for key in ("mode", "encoder", "weights", "width", "depth", "size", "seed", "minutes", "devices"):
            if key in self.keys:
                raise BadRequest(f"A frontier decides {key} by itself; leave it out of the recipe's keys.")


class Scored(msgspec.Struct):
    """One model file."""

    size_bytes: int
    validation: Figure
    test: Figure | None = None


class Network(msgspec.Struct):
    """One combination, and what became of it so far."""

    name: str
    encoder: str
    width: float
    depth: float
    size: int
    mode: str
    size_bytes: int = 0
    """Of its model file, before it was trained."""
    latency_ms: float = 0.0
    """Of the same."""
    pass_s: float = 0.0
    """How long one pass over the training pictures takes."""
    around_s: float = 0.0
    """And what a training takes beside its passes."""
    took_s: float = 0.0
    """The first training, in all."""
    rungs: dict[str, float] = {}
    """What it was worth on the validation split at each of RUNGS."""
    stopped: str = ""
    """By whom and when, if it was."""
    failed: str = ""
    """Why it could not be trained, if so."""
    runs: dict[int, dict[int, Scored]] = {}
    """seed -> bits -> model file."""
    latencies: dict[int, Figure] = {}
    """bits -> milliseconds a picture."""

    def run(self, seed: int) -> str:
        """The name of its run's folder."""
        return f"{self.name}-seed{seed}" if seed else self.name

    def training_s(self, passes: float) -> float:
        """What a training takes: as long as the first one, or as planned."""
        return self.took_s or self.around_s + passes * self.pass_s


class Point(NamedTuple):
    """One model file, and others of the same kind that began with other seeds."""

    network: Network
    bits: int
    validation: float
    """The mean over the seeds."""
    latency_ms: float
    size_bytes: int
    scored: tuple[Scored, ...]
    """By seed."""

    @property
    def name(self) -> str:
        return f"{self.network.name} int8" if self.bits == INT8 else self.network.name

    @property
    def file(self) -> str:
        """Where it is, within the frontier's folder."""
        return f"points/{self.network.name}/{model_name(self.bits)}"

    @property
    def test(self) -> tuple[float, ...]:
        """Of each seed, as far as the test split was opened."""
        return tuple(one.test.value for one in self.scored if one.test)


def model_name(bits: int) -> str:
    return "model.onnx" if bits == FLOAT else f"model-int{bits}.onnx"


def networks(asked: Asked, pretrained: Iterable[str]) -> list[Network]:
    """Every combination; with mode finetune, those that there are no pretrained weights of learn from nothing.

    >>> [one.name for one in networks(Asked(encoders=("resnet-8",), widths=(1, 0.5), sizes=(32, 64)), ())]
    ['resnet-8-32', 'resnet-8-64', 'resnet-8-w0.5-32', 'resnet-8-w0.5-64']
    """
    known = set(pretrained)
    found = []
    for encoder, depth, width, size in itertools.product(asked.encoders, asked.depths, asked.widths, asked.sizes):
        name = encoder + (f"-w{width:g}" if width != 1 else "") + (f"-d{depth:g}" if depth != 1 else "") + f"-{size}"
        whole = width == depth == 1 and encoder in known
        mode = "finetune" if asked.mode == "finetune" and whole else "scratch"
        found.append(Network(name, encoder, width, depth, size, mode))
    return found


def points(tried: Sequence[Network], bits: Sequence[int]) -> list[Point]:
    """The model files that there are, in the order of the networks; those not measured yet as before training."""
    found = []
    for network in tried:
        for wanted in bits:
            scored = tuple(run[wanted] for _, run in sorted(network.runs.items()) if wanted in run)
            if scored:
                latency = network.latencies[wanted].value if wanted in network.latencies else network.latency_ms
                value = sum(one.validation.value for one in scored) / len(scored)
                found.append(Point(network, wanted, value, latency, scored[0].size_bytes, scored))
    return found


def beats(a: Point, b: Point) -> bool:
    """Whether a is at least as good as b in all three, and better in one."""
    if a.validation < b.validation or a.size_bytes > b.size_bytes or a.latency_ms >= SAME * b.latency_ms:
        return False
    better = a.validation > b.validation or a.size_bytes < b.size_bytes
    return better or b.latency_ms >= SAME * a.latency_ms


def on_frontier(some: Sequence[Point]) -> list[Point]:
    """Those that none beats, in their order."""
    return [one for one in some if not any(beats(other, one) for other in some)]


def staircase(some: Sequence[Point], cost: str) -> list[Point]:
    """Those that are better than all that cost less, cheapest first; `cost` is latency_ms or size_bytes."""
    best, found = -1.0, []
    for one in sorted(some, key=lambda point: (getattr(point, cost), -point.validation)):
        if one.validation > best:
            best = one.validation
            found.append(one)
    return found


def stopped_by(network: Network, others: Iterable[Network], rung: float) -> Network | None:
    """Who stops a network at a rung: one that is smaller and faster, and was better when it was so far; or None."""
    key = f"{rung:g}"
    for other in others:
        if (
            key in other.rungs
            and other.size_bytes <= SMALLER * network.size_bytes
            and other.latency_ms <= FASTER * network.latency_ms
            and other.rungs[key] >= network.rungs[key] + LEAD
        ):
            return other
    return None


def passes_that_fit(tried: Sequence[Network], seeds: int, left_s: float) -> float:
    """How many passes over the pictures each network can have, so that all of it fits into `left_s`.

    A quarter of the networks is expected on the frontier, and trained with the other seeds too.

    >>> a = Network("a", "resnet-8", 1, 1, 32, "scratch", pass_s=10, around_s=5)
    >>> passes_that_fit([a], 1, 105), passes_that_fit([a], 3, 105), passes_that_fit([a] * 4, 3, 180)
    (10.0, 3.0, 2.5)
    """
    again = 1 + (seeds - 1) * -(-len(tried) // 4) / len(tried)
    around_s, pass_s = sum(one.around_s for one in tried), sum(one.pass_s for one in tried)
    return max((left_s / again - around_s) / pass_s, 0.0)


def how_many_fit(tried: Sequence[Network], left_s: float) -> int:
    """Of the cheapest networks, how many can have one pass."""
    costs = itertools.accumulate(sorted(one.pass_s + one.around_s for one in tried))
    return sum(cost <= left_s for cost in costs)
