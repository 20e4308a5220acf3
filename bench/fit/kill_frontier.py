"""Kill a frontier 20 times at random moments; each start goes on, and nothing that was finished is done again.

    python bench/fit/kill_frontier.py [--kills 20] [--seed 0]

Made pictures, no data needed: four networks (resnet-8 at 32 pixels), float and int8. A start is killed (SIGKILL) at a
random moment after 0 to 3 more pieces of work, and gone on with, until it has ended; then another frontier begins.
Watched are all model files of finished runs (bytes and time of writing) and how much frontier.json knows, which may
only grow; in the end the frontier must have all its points, each with a file, a test figure and a latency.
"""

import argparse
import hashlib
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(__file__.rsplit("/", 2)[0])
from data import patterns

WIDTHS = "1,.75,.5,.25"
WANTED = 8
"""Points: four networks in 32 and in 8 bits."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--longest", type=float, default=5.0, help="seconds to the kill after that work, at most")
    given = parser.parse_args()
    chance = random.Random(given.seed)
    kills = missed = frontiers = 0
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        patterns(root / "pictures", given.seed, 40, 16)
        while kills < given.kills:
            frontiers += 1
            out = root / f"frontier{frontiers}"
            before: dict[str, tuple[str, int]] = {}
            known = 0
            ended = False
            while not ended:
                child = subprocess.Popen(
                    start(root / "pictures", out), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
                )
                if kills < given.kills:
                    wait(child, out, known + chance.randrange(4), chance.uniform(0, given.longest))
                if kills < given.kills and child.poll() is None:
                    child.send_signal(signal.SIGKILL)
                    kills += 1
                said = child.communicate()[1].decode()  # waits for its end
                ended = child.returncode == 0
                wrong = [name for name, file in before.items() if files(out).get(name) != file]
                now = finished(out)
                if now < known:
                    wrong.append(f"{known - now} pieces of work were forgotten")
                if child.returncode not in (0, -signal.SIGKILL):
                    wrong.append(f"it ended with {child.returncode}: {said.strip()[-300:]}")
                    ended = True
                before, known = files(out), now
                missed += bool(wrong)
                how = "ended" if child.returncode == 0 else f"kill {kills}"
                print(f"{how}: {now} pieces of work done; {'; '.join(wrong) or 'none done again'}", flush=True)
            lacking = incomplete(out)
            missed += bool(lacking)
            print(f"frontier {frontiers}: {lacking or f'all {WANTED} points'}", flush=True)
    print(f"{given.kills} kills; bars missed: {missed}")


def wait(child: subprocess.Popen[bytes], out: Path, wanted: int, more_s: float) -> None:
    """Until so many pieces of work are done, and some time has passed; or until it has ended."""
    while child.poll() is None and finished(out) < wanted:
        time.sleep(0.05)
    until = time.monotonic() + more_s
    while child.poll() is None and time.monotonic() < until:
        time.sleep(0.02)


def start(data: Path, out: Path) -> list[str]:
    """What begins a frontier, or goes on with it."""
    command = [sys.executable, "-m", "eyebright", "frontier", "-o", str(out)]
    if (out / "frontier.json").exists():
        return [*command, "--resume"]
    keys = [part for key in ("epochs=4", "batch=20", "save_s=0") for part in ("--set", key)]
    return [*command, str(data), "--encoders", "resnet-8", "--widths", WIDTHS, "--sizes", "32", "--seeds", "2", *keys]


def files(out: Path) -> dict[str, tuple[str, int]]:
    """Model files that are there: their bytes and when they were written."""
    return {
        str(file.relative_to(out)): (hashlib.sha256(file.read_bytes()).hexdigest(), file.stat().st_mtime_ns)
        for file in out.glob("points/*/*.onnx")
    }


def finished(out: Path) -> int:
    """How many pieces of work frontier.json knows of."""
    try:
        known = json.loads((out / "frontier.json").read_bytes())
    except FileNotFoundError:
        return 0
    networks = known["networks"]
    drawn = sum(one["pass_s"] > 0 for one in networks)
    measured = sum(len(one["latencies"]) for one in networks)
    scored = [one for network in networks for run in network["runs"].values() for one in run.values()]
    return drawn + measured + len(scored) + sum(one["test"] is not None for one in scored)


def incomplete(out: Path) -> str:
    """What the end result lacks."""
    known = json.loads((out / "frontier.json").read_bytes())
    names = {one["name"] for one in known["points"]}
    bad = [
        one["name"]
        for one in known["points"]
        if not (out / one["model"]).exists() or not one["top1"] or "latency_ms_p50" not in one
    ]
    bad += [] if len(names) == WANTED else [f"{len(names)} of {WANTED} points"]
    bad += [name for name in ("frontier.html", "frontier.png") if not (out / name).exists()]
    return ", ".join(bad)


if __name__ == "__main__":
    main()
