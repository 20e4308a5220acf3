"""A shop's catalog: a CSV file with a row an item (id, title, image, any attributes), and its pictures in the library.

The file says what the items are: index it again, and items are what it says then. Pictures are photos like any other.
"""

import csv
import os
import re
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from PIL import ImageColor

from eyebright.errors import BadRequest
from eyebright.library.database import Library, text_of
from eyebright.library.indexer import Here, Indexed, Tell, alone, job
from eyebright.library.search import Hit
from eyebright.library.stacks import stack
from eyebright.library.tables import Known, describe, is_same
from eyebright.library.walk import Found, found, listing, sidecars_among
from eyebright.recognize import Recognizer

ID, TITLE, IMAGE = ("id", "sku", "item"), ("title", "name"), ("image", "picture", "photo", "file", "path")
"""Columns, in the order in which they are looked for; all others are attributes."""
GROUP = ("group", "group_id", "parent", "parent_id", "variant_of")
"""Attributes that say which items are variants of one."""
MOST_BYTES, MOST_ITEMS, MOST_COLUMNS = 256_000_000, 1_000_000, 200
_NAMES = sorted(ImageColor.colormap.keys() - {"linen"}, key=len, reverse=True)  # that one is a cloth
_COLORS = re.compile(r"\b(?:{})\b".format("|".join(_NAMES)))
_BETWEEN = re.compile(r"[\W_]+")


class Item(NamedTuple):
    """One row."""

    name: str
    """Its id in the catalog."""
    title: str
    image: str
    """Its path."""
    attributes: dict[str, str]


def read(path: str | Path) -> list[Item]:
    """The items of a CSV file; pictures are looked for beside it. Raises BadRequest, with the line."""
    items: list[Item] = []
    lines: dict[str, int] = {}
    for line, row, columns in rows(path):
        name, title, image = (row.get(columns[part] or "", "") for part in ("id", "title", "image"))
        if not name or not image:
            raise BadRequest(f"{path}, line {line} has no {'id' if not name else 'image'}. Nothing was changed.")
        if name in lines:
            raise BadRequest(
                f"{path}, lines {lines[name]} and {line} both have the id {name}; ids must differ. Nothing was changed."
            )
        lines[name] = line
        attributes = {key: value for key, value in row.items() if key not in columns.values() and value}
        items.append(Item(name, title, os.path.realpath(Path(path).parent / image), attributes))
    if not items:
        raise BadRequest(f"{path} lists no item.")
    return items


def rows(path: str | Path) -> Iterator[tuple[int, dict[str, str], dict[str, str | None]]]:
    """(line, {column: value}, {id, title, image: column}) of a CSV file with a header. Raises BadRequest."""
    try:
        if os.path.getsize(path) > MOST_BYTES:
            raise BadRequest(f"{path} has more than {MOST_BYTES // 1_000_000} MB; no catalog is that large.")
        with open(path, encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file)
            header = [name.strip() for name in next(lines, [])]
            columns = {"id": column(header, ID), "title": column(header, TITLE), "image": column(header, IMAGE)}
            if not columns["image"] or len(set(header)) < len(header) or len(header) > MOST_COLUMNS:
                raise BadRequest(
                    f"{path} needs a first line of different names, id and image among them: id,title,image,color."
                )
            for number, values in enumerate(lines, 1):
                if number > MOST_ITEMS:
                    raise BadRequest(f"{path} has more than {MOST_ITEMS:,} lines.")
                if len(values) > len(header):
                    raise BadRequest(f"{path}, line {lines.line_num} has more values than the first line has names.")
                if any("\0" in value for value in values):
                    raise BadRequest(f"{path}, line {lines.line_num} holds a null byte.")
                if any(values):
                    yield lines.line_num, dict(zip(header, map(str.strip, values), strict=False)), columns
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise BadRequest(f"{path} cannot be read as CSV: {why.lower()}.") from None


def column(header: Sequence[str], names: Sequence[str]) -> str | None:
    """The first of these columns that is there, however its letters are written."""
    small = {name.lower(): name for name in reversed(header)}
    return next((small[name] for name in names if name in small), None)


def index(
    library: Library,
    path: str,
    recognizer: Recognizer,
    *,
    emptied: bool = False,
    tell: Tell = lambda done, total: None,
) -> Indexed:
    """Bring the library up to date with a catalog; an item without a readable picture is listed and kept.

    Where none of its pictures is there, though the library knows them, their disk is taken for not connected unless
    `emptied`. Raises BadRequest for that and where the catalog is not sound, before anything is changed; CannotWrite.
    """
    items = read(path)
    if any(not item.name for item in items):
        raise BadRequest(f"{path} needs a column of ids: {', '.join(ID)}.")
    catalog = os.path.realpath(path)
    done = Indexed()
    with alone(library), job(library, "index", done.counts):
        here = Here(library, recognizer)
        known = {one: before for one in {item.image for item in items} if (before := known_as(library, one))}
        here.take(wanted(here, items, known, done, emptied), known, done, tell)
        keep(library, catalog, items, here.tables.folders)
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


def keep(library: Library, catalog: str, items: Sequence[Item], folders: Sequence[str]) -> None:
    """The items of a catalog in place of those that it had."""
    with library.writing() as connection:
        of_catalog = "FROM item WHERE catalog = CAST(? AS TEXT)"
        before = connection.execute(f"SELECT photo {of_catalog}", (text_of(catalog),)).fetchall()
        connection.execute(f"DELETE {of_catalog}", (text_of(catalog),))
        connection.executemany(
            "INSERT INTO item (catalog, name, photo, title, attributes) "
            "VALUES (CAST(? AS TEXT), ?, (SELECT photo FROM file WHERE path = CAST(? AS TEXT)), ?, ?)",
            [
                (text_of(catalog), item.name, text_of(item.image), item.title, as_json(item.attributes))
                for item in items
            ],
        )
        after = connection.execute(f"SELECT photo {of_catalog}", (text_of(catalog),)).fetchall()
        for moved in gone_catalogs(connection, catalog):
            before += connection.execute(f"SELECT photo {of_catalog}", (text_of(moved),)).fetchall()
            connection.execute(f"DELETE {of_catalog}", (text_of(moved),))
        for (photo,) in set(before + after) - {(None,)}:
            describe(connection, photo, folders)


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


def items_of(library: Library, photo: int) -> list[Item]:
    """The items that a photo shows."""
    found = library.rows("SELECT name, title, attributes FROM item WHERE photo = ? ORDER BY id", photo)
    return [item_of(*row) for row in found]


def item_of(name: str, title: str, attributes: str) -> Item:
    return Item(name, title, "", msgspec.json.decode(attributes))


def without_variants(library: Library, hits: Sequence[Hit], top: int | None = None) -> list[tuple[Hit, int]]:
    """One hit of each thing, the best, for the first `top` things; and how many variants of it the catalog has.

    Items are variants of one thing that a group says to be, or whose titles differ in attributes and colors alone.
    """
    kept: dict[object, tuple[Hit, list[Item]]] = {}
    for hit in hits:
        items = items_of(library, hit.photo)
        kept.setdefault(thing_of(items[0]) if items else hit.photo, (hit, items))
        if len(kept) == top:
            break
    return [(hit, variants(library, items[0], hit.photo) if items else 0) for hit, items in kept.values()]


def variants(library: Library, item: Item, photo: int) -> int:
    """Other photos that are there and show the thing of which an item is a variant."""
    thing = thing_of(item)
    words = common(thing[1], thing[1]) if isinstance(thing, tuple) else common(str(thing), item.title)
    some = "AND photo IN (SELECT rowid FROM text WHERE text MATCH ?)" if words else ""  # spares reading the rest
    rows = library.rows(
        "SELECT photo, name, title, attributes FROM item "
        f"WHERE photo != ? {some} AND EXISTS (SELECT 1 FROM file WHERE file.photo = item.photo AND NOT gone)",
        photo,
        *([words] if words else []),
    )
    return len({shown for shown, *other in rows if thing_of(item_of(*other)) == thing})


def common(thing: str, title: str) -> str:
    """A query of words that all variants hold, of those in letters that are folded in one way alone.

    >>> common("linen shirt größe", "Linen shirt, Größe navy"), common("strasse", "Straße")
    ('"linen" "shirt"', '')
    """
    words = [word for word in _BETWEEN.split(thing.casefold()) if word and word.isascii() and word in title.lower()]
    return " ".join(f'"{word}"' for word in words)


def thing_of(item: Item) -> object:
    """What an item is a variant of.

    >>> thing_of(Item("7", "Linen shirt, navy - XL", "", {"size": "XL"}))
    'linen shirt'
    """
    group = column(list(item.attributes), GROUP)
    if group:
        return group, item.attributes[group]
    title = item.title.casefold()
    for value in sorted(map(str.casefold, item.attributes.values()), key=len, reverse=True):
        if value in title:  # most are not, and making an expression takes long
            title = re.sub(rf"\b{re.escape(value)}\b", " ", title)
    return _BETWEEN.sub(" ", _COLORS.sub(" ", title)).strip() or item.name
