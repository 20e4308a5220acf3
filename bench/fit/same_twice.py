"""The same model file measured against itself while others use the machine: the ratio should be 1.

    python bench/fit/same_twice.py [MODEL...]

Keeps `--busy` processes at work (some count, some move memory), measures each file twice in `--runs` runs and prints
the ratio of each, by the processor's time, which `eyebright bench` and `compare` take, and by the clock on the wall.
"""

import argparse
import contextlib
import statistics
import subprocess
import sys
from collections.abc import Iterator

from eyebright import measure, modelfile, models

BAR = 0.03
LOADS = ("while True: sum(range(10_000))", "block = bytearray(50_000_000)\nwhile True: bytes(block)")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="*")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--busy", type=int, default=3)
    asked = parser.parse_args()
    print(f"{measure.machine()}, {asked.busy} other processes at work")
    worst = missed = 0.0
    with busy(asked.busy):
        for path in asked.models or [models.path("lite0")]:
            file = modelfile.read(path)
            for run in range(asked.runs):
                first, second = measure.in_turns([file, file])
                ratio = measure.speedup(first, second)
                wall = statistics.median(a / b for a, b in zip(first.turns_ms, second.turns_ms, strict=True))
                print(
                    f"{file.metadata.name}, run {run + 1}: {ratio.value:.3f} ({ratio.low:.3f} to {ratio.high:.3f}), "
                    f"by the wall {wall:.3f}; {measure.latency(first).value:.2f} ms",
                    flush=True,
                )
                worst = max(worst, abs(ratio.value - 1))
                missed += abs(ratio.value - 1) > BAR
    print(f"worst deviation {worst:.3f}, bars missed: {missed:.0f}")


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that never rest."""
    others = [subprocess.Popen([sys.executable, "-c", LOADS[number % len(LOADS)]]) for number in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


if __name__ == "__main__":
    main()
