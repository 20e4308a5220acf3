"""Learning from nothing beside a plain loop: the same network, pictures and epochs, several seeds.

    python bench/learn/scratch.py fashion-mnist.zip RUNS --plain 'fashion-{seed}.npz' -- colors=1 epochs=10
    python bench/learn/scratch.py cifar10.tar.xz RUNS --plain 'cifar-resnet-8-{seed}.npz' -- epochs=12

A .npz is what a script of bench/baselines wrote with `--test --output`; its validation split becomes ours, so that both
learn from the same pictures. What follows `--` are keys of a recipe; by default resnet-8 at size 32, on one
thread. Printed are top-1 of both on the test split and their difference, drawn again from the pictures, averaged over
the seeds; and the processor time in training, scoring left out, until the validation split is named as well as the
plain loop names it in the end.
Validation alone, without opening the test split: `--validation`.
"""

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from compare import in_our_order, tell
from numpy.typing import NDArray

from data import folder
from eyebright import tomlfile
from eyebright.data import Dataset
from eyebright.training import Recipe, train
from eyebright.training.events import Event, Progress
from eyebright.training.finish import scores_of

Floats = NDArray[np.floating]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("runs", type=Path)
    parser.add_argument("--plain", required=True, help="the plain script's .npz, with {seed} in it")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--validation", action="store_true", help="leave the test split closed")
    cut = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    given, keys = parser.parse_args(sys.argv[1:cut]), dict(key.split("=", 1) for key in sys.argv[cut + 1 :])
    whole = Dataset.read(folder() / given.data)
    splits = ("validation",) if given.validation else ("validation", "test")
    ours: dict[str, list[Floats]] = {split: [] for split in splits}
    theirs: dict[str, list[Floats]] = {split: [] for split in splits}
    ratios = []
    for seed in given.seeds.split(","):
        file = given.plain.format(seed=seed)
        plain = np.load(file)
        data = split_as(whole, {str(name) for name in plain["validation_names"]}, splits)
        curve = learned(data, given.runs / f"seed-{seed}", {**keys, "seed": seed})
        model = (given.runs / f"seed-{seed}" / "model.onnx").read_bytes()
        for split in splits:
            ours[split].append(scores_of(model, data.part(split)))
            theirs[split].append(in_our_order(file, split, data, plain_name))
        there, then = float(plain["curve_validation"][-1]), float(plain["curve_cpu_s"][-1])
        reached = next((spent for spent, value in curve if value >= there), float("nan"))
        ratios.append(then / reached)
        said = {"seed": seed, "curve": curve, "plain_s": then, "plain_validation": there, "reached_s": reached}
        print(json.dumps({**said, "times_shorter": round(ratios[-1], 2)}), flush=True)
    for split in splits:
        tell(split, data.part(split).targets(), data.task, ours[split], theirs[split])
    print(f"time to the plain loop's accuracy: {min(ratios):.2f} to {max(ratios):.2f} times shorter")


def split_as(data: Dataset, validation: set[str], splits: tuple[str, ...]) -> Dataset:
    """The same pictures, those of these names as its validation split."""
    items = []
    for item in data.items:
        if item.split != "test":
            items.append(replace(item, split="validation" if plain_name(item.name) in validation else "train"))
        elif "test" in splits:
            items.append(item)
    assert sum(item.split == "validation" for item in items) == len(validation)
    return data.only(items)


def plain_name(name: str) -> str:
    """What bench/baselines calls a picture."""
    file, number, place = name.partition("-images-idx3-ubyte#")
    return f"{file}/{int(place):05}" if number else f"cifar10/{name}"


def learned(data: Dataset, run: Path, keys: dict[str, str]) -> list[tuple[float, float]]:
    """Train; (processor seconds in training so far, top-1 on validation) after each pass."""
    asked = {key: tomlfile.value_of(value) for key, value in keys.items()}
    recipe = Recipe.of("scratch", {"encoder": "resnet-8", "size": 32, "threads": 1, **asked})
    curve: list[tuple[float, float]] = []
    steps_s: list[float] = []
    before = 0.0

    def told(event: Event) -> None:
        nonlocal before
        now = time.process_time()
        if isinstance(event, Progress):  # all else comes before the first step
            steps_s.append(now - before if not event.judged else sum(steps_s) / max(len(steps_s), 1))
            if event.judged:  # this step's time has the scoring in it: it counts as a mean one
                curve.append((round(sum(steps_s), 1), round(event.judged.value, 4)))
        before = time.process_time()

    train(data, run, recipe, force=True, anyway=True, tell=told)
    return curve


if __name__ == "__main__":
    main()
