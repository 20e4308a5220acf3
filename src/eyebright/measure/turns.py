"""Model files measured against each other: each in a process of its own, a picture at a time, and they take turns.

A machine that grows slow, by heat or by others' work, is slow for all of them, and a ratio of two turns that follow one
another stays. On one thread the ratio is that of the processor's time, which does not run while others have the core.
"""

import contextlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from eyebright.measure.worker import Worker
from eyebright.modelfile import Figure, ModelFile

TURNS = 21
FEWEST, LONGEST_S = 5, 30.0
"""Turns of a slow model: fewer, so that it takes no longer than this, but never less than that."""


class Measured(NamedTuple):
    """One model file on this machine."""

    turns_ms: tuple[float, ...]
    """Milliseconds a picture, network alone, in each turn: the median of its pictures."""
    memory_bytes: int | None
    """The most that its process took for one picture, Python and runtime with it; None where no system tells."""
    macs: int | None
    """Multiply-adds for a picture, of convolutions and matrix products; None where the graph does not tell them."""
    runtime: str
    cpu_ms: tuple[float, ...] = ()
    """As `turns_ms`, in time of the processor; empty with several threads and where it is not told finely enough."""
    pictures_ms: tuple[float, ...] = ()
    """Every single picture of all turns."""
    int8_macs: int | None = None
    """Of `macs`, those that ONNX Runtime computes in 8 bits; None where it is not known."""
    first_s: float | None = None
    """From a process that has the file's bytes, and the runtime's package, to its first scores."""
    threads: int = 1


def in_turns(
    models: Sequence[ModelFile],
    provider: str = "cpu",
    turns: int = TURNS,
    told: Callable[[int, int], None] = lambda done, total: None,
    threads: int = 1,
    size: int | None = None,
) -> list[Measured]:
    """Measure model files against each other; `turns` 0 leaves out the time. `told` hears how many turns are done.

    `size`: pixels a side, in place of each model's own.
    """
    with contextlib.ExitStack() as stack:
        # one after the other: the first result of each is timed while the others are still
        workers = [stack.enter_context(Worker(model, provider, threads, size)) for model in models]
        turns = min(turns, max(int(LONGEST_S / max(worker.turn_s for worker in workers)), FEWEST))
        walls: list[list[list[float]]] = [[] for _ in workers]
        cpus: list[list[float]] = [[] for _ in workers]
        for turn in range(turns):
            for at in ((turn + step) % len(workers) for step in range(len(workers))):
                wall_ms, cpu_ms = workers[at].turn()
                walls[at].append(wall_ms)
                if cpu_ms:
                    cpus[at].append(float(np.median(cpu_ms)))
            told(turn + 1, turns)
        found = []
        for worker, wall, cpu in zip(workers, walls, cpus, strict=True):
            macs, int8 = worker.macs()
            found.append(
                Measured(
                    tuple(float(np.median(pictures)) for pictures in wall),
                    worker.memory_bytes,
                    macs,
                    worker.runtime,
                    tuple(cpu),
                    tuple(picture for pictures in wall for picture in pictures),
                    int8,
                    worker.first_s,
                    threads,
                )
            )
        return found


def latency(measured: Measured) -> Figure:
    """Milliseconds a picture: median and quartiles of the turns."""
    threads = "one thread" if measured.threads == 1 else f"{measured.threads} threads"
    return _middle(measured.turns_ms, f"median and quartiles of turns, {threads}, {measured.runtime}")


def quantile(measured: Measured, share: float) -> Figure:
    """Milliseconds within which this share of all single pictures was done: 0.99 for p99."""
    taken = measured.pictures_ms or measured.turns_ms
    return Figure(float(np.quantile(taken, share)), n=len(taken), method=f"p{100 * share:g} of single pictures")


def speedup(a: Measured, b: Measured) -> Figure:
    """How many times as fast as A B is: median and quartiles of the ratios of turns that followed one another.

    Of the processor's time where both know it, else of the clock on the wall; `method` says which.
    """
    known = bool(a.cpu_ms and b.cpu_ms)
    pairs = zip(a.cpu_ms, b.cpu_ms, strict=True) if known else zip(a.turns_ms, b.turns_ms, strict=True)
    of = "processor time" if known else "time"
    return _middle([first / second for first, second in pairs], f"median and quartiles of paired turns' {of}, A / B")


def _middle(numbers: Sequence[float], method: str) -> Figure:
    low, middle, high = np.percentile(numbers, [25, 50, 75]).tolist()
    return Figure(middle, low, high, len(numbers), method)
