"""Folders into a library: what is new is looked at, what moved is known again, what is gone is marked and kept.

walk -> what has another size or time than before -> bytes -> identity -> (unless it is known) picture, metadata,
scores, embedding -> the library, some at a time

A stop at any point loses the last handful at most, and the next run goes on. Files are only ever read.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from eyebright import images, phash
from eyebright.bounds import LIMITS
from eyebright.errors import BadPicture, BadRequest, CannotWrite, EyebrightError, MissingExtra
from eyebright.library import identity, metadata
from eyebright.library.database import Library, text_of, told
from eyebright.library.metadata import Metadata
from eyebright.library.raw import RAW, preview
from eyebright.library.stacks import stack
from eyebright.library.walk import Found, walk, whole
from eyebright.preprocessing import Pixels, fit, shorter_side
from eyebright.recognize import Recognizer
from eyebright.recognize.sources import NAMES, name_of
from eyebright.recognize.stream import in_order
from eyebright.recognize.video import Every, frames

TOGETHER = 4
"""Pictures that a worker takes at once."""
COMMIT_S, COMMIT_FILES = 2.0, 256
"""What is new is written after so long, or so many files."""
LEAST_SCORE, MOST_LABELS = 0.02, 12
"""Labels and parents of a photo that are kept: those with the highest scores."""
EVERY, MOST_FRAMES = Every(5.0), 40
"""Of a video, the frames that are looked at."""
LOCK = "index.lock"
SKIPPED = "the extra video is not installed"
"""Of a film that is met again when it is."""


class Known(NamedTuple):
    """A file as the library has it."""

    id: int
    size: int
    changed: int
    sidecar: int
    photo: int | None
    gone: int
    error: str | None


@dataclass
class Looked:
    """What was seen of one file."""

    found: Found
    identity: bytes = b""
    kind: str = "picture"
    format: str = ""
    size: tuple[int, int] = (0, 0)
    metadata: Metadata = field(default_factory=Metadata)
    hashes: bytes = b""
    """(8,) uint64: of its forms (phash.py)."""
    scores: NDArray[np.float64] | None = None
    """Of labels and parents; None where the library has them already."""
    embeddings: list[tuple[float, NDArray[np.float16]]] = field(default_factory=list)
    error: str | None = None


@dataclass
class Indexed:
    """What an index run found."""

    new: int = 0
    changed: int = 0
    moved: int = 0
    """Files that are known by their content under another path."""
    same: int = 0
    """Files that cost a look at their size and time."""
    gone: int = 0
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    others: int = 0
    """Files that are neither pictures nor videos."""

    def counts(self) -> dict[str, int]:
        names = ("new", "changed", "moved", "same", "gone", "others")
        return {**{name: getattr(self, name) for name in names}, "unreadable": len(self.unreadable)}

    @property
    def looked(self) -> int:
        return self.new + self.changed + self.moved + len(self.unreadable)


def index(
    library: Library,
    folders: Sequence[str],
    recognizer: Recognizer,
    *,
    emptied: bool = False,
    settled_s: float = 0.0,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> Indexed:
    """Bring the library up to date with folders; what else is in it stays as it is.

    A folder in which nothing is left, though the library knows files there, is taken for a disk that is not connected
    unless `emptied`. Files that were written in the last `settled_s` seconds are left for the next run. `tell` hears
    how many of how many files that were to be looked at are done. Raises BadRequest for a folder that cannot be listed,
    before anything is changed, and CannotWrite, also while another index run is at work.
    """
    folders = [whole(folder) for folder in folders]
    done = Indexed()
    with alone(library):
        model = model_of(library, recognizer)
        here = Here(library, recognizer, model, settled_s)
        with job(library, "index", done.counts):
            for folder in folders:
                here.folder(folder, done, tell, emptied)
    return done


@contextmanager
def job(library: Library, what: str, result: Callable[[], dict[str, int]]) -> Iterator[None]:
    """A row that says when this began and, unless it was stopped, how it ended."""
    with library.writing() as connection:
        row = connection.execute("INSERT INTO job (what, began) VALUES (?, ?)", (what, now())).lastrowid
    yield
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


def model_of(library: Library, recognizer: Recognizer) -> int:
    """The row of a recognizer's model."""
    nodes = recognizer.words.hierarchy.nodes
    labels = msgspec.json.encode([[node.id, node.label, node.parent] for node in nodes]).decode()
    sha256 = recognizer.model.sha256
    with library.writing() as connection:
        values = sha256, recognizer.metadata.name, labels, recognizer.metadata.family
        connection.execute("INSERT OR IGNORE INTO model (sha256, name, labels, family) VALUES (?, ?, ?, ?)", values)
        return int(connection.execute("SELECT id FROM model WHERE sha256 = ?", (sha256,)).fetchone()[0])


class Here:
    """One library, one model, and what of them need not be looked at again."""

    def __init__(self, library: Library, recognizer: Recognizer, model: int, settled_s: float) -> None:
        self.library = library
        now = time.time_ns()
        self.growing = range(now - int(1e9 * settled_s), now)
        """When files were written that may still grow, ns."""
        self.recognizer = recognizer
        self.model = model
        self.spec = recognizer.metadata.input
        self.shorter = max(shorter_side(self.spec, recognizer.size), phash.SIDE)
        seen = library.rows(
            "SELECT id, identity FROM photo WHERE id IN (SELECT photo FROM embedding WHERE model = ?)", model
        )
        self.photos: dict[bytes, int] = {made: photo for photo, made in seen}
        """Those that this model has seen, by identity."""

    def folder(self, folder: str, done: Indexed, tell: Callable[[int, int], None], emptied: bool) -> None:
        """One folder, from its names to the library."""
        known: dict[str, Known] = {path: Known(*rest) for path, *rest in self.known(folder)}
        seen = set(self.photos.values())
        wanted, met, back = [], set(), []
        for found in walk(folder):
            before = known.get(found.path)
            if before:
                met.add(before.id)
            if before and is_same(before, found) and (before.photo in seen or before.error is not None):
                done.same += 1
                if before.gone:
                    back.append(before.id)
            elif found.changed not in self.growing:
                wanted.append(found)
        missing = [one.id for one in known.values() if one.id not in met and not one.gone]
        if missing and not met and not wanted and not emptied:
            raise BadRequest(
                f"{folder} is empty, and the library knows {len(missing):,} files there: is its disk connected? "
                "Nothing was changed; --emptied says that they are gone."
            )
        with self.library.writing() as connection:
            connection.execute("INSERT OR IGNORE INTO folder VALUES (CAST(? AS TEXT))", (text_of(folder),))
            mark(connection, back, 0)
        self.take(wanted, known, done, tell)
        with self.library.writing() as connection:
            mark(connection, missing, 1)
        done.gone += len(missing)
        if wanted or missing or back:
            stack(self.library, folder)

    def known(self, folder: str) -> Iterable[tuple[Any, ...]]:
        """(path, ...Known) of all files below a folder."""
        low = os.path.join(folder, "")
        return self.library.rows(
            "SELECT path, id, size, changed, sidecar, photo, gone, error FROM file "
            "WHERE path >= CAST(?1 AS TEXT) AND path < CAST(?2 AS TEXT)",
            text_of(low), text_of(low[:-1] + chr(ord(os.sep) + 1)),
        )  # fmt: skip

    def take(
        self, wanted: list[Found], known: dict[str, Known], done: Indexed, tell: Callable[[int, int], None]
    ) -> None:
        """Look at files, and write what was seen, a handful at a time."""
        waiting: list[Looked] = []
        since = time.monotonic()
        for number, looked in enumerate(in_order(self.look, wanted, self.recognizer.threads, TOGETHER), 1):
            waiting.append(looked)
            if len(waiting) >= COMMIT_FILES or time.monotonic() - since >= COMMIT_S or number == len(wanted):
                with self.library.writing() as connection:
                    for one in waiting:
                        self.keep(connection, one, known.get(one.found.path), done)
                waiting.clear()
                since = time.monotonic()
            tell(number, len(wanted))

    def look(self, some: list[Found]) -> list[Looked]:
        """What one worker does with one handful."""
        looked: list[Looked] = []
        waiting: list[tuple[Looked, float, Pixels]] = []
        for found in some:
            one = Looked(found)
            try:
                waiting += [(one, time_s, pixels) for time_s, pixels in self.see(one)]
            except MissingExtra:
                one.error = SKIPPED
            except EyebrightError as error:
                one.error = str(error)
            looked.append(one)
        for at in range(0, len(waiting), TOGETHER):
            self.ask(waiting[at : at + TOGETHER])
        return looked

    def see(self, one: Looked) -> list[tuple[float, Pixels]]:
        """Who it is and what its file says; its pixels, where the model has not seen them."""
        path = one.found.path
        if not self.worth(one):
            one.error = ""
            return []
        if one.format in images.VIDEOS:
            return self.film(one)
        data = images.read_file(path, LIMITS)
        if path.lower().endswith(RAW):
            one.format, one.identity, shown = "raw", identity.of_all(data), preview(data)
        else:
            one.identity, shown = identity.of_picture(data), data
        header = images.header(shown)
        one.metadata = metadata.of_picture(header, sidecar(one.found), os.path.basename(path))
        one.size = images.upright_size(shown)
        if one.identity in self.photos:
            return []
        picture = images.decode(shown, self.shorter)
        one.hashes = phash.hashes(phash.gray(picture)[None]).tobytes()
        return [(0.0, fit(picture, self.spec, self.recognizer.size))]

    def worth(self, one: Looked) -> bool:
        """Whether its first bytes, or else its name, call it a picture or a video."""
        try:
            with open(one.found.path, "rb") as file:
                one.format = images.sniff(file.read(images.HEAD_BYTES)) or ""
        except OSError as error:
            raise BadPicture(f"{(error.strerror or str(error)).lower()}.") from None
        return bool(one.format) or one.found.path.lower().endswith((*NAMES, *RAW))

    def film(self, one: Looked) -> list[tuple[float, Pixels]]:
        one.kind = "video"
        try:
            with open(one.found.path, "rb") as file:
                one.identity = identity.of_file(file)
        except OSError as error:  # it went, or its disk did, while we looked
            raise BadPicture(f"{(error.strerror or str(error)).lower()}.") from None
        if one.identity in self.photos:
            return []
        pixels: list[tuple[float, Pixels]] = []
        for time_s, picture in frames(Path(one.found.path), EVERY, self.shorter):
            if len(pixels) == MOST_FRAMES:
                break
            one.size = one.size if pixels else picture.size
            pixels.append((time_s, fit(picture, self.spec, self.recognizer.size)))
        return pixels

    def ask(self, waiting: Sequence[tuple[Looked, float, Pixels]]) -> None:
        """The network, about several pictures at once; of a film the highest score of each label counts."""
        batch = np.stack([pixels for _, _, pixels in waiting])
        scores, embeddings = self.recognizer.runtime.run(batch, ["scores", "embedding"])
        for (one, time_s, _), mine, vector in zip(waiting, scores, embeddings, strict=True):
            all_scores = self.recognizer.words.hierarchy.all_scores(mine)
            one.scores = all_scores if one.scores is None else np.maximum(one.scores, all_scores)
            one.embeddings.append((time_s, normal(vector)))

    def keep(self, connection: sqlite3.Connection, one: Looked, before: Known | None, done: Indexed) -> None:
        """One file into the tables, within a transaction."""
        photo = None
        if one.error == SKIPPED:
            done.others += 1
            return
        if one.error is None:
            photo = self.photos.get(one.identity)
            moved = photo is not None and (before is None or before.photo != photo)
            done.moved += moved
            done.changed += before is not None and not moved
            done.new += before is None and not moved
            photo = self.photo(connection, one)
        elif one.error:
            done.unreadable.append((one.found.path, one.error))
        else:
            done.others += 1
        found = one.found
        (file,) = connection.execute(
            "INSERT INTO file (path, photo, size, changed, sidecar, error) VALUES (CAST(? AS TEXT), ?, ?, ?, ?, ?) "
            "ON CONFLICT (path) DO UPDATE SET photo = excluded.photo, size = excluded.size, "
            "changed = excluded.changed, sidecar = excluded.sidecar, gone = 0, error = excluded.error RETURNING id",
            (text_of(found.path), photo, found.size, found.changed, found.sidecar_changed, one.error),
        ).fetchone()
        connection.execute("DELETE FROM word WHERE file = ?", (file,))
        words = [(file, kind, value) for kind, value in one.metadata.words]
        connection.executemany("INSERT OR IGNORE INTO word VALUES (?, ?, ?)", words)
        for touched in {photo, before.photo if before else None} - {None}:
            describe(connection, touched)

    def photo(self, connection: sqlite3.Connection, one: Looked) -> int:
        """The row of a photo, with what this model says of it."""
        known = one.metadata
        (photo,) = connection.execute(
            "INSERT INTO photo (identity, kind, format, width, height, taken, zone, camera, latitude, longitude) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (identity) DO UPDATE SET "
            "width = coalesce(nullif(excluded.width, 0), width), "
            "height = coalesce(nullif(excluded.height, 0), height), "
            "taken = excluded.taken, zone = excluded.zone, camera = excluded.camera, "
            "latitude = excluded.latitude, longitude = excluded.longitude RETURNING id",
            (one.identity, one.kind, one.format, *one.size, known.taken, known.zone, known.camera, known.latitude,
             known.longitude),
        ).fetchone()  # fmt: skip
        if one.hashes:
            connection.execute("UPDATE photo SET hashes = ? WHERE id = ?", (one.hashes, photo))
        if one.scores is not None and one.identity not in self.photos:
            nodes = self.recognizer.words.hierarchy.nodes
            best = np.argsort(-one.scores)[:MOST_LABELS]
            labels = [(photo, self.model, nodes[at].id, round(float(one.scores[at]), 4)) for at in best]
            labels = [row for row in labels if row[3] >= LEAST_SCORE]
            connection.executemany("INSERT OR REPLACE INTO label VALUES (?, ?, ?, ?)", labels)
            vectors = [(photo, self.model, time_s, vector.tobytes()) for time_s, vector in one.embeddings]
            connection.executemany(
                "INSERT OR REPLACE INTO embedding (photo, model, time_s, vector) VALUES (?, ?, ?, ?)", vectors
            )
            self.photos[one.identity] = photo
        return int(photo)


def mark(connection: sqlite3.Connection, files: Sequence[int], gone: int) -> None:
    """Files that went or came back."""
    for file in files:
        (photo,) = connection.execute("UPDATE file SET gone = ? WHERE id = ? RETURNING photo", (gone, file)).fetchone()
        if photo is not None:
            describe(connection, photo)


def describe(connection: sqlite3.Connection, photo: int | None) -> None:
    """What can be searched of a photo, from the files of it that are there, or else were."""
    files = connection.execute("SELECT id, path, gone FROM file WHERE photo = ? ORDER BY gone", (photo,)).fetchall()
    some = [(file, path) for file, path, gone in files if not gone] or [(file, path) for file, path, _ in files]
    folders = [folder for (folder,) in connection.execute("SELECT path FROM folder")]
    names = " ".join(below(path, folders) for _, path in some)
    words: list[str] = []
    for file, _ in some:
        words += [value for (value,) in connection.execute("SELECT value FROM word WHERE file = ?", (file,))]
    (camera,) = connection.execute("SELECT coalesce(camera, '') FROM photo WHERE id = ?", (photo,)).fetchone()
    values = photo, " | ".join(dict.fromkeys(words)), names, camera
    connection.execute("INSERT OR REPLACE INTO text (rowid, words, names, camera) VALUES (?, ?, ?, ?)", values)


def below(path: str, folders: Sequence[str]) -> str:
    """A path as words, from the folder on that was indexed.

    >>> below("/media/disk/Pictures/Trip/IMG_1.jpg", ["/media/disk/Pictures"])
    'Pictures/Trip/IMG_1.jpg'
    """
    inside = [folder for folder in folders if path.startswith(os.path.join(folder, ""))]
    root = os.path.dirname(max(inside, key=len)) if inside else ""
    return name_of(path[len(root) :].lstrip(os.sep))


def is_same(before: Known, found: Found) -> bool:
    return (before.size, before.changed, before.sidecar) == (found.size, found.changed, found.sidecar_changed)


def sidecar(found: Found) -> bytes:
    """What lies beside a picture; nothing where it cannot be read, or is too large to be one."""
    if not found.sidecar:
        return b""
    try:
        with open(found.sidecar, "rb") as file:
            text = file.read(metadata.XMP_BYTES + 1)
    except OSError:
        return b""
    return text if len(text) <= metadata.XMP_BYTES else b""


def normal(vector: NDArray[np.float32]) -> NDArray[np.float16]:
    """(D,) of length 1; zeros stay zeros."""
    return (vector / max(float(np.linalg.norm(vector)), 1e-12)).astype(np.float16)
