"""Kill a fit 20 times at random moments; each start goes on, and nothing that was finished is done again.

    python bench/fit/kill_fit.py [--kills 20] [--seed 0]

Made pictures, no data needed, lite0 at 64 pixels; a fit goes from the head over the whole network and pruning to 8
bits. A start is killed (SIGKILL) after a random time, and begun again with the same command, until it ends; then
another fit begins. Watched are the model files of finished runs and points (bytes and time of writing), and that
road.json always reads.
"""

import argparse
import hashlib
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(__file__.rsplit("/", 2)[0])
from data import patterns

Files = dict[str, tuple[str, int]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--longest", type=float, default=25.0, help="seconds until a kill, at most")
    given = parser.parse_args()
    chance = random.Random(given.seed)
    kills = missed = fits = 0
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        patterns(root / "pictures", given.seed, 60, 20)
        while kills < given.kills:
            fits += 1
            out = root / f"model{fits}.onnx"
            before: Files = {}
            ended = False
            while not ended:
                child = subprocess.Popen(
                    start(root / "pictures", out), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
                )
                if kills < given.kills:
                    time.sleep(chance.uniform(0, given.longest))
                killed = kills < given.kills and child.poll() is None
                if killed:
                    child.kill()
                    kills += 1
                said = child.communicate()[1].decode()  # waits for its end
                ended = child.returncode == 0
                now = finished(out.with_suffix(".fit"))
                wrong = [name for name, file in before.items() if now.get(name) != file]
                broken = not ended and not killed
                missed += bool(wrong) + broken
                before = now
                state = "ended" if ended else f"kill {kills}" if killed else f"failed: {said.strip()[-200:]}"
                print(f"fit {fits}, {state}: {len(now)} model files; done again: {wrong or 'nothing'}", flush=True)
                if broken:
                    break
            missed += not out.exists()
    print(f"{kills} kills in {fits} fits; bars missed: {missed}")


def start(data: Path, out: Path) -> list[str]:
    """A fit of a few steps each, with a checkpoint after every one."""
    keys = ("size=64", "threads=1", "save_s=0", "batch=16", "crop=1")
    sets = [part for key in keys for part in ("--set", key)]
    budget = ["--max-size", "2.5MB", "--time", "30s", "--max-drop", "100", "--max-class-drop", "100"]
    return [sys.executable, "-m", "eyebright", "fit", str(data), "-o", str(out), *budget, *sets]


def finished(folder: Path) -> Files:
    """Model files of runs and points that are done, by their bytes and time of writing."""
    files = [*folder.glob("*/model.onnx")]
    if (folder / "road.json").exists():
        points = json.loads((folder / "road.json").read_bytes())["points"]
        files += [folder / point["file"] for point in points.values()]
    return {
        str(file.relative_to(folder)): (hashlib.sha256(file.read_bytes()).hexdigest(), file.stat().st_mtime_ns)
        for file in files
    }


if __name__ == "__main__":
    main()
