"""Channels and blocks side by side: what the same measured speed-up costs.

    python bench/fit/prune.py RUN OUT [--ratio 1.5] [--seeds 0,1,2] [--time 10m] [--importances taylor,magnitude]

RUN is a folder of `eyebright train`, OUT a folder for the pruned ones. Prints a line for each: measured speed-up, size,
the verdict at half a point, on the test split. A run that is refused stays without a model file.
"""

import argparse
import json
from pathlib import Path

from eyebright.cli import options
from eyebright.cli.prune import where
from eyebright.cli.show import Show
from eyebright.cli.train import read
from eyebright.compression.goal import Goal
from eyebright.compression.prune import Pruned, prune
from eyebright.evaluation.drop import Allowed
from eyebright.measure import machine, speedup


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--ratio", type=float, default=1.5)
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--time", default="")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--importances", default="taylor")
    parser.add_argument("--ways", default="channels,blocks")
    asked = parser.parse_args()
    show = Show(plain=True)
    source = where(asked.run, None)
    data = read(source, show)
    goal = Goal(speedup=asked.ratio)
    print(f"{asked.run}, aimed at {asked.ratio:g} times its speed; {machine()}")
    for way in asked.ways.split(","):
        for importance in asked.importances.split(",") if way == "channels" else ["taylor"]:
            for seed in map(int, asked.seeds.split(",")):
                name = f"{way}-{importance}-{seed}" if way == "channels" else f"{way}-{seed}"
                found = prune(
                    asked.run,
                    asked.out / name,
                    goal,
                    data,
                    by=way,
                    importance=importance,
                    rounds=asked.rounds,
                    minutes=options.minutes(asked.time) if asked.time else 0.0,
                    allowed=Allowed(whole=0.005, label=1.0),
                    keys={"seed": seed},
                    force=True,
                    source=source,
                    tell=show,
                )
                told(name, found)


def told(name: str, found: Pruned) -> None:
    """A line of figures, and one of JSON for the table."""
    judged = found.judged
    assert judged is not None
    faster = speedup(judged.before.measured, judged.after.measured)
    before, after = (side.file.stored_bytes / 1e6 for side in (judged.before, judged.after))
    print(
        f"{name}: {faster.value:.2f}x ({faster.low:.2f} to {faster.high:.2f}), {before:.2f} -> {after:.2f} MB, "
        f"{judged.sentence}"
    )
    change = judged.verdict.whole.change._asdict()
    print(json.dumps({"name": name, "speedup": faster.value, "change": change, "without": found.shape.without}))


if __name__ == "__main__":
    main()
