"""Whole processes, timed and weighed from outside, in turns so that a drifting machine is fair to all."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """One finished process."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    output: str


def run(command: Sequence[str], cwd: str | None = None, env: dict[str, str] | None = None) -> Run:
    """Run a command to its end; peak memory is that of its largest process.

    Linux counts what a process was before it became another one: who measures must be small and make data elsewhere.
    """
    began = time.perf_counter()
    child = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=cwd,
        env={**os.environ, **(env or {})},
    )
    assert child.stdout is not None
    output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in (0, 1):
        sys.exit(f"{command}: exit code {child.returncode}")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6, output)


def in_turns(commands: dict[str, Sequence[str]], rounds: int, warmup: int = 1) -> dict[str, list[Run]]:
    """Every command once a round, the order turned each round."""
    names = list(commands)
    results: dict[str, list[Run]] = {name: [] for name in names}
    for number in range(rounds + warmup):
        turned = names[number % len(names) :] + names[: number % len(names)]
        for name in turned:
            result = run(commands[name])
            if number >= warmup:
                results[name].append(result)
    return results


def ratio(over: list[float], under: list[float]) -> str:
    """Median of paired ratios with quartiles."""
    pairs = sorted(a / b for a, b in zip(over, under, strict=True))
    quarter = statistics.quantiles(pairs, n=4) if len(pairs) > 1 else [pairs[0]] * 3
    return f"{statistics.median(pairs):.2f} ({quarter[0]:.2f} to {quarter[2]:.2f})"


def processor() -> str:
    """The CPU by name, with what matters for 8 bits."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    flags = next(line for line in lines if line.startswith("flags"))
    vnni = "VNNI" if "avx512_vnni" in flags or "avx_vnni" in flags else "no VNNI"
    cores = len(os.sched_getaffinity(0))
    return f"{cores} {'core' if cores == 1 else 'cores'} of {name}, {vnni}"
