"""Which items of a catalog are one thing in several colors and sizes, so that a search shows it once.

A group of the catalog's says so, or else titles that are the same but for colors and sizes. Where that is not certain
items are things of their own: one thing shown twice hurts less than one that is hidden.
"""

import re
from collections.abc import Sequence

from PIL import ImageColor

from eyebright.library.catalog import Item, item_of, items_of
from eyebright.library.csvfile import column
from eyebright.library.database import Library
from eyebright.library.filters import ALL, Some
from eyebright.library.search import Hit

GROUP = ("group", "group_id", "parent", "parent_id", "variant_of")
"""Attributes that say which items are variants of one."""
VARYING = frozenset("color colour size farbe größe groesse couleur taille".split())
"""Last words of the names of attributes in which variants of one thing differ: "Shoe size", but no "size_type"."""
KIND = frozenset("category type kind class department brand".split())
"""The same for attributes that are alike in all variants of one thing."""
_GOODS = (
    "chocolate coral gold lavender lime linen olive orange orchid peru plum salmon silver snow thistle tomato wheat"
)
"""Names of colors that are things or what they are made of: lime juice is no variant of orange juice."""
_NAMES = ImageColor.colormap.keys() - _GOODS.split()
_COLORS = re.compile(r"\b(?:{})\b".format("|".join(sorted(_NAMES, key=len, reverse=True))))
_BETWEEN = re.compile(r"[\W_]+")

Thing = tuple[str, ...]
"""The catalog, the attribute that groups or nothing, what it says or what titles share, and the values of KIND."""


def without_variants(
    library: Library, hits: Sequence[Hit], top: int | None = None, some: Some = ALL
) -> list[tuple[Hit, int]]:
    """One hit of each thing, the best, for the first `top` things; and how many variants of it the catalog has."""
    kept: dict[object, tuple[Hit, Item | None]] = {}
    for hit in hits:
        item = next(iter(items_of(library, hit.photo, some)), None)
        kept.setdefault((item and thing_of(item)) or hit.photo, (hit, item))
        if len(kept) == top:
            break
    return [(hit, variants(library, item, hit.photo) if item else 0) for hit, item in kept.values()]


def variants(library: Library, item: Item, photo: int) -> int:
    """Other photos that are there and show the thing of which an item is a variant."""
    thing = thing_of(item)
    if not thing:
        return 0
    words = common(thing[2], thing[2] if thing[1] else item.title)
    some = "AND photo IN (SELECT rowid FROM text WHERE text MATCH ?)" if words else ""  # spares reading the rest
    rows = library.rows(
        "SELECT photo, name, title, attributes, catalog FROM item "
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


def thing_of(item: Item) -> Thing | None:
    """What an item is a variant of; None where nothing says that it is one.

    >>> thing_of(Item("7", "Linen shirt, navy - XL", "", {"size": "XL", "brand": "Acme"}))
    ('', '', 'linen shirt', 'acme')
    >>> thing_of(Item("8", "Wool dress", "", {"category": "dress"}))
    """
    group = column(list(item.attributes), GROUP)
    if group:
        return item.catalog, group, item.attributes[group]
    title = whole = item.title.casefold()
    varying = valued(item, VARYING)
    for value in sorted(varying, key=len, reverse=True):
        if value in title:  # most are not, and making an expression takes long
            title = re.sub(rf"\b{re.escape(value)}\b", " ", title)
    title = _COLORS.sub(" ", title)
    shared = _BETWEEN.sub(" ", title).strip()
    varies = varying or title != whole
    return (item.catalog, "", shared, *valued(item, KIND)) if shared and varies else None


def valued(item: Item, names: frozenset[str]) -> list[str]:
    """Values of the attributes whose names end in one of some words."""
    return [value.casefold() for name, value in item.attributes.items() if _BETWEEN.split(name.lower())[-1] in names]
