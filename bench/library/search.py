"""Search among 100,000 vectors of 1,280 numbers: what is found, how fast, how soon it opens, what memory it takes.

    python bench/library/search.py FOLDER [--count 100000]

Two libraries: real embeddings (of the photos of the archives and many crops of them, by the model that ships) and a
hard set (one blob of 128 dimensions, no clusters). In each 200 queries that are not in it: recall@10 beside comparing
with all in float32, and times in turns of 20 queries and of one, one thread. Opening, memory and a flipped byte have
processes of their own.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

from eyebright.library import Library
from eyebright.library.vectors import AT_ONCE, Vectors

sys.path.append(__file__.rsplit("/", 2)[0])
import measure
from data import in_a_process

SIZE, QUERIES, BLOCK = 1280, 200, 20
T = TypeVar("T")
Floats = NDArray[np.float32]
OPEN = """
import sys, time
import numpy as np
from eyebright.library import Library
from eyebright.library.vectors import Vectors
with Library(sys.argv[1]) as library:
    began = time.perf_counter()
    opened = Vectors(library, 1)
    took = time.perf_counter() - began
    query = np.ones(1280, np.float32)
    first = [near.photo for near in opened.nearest(query, 10)]
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]
print(took, int(peak) / 1024, *first)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=100_000)
    given = parser.parse_args()
    print(measure.processor())
    for name, vectors in (("real", real), ("hard", hard)):
        library = given.folder / name
        every = vectors(given.folder, given.count + QUERIES)
        filled(library, every[:-QUERIES])
        compared(name, library, every[:-QUERIES], every[-QUERIES:])
        del every
        opened(name, library)


def real(folder: Path, count: int) -> Floats:
    """Embeddings of photos and of random crops of them."""
    path = folder / f"real-{count}.npy"
    if not path.exists():
        from PIL import Image

        import eyebright

        photos = sorted(path for path in in_a_process("different_photos", folder / "photos", 5021).rglob("*.*"))
        random = np.random.default_rng(0)

        def crops():
            for number in range(count):
                with Image.open(photos[number % len(photos)]) as photo:
                    share = 1.0 if number < len(photos) else random.uniform(0.35, 0.9)
                    width, height = round(photo.width * share), round(photo.height * share)
                    left, top = (
                        random.integers(0, photo.width - width + 1),
                        random.integers(0, photo.height - height + 1),
                    )
                    yield photo.convert("RGB").crop((left, top, left + width, top + height))

        recognizer = eyebright.load()
        found = np.stack([vector for _, vector in recognizer.stream_embeddings(crops())])
        np.save(path, found[random.permutation(count)].astype(np.float16))
    return unit(np.load(path).astype(np.float32))


def hard(folder: Path, count: int) -> Floats:
    random = np.random.default_rng(0)
    basis = random.normal(size=(128, SIZE)).astype(np.float32)
    return unit(random.normal(size=(count, 128)).astype(np.float32) @ basis)


def unit(vectors: Floats) -> Floats:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def filled(folder: Path, vectors: Floats) -> None:
    with Library(folder, make=True) as library:
        if library.value("SELECT count(*) FROM embedding"):
            return
        with library.writing() as connection:
            connection.execute("INSERT INTO model (sha256, name, labels) VALUES ('a', 'a', '[]')")
        for start in range(0, len(vectors), AT_ONCE):
            some = vectors[start : start + AT_ONCE].astype(np.float16)
            numbers = range(start + 1, start + len(some) + 1)
            with library.writing() as connection:
                connection.executemany(
                    "INSERT INTO photo (id, identity, kind, format) VALUES (?, ?, 'picture', 'jpeg')",
                    [(number, number.to_bytes(16, "big")) for number in numbers],
                )
                connection.executemany(
                    "INSERT INTO embedding (photo, model, vector) VALUES (?, 1, ?)",
                    [(number, some[at].tobytes()) for at, number in enumerate(numbers)],
                )


def warm(path: Path) -> None:
    """Have a file in the system's cache: the vectors that it is compared with are held in memory, too."""
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 22):
            pass


def compared(name: str, folder: Path, vectors: Floats, queries: Floats) -> None:
    with Library(folder) as library:
        began = time.perf_counter()
        searched = Vectors(library, 1)
        print(f"{name}: made or opened in {time.perf_counter() - began:.1f} s", flush=True)
        for together in (BLOCK, 1):
            warm(library.path)
            recall, ratios, ours_ms = [], [], []
            for start in range(0, len(queries), together):
                some = queries[start : start + together]
                ours = [timed(lambda query=query: searched.nearest(query, 10)) for query in some]
                theirs = [timed(lambda query=query: exact(vectors, query)) for query in some]
                for (near, ours_s), (top, theirs_s) in zip(ours, theirs, strict=True):
                    recall.append(len({one.photo - 1 for one in near} & set(top.tolist())) / 10)
                    ratios.append(theirs_s / ours_s)
                    ours_ms.append(1000 * ours_s)
            low, middle, high = np.percentile(ratios, [25, 50, 75])
            turns = f"{together} in a row" if together > 1 else "each after numpy has filled all caches"
            print(f"{name}: {turns}: a query {np.median(ours_ms):.2f} ms, recall@10 {np.mean(recall):.4f} (bar 0.99)")
            print(f"{name}: times as fast as numpy exact {middle:.1f} ({low:.1f} to {high:.1f}; bar 8)", flush=True)


def exact(vectors: Floats, query: Floats) -> NDArray[np.int64]:
    return np.argpartition(-(vectors @ query), 9)[:10]


def timed(work: Callable[[], T]) -> tuple[T, float]:
    began = time.perf_counter()
    found = work()
    return found, time.perf_counter() - began


def opened(name: str, folder: Path) -> None:
    """Opening, memory, and what becomes of a flipped byte."""
    whole = fresh(folder)
    print(f"{name}: opens in {whole[0]:.2f} s (bar 1), peak {whole[1]:.0f} MiB (bar 300)")
    path = folder / "vectors-1.bin"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    again = fresh(folder)
    same = "the same answer" if again[2:] == whole[2:] else "ANOTHER ANSWER"
    print(
        f"{name}: a flipped byte: made anew in {again[0]:.1f} s, {same}, peak {again[1]:.0f} MiB (bar 300)", flush=True
    )


def fresh(folder: Path) -> list[float]:
    command = [sys.executable, "-c", OPEN, str(folder)]
    return [float(part) for part in subprocess.run(command, check=True, capture_output=True).stdout.split()]


if __name__ == "__main__":
    main()
