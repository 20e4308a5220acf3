"""bf16 beside float32: the same recipe and seeds, fine-tuned on clothing, paired photo by photo.

    python bench/learn/precision.py RUNS [--seeds 0,1,2] [-- more options of eyebright train]

Runs that are in RUNS already are not trained again. Both take the same steps, three passes, on one thread;
their seconds are printed. Only the validation split is looked at.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from compare import learn, tell
from numpy.typing import NDArray

from data import folder
from eyebright.data import Dataset
from eyebright.training.finish import scores_of

PRECISIONS = ("bf16", "float32")
ASKED = ["--mode", "finetune", "--set", "threads=1", "--set", "epochs=3"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--seeds", default="0,1,2")
    cut = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    given, options = parser.parse_args(sys.argv[1:cut]), sys.argv[cut + 1 :]
    path = folder() / "clothing.zip"
    validation = Dataset.read(path).part("validation")
    scores: dict[str, list[NDArray[np.floating]]] = {precision: [] for precision in PRECISIONS}
    for seed in given.seeds.split(","):
        for precision in PRECISIONS:
            run = given.runs / f"{precision}-{seed}"
            if not (run / "model.onnx").exists():
                print(precision, end=" ", flush=True)
                learn(path, run, seed, [*ASKED, *options, "--set", f"precision={precision}"])
            model = (run / "model.onnx").read_bytes()
            scores[precision].append(scores_of(model, validation))
    tell("validation", validation.targets(), "single", scores["bf16"], scores["float32"], PRECISIONS)


if __name__ == "__main__":
    main()
