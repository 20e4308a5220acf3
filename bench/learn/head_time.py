"""How long mode head takes, in processor seconds: from the archive to a model file, and with other heads after it.

    EYEBRIGHT_DATA=FOLDER python bench/learn/head_time.py

Each in a process of its own, with an empty cache at first; the others find what the encoder saw in it.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(__file__.rsplit("/", 2)[0])
from data import folder

PARTS = {  # what -> (its bar in seconds, what else is asked for)
    "from the archive to the model file": (90.0, []),
    "another head, logistic, refitted with the validation split": (5.0, ["--set", "refit=true"]),
    "another head, a linear SVM": (5.0, ["--set", "head=svm"]),
}


def main() -> None:
    missed = 0
    with tempfile.TemporaryDirectory() as root:
        environment = {**os.environ, "EYEBRIGHT_CACHE": str(Path(root) / "cache")}
        for number, (what, (bar_s, more)) in enumerate(PARTS.items()):
            run = Path(root) / f"run-{number}"
            command = [sys.executable, "-m", "eyebright", "train", str(folder() / "clothing.zip"), "-o", str(run)]
            before, began = processor_s(), time.monotonic()
            subprocess.run([*command, *more], env=environment, check=True, capture_output=True)
            spent = processor_s() - before
            missed += spent > bar_s
            wall = time.monotonic() - began
            print(f"{what}: {spent:.1f} s of processor time, {wall:.1f} s by the clock", flush=True)
    print(f"bars missed: {missed}")


def processor_s() -> float:
    """Spent by the children that have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


if __name__ == "__main__":
    main()
