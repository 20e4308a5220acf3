"""What was computed once and may be wanted again: embeddings, exported encoders, audits that found nothing.

It lies in the user's cache folder (or in EYEBRIGHT_CACHE), holds no picture, and may be deleted at any time.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eyebright.errors import CannotWrite, extra

Floats = NDArray[np.float32]
MANY = 500  # keys in one question


def folder() -> Path:
    """Where it lies; made when it is not there."""
    with extra("train", "training"):
        import platformdirs
    path = Path(os.environ.get("EYEBRIGHT_CACHE") or platformdirs.user_cache_dir("eyebright"))
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise CannotWrite(f"{path} cannot be made: {why}; EYEBRIGHT_CACHE names another place.") from None
    return path


class Cache:
    """Rows of numbers by key, in one SQLite file that several programs may use at once."""

    def __init__(self) -> None:
        self.path = folder() / "embeddings.sqlite"

    def find(self, keys: Iterable[bytes]) -> dict[bytes, Floats]:
        """What is there of these."""
        wanted, found = list(keys), {}
        with contextlib.suppress(sqlite3.DatabaseError), self._open() as database:
            for start in range(0, len(wanted), MANY):
                some = wanted[start : start + MANY]
                marks = ",".join("?" * len(some))
                for key, value in database.execute(f"SELECT key, value FROM rows WHERE key IN ({marks})", some):
                    found[key] = np.frombuffer(value, np.float32)
        return found

    def keep(self, rows: dict[bytes, Floats]) -> None:
        """Remember these; where that cannot be (a full disk, a damaged file), they are computed again next time."""
        with contextlib.suppress(sqlite3.DatabaseError), self._open() as database:
            database.executemany(
                "INSERT OR REPLACE INTO rows VALUES (?, ?)",
                [(key, np.ascontiguousarray(value, np.float32).tobytes()) for key, value in rows.items()],
            )

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self.path, timeout=30)) as database, database:
            database.execute("CREATE TABLE IF NOT EXISTS rows (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID")
            yield database
