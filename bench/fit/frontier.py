"""A frontier on clothing, from scratch with one teacher; at equal latency the best of 2 MB against MobileNet-v3-small.

    python bench/fit/frontier.py OUT --teacher run/model.onnx [--time 2h] [--sizes 160,112] [--data clothing.zip]

OUT is the frontier's folder; it is gone on with if it is there. MobileNet-v3-small, at its full width and the first
size, comes first and so is never stopped and has all seeds. The rival is chosen on the validation split among files of
at most 2 MB that are no slower; both are judged on the test split, each with three seeds, paired picture by picture.
The last line counts the bars that were missed: 24 points, three seeds for all on the frontier, the rival is better.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eyebright.compression.parts import parts
from eyebright.data import Dataset
from eyebright.evaluation import metrics
from eyebright.evaluation.intervals import paired_difference
from eyebright.training.finish import scores_of

sys.path.append(__file__.rsplit("/", 2)[0])
from data import folder

REFERENCE = "mobilenet-v3-small"
LARGEST_BYTES = 2_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", default="clothing.zip")
    parser.add_argument("--teacher", default="")
    parser.add_argument("--encoders", default=f"{REFERENCE},mobilenet-v2,mobilenet-v1")
    parser.add_argument("--widths", default="1,.5,.25")
    parser.add_argument("--sizes", default="160,112")
    parser.add_argument("--time", default="2h")
    parser.add_argument("--seeds", default="3")
    parser.add_argument("--set", action="append", default=[])
    asked = parser.parse_args()
    path = folder() / asked.data
    command = [sys.executable, "-m", "eyebright", "frontier", "-o", str(asked.out), "--plain"]
    if (asked.out / "frontier.json").exists():
        command.append("--resume")
    else:
        command += [str(path), "--time", asked.time, "--seeds", asked.seeds]
        command += [part for key in ("encoders", "widths", "sizes") for part in (f"--{key}", getattr(asked, key))]
        command += [part for key in asked.set for part in ("--set", key)]
        command += ["--teacher", asked.teacher] if asked.teacher else []
    print(" ".join(command[1:]), flush=True)
    subprocess.run(command, check=True)
    known = json.loads((asked.out / "frontier.json").read_bytes())
    points = known["points"]
    missed = [f"only {len(points)} points"] if len(points) < 24 else []
    few = [one["name"] for one in points if one["frontier"] and "stopped" not in one and len(one["top1"]) < 3]
    missed += [f"fewer than three seeds for {', '.join(few)}"] if few else []
    test = parts(Dataset.read(path)).part("test")
    for bits in (32, 8):
        first = next((one for one in points if one["encoder"] == REFERENCE and one["bits"] == bits), None)
        rivals = [one for one in points if first and fits(one, first)]
        if not first or not rivals:
            missed.append(f"nothing of at most 2 MB is as fast as {REFERENCE} in {bits} bits")
            continue
        rival = max(rivals, key=validation)
        gain = paired_difference(right(asked.out, rival, test), right(asked.out, first, test))
        print(f"{told(first)}\n{told(rival)}")
        print(f"  {100 * gain.value:+.1f} points of top-1 ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})")
        if gain.value <= 0:
            missed.append(f"{rival['name']} is no better than {first['name']}")
    print("; ".join(missed))
    print(f"{len(points)} points; bars missed: {len(missed)}")


def fits(one: dict, first: dict) -> bool:
    """Whether it is another network, small enough, and no slower."""
    fast = one["latency_ms_p50"]["value"] <= first["latency_ms_p50"]["value"]
    return fast and one["size_bytes"]["value"] <= LARGEST_BYTES and one["encoder"] != REFERENCE


def validation(one: dict) -> float:
    return float(np.mean([figure["value"] for figure in one["top1_validation"]]))


def right(out: Path, one: dict, test: Dataset) -> NDArray[np.float64]:
    """(N,): which share of the seeds names each picture rightly."""
    name = Path(one["model"])
    files = [out / name, *(out / f"{name.parent}-seed{seed}" / name.name for seed in range(1, len(one["top1"])))]
    return np.mean([metrics.hits(scores_of(file.read_bytes(), test), test.targets()) for file in files], axis=0)


def told(one: dict) -> str:
    values = [figure["value"] for figure in one["top1"]]
    return (
        f"{one['name']}: {one['size_bytes']['value'] / 1e6:.2f} MB, {one['latency_ms_p50']['value']:.2f} ms, "
        f"test top-1 {np.mean(values):.3f} ({', '.join(f'{value:.3f}' for value in values)})"
    )


if __name__ == "__main__":
    main()
