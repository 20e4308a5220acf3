"""Folders into a library: what is new is looked at, what moved is known again, what is gone is marked and kept.

walk -> what has another size or time than before -> seeing.py -> tables.py, some at a time

A stop at any point loses the last handful at most, and the next run goes on. Files are only ever read.
"""

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from eyebright.errors import BadRequest, CannotWrite
from eyebright.library import places, teach, unrelated
from eyebright.library.damage import told
from eyebright.library.database import Library, paths_below
from eyebright.library.edits import carry
from eyebright.library.seeing import TOGETHER, Eyes, Looked
from eyebright.library.stacks import stack
from eyebright.library.tables import Known, Tables, is_same, model_of
from eyebright.library.walk import Found, Walk, whole
from eyebright.recognize import Recognizer
from eyebright.recognize.stream import in_order

COMMIT_S, COMMIT_FILES = 2.0, 256
"""What is new is written after so long, or so many files."""
JOBS = 1000
LOCK = "index.lock"
Tell = Callable[[int, int], None]


@dataclass
class Indexed:
    """What an index run found."""

    new: int = 0
    changed: int = 0
    moved: int = 0
    """Files that are known by their content under another path."""
    same: int = 0
    """Files that cost a look at their size and time."""
    seen: int = 0
    """Files as they were, which this model had not seen."""
    carried: int = 0
    """Photos that were edited where they lie, and of which something was said that goes over."""
    gone: int = 0
    """Photos that are nowhere any more."""
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    """Files and folders, and why."""
    others: int = 0
    """Files that are neither pictures nor videos."""

    def counts(self) -> dict[str, int]:
        names = ("new", "changed", "moved", "seen", "same", "gone", "others")
        return {**{name: getattr(self, name) for name in names}, "unreadable": len(self.unreadable)}

    @property
    def looked(self) -> int:
        return self.new + self.changed + self.moved + self.seen + len(self.unreadable)


def index(
    library: Library,
    folders: Sequence[str],
    recognizer: Recognizer,
    *,
    emptied: bool = False,
    settled_s: float = 0.0,
    tell: Tell = lambda done, total: None,
) -> Indexed:
    """Bring the library up to date with folders; what else is in it stays as it is.

    A folder in which nothing is left, though the library knows files there, is taken for a disk that is not connected
    unless `emptied`. Files that were written in the last `settled_s` seconds are left for the next run. `tell` hears
    how many of how many files that were to be looked at are done. Raises BadRequest for a folder that cannot be listed,
    before anything is changed, and CannotWrite, also while another index run is at work.
    """
    folders = [whole(folder) for folder in folders]
    done = Indexed()
    with alone(library), job(library, "index", done.counts) as stopped:
        here = Here(library, recognizer, settled_s)
        for folder in folders:
            here.folder(folder, done, tell, emptied)
        if stopped:  # what followed from its photos was perhaps not found
            for (folder,) in library.rows("SELECT path FROM folder").fetchall():
                stack(library, folder)
        if done.looked or done.gone or stopped:
            here.refresh()
    return done


@contextmanager
def job(library: Library, what: str, result: Callable[[], dict[str, int]]) -> Iterator[bool]:
    """A row that says when this began and, unless it was stopped, how it ended; the last JOBS of them are kept.

    Gives whether the one before was stopped.
    """
    last = library.rows("SELECT ended FROM job WHERE what = ? ORDER BY id DESC LIMIT 1", what).fetchone()
    with library.writing() as connection:
        row = connection.execute("INSERT INTO job (what, began) VALUES (?, ?)", (what, now())).lastrowid
        connection.execute("DELETE FROM job WHERE id <= ?", ((row or 0) - JOBS,))
    yield last == (None,)
    with library.writing() as connection:
        values = now(), msgspec.json.encode(result()).decode(), row
        connection.execute("UPDATE job SET ended = ?, result = ? WHERE id = ?", values)


def now() -> str:
    return datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="seconds")


@contextmanager
def alone(library: Library) -> Iterator[None]:
    """No other index run beside this one; the system lets go of the lock when a process ends, however it ends."""
    with told(library.path):
        lock = sqlite3.connect(library.folder / LOCK, timeout=0, isolation_level=None)
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            lock.close()
            raise CannotWrite(f"{library.folder} is being indexed already; try again when that is done.") from None
    try:
        yield
    finally:
        lock.close()


class Here:
    """One library, one model, and what of them need not be looked at again."""

    def __init__(self, library: Library, recognizer: Recognizer, settled_s: float = 0.0) -> None:
        self.library = library
        self.recognizer = recognizer
        self.tables = Tables(library, model_of(library, recognizer), recognizer.words)
        self.eyes = Eyes(recognizer, self.tables.photos.keys())
        now = time.time_ns()
        self.growing = range(now - int(1e9 * settled_s), now)
        """When files were written that may still grow, ns."""

    def folder(self, folder: str, done: Indexed, tell: Tell, emptied: bool) -> None:
        """One folder, from its names to the library."""
        known = self.known(folder)
        walk = Walk(folder)
        wanted, back, met = self.sorted_out(walk, known, done)
        missing = [one.id for path, one in known.items() if one.id not in met and not one.gone and walk.listed(path)]
        if missing and not met and not wanted and not emptied:
            raise BadRequest(
                f"{folder} is empty, and the library knows {len(missing):,} files there: is its disk connected? "
                "Nothing was changed; --emptied says that they are gone."
            )
        done.unreadable += walk.unlisted
        with self.library.writing() as connection:
            self.tables.folder(connection, folder)
            self.tables.mark(connection, back, 0)
        self.take(wanted, known, done, tell)
        done.carried += carry(self.library, self.tables.model, self.tables.edited)
        self.tables.edited.clear()
        whole(folder)  # a disk that went meanwhile takes no photo from the library
        with self.library.writing() as connection:
            done.gone += self.tables.mark(connection, missing, 1)
        if wanted or missing or back:
            stack(self.library, folder)

    def refresh(self) -> None:
        """What follows from all photos, with those that are new."""
        places.refresh(self.library)
        unrelated.refresh(self.library, self.tables.model, self.recognizer)
        teach.refresh(self.library, self.tables.model)

    def known(self, folder: str) -> dict[str, Known]:
        """All files below a folder, by path."""
        rows = self.library.rows(
            "SELECT path, id, size, changed, sidecar, photo, gone, error FROM file "
            "WHERE path >= CAST(?1 AS TEXT) AND path < CAST(?2 AS TEXT)",
            *paths_below(folder),
        )  # fmt: skip
        return {path: Known(*rest) for path, *rest in rows}

    def sorted_out(
        self, there: Iterable[Found], known: dict[str, Known], done: Indexed
    ) -> tuple[list[Found], list[int], set[int]]:
        """Files that are to be looked at; ids of those that came back; ids of those that were met."""
        seen = set(self.tables.photos.values())
        wanted, back, met = [], [], set()
        for found in there:
            before = known.get(found.path)
            if before:
                met.add(before.id)
            if before and is_same(before, found) and (before.photo in seen or before.error is not None):
                done.same += 1
                if before.gone:
                    back.append(before.id)
            elif found.changed not in self.growing:
                wanted.append(found)
        return wanted, back, met

    def take(self, wanted: list[Found], known: dict[str, Known], done: Indexed, tell: Tell) -> None:
        """Look at files, and write what was seen, a handful at a time."""
        waiting: list[Looked] = []
        since = time.monotonic()
        for number, looked in enumerate(in_order(self.eyes.look, wanted, self.recognizer.threads, TOGETHER), 1):
            waiting.append(looked)
            if len(waiting) >= COMMIT_FILES or time.monotonic() - since >= COMMIT_S or number == len(wanted):
                with self.library.writing() as connection:
                    for one in waiting:
                        became = self.tables.file(connection, one, known.get(one.found.path))
                        if became == "unreadable":
                            done.unreadable.append((one.found.path, one.error or ""))
                        else:
                            setattr(done, became, getattr(done, became) + 1)
                waiting.clear()
                since = time.monotonic()
            tell(number, len(wanted))
