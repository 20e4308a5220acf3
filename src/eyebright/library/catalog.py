"""A shop's catalog: a CSV file with a row an item (id, title, image, any attributes), and its pictures in the library.

The file says what the items are: index it again, and items are what it says then. Pictures are photos like any other,
but for those below no folder that is indexed: they are there as long as an item shows them.
"""

import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec

from eyebright.errors import BadRequest
from eyebright.library.csvfile import rows
from eyebright.library.database import Library, text_of
from eyebright.library.filters import ALL, Some
from eyebright.library.indexer import Here, Indexed, Tell, alone, job
from eyebright.library.stacks import stack
from eyebright.library.tables import Known, describe, is_same
from eyebright.library.walk import Found, found, listing, sidecars_among
from eyebright.recognize import Recognizer

COLUMNS = {
    "id": ("id", "sku", "item"),
    "title": ("title", "name"),
    "image": ("image", "picture", "photo", "file", "path"),
}
"""In the order in which they are looked for; all other columns are attributes."""
SHOWN = 10
"""Lines that are wrong, of which each is told."""


@dataclass
class CatalogIndexed(Indexed):
    """What an index run of a catalog found."""

    added: int = 0
    """Items; so are the next two."""
    altered: int = 0
    taken_out: int = 0

    def counts(self) -> dict[str, int]:
        return {**super().counts(), "added": self.added, "altered": self.altered, "taken_out": self.taken_out}


class Item(NamedTuple):
    """One row."""

    name: str
    """Its id in the catalog."""
    title: str
    image: str
    """Its path; none where the catalog names no picture."""
    attributes: dict[str, str]
    catalog: str = ""
    """The path of the file that it is a row of, where it comes from a library."""


def read(path: str | Path) -> list[Item]:
    """The items of a CSV file; pictures are looked for beside it. Raises BadRequest, with the lines."""
    items: list[Item] = []
    lines: dict[str, int] = {}
    wrong: list[str] = []
    for row in rows(path, COLUMNS, ("id", "image")):
        name, image = row.known["id"], row.known["image"]
        if not name:
            wrong.append(f"line {row.line} has no id")
        elif name in lines:
            wrong.append(f"lines {lines[name]} and {row.line} both have the id {name}")
        lines.setdefault(name, row.line)
        place = os.path.realpath(Path(path).parent / image) if image else ""
        items.append(Item(name, row.known["title"], place, row.others))
    if wrong:
        more = f"; and {len(wrong) - SHOWN:,} more" if len(wrong) > SHOWN else ""
        raise BadRequest(
            f"{path}: {'; '.join(wrong[:SHOWN])}{more}. Each item needs an id of its own. Nothing was changed."
        )
    if not items:
        raise BadRequest(f"{path} lists no item.")
    return items


def index(
    library: Library,
    path: str,
    recognizer: Recognizer,
    *,
    emptied: bool = False,
    tell: Tell = lambda done, total: None,
) -> CatalogIndexed:
    """Bring the library up to date with a catalog; an item without a readable picture is listed and kept.

    Where none of its pictures is there, though the library knows them, their disk is taken for not connected unless
    `emptied`. Raises BadRequest for that and where the catalog is not sound, before anything is changed; CannotWrite.
    """
    items = read(path)
    catalog = os.path.realpath(path)
    done = CatalogIndexed()
    with alone(library), job(library, "index", done.counts):
        here = Here(library, recognizer)
        known = {image: before for image in {item.image for item in items} if (before := known_as(library, image))}
        here.take(wanted(here, items, known, done, emptied), known, done, tell)
        keep(here, catalog, items, done)
        leave(here, done)
        done.unreadable += [(path, f"item {item.name} names no picture.") for item in items if not item.image]
        done.unreadable += without_picture(library, items, done)
        if done.looked or done.gone:
            stack(library, os.path.dirname(catalog))
            here.refresh()
    return done


def known_as(library: Library, path: str) -> Known | None:
    """A file as the library has it."""
    row = library.rows(
        "SELECT id, size, changed, sidecar, photo, gone, error FROM file WHERE path = CAST(? AS TEXT)", text_of(path)
    ).fetchone()
    return Known(*row) if row else None


def wanted(here: Here, items: Sequence[Item], known: dict[str, Known], done: Indexed, emptied: bool) -> list[Found]:
    """Pictures that are to be looked at; those that are not there are listed, and marked as gone."""
    seen = set(here.tables.photos.values())
    beside: dict[str, dict[str, str]] = {}
    looked: list[Found] = []
    gone, back, missing = [], [], []
    first: dict[str, Item] = {}
    for item in items:
        if item.image:
            first.setdefault(item.image, item)
    for path, item in first.items():
        before = known.get(path)
        folder = os.path.dirname(path)
        try:
            if folder not in beside:
                beside[folder] = sidecars_among(listing(folder))
            one = found(path, beside[folder])
        except OSError:
            missing.append((path, f"item {item.name}: there is no such file."))
            gone += [before.id] if before and not before.gone else []
            continue
        if before and is_same(before, one) and (before.photo in seen or before.error is not None):
            done.same += 1
            back += [before.id] if before.gone else []
        else:
            looked.append(one)
    if gone and not looked and not done.same and not emptied:
        raise BadRequest(
            f"None of the catalog's pictures is there, and the library knows {len(gone):,}: is their disk connected? "
            "Nothing was changed; --emptied says that they are gone."
        )
    done.unreadable += missing
    with here.library.writing() as connection:
        here.tables.mark(connection, gone, 1)
        here.tables.mark(connection, back, 0)
    done.gone += len(gone)
    return looked


def without_picture(library: Library, items: Sequence[Item], done: Indexed) -> list[tuple[str, str]]:
    """Items whose file is no picture, or could not be read before."""
    told = {path for path, _ in done.unreadable}
    broken: dict[str, str] = dict(
        library.rows("SELECT path, error FROM file WHERE error IS NOT NULL AND NOT gone").fetchall()
    )
    return [
        (item.image, f"item {item.name}: {broken[item.image] or 'no picture.'}")
        for item in items
        if item.image in broken and item.image not in told
    ]


def keep(here: Here, catalog: str, items: Sequence[Item], done: CatalogIndexed) -> None:
    """The items of a catalog in place of those that it had."""
    with here.library.writing() as connection:
        before = taken_from(connection, catalog)
        connection.executemany(
            "INSERT INTO item (catalog, name, photo, title, attributes) "
            "VALUES (CAST(? AS TEXT), ?, (SELECT photo FROM file WHERE path = CAST(? AS TEXT)), ?, ?)",
            [
                (text_of(catalog), item.name, text_of(item.image), item.title, as_json(item.attributes))
                for item in items
            ],
        )
        after = items_in(connection, catalog)
        for moved in gone_catalogs(connection, catalog):
            before |= taken_from(connection, moved)
        done.added = len(after.keys() - before.keys())
        done.taken_out = len(before.keys() - after.keys())
        done.altered = sum(before[name] != after[name] for name in before.keys() & after.keys())
        for photo in {photo for photo, *_ in (*before.values(), *after.values())} - {None}:
            describe(connection, photo, here.tables.folders)


def items_in(connection: sqlite3.Connection, catalog: str) -> dict[str, tuple[int | None, str, str]]:
    """{name: (photo, title, attributes)} of a catalog."""
    rows = connection.execute(
        "SELECT name, photo, title, attributes FROM item WHERE catalog = CAST(? AS TEXT)", (text_of(catalog),)
    )
    return {name: (photo, title, attributes) for name, photo, title, attributes in rows}


def taken_from(connection: sqlite3.Connection, catalog: str) -> dict[str, tuple[int | None, str, str]]:
    """The items of a catalog, which it has no more then."""
    items = items_in(connection, catalog)
    connection.execute("DELETE FROM item WHERE catalog = CAST(? AS TEXT)", (text_of(catalog),))
    return items


def leave(here: Here, done: Indexed) -> None:
    """Mark as gone what came by a catalog alone and is of no item any more; it comes back when an item does."""
    folders = [os.path.join(folder, "") for folder in here.tables.folders]
    rows = here.library.rows(
        "SELECT id, path FROM file WHERE NOT gone AND photo IS NOT NULL "
        "AND photo NOT IN (SELECT photo FROM item WHERE photo IS NOT NULL)"
    )
    gone = [file for file, path in rows if not path.startswith(tuple(folders))]
    with here.library.writing() as connection:
        here.tables.mark(connection, gone, 1)
    done.gone += len(gone)


def gone_catalogs(connection: sqlite3.Connection, catalog: str) -> list[str]:
    """Catalogs with pictures of this one whose file is not there any more: it was renamed or moved."""
    others = connection.execute(
        "SELECT DISTINCT catalog FROM item WHERE catalog != CAST(?1 AS TEXT) "
        "AND photo IN (SELECT photo FROM item WHERE catalog = CAST(?1 AS TEXT))",
        (text_of(catalog),),
    )
    return [path for (path,) in others.fetchall() if not os.path.exists(path)]


def as_json(attributes: dict[str, str]) -> str:
    return msgspec.json.encode(attributes).decode()


def items_of(library: Library, photo: int, some: Some = ALL) -> list[Item]:
    """The items that a photo shows, of those that are meant."""
    found = library.rows(
        f"SELECT name, title, attributes, catalog FROM item WHERE photo = ? AND {some.items} ORDER BY id",
        photo,
        *some.item_values,
    )
    return [item_of(*row) for row in found]


def item_of(name: str, title: str, attributes: str, catalog: str) -> Item:
    return Item(name, title, "", msgspec.json.decode(attributes), catalog)
