"""Kill a hundred processes that index, correct or migrate a library; nothing that was acknowledged may be lost.

    python bench/library/kill.py [--kills 100] [--photos 600] [--seed 0]

Each child is killed (SIGKILL) after a random time: one that indexes a folder in which files come, go and change; one
that says things and prints each decision's id once it is kept; one that brings a library of the version before to this
one (made for the bench: the tables with a step more). After every kill the library is opened again, which is timed, and
checked: integrity, references, that all ids that were printed are in the log, and that what holds follows from it. At
the end all original photos must be as they were. The last line counts what was missed.
"""

import argparse
import hashlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from eyebright.library import Library, decisions
from eyebright.library.photos import wrong_with

sys.path.append(__file__.rsplit("/", 2)[0])
from data import in_a_process

SLOWEST_S = 2.0
INDEX = "import sys; from eyebright.cli import main; sys.argv[0] = 'eyebright'; main()"
CORRECT = """
import itertools, sys
from eyebright.library import Library, decisions
from eyebright.library.decisions import Said
with Library(sys.argv[1]) as library:
    known = [one for (one,) in library.rows("SELECT identity FROM photo")] or [bytes(16)]
    for number in itertools.count():
        one = known[number % len(known)]
        if number % 7 == 6:
            decisions.undo(library, last=1)
        step = [Said("is", one, label=f"number {number}"), Said("in", one, label="all")]
        for made in decisions.record(library, step):
            print(made.id, flush=True)
"""
MIGRATE = """
import sys
from eyebright.library import Library, migrations
more = "CREATE TABLE extra AS SELECT a.id AS one, b.id AS two, c.id AS three FROM file a, file b, file c LIMIT 4000000;"
migrations.STEPS = (*migrations.STEPS, more)
Library(sys.argv[1])
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--photos", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    chance = random.Random(given.seed)
    kills, missed, slowest = dict.fromkeys(("indexing", "correcting", "migrating"), 0), [], 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = in_a_process("different_photos", folder / "photos", given.photos)
        before = digests(photos)
        library, spare = folder / "library", folder / "spare"
        acknowledged: list[str] = []
        while sum(kills.values()) < given.kills:
            what = chance.choice([*kills])
            at = library
            if what == "indexing":
                stir(photos, spare, chance)
                command = [INDEX, "index", str(photos), "--library", str(library), "--threads", "1"]
            elif not (library / "library.db").exists():
                continue
            elif what == "correcting":
                command = [CORRECT, str(library)]
            else:
                at = folder / "older"
                shutil.rmtree(at, ignore_errors=True)
                shutil.copytree(library, at)
                command = [MIGRATE, str(at)]
            child = subprocess.Popen(
                [sys.executable, "-c", *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            time.sleep(chance.uniform(0.05, 3.0 if what == "indexing" else 1.5))
            child.send_signal(signal.SIGKILL)
            said = child.communicate()[0].decode().split("\n")[:-1]
            if child.returncode != -signal.SIGKILL:
                continue  # it was done before
            kills[what] += 1
            acknowledged += said if what == "correcting" else []
            if not (at / "library.db").exists():
                continue
            began = time.monotonic()
            try:
                with Library(at) as opened:
                    took = time.monotonic() - began
                    kept = {one.id for one in decisions.log(opened.connection)}
                    wrong = wrong_with(opened)
            except Exception as error:
                took, kept, wrong = 0.0, set(acknowledged), [] if "newer version" in str(error) else [repr(error)]
            slowest = max(slowest, took)
            lost = len(set(acknowledged) - kept)
            if wrong or lost or took > SLOWEST_S:
                missed.append(f"{what}: {wrong}, {lost} decisions lost, opened in {took:.1f} s")
                print(missed[-1], flush=True)
        back(photos, spare)
        changed = sum(digests(photos).get(path) != digest for path, digest in before.items())
    counts = ", ".join(f"{count} {verb}" for verb, count in kills.items())
    print(f"killed: {counts}; {len(acknowledged):,} decisions acknowledged; slowest opening {slowest:.2f} s")
    print(f"photos changed: {changed}; missed: {len(missed)}")


def stir(photos: Path, spare: Path, chance: random.Random) -> None:
    """Files go away and come back."""
    back(photos, spare)
    for path in chance.sample(sorted(path for path in photos.rglob("*") if path.is_file()), 60):
        to = spare / path.relative_to(photos)
        to.parent.mkdir(parents=True, exist_ok=True)
        path.rename(to)


def back(photos: Path, spare: Path) -> None:
    for path in [path for path in spare.rglob("*") if path.is_file()]:
        path.rename(photos / path.relative_to(spare))


def digests(photos: Path) -> dict[str, str]:
    files = (path for path in photos.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


if __name__ == "__main__":
    main()
