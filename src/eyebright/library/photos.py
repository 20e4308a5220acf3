"""Questions to a library: which photo is meant, what is known of it, how much there is, and whether all is sound."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from eyebright import images
from eyebright.errors import BadPicture, BadRequest, CannotWrite
from eyebright.library import decisions, identity
from eyebright.library.damage import told, unsound
from eyebright.library.database import Library, text_of
from eyebright.library.decisions import Decision
from eyebright.library.raw import RAW
from eyebright.recognize.sources import NAMES

LONGEST_ID = 18
"""Digits."""


class Called(NamedTuple):
    """What a model calls a photo."""

    label: str
    score: float
    model: str
    group: bool
    """Whether other labels stand below it."""


class About(NamedTuple):
    """All that is known of one photo."""

    identity: bytes
    paths: list[str]
    gone: list[str]
    """Where it was."""
    taken: str | None
    camera: str | None
    place: str
    """City, a great one near it and country, by its coordinates."""
    labels: list["Called"]
    """What models say, the surest first."""
    words: list[tuple[str, str]]
    """Kind and value of what its files say."""
    said: list[tuple[str, bool]]
    """What holds, by a person: the label, and whether it is in the photo."""
    albums: list[str]
    history: list[tuple[Decision, bool]]
    """All that was ever said, undos apart, and whether it is taken back now."""


def identity_of(library: Library, photo: str) -> bytes:
    """Who a file is, whether it was indexed or not; or who it was, for one that the library knows and that is gone.

    A number is the id that a search shows, where no file is called so. Raises BadRequest, BadPicture.
    """
    if photo.isdecimal() and not os.path.exists(photo):
        number = int(photo) if len(photo) <= LONGEST_ID else 0
        known = library.value("SELECT identity FROM photo WHERE id = ?", number)
        if not isinstance(known, bytes):
            raise BadRequest(f"The library has no photo {photo}.")
        return known
    path = os.path.realpath(photo)
    if Path(path).is_file():
        try:
            with open(path, "rb") as file:
                kind = images.sniff(file.read(images.HEAD_BYTES))
                if kind in images.VIDEOS:
                    file.seek(0)
                    return identity.of_file(file)
        except OSError as error:
            raise BadPicture(f"{photo}: {(error.strerror or str(error)).lower()}.") from None
        if not kind and not path.lower().endswith((*NAMES, *RAW)):
            raise BadRequest(f"{photo} is neither a picture nor a video.")
        data = images.read_file(path)
        return identity.of_all(data) if path.lower().endswith(RAW) else identity.of_picture(data)
    found = library.value(
        "SELECT identity FROM file JOIN photo ON photo.id = file.photo WHERE path = CAST(? AS TEXT)", text_of(path)
    )
    if not isinstance(found, bytes):
        raise BadRequest(f"{photo} is no file, and the library knows none of that name.")
    return found


def trouble(library: Library, path: str) -> str:
    """Why a file could not be read when it was indexed; nothing where it could, or was not."""
    found = library.value("SELECT error FROM file WHERE path = CAST(? AS TEXT)", text_of(os.path.realpath(path)))
    return str(found or "")


def about(library: Library, known: bytes) -> About:
    """What the library knows of a photo by its identity; little, where it was never indexed."""
    row = library.rows("SELECT id, taken, camera FROM photo WHERE identity = ?", known).fetchone()
    photo, taken, camera = row or (None, None, None)
    place = library.rows("SELECT city, near, country FROM place WHERE photo = ?", photo).fetchone() or ()
    files = library.rows("SELECT path, gone FROM file WHERE photo = ? ORDER BY path", photo).fetchall()
    labels = []
    for model, text, name in library.rows("SELECT id, labels, name FROM model").fetchall():
        nodes: dict[str, str] = {node: label for node, label, _ in msgspec.json.decode(text)}
        groups = {parent for _, _, parent in msgspec.json.decode(text)}
        scores = library.rows("SELECT label, score FROM label WHERE photo = ? AND model = ?", photo, model)
        labels += [Called(nodes.get(node, str(node)), score, name, node in groups) for node, score in scores]
    words = library.rows(
        "SELECT DISTINCT kind, value FROM word JOIN file ON file.id = word.file WHERE file.photo = ? ORDER BY 1, 2",
        photo,
    )
    said = library.rows("SELECT label, holds, kind FROM said WHERE photo = ? ORDER BY label", known).fetchall()
    with told(library.path):
        log = decisions.log(library.connection)
    holds = {one.id for one in decisions.standing(log)}
    return About(
        known,
        [path for path, gone in files if not gone],
        [path for path, gone in files if gone],
        taken,
        camera,
        ", ".join(filter(None, place)),
        sorted(labels, key=lambda one: -one.score),
        words.fetchall(),
        [(label, bool(yes)) for label, yes, kind in said if kind == "label"],
        [label for label, yes, kind in said if kind == "album" and yes],
        [(one, one.id not in holds) for one in log if known.hex() in (one.photo, one.other)],
    )


def status(library: Library) -> dict[str, Any]:
    """Counts, folders and models."""

    def count(sql: str) -> int:
        return int(str(library.value(f"SELECT count(*) FROM {sql}")))

    with told(library.path):
        log = decisions.log(library.connection)
    said = [one for one in log if one.what != "undo"]
    holds = {one.id for one in decisions.standing(log)}
    there = "SELECT photo FROM file WHERE NOT gone"
    return {
        "path": str(library.path),
        "photos": count(f"photo WHERE kind = 'picture' AND id IN ({there})"),
        "videos": count(f"photo WHERE kind = 'video' AND id IN ({there})"),
        "files": count("file WHERE NOT gone AND photo IS NOT NULL"),
        "gone": count(f"photo WHERE id IN (SELECT photo FROM file) AND id NOT IN ({there} AND photo IS NOT NULL)"),
        "unreadable": count("file WHERE error != '' AND NOT gone"),
        "decisions": len(said),
        "undone": sum(one.id not in holds for one in said),
        "stopped": library.value("SELECT ended FROM job WHERE what = 'index' ORDER BY id DESC LIMIT 1") is None
        and count("job") > 0,
        "indexed": library.value("SELECT max(ended) FROM job WHERE what = 'index'"),
        "folders": [path for (path,) in library.rows("SELECT path FROM folder")],
        "models": library.rows(
            "SELECT name, (SELECT count(DISTINCT photo) FROM embedding WHERE model = model.id) FROM model "
            "WHERE id NOT IN (SELECT model FROM taught)"
        ).fetchall(),
        "taught": [name for (name,) in library.rows("SELECT name FROM model JOIN taught ON model = id ORDER BY name")],
        "albums": library.rows(
            "SELECT label, count(*) FROM said WHERE kind = 'album' AND holds GROUP BY label ORDER BY label"
        ).fetchall(),
        "items": count("item"),
        "items_without_picture": count(f"item WHERE photo IS NULL OR photo NOT IN ({there} AND photo IS NOT NULL)"),
    }


def wrong_with(library: Library) -> list[str]:
    """What is not sound: pages, references, and whether what holds follows from the log."""
    wrong: list[str] = []
    try:
        with told(library.path):
            for fault in faults(library):
                wrong.append(fault)
    except (BadRequest, ValueError) as error:  # too damaged to be looked at to the end
        wrong.append(str(error))
    return wrong


def faults(library: Library) -> Iterator[str]:
    yield from (str(line) for (line,) in library.rows("PRAGMA integrity_check") if line != "ok")
    yield from (f"{what[:1].upper()}{what[1:]}." for what in unsound(library.connection))
    broken = len(library.rows("PRAGMA foreign_key_check").fetchall())
    if broken:
        yield f"{broken:,} rows speak of what is not there."
    tables = {"said": "photo, kind, label, holds", "pair": "one, other, same"}
    before = [library.rows(f"SELECT {columns} FROM {table}").fetchall() for table, columns in tables.items()]
    try:
        with library.writing() as connection:
            decisions.derive(connection)
    except CannotWrite:  # a library that may only be read is as it is
        return
    after = [library.rows(f"SELECT {columns} FROM {table}").fetchall() for table, columns in tables.items()]
    if before != after:
        yield "What holds did not follow from what was said; it was derived anew, and now does."
