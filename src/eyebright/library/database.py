"""One SQLite file that holds a library: what was found in files, and what a person said.

Photos are known by content (identity.py), so a file may move. What a person said is a log that only grows
(decisions.py); all else could be made again from the files. Paths are kept with the bytes that they have.

    model <- label, embedding -> photo <- file            decision -> said, pair (derived)
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eyebright.errors import BadRequest, CannotWrite, EyebrightError
from eyebright.library import damage, migrations
from eyebright.library.damage import told

NAME = "library.db"
BUSY_S = 30.0
"""How long a writer waits for another one."""
SQLITE = b"SQLite format 3\0"
UNWRITABLE = ("SQLITE_READONLY", "SQLITE_CANTOPEN")
Row = tuple[Any, ...]


class Library:
    """A connection to the library in a folder. Use it from one thread; others may read beside one that writes.

    Raises BadRequest where there is none (unless `make`), a damaged or a newer one; CannotWrite.
    """

    def __init__(self, folder: str | Path = "", make: bool = False) -> None:
        self.folder = Path(folder) if folder else usual_place()
        self.path = self.folder / NAME
        self.connection = connected(self.path, make)

    def rows(self, sql: str, *values: object) -> "Rows":
        """What a SELECT finds."""
        with told(self.path):
            return Rows(self.path, self.connection.execute(sql, values))

    def value(self, sql: str, *values: object) -> object:
        """The first column of the first row; None where there is none."""
        row = self.rows(sql, *values).fetchone()
        return row[0] if row else None

    def name_of(self, identity: bytes) -> str:
        """The path of a photo, of where it is or was; nothing where the library never saw it."""
        found = self.value(
            "SELECT path FROM file JOIN photo ON photo.id = file.photo WHERE identity = ? ORDER BY gone", identity
        )
        return str(found) if found else ""

    @contextmanager
    def writing(self, certain: bool = False) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it is written, or nothing. `certain`: on the disk when it returns, whatever happens.

        Without that a power cut may lose the last moments of what can be found out again, and damages nothing.
        Raises CannotWrite.
        """
        with told(self.path):
            self.connection.execute(f"PRAGMA synchronous = {'FULL' if certain else 'NORMAL'}")
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        self.connection.close()

    def __enter__(self) -> "Library":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            if isinstance(error, Exception) and not isinstance(error, EyebrightError):
                damage.blame(self.connection, self.path)  # what else could have failed
        finally:
            self.close()


class Rows:
    """What was found, read row by row; damage that is met then is told as a sentence, too."""

    def __init__(self, path: Path, cursor: sqlite3.Cursor) -> None:
        self._path = path
        self._cursor = cursor

    def __iter__(self) -> "Rows":
        return self

    def __next__(self) -> Row:
        with told(self._path):
            found: Row = next(self._cursor)
        return found

    def fetchone(self) -> Any:
        """A row, or None."""
        with told(self._path):
            return self._cursor.fetchone()

    def fetchmany(self, count: int) -> list[Row]:
        with told(self._path):
            return self._cursor.fetchmany(count)

    def fetchall(self) -> list[Row]:
        with told(self._path):
            return self._cursor.fetchall()


def usual_place() -> Path:
    """The folder of a person's library: EYEBRIGHT_LIBRARY, or where the system keeps what programs keep for people."""
    import platformdirs

    return Path(os.environ.get("EYEBRIGHT_LIBRARY") or Path(platformdirs.user_data_dir("eyebright")) / "library")


def connected(path: Path, make: bool) -> sqlite3.Connection:
    """An open library of the newest schema."""
    if path.parent.is_file():
        raise BadRequest(
            f"{path.parent} is a file; a library is a folder with a {NAME} in it. Put a backup into one, as {NAME}."
        )
    if path.exists() and not path.is_file():
        raise BadRequest(f"{path} is no file.")
    if not path.exists():
        if not make:
            raise BadRequest(f"{path.parent} holds no library; eyebright index FOLDER begins one.")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CannotWrite(f"{path.parent} cannot be made: {(error.strerror or str(error)).lower()}.") from None
    else:
        try:
            with open(path, "rb") as file:
                head = file.read(len(SQLITE))
        except OSError as error:
            raise CannotWrite(f"{path} cannot be read: {(error.strerror or str(error)).lower()}.") from None
        if head not in ((SQLITE, b"") if make else (SQLITE,)):
            copies = path.parent / migrations.BACKUPS
            raise BadRequest(
                f"{path} is {'no library of Eyebright, or it is damaged' if head else 'empty'}"
                f"{f'; copies lie in {copies}' if copies.is_dir() else ''}."
            )
    with told(path):
        connection, writable = opened(path)
        connection.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
        connection.execute("PRAGMA foreign_keys = ON")
        migrations.migrate(connection, path, writable)
        damage.must_be_whole(connection, path)
    return connection


def opened(path: Path) -> tuple[sqlite3.Connection, bool]:
    """A connection, and whether it is for reading and writing or, where nothing may be written, for reading alone."""
    connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        log = path.with_name(path.name + "-wal")
        if not error.sqlite_errorname.startswith(UNWRITABLE) or not path.stat().st_size:
            raise
        if log.exists() and log.stat().st_size:  # what is in it would be missed
            raise CannotWrite(
                f"{path.parent} may not be written, and a program left it unfinished; open it where it may be."
            ) from None
        # SQLite makes files beside a library even to read it, unless it is told that nobody changes it
        uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        return sqlite3.connect(uri, uri=True, isolation_level=None), False
    return connection, True


def paths_below(folder: str) -> tuple[bytes, bytes]:
    """Between which two all paths below a folder lie, the first included."""
    low = os.path.join(folder, "")
    return text_of(low), text_of(low[:-1] + chr(ord(os.sep) + 1))


def text_of(path: str) -> bytes:
    """A path for `CAST(? AS TEXT)`: its own bytes, which need not be UTF-8."""
    return os.fsencode(path)
