"""A frontier in words and figures: what is worth saying of it, its table, its JSON."""

from collections.abc import Sequence
from typing import Any

import msgspec

from eyebright.compression.frontier.points import LEAD, RUNGS, Point
from eyebright.compression.frontier.state import State

MEASURES = {"top1": "top-1", "ap": "average precision", "map": "mAP"}
NEAR = 0.01
"""A point that is so near to the best one is good enough for a cheaper device."""
HEADER = ("", "model", "validation", "test", "95%", "seeds", "MB", "ms", "")


def sentences(
    state: State, points: Sequence[Point], frontier: Sequence[Point], validation: int, test: int
) -> list[str]:
    """What is worth saying, with figures of the test split; all was chosen on the validation split."""
    best = max(frontier, key=lambda one: (one.validation, -one.size_bytes))
    near = [one for one in frontier if one.validation >= best.validation - NEAR]
    said = [f"The best is {told(best)}."]
    for what, key in (("smallest", "size_bytes"), ("fastest", "latency_ms")):
        chosen = min(near, key=lambda one: getattr(one, key))
        if chosen is not best:
            said.append(f"The {what} within {100 * NEAR:g} point of it on validation is {told(chosen)}.")
    first = points[0]
    rivals = [one for one in points if one.latency_ms <= first.latency_ms and one.network is not first.network]
    if rivals:
        rival = max(rivals, key=lambda one: (one.validation, -one.size_bytes))
        better = "better" if rival.validation > first.validation else "no better"
        said.append(f"No slower than the first, {told(first)}, the best other one is {better}: {told(rival)}.")
    stopped = [one for one in state.networks if one.stopped]
    if stopped:
        said.append(
            f"{len(stopped)} of {len(state.networks)} networks were stopped at {RUNGS[0]:.0%} or {RUNGS[1]:.0%} of the "
            f"way, since a smaller and faster one was {100 * LEAD:g} points better there; their figures are of then."
        )
    said.append(
        f"Which points are on the frontier was decided on {validation:,} validation pictures, so the best of "
        f"{len(points)} is partly luck. The {test:,} test pictures were opened once, at the end, for all that is shown."
    )
    return said


def told(point: Point) -> str:
    """A point with its figures, those of the test split where it was opened."""
    shown, split = (mean(point.test), "test") if point.test else (point.validation, "validation")
    return f"{point.name} ({shown:.3f} on {split}, {point.size_bytes / 1e6:.2f} MB, {point.latency_ms:.2f} ms)"


def status(point: Point, frontier: Sequence[Point]) -> str:
    """In a word, what became of a point."""
    if point in frontier:
        return "frontier"
    return "stopped" if point.network.stopped else "beaten"


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def spread(point: Point) -> tuple[float, float] | None:
    """The lowest and the highest of several seeds on the test split."""
    return (min(point.test), max(point.test)) if len(point.test) > 1 else None


def rows(points: Sequence[Point], frontier: Sequence[Point]) -> list[tuple[str, ...]]:
    """A row a point under HEADER, the frontier first, the best first."""
    found: list[tuple[str, ...]] = []
    for number, one in enumerate(ordered(points, frontier), 1):
        test, seeds = one.scored[0].test, spread(one)
        found.append(
            (
                str(number),
                one.name,
                f"{one.validation:.3f}",
                f"{mean(one.test):.3f}" if one.test else "",
                f"{test.low:.3f} to {test.high:.3f}" if test and test.low is not None and test.high is not None else "",
                f"{len(one.test)}: {seeds[0]:.3f} to {seeds[1]:.3f}" if seeds else "1",
                f"{one.size_bytes / 1e6:.2f}",
                f"{one.latency_ms:.2f}",
                status(one, frontier),
            )
        )
    return found


def ordered(points: Sequence[Point], frontier: Sequence[Point]) -> list[Point]:
    """The frontier first, then the others; of both the best first."""
    return sorted(points, key=lambda one: (one not in frontier, -one.validation))


def as_json(state: State, point: Point, on: bool) -> dict[str, Any]:
    """A point for other programs: figures by name, `frontier`, and the run that it came from."""
    network, seeds = point.network, spread(point)
    found: dict[str, Any] = {
        "name": point.name,
        "encoder": network.encoder,
        "width": network.width,
        "depth": network.depth,
        "size": network.size,
        "bits": point.bits,
        "mode": network.mode,
        "model": point.file,
        "frontier": on,
        "size_bytes": {"value": point.size_bytes},
        f"{state.measure}_validation": [one.validation for one in point.scored],
        state.measure: [one.test for one in point.scored if one.test],
    }
    if seeds:
        found["seeds"] = {"low": seeds[0], "mean": mean(point.test), "high": seeds[1], "n": len(point.test)}
    if point.bits in network.latencies:
        found["latency_ms_p50"] = network.latencies[point.bits]
    if network.stopped:
        found["stopped"] = network.stopped
    plain: dict[str, Any] = msgspec.to_builtins(found)
    return plain
