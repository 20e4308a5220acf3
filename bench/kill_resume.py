"""Kill a training 20 times at random moments, some in a checkpoint; each must resume to the same bytes.

    python bench/kill_resume.py [--kills 20] [--mode scratch]

Made pictures, no data needed; about 10 minutes on 2 cores. A run is trained once without a stop, then again for each
kill: started, SIGKILLed after a random time, every second of them while a checkpoint is being written, and started
again with --resume. What must be equal, byte for byte, is the last checkpoint (weights, average, optimizer), the best
weights and the model file.
"""

import argparse
import filecmp
import random
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from data import patterns
from eyebright.training.prove import command, last_step, results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--mode", default="scratch")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    chance = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        patterns(root / "pictures", chance.randrange(2**31), 60, 20)
        whole = root / "whole"
        began = time.monotonic()
        subprocess.run(begin(root / "pictures", whole, given.mode), check=True, capture_output=True)
        took = time.monotonic() - began
        print(f"without a stop: {last_step(whole)} steps, {took:.1f} s")
        missed = in_writing = 0
        for number in range(1, given.kills + 1):
            twin = root / f"twin{number}"
            child = subprocess.Popen(
                begin(root / "pictures", twin, given.mode), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            while not last_step(twin) and child.poll() is None:
                time.sleep(0.01)
            time.sleep(chance.uniform(0, took / 4))
            if number % 2:
                wait_for_writing(twin / "checkpoints", child)
            child.send_signal(signal.SIGKILL)
            child.wait()
            at = last_step(twin)
            half = list((twin / "checkpoints").glob("*.partial"))
            in_writing += bool(half)
            subprocess.run(command(twin), check=True, capture_output=True)
            different = [str(file) for file in results(whole) if not filecmp.cmp(whole / file, twin / file, False)]
            missed += bool(different)
            where = "in a checkpoint" if half else "between checkpoints"
            print(f"kill {number}: after step {at}, {where}: {', '.join(different) or 'same bytes'}", flush=True)
            shutil.rmtree(twin)
        print(f"{given.kills} kills, {in_writing} in a checkpoint; bars missed: {missed}")


def wait_for_writing(checkpoints: Path, child: subprocess.Popen[bytes]) -> None:
    """Until a checkpoint is being written, or the run has ended."""
    while child.poll() is None and not any(checkpoints.glob("*.partial")):
        pass  # it takes milliseconds: no time to sleep


def begin(data: Path, run: Path, mode: str) -> list[str]:
    """A short training with a checkpoint after every step, and all that could remember something switched on."""
    encoder = ["--encoder", "resnet-8", "--size", "32"] if mode == "scratch" else ["--size", "64"]
    keys = ("epochs=5", "batch=16", "save_s=0", "operations=1", "mixup=0.2", "erase=0.2", "area=0.5")
    sets = [part for key in keys for part in ("--set", key)]
    return [*command(run)[:4], "--mode", mode, *encoder, *sets, "-o", str(run), str(data)]


if __name__ == "__main__":
    main()
