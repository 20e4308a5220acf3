"""What was seen of files, into the tables of a library, within transactions of the caller's."""

import os
import sqlite3
import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from eyebright.errors import BadRequest
from eyebright.library.database import Library, text_of
from eyebright.library.seeing import SKIPPED, Looked
from eyebright.library.walk import Found
from eyebright.recognize import Recognizer
from eyebright.recognize.sources import name_of
from eyebright.recognize.statement import Words

LEAST_SCORE, MOST_LABELS = 0.02, 12
"""Labels and parents of a photo that are kept: those with the highest scores."""


class Known(NamedTuple):
    """A file as the library has it."""

    id: int
    size: int
    changed: int
    sidecar: int
    photo: int | None
    gone: int
    error: str | None


def model_of(library: Library, recognizer: Recognizer) -> int:
    """The row of a recognizer's model. Raises BadRequest for one that compares no pictures."""
    if "embedding" not in recognizer.runtime.outputs:
        raise BadRequest(f"{recognizer.metadata.name} has no embedding output, so it cannot index photos.")
    nodes = recognizer.words.hierarchy.nodes
    labels = msgspec.json.encode([[node.id, node.label, node.parent] for node in nodes]).decode()
    sha256 = recognizer.model.sha256
    with library.writing() as connection:
        values = sha256, recognizer.metadata.name, labels, recognizer.metadata.family
        connection.execute("INSERT OR IGNORE INTO model (sha256, name, labels, family) VALUES (?, ?, ?, ?)", values)
        return int(connection.execute("SELECT id FROM model WHERE sha256 = ?", (sha256,)).fetchone()[0])


class Tables:
    """Writes what one model sees."""

    def __init__(self, library: Library, model: int, words: Words) -> None:
        self.library = library
        self.model = model
        self.nodes = words.hierarchy.nodes
        seen = library.rows(
            "SELECT id, identity FROM photo WHERE look IS NOT NULL "
            "AND id IN (SELECT photo FROM embedding WHERE model = ?)",
            model,
        )
        self.photos: dict[bytes, int] = {made: photo for photo, made in seen}
        """Those that this model has seen, by identity."""
        self.edited: list[tuple[int, int]] = []
        """The photo that a path had and the one that it has, where they differ."""
        self.folders = [folder for (folder,) in library.rows("SELECT path FROM folder")]

    def file(self, connection: sqlite3.Connection, one: Looked, before: Known | None) -> str:
        """One file; what came of it: new, changed, moved, seen, unreadable or others."""
        photo = None
        if one.error == SKIPPED:
            return "others"
        if one.error is None:
            photo = self.photos.get(one.identity)
            moved = photo is not None and (before is None or before.photo != photo)
            photo = self.photo(connection, one)
            if before:
                only(connection, photo, one)
            if before and before.photo not in (None, photo):
                self.edited.append((before.photo, photo))
            as_before = before is not None and before.photo == photo and is_same(before, one.found)
            became = "moved" if moved else "new" if before is None else "seen" if as_before else "changed"
        else:
            became = "unreadable" if one.error else "others"
        found = one.found
        changed = 0 if one.passing else found.changed
        (file,) = connection.execute(
            "INSERT INTO file (path, photo, size, changed, sidecar, error) VALUES (CAST(? AS TEXT), ?, ?, ?, ?, ?) "
            "ON CONFLICT (path) DO UPDATE SET photo = excluded.photo, size = excluded.size, "
            "changed = excluded.changed, sidecar = excluded.sidecar, gone = 0, error = excluded.error RETURNING id",
            (text_of(found.path), photo, found.size, changed, found.sidecar_changed, one.error),
        ).fetchone()
        if before:
            connection.execute("DELETE FROM word WHERE file = ?", (file,))
        if words := [(file, kind, value) for kind, value in one.metadata.words]:
            connection.executemany("INSERT OR IGNORE INTO word VALUES (?, ?, ?)", words)
        for touched in {photo, before.photo if before else None} - {None}:
            describe(connection, touched, self.folders)
        return became

    def photo(self, connection: sqlite3.Connection, one: Looked) -> int:
        """The row of a photo, with what this model says of it.

        Of its files some may say when and where it was taken, and some not: what is not said takes nothing away.
        """
        known = one.metadata
        (photo,) = connection.execute(
            "INSERT INTO photo (identity, kind, format, width, height, taken, zone, camera, latitude, longitude) "
            "VALUES (?, ?, ?, ?, ?, coalesce(?, ?), ?, ?, ?, ?) ON CONFLICT (identity) DO UPDATE SET "
            "width = coalesce(nullif(excluded.width, 0), width), "
            "height = coalesce(nullif(excluded.height, 0), height), "
            "taken = coalesce(?, taken, excluded.taken), zone = iif(? IS NULL, zone, excluded.zone), "
            "camera = coalesce(excluded.camera, camera), latitude = coalesce(excluded.latitude, latitude), "
            "longitude = coalesce(excluded.longitude, longitude) RETURNING id",
            (one.identity, one.kind, one.format, *one.size, known.taken, one.named, known.zone, known.camera,
             known.latitude, known.longitude, known.taken, known.taken),
        ).fetchone()  # fmt: skip
        if one.look:
            values = one.hashes or None, one.look, photo
            connection.execute("UPDATE photo SET hashes = ?, look = ? WHERE id = ?", values)
        if one.scores is not None and one.identity not in self.photos:
            some = np.flatnonzero(one.scores >= LEAST_SCORE)
            best = some[np.argsort(-one.scores[some], kind="stable")[:MOST_LABELS]].tolist()
            labels = [(photo, self.model, self.nodes[at].id, round(float(one.scores[at]), 4)) for at in best]
            connection.executemany("INSERT OR REPLACE INTO label VALUES (?, ?, ?, ?)", labels)
            vectors = [(photo, self.model, time_s, vector.tobytes()) for time_s, vector in one.embeddings]
            connection.executemany(
                "INSERT OR REPLACE INTO embedding (photo, model, time_s, vector) VALUES (?, ?, ?, ?)", vectors
            )
            self.photos[one.identity] = photo
        return int(photo)

    def mark(self, connection: sqlite3.Connection, files: Sequence[int], gone: int) -> int:
        """Files that went or came back; of how many photos no file is left."""
        touched = set()
        for file in files:
            sql = "UPDATE file SET gone = ? WHERE id = ? RETURNING photo"
            (photo,) = connection.execute(sql, (gone, file)).fetchone()
            if photo is not None:
                describe(connection, photo, self.folders)
                touched.add(photo)
        left = "SELECT EXISTS (SELECT 1 FROM file WHERE photo = ? AND NOT gone)"
        return sum(connection.execute(left, (photo,)).fetchone() == (0,) for photo in touched)

    def folder(self, connection: sqlite3.Connection, folder: str) -> None:
        """A folder that is indexed."""
        connection.execute("INSERT OR IGNORE INTO folder VALUES (CAST(? AS TEXT))", (text_of(folder),))
        if folder not in self.folders:
            self.folders.append(folder)


def only(connection: sqlite3.Connection, photo: int, one: Looked) -> None:
    """Of the only file of a photo that is there: what was taken out of it is not known any more."""
    others = "SELECT EXISTS (SELECT 1 FROM file WHERE photo = ? AND NOT gone AND path != CAST(? AS TEXT))"
    if connection.execute(others, (photo, text_of(one.found.path))).fetchone() == (0,):
        said = one.metadata
        facts = said.taken or one.named, said.zone, said.camera, said.latitude, said.longitude
        sql = "UPDATE photo SET taken = ?, zone = ?, camera = ?, latitude = ?, longitude = ? WHERE id = ?"
        connection.execute(sql, (*facts, photo))


def is_same(before: Known, found: Found) -> bool:
    """Whether a file has the size and time that it had, and its sidecar, too."""
    return (before.size, before.changed, before.sidecar) == (found.size, found.changed, found.sidecar_changed)


def describe(connection: sqlite3.Connection, photo: int | None, folders: Sequence[str]) -> None:
    """What can be searched of a photo: of its files that are there, or else were, and of a catalog."""
    files = connection.execute("SELECT id, path, gone FROM file WHERE photo = ? ORDER BY gone", (photo,)).fetchall()
    some = [(file, path) for file, path, gone in files if not gone] or [(file, path) for file, path, _ in files]
    names = " ".join(below(path, folders) for _, path in some)
    words: list[str] = []
    for file, _ in some:
        words += [value for (value,) in connection.execute("SELECT value FROM word WHERE file = ?", (file,))]
    camera, *place = connection.execute(
        "SELECT coalesce(camera, ''), city, near, country FROM photo LEFT JOIN place ON place.photo = photo.id "
        "WHERE photo.id = ?",
        (photo,),
    ).fetchone()
    words += [name for name in place if name]
    for name, title, attributes in connection.execute(
        "SELECT name, title, attributes FROM item WHERE photo = ?", (photo,)
    ):
        words += [title, name, *msgspec.json.decode(attributes).values()]
    values = photo, composed(" | ".join(dict.fromkeys(words))), composed(names), camera
    connection.execute("INSERT OR REPLACE INTO text (rowid, words, names, camera) VALUES (?, ?, ?, ?)", values)


def composed(text: str) -> str:
    """As most write it: some systems take letters and their marks apart (Unicode's NFC and NFD)."""
    return unicodedata.normalize("NFC", text)


def below(path: str, folders: Iterable[str]) -> str:
    """A path as words, from the folder on that was indexed; of a catalog's picture its own folder.

    >>> below("/media/disk/Pictures/Trip/IMG_1.jpg", ["/media/disk/Pictures"]), below("/shop/images/1.jpg", [])
    ('Pictures/Trip/IMG_1.jpg', 'images/1.jpg')
    """
    inside = [folder for folder in folders if path.startswith(os.path.join(folder, ""))]
    root = os.path.dirname(max(inside, key=len, default=os.path.dirname(path)))
    return name_of(path[len(root) :].lstrip(os.sep))
