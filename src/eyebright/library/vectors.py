"""The embeddings of a library, searched: a compressed scan for candidates, exact distances for the answer.

Few vectors are compared one by one. Many are scanned in a file that is derived from the library: with faiss all of them
as 256 principal components in 2 bits each (product quantization), of which the nearest 400 are compared in 16 bits (no
graph or cells that could miss, whatever the data); without it as float16 that stays on the disk. The nearest 100 are
then compared exactly. The file's hash lies beside it; it is
made anew when it is missing, damaged, or of too little of the library. What came since is compared one by one, and what
went is left out. Letters: N vectors, D numbers each, Q queries.
"""

import hashlib
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from eyebright.library.database import Library

FEW = 20_000
"""So many vectors are compared one by one faster than a file is opened."""
CANDIDATES = 100
TRAINED_WITH = 10_000
"""Vectors that the principal components are found from."""
COMPONENTS = 256
SCANNED = 4
"""So many times as many candidates come out of the scan."""
OUTGROWN = 0.1
"""A file is made anew when so large a share of the library is not in it."""
AT_ONCE = 4096
INNER_PRODUCT = 0
"""The metric, as faiss numbers it."""
Floats = NDArray[np.float32]
Kind = Literal["faiss", "float16"]


class Near(NamedTuple):
    """A photo, and how near it is."""

    photo: int
    score: float
    """The cosine, -1..1."""
    time_s: float
    """Where in a video."""


class About(msgspec.Struct, frozen=True):
    """What a file for scanning is."""

    kind: Kind
    newest: int
    """The last row that is in it."""
    count: int
    size: int
    """Numbers of a vector."""
    sha256: str
    last: str
    """What the newest row holds, hashed: a library that was put back from a copy has others under the same numbers."""


def unit(vectors: NDArray[Any]) -> Floats:
    """(..., D) of length 1; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)


def usual_model(library: Library) -> int | None:
    """The model that saw most photos, of several the latest, by which photos are compared; None where none saw any."""
    found = library.value(
        "SELECT model FROM embedding GROUP BY model ORDER BY count(DISTINCT photo) DESC, model DESC LIMIT 1"
    )
    return None if found is None else int(str(found))


class Vectors:
    """What one model saw of the photos of a library."""

    def __init__(self, library: Library, model: int) -> None:
        self.library = library
        self.model = model
        self.count = int(str(library.value("SELECT count(*) FROM embedding WHERE model = ?", model)))
        self.scan = Scan.opened(library, model) if self.count > FEW else None

    def nearest(self, query: Floats, count: int, photos: str = "", *values: object) -> list[Near]:
        """The `count` photos nearest to a query (D,), the nearest first; `photos` is SQL that selects their ids."""
        query = unit(query)
        if self.scan is None or photos:
            some = f" AND photo IN ({photos})" if photos else ""
            return self.best(query, count, f"model = ?{some}", self.model, *values)
        wanted = max(CANDIDATES, 2 * count)
        while True:
            ids = ",".join(map(str, self.scan.candidates(query, wanted).tolist()))
            found = self.best(query, count, f"id IN ({ids})")
            if len(found) == count or wanted >= self.count:
                new = self.best(query, count, "model = ? AND id > ?", self.model, self.scan.newest)
                return nearest_of([*found, *new], count)
            wanted *= 8  # the frames of films were all that came

    def best(self, query: Floats, count: int, where: str, *values: object) -> list[Near]:
        """The photos nearest to a query among some rows, each by the nearest of its embeddings."""
        best: list[Near] = []
        for found, times, vectors in self.read(where, *values):
            scores = np.clip(vectors.astype(np.float32) @ query, -1, 1)  # 16 bits make them a little too long
            order = np.argsort(-scores, kind="stable")
            first = np.sort(np.unique(found[order], return_index=True)[1])[:count]
            best += [Near(int(found[at]), float(scores[at]), float(times[at])) for at in order[first].tolist()]
        return nearest_of(best, count)

    def read(self, where: str, *values: object) -> Iterator[tuple[NDArray[Any], NDArray[Any], NDArray[np.float16]]]:
        """(photos, times, vectors (n, D)) of rows, some at a time."""
        rows = self.library.rows(f"SELECT photo, time_s, vector FROM embedding WHERE {where}", *values)
        while some := rows.fetchmany(AT_ONCE):
            photos, times, blobs = zip(*some, strict=True)
            yield np.array(photos), np.array(times), np.frombuffer(b"".join(blobs), np.float16).reshape(len(some), -1)


def nearest_of(some: list[Near], count: int) -> list[Near]:
    """The nearest photos, each once, where it is nearest."""
    best: dict[int, Near] = {}
    for near in sorted(some, key=lambda near: (-near.score, near.photo)):
        best.setdefault(near.photo, near)
    return list(best.values())[:count]


class Scan:
    """A file that is scanned for candidates, and what is said of it in another one beside it."""

    def __init__(self, path: Path, about: About) -> None:
        self.newest = about.newest
        self.faiss: Any = None
        if about.kind == "faiss":
            import faiss

            self.faiss = faiss.read_index(str(path))
        else:
            self.ids = np.memmap(path, np.int64, "r", shape=(about.count,))
            self.vectors = np.memmap(path, np.float16, "r", 8 * about.count, (about.count, about.size))

    @classmethod
    def opened(cls, library: Library, model: int) -> "Scan | None":
        """From its file, or from the library, and then there is a file; None where none can be written or read."""
        path = library.folder / f"vectors-{model}.bin"
        count = int(str(library.value("SELECT count(*) FROM embedding WHERE model = ?", model)))
        try:
            about = read(path)
            fresh = library.value("SELECT count(*) FROM embedding WHERE model = ? AND id > ?", model, about.newest)
            usable = about.kind != "faiss" or find_spec("faiss")
            if usable and int(str(fresh)) <= OUTGROWN * count and about.last == row_hash(library, about.newest):
                return cls(path, about)
        except (OSError, ValueError, RuntimeError, msgspec.MsgspecError):
            pass
        try:
            return cls(path, write(library, model, path))
        except (OSError, ValueError, RuntimeError):  # faiss raises the last; or another search was writing, too
            return None

    def candidates(self, query: Floats, count: int) -> NDArray[np.int64]:
        """Ids of embeddings that are about the nearest."""
        if self.faiss is not None:
            ids = self.faiss.search(query[None], count)[1][0]
            return np.asarray(ids[ids >= 0], np.int64)
        scores = np.empty(len(self.ids), np.float32)
        for at in range(0, len(scores), AT_ONCE):
            scores[at : at + AT_ONCE] = self.vectors[at : at + AT_ONCE].astype(np.float32) @ query
        count = min(count, len(scores))
        return self.ids[np.argpartition(-scores, count - 1)[:count]]


def blocks(
    library: Library, model: int, newest: int = sys.maxsize, after: int = 0
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float16]]]:
    """(ids, vectors) of all embeddings after one row and up to another, some at a time."""
    sql = "SELECT id, vector FROM embedding WHERE model = ? AND id <= ? AND id > ? ORDER BY id"
    rows = library.rows(sql, model, newest, after)
    while some := rows.fetchmany(AT_ONCE):
        ids, vectors = zip(*some, strict=True)
        yield np.array(ids, np.int64), np.frombuffer(b"".join(vectors), np.float16).reshape(len(some), -1)


def write(library: Library, model: int, path: Path) -> About:
    """The file, and what is said of it; each is whole or not there. Raises OSError, RuntimeError."""
    newest, count, size = library.rows(
        "SELECT max(id), count(*), max(length(vector)) / 2 FROM embedding WHERE model = ?", model
    ).fetchone()
    kind: Kind = "faiss" if find_spec("faiss") else "float16"
    with TemporaryDirectory(dir=path.parent, prefix="vectors-") as folder:
        beside = Path(folder) / path.name
        if kind == "faiss":
            with_faiss(library, model, newest, size, beside)
        else:
            plainly(library, model, newest, beside)
        about = About(kind, newest, count, size, hashed(beside), row_hash(library, newest))
        beside.replace(path)
        beside.write_bytes(msgspec.json.encode(about))
        beside.replace(path.with_suffix(".json"))
    return about


def row_hash(library: Library, row: int) -> str:
    """Of an embedding; nothing where there is no such row."""
    vector = library.value("SELECT vector FROM embedding WHERE id = ?", row)
    return hashlib.sha256(vector).hexdigest() if isinstance(vector, bytes) else ""


def with_faiss(library: Library, model: int, newest: int, size: int, path: Path) -> None:
    import faiss

    ids = library.rows("SELECT id FROM embedding WHERE model = ? AND id <= ?", model, newest).fetchall()
    few = np.random.default_rng(0).permutation(len(ids))[:TRAINED_WITH]
    some = ",".join(str(ids[at][0]) for at in sorted(few))
    sample = np.empty((len(few), size), np.float32)
    for at, (vector,) in enumerate(library.rows(f"SELECT vector FROM embedding WHERE id IN ({some})")):
        sample[at] = np.frombuffer(vector, np.float16)
    index = compressed(size) if size > COMPONENTS else faiss.index_factory(size, "IDMap2,SQfp16", INNER_PRODUCT)
    index.train(sample)
    del sample
    for numbers, vectors in blocks(library, model, newest):
        index.add_with_ids(np.ascontiguousarray(vectors, np.float32), numbers)
    faiss.write_index(index, str(path))


def compressed(size: int) -> Any:
    """An empty index that scans 4 bits for each two components, and compares in 16 bits what it finds."""
    import faiss

    scan = faiss.IndexPQFastScan(COMPONENTS, COMPONENTS // 2, 4, INNER_PRODUCT)
    compare = faiss.IndexScalarQuantizer(COMPONENTS, faiss.ScalarQuantizer.QT_fp16, INNER_PRODUCT)
    both = faiss.IndexRefine(scan, compare)
    both.k_factor = SCANNED
    return faiss.IndexIDMap2(faiss.IndexPreTransform(faiss.PCAMatrix(size, COMPONENTS), both))


def plainly(library: Library, model: int, newest: int, path: Path) -> None:
    """All ids, then all vectors."""
    ids = library.rows("SELECT id FROM embedding WHERE model = ? AND id <= ? ORDER BY id", model, newest).fetchall()
    with open(path, "wb") as file:
        file.write(np.array(ids, np.int64).tobytes())
        for _, vectors in blocks(library, model, newest):
            file.write(vectors.tobytes())


def hashed(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(path: Path) -> About:
    """What is said of a file that is as it was written. Raises OSError; ValueError where it is not."""
    about = msgspec.json.decode(path.with_suffix(".json").read_bytes(), type=About)
    if hashed(path) != about.sha256:
        raise ValueError(f"{path} is damaged")
    return about
