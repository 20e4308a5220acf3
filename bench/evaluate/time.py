"""What evaluation costs beside naming alone: `eyebright evaluate` and `eyebright predict` on the same 10,000 pictures.

    EYEBRIGHT_DATA=FOLDER python bench/evaluate/time.py [--rounds 5]

ImageNet-1k's sample of 1,000 photos ten times over, in folders of their labels, with the model that ships; one thread,
in turns. Processor time of whole processes; the median of the ratios with quartiles. Eight minutes a round on one core.
"""

import argparse
import sys
import tempfile
import zipfile
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
import measure
from data import folder

TIMES = 10
PYTHON = [sys.executable, "-m", "eyebright"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "photos"
        with zipfile.ZipFile(folder() / "imagenet-sample.zip") as archive:
            for name in archive.namelist():
                if name.endswith(".JPEG"):
                    label = root / "test" / name.rpartition("/")[2].partition("_")[0]
                    label.mkdir(parents=True)
                    for number in range(TIMES):
                        (label / f"{number}.jpg").write_bytes(archive.read(name))
        commands = {
            "predict": [*PYTHON, "predict", str(root), "--format", "json", "--threads", "1"],
            "evaluate": [*PYTHON, "evaluate", "lite0", str(root), "--format", "json", "--threads", "1"],
        }
        runs = measure.in_turns(commands, rounds, warmup=0)
    for name in commands:
        print(f"{name}: {', '.join(f'{run.cpu_s:.1f}' for run in runs[name])} s of processor time")
    print(f"evaluate over predict, {TIMES * 1000:,} pictures, {measure.processor()}: ", end="")
    print(measure.ratio([run.cpu_s for run in runs["evaluate"]], [run.cpu_s for run in runs["predict"]]))


if __name__ == "__main__":
    main()
