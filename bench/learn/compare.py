"""`eyebright train` beside a plain script on the same data: several seeds, paired picture by picture.

    python bench/learn/compare.py clothing.zip RUNS --plain 'finetune-{seed}.npz' -- --mode finetune --time 12m
    python bench/learn/compare.py street-fashion.zip RUNS --plain 'head-street-fashion.npz' --seeds 0 -- --mode head

A .npz is what a script of bench/baselines wrote with `--test --output`: names, targets and scores of validation and
test. What follows `--` goes to `eyebright train`; runs that are in RUNS already are not trained again. Scores are those
of the model files. The measure is top-1, average precision or mAP by the task, averaged over the seeds; its difference
is drawn again from the pictures. Time is what the recipe takes; processor seconds are printed for both.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eyebright import modelfile
from eyebright.data import Dataset
from eyebright.evaluation import metrics
from eyebright.evaluation.intervals import Weights, bootstrap
from eyebright.training.finish import scores_of

sys.path.append(__file__.rsplit("/", 2)[0])
from data import folder

PRECISION = 0.95
SPLITS = ("validation", "test")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("runs", type=Path)
    parser.add_argument("--plain", help="the plain script's .npz, with {seed} in it where there is one for each")
    parser.add_argument("--seeds", default="0,1,2")
    cut = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    given, options = parser.parse_args(sys.argv[1:cut]), sys.argv[cut + 1 :]
    path = folder() / given.data
    data = Dataset.read(path)
    ours: dict[str, list[NDArray[np.floating]]] = {split: [] for split in SPLITS}
    theirs: dict[str, list[NDArray[np.floating]]] = {split: [] for split in SPLITS}
    seeds = given.seeds.split(",")
    for seed in seeds:
        run = given.runs / f"seed-{seed}"
        if not (run / "model.onnx").exists():
            learn(path, run, seed, options)
        model = (run / "model.onnx").read_bytes()
        for split in SPLITS:
            ours[split].append(scores_of(model, data.part(split)))
            if given.plain:
                theirs[split].append(in_our_order(given.plain.format(seed=seed), split, data))
    for split in SPLITS:
        tell(split, data.part(split).targets(), data.task, ours[split], theirs[split])
    if given.plain:
        both = [np.concatenate([ours[split][at] for split in SPLITS]) for at in range(len(seeds))]
        plain = [np.concatenate([theirs[split][at] for split in SPLITS]) for at in range(len(seeds))]
        tell("both", np.concatenate([data.part(split).targets() for split in SPLITS]), data.task, both, plain)


def learn(data: Path, run: Path, seed: str, options: list[str]) -> None:
    """One training, with the time that it took."""
    command = [sys.executable, "-m", "eyebright", "train", str(data), "-o", str(run), "--seed", seed, "--force"]
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    if ended.returncode:
        sys.exit(ended.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"seed": seed, "wall_s": round(time.monotonic() - began), "cpu_s": round(cpu_s)}), flush=True)


def in_our_order(
    file: str, split: str, data: Dataset, named: Callable[[str], str] = lambda name: name
) -> NDArray[np.floating]:
    """(N, L): the plain script's scores for our items and labels; `named` is what it calls one of our items."""
    found = np.load(file)
    labels = [str(label) for label in found["labels"]]
    columns = [labels.index(label.id) if label.id in labels else int(label.id) for label in data.labels]
    rows = {_ending(str(name)): row for row, name in enumerate(found[f"{split}_names"])}
    order = [rows[_ending(named(item.name))] for item in data.part(split).items]
    scores: NDArray[np.floating] = found[f"{split}_scores"][order][:, columns]
    return scores


def _ending(name: str) -> str:
    return "/".join(name.split("/")[-2:])


def tell(
    split: str,
    targets: NDArray[np.float32],
    task: modelfile.Task,
    ours: list[NDArray[np.floating]],
    theirs: list[NDArray[np.floating]],
    names: tuple[str, str] = ("Eyebright", "plain"),
) -> None:
    """A line with the measure of both and the difference, each with its interval."""

    def measure(all_scores: list[NDArray[np.floating]], weights: Weights) -> NDArray[np.float64]:
        return np.mean([value(scores, targets, task, weights) for scores in all_scores], 0)

    n = len(targets)
    parts = [(names[0], bootstrap(lambda weights: measure(ours, weights), n))]
    if theirs:
        parts.append((names[1], bootstrap(lambda weights: measure(theirs, weights), n)))
        parts.append(("difference", bootstrap(lambda weights: measure(ours, weights) - measure(theirs, weights), n)))
    said = [f"{name} {found.value:.4f} ({found.low:.4f} to {found.high:.4f})" for name, found in parts]
    if task == "binary":
        said += [f"recall at precision {PRECISION}: {recall(np.mean(ours, 0)[:, 1], targets[:, 1]):.3f}"]
    each = [f"{value(scores, targets, task, np.ones((1, n)))[0]:.4f}" for scores in ours]
    print(f"{split}, {n} pictures, {len(ours)} seeds ({', '.join(each)}): {', '.join(said)}", flush=True)


def value(
    scores: NDArray[np.floating], targets: NDArray[np.float32], task: modelfile.Task, weights: Weights
) -> NDArray[np.float64]:
    """(R,): the measure of the task, for each row of weights."""
    if task == "single":
        right: NDArray[np.float64] = weights @ metrics.hits(scores, targets) / weights.sum(1)
        return right
    if task == "binary":
        return metrics.average_precision(scores[:, 1], targets[:, 1], weights)
    return metrics.mean_average_precision(scores, targets, weights)


def recall(scores: NDArray[np.floating], targets: NDArray[np.float32]) -> float:
    """The largest share of the positives that is found where the answers are so precise."""
    order = np.argsort(-scores, kind="stable")
    found = np.cumsum(targets[order])
    precise = found / np.arange(1, len(found) + 1) >= PRECISION
    return float((found[precise] / targets.sum()).max(initial=0))


if __name__ == "__main__":
    main()
