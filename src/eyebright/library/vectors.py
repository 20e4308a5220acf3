"""The embeddings of a library, searched: a compressed scan for candidates, exact distances for the answer.

Few vectors are compared one by one. Many are scanned in a file that is derived from the library: with faiss as 256
principal components in 16 bits (`IDMap2,PCA256,SQfp16`: no graph or cells that could miss, whatever the data), without
it as float16 that stays on the disk. The nearest 100 are then compared exactly. The file carries its own hash and is
made anew when it is missing, damaged, or of too little of the library; what came since is compared one by one, and what
went is left out. Letters: N vectors, D numbers each, Q queries.
"""

import hashlib
import json
import mmap
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eyebright.errors import CannotWrite
from eyebright.library.database import Library

FEW = 20_000
"""So many vectors are compared one by one faster than a file is opened."""
CANDIDATES = 100
TRAINED_WITH = 10_000
"""Vectors that the principal components are found from."""
COMPONENTS = 256
OUTGROWN = 0.1
"""A file is made anew when so large a share of the library is not in it."""
AT_ONCE = 4096
HEAD = b"eyebright vectors 1\n"
Floats = NDArray[np.float32]


class Near(NamedTuple):
    """A photo, and how near it is."""

    photo: int
    score: float
    """The cosine, -1..1."""
    time_s: float
    """Where in a video."""


class Vectors:
    """What one model saw of the photos of a library."""

    def __init__(self, library: Library, model: int) -> None:
        self.library = library
        self.model = model
        self.count = int(str(library.value("SELECT count(*) FROM embedding WHERE model = ?", model)))
        self.scan = Scan.opened(library, model) if self.count > FEW else None

    def nearest(self, query: Floats, count: int, photos: str = "", *values: object) -> list[Near]:
        """The `count` photos nearest to a query (D,), the nearest first; `photos` is SQL that selects their ids."""
        some = f" AND photo IN ({photos})" if photos else ""
        query = query / max(float(np.linalg.norm(query)), 1e-12)
        if self.scan is None or some:
            where, given = f"model = ?{some}", (self.model, *values)
        else:
            ids = self.scan.candidates(query, max(CANDIDATES, 2 * count))
            where = f"id IN ({','.join(map(str, ids.tolist()))}) OR (model = ? AND id > ?)"
            given = (self.model, self.scan.newest)
        best: dict[int, Near] = {}
        for found, times, vectors in self.read(where, *given):
            scores = np.clip(vectors.astype(np.float32) @ query, -1, 1)  # 16 bits make them a little too long
            for at in np.argsort(-scores, kind="stable")[: 4 * count].tolist():
                near = Near(int(found[at]), float(scores[at]), float(times[at]))
                if near.photo not in best or best[near.photo].score < near.score:
                    best[near.photo] = near
        return sorted(best.values(), key=lambda near: (-near.score, near.photo))[:count]

    def read(self, where: str, *values: object) -> Iterator[tuple[NDArray[Any], NDArray[Any], NDArray[np.float16]]]:
        """(photos, times, vectors (n, D)) of rows, some at a time."""
        rows = self.library.rows(f"SELECT photo, time_s, vector FROM embedding WHERE {where}", *values)
        while some := rows.fetchmany(AT_ONCE):
            photos, times, blobs = zip(*some, strict=True)
            yield np.array(photos), np.array(times), np.frombuffer(b"".join(blobs), np.float16).reshape(len(some), -1)


class Scan:
    """A file that is scanned for candidates."""

    def __init__(self, about: dict[str, Any], payload: memoryview) -> None:
        self.newest = int(about["newest"])
        """The last row that is in it."""
        self.faiss: Any = None
        if about["kind"] == "faiss":
            import faiss

            self.faiss = faiss.deserialize_index(np.frombuffer(payload, np.uint8))
        else:
            count = int(about["count"])
            self.ids = np.frombuffer(payload[: 8 * count], np.int64)
            self.vectors = np.frombuffer(payload[8 * count :], np.float16).reshape(count, -1)

    @classmethod
    def opened(cls, library: Library, model: int) -> "Scan":
        """From its file, or from the library, and then there is a file. Raises CannotWrite."""
        path = library.folder / f"vectors-{model}.bin"
        newest, count = library.rows("SELECT max(id), count(*) FROM embedding WHERE model = ?", model).fetchone()
        try:
            about, payload = read(path)
            old = about["kind"] == "faiss" and not find_spec("faiss")
            fresh = library.value("SELECT count(*) FROM embedding WHERE model = ? AND id > ?", model, about["newest"])
            if not old and int(str(fresh)) <= OUTGROWN * count:
                return cls(about, payload)
        except (OSError, ValueError, KeyError, RuntimeError):
            pass
        about = {"kind": "faiss" if find_spec("faiss") else "float16", "newest": newest, "count": count}
        write(path, about, made(library, model, newest) if about["kind"] == "faiss" else plain(library, model, newest))
        return cls(*read(path))

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


def blocks(library: Library, model: int, newest: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float16]]]:
    """(ids, vectors) of all embeddings up to a row, some at a time."""
    rows = library.rows("SELECT id, vector FROM embedding WHERE model = ? AND id <= ? ORDER BY id", model, newest)
    while some := rows.fetchmany(AT_ONCE):
        ids, vectors = zip(*some, strict=True)
        yield np.array(ids, np.int64), np.frombuffer(b"".join(vectors), np.float16).reshape(len(some), -1)


def made(library: Library, model: int, newest: int) -> Iterator[bytes]:
    """The file's content with faiss."""
    import faiss

    ids = library.rows("SELECT id FROM embedding WHERE model = ? AND id <= ?", model, newest).fetchall()
    few = np.random.default_rng(0).permutation(len(ids))[:TRAINED_WITH]
    rows = library.rows(f"SELECT vector FROM embedding WHERE id IN ({','.join(str(ids[at][0]) for at in sorted(few))})")
    sample = np.stack([np.frombuffer(vector, np.float16) for (vector,) in rows]).astype(np.float32)
    size = sample.shape[1]
    parts = f"PCA{COMPONENTS}," if size > COMPONENTS else ""
    index = faiss.index_factory(size, f"IDMap2,{parts}SQfp16", faiss.METRIC_INNER_PRODUCT)
    index.train(sample)
    del sample
    for numbers, vectors in blocks(library, model, newest):
        index.add_with_ids(np.ascontiguousarray(vectors, np.float32), numbers)
    yield faiss.serialize_index(index).tobytes()


def plain(library: Library, model: int, newest: int) -> Iterator[bytes]:
    """The file's content without faiss: all ids, then all vectors."""
    ids = library.rows("SELECT id FROM embedding WHERE model = ? AND id <= ? ORDER BY id", model, newest).fetchall()
    yield np.array(ids, np.int64).tobytes()
    for _, vectors in blocks(library, model, newest):
        yield vectors.tobytes()


def write(path: Path, about: dict[str, Any], parts: Iterator[bytes]) -> None:
    """A whole file or none: a line that says what it is, one with its hash, and the content."""
    beside = path.with_suffix(".part")
    digest = hashlib.sha256()
    try:
        with open(beside, "wb") as file:
            line = json.dumps(about).encode()
            line += b" " * (-(len(HEAD) + len(line) + 66) % 64)  # numbers begin at a place that suits them
            file.write(HEAD + line + b"\n" + b"0" * 64 + b"\n")
            digest.update(line)
            for part in parts:
                digest.update(part)
                file.write(part)
            file.seek(len(HEAD) + len(line) + 1)
            file.write(digest.hexdigest().encode())
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise CannotWrite(f"{path} cannot be written: {(error.strerror or str(error)).lower()}.") from None


def read(path: Path) -> tuple[dict[str, Any], memoryview]:
    """What a file says it is, and its content. Raises OSError, ValueError for one that is not as it was written."""
    with open(path, "rb") as file:
        view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    head = bytes(view[:1000])
    if not head.startswith(HEAD):
        raise ValueError("no file of vectors")
    line, digest = head[len(HEAD) :].split(b"\n")[:2]
    at = len(HEAD) + len(line) + len(digest) + 2
    found = hashlib.sha256(line)
    for start in range(at, len(view), 1 << 22):
        found.update(view[start : start + (1 << 22)])
    if found.hexdigest().encode() != digest:
        raise ValueError("damaged")
    about: dict[str, Any] = json.loads(line)
    return about, view[at:]
