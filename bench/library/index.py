"""How fast folders come into a library: beside `predict`, a second time, and where much is in it already.

    python bench/library/index.py FOLDER [--photos 10000] [--rounds 3]

FOLDER gets the photos. Whole processes in turns: `eyebright predict` of all photos, `eyebright index` into a new
library, `eyebright index` again with nothing changed. Then, in one process each, 2,000 photos into a library with
1,000 rows and into one with 100,000 (made up, of another folder). Ratios are of processor time.
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

sys.path.append(__file__.rsplit("/", 2)[0])
import measure
from data import in_a_process

ROWS = 1000, 100_000
NEW = """
import sys, time, eyebright
from eyebright.library import Library
from eyebright.library.indexer import index
recognizer = eyebright.load(threads=1)
with Library(sys.argv[1]) as library:
    began = time.process_time()
    done = index(library, [sys.argv[2]], recognizer)
    peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]
    print(done.new, time.process_time() - began, int(peak) / 1024)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    print(measure.processor())
    photos = in_a_process("different_photos", given.folder / "photos", given.photos)
    library = given.folder / "library"
    ratios, again = [], []
    for _ in range(given.rounds):
        shutil.rmtree(library, ignore_errors=True)
        predicted = took("predict", str(photos), "--format", "json", "-o", str(given.folder / "said.jsonl"), "--force")
        indexed = took("index", str(photos), "--library", str(library))
        rescanned = took("index", str(photos), "--library", str(library))
        ratios.append(predicted / indexed)
        again.append(indexed / rescanned)
        print(f"predict {predicted:.1f} s, index {indexed:.1f} s, again {rescanned:.2f} s", flush=True)
    print(f"images a second beside predict's: {told(ratios)} (bar 0.85)")
    print(f"a second time, times as fast: {told(again)} (bar 50)")
    few = in_a_process("different_photos", given.folder / "few", 2000)
    each = []
    for rows in ROWS:
        at = given.folder / f"rows-{rows}"
        made_up(at, rows)
        found = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", NEW, str(at), str(few)], check=True, capture_output=True, text=True
        )
        new, seconds, peak = (float(part) for part in found.stdout.split())
        each.append(seconds / new)
        print(f"{rows:,} rows: {new:.0f} new, {1000 * seconds / new:.2f} ms a file, peak {peak:.0f} MiB", flush=True)
    print(f"a file at {ROWS[1]:,} rows beside one at {ROWS[0]:,}: {each[1] / each[0]:.2f} times the time (bar 1.2)")


def took(*words: str) -> float:
    """Seconds of processor time of one command and of what it began."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "eyebright", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def told(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def made_up(folder: Path, rows: int) -> None:
    """A library of photos that are nowhere, seen by the model that ships."""
    import eyebright
    from eyebright.library import Library
    from eyebright.library.indexer import model_of

    shutil.rmtree(folder, ignore_errors=True)
    random = np.random.default_rng(0)
    with Library(folder, make=True) as library:
        model = model_of(library, eyebright.load(threads=1))
        for start in range(0, rows, 1000):
            numbers = range(start + 1, start + 1001)
            vectors = random.normal(size=(1000, 1280)).astype(np.float16)
            with library.writing() as connection:
                connection.executemany(
                    "INSERT INTO photo (id, identity, kind, format) VALUES (?, ?, 'picture', 'jpeg')",
                    [(number, number.to_bytes(16, "big")) for number in numbers],
                )
                connection.executemany(
                    "INSERT INTO file (path, photo, size, changed) VALUES (?, ?, 1, 1)",
                    [(f"/nowhere/{number}.jpg", number) for number in numbers],
                )
                connection.executemany(
                    "INSERT INTO embedding (photo, model, vector) VALUES (?, ?, ?)",
                    [(number, model, vectors[at].tobytes()) for at, number in enumerate(numbers)],
                )
    os.sync()
    time.sleep(1)


if __name__ == "__main__":
    main()
