"""Which photos a search is among: `--where camera=Canon --where "price<50"`, as SQL that selects their ids.

A name is a fact of photos (FACTS) or else an attribute of a catalog's items. Facts come first where both have a name.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from eyebright.errors import BadRequest
from eyebright.library.database import Library, text_of

FACTS = {
    "taken": "the date, 2023 or 2023-07-01",
    "camera": "a part of its name",
    "kind": "picture or video",
    "format": "jpeg, png, heic, raw ...",
    "width": "pixels",
    "height": "pixels",
    "path": "a part of it",
    "album": "the name of an album of yours",
    "catalog": "a part of the path of its file",
}
"""Names that every library knows, and what is compared."""
_FORM = re.compile(r"\s*(?P<name>[^<>=!]+?)\s*(?P<sign><=|>=|!=|<|>|=)\s*(?P<value>.*?)\s*$", re.DOTALL)
_THERE = "SELECT photo FROM file WHERE NOT gone AND photo IS NOT NULL"


class Some(NamedTuple):
    """A part of the photos: SQL that selects their ids, and its values."""

    sql: str = _THERE
    values: tuple[object, ...] = ()

    def and_(self, sql: str, *values: object) -> "Some":
        return Some(f"{self.sql} AND photo IN ({sql})", (*self.values, *values))

    def among(self, photos: Sequence[int]) -> "Some":
        return self.and_(",".join(map(str, photos)) or "NULL")


ALL = Some()
"""All that are there."""


def some(library: Library, wheres: Sequence[str]) -> Some:
    """Photos that are there and of which all of these hold. Raises BadRequest."""
    found = ALL
    for where in wheres:
        form = _FORM.match(where)
        if not form:
            raise BadRequest(f'--where takes NAME=VALUE, as camera=Canon or "price<50"; {where} is none.')
        sql, *values = one(library, form["name"], form["sign"], form["value"])
        found = found.and_(sql, *values)
    return found


def one(library: Library, name: str, sign: str, value: str) -> tuple[str, *tuple[object, ...]]:
    """SQL and its values for one comparison."""
    if name in ("width", "height"):
        return f"SELECT id FROM photo WHERE {name} {sign} ?", number(name, value)
    if name == "taken":
        end = value + "~" if sign in ("<=", ">") else value  # after all of that year, month or day
        if sign in ("=", "!="):
            return f"SELECT id FROM photo WHERE taken {'NOT ' * (sign == '!=')}LIKE ? || '%'", value
        return f"SELECT id FROM photo WHERE taken {sign} ?", end
    if name in FACTS:
        must_be_equality(name, sign)
        if name in ("kind", "format"):
            return f"SELECT id FROM photo WHERE {name} {sign} ?", value.lower()
        not_ = "NOT " * (sign == "!=")
        if name == "album":
            own = "SELECT photo FROM said WHERE kind = 'album' AND holds AND label = ? COLLATE NOCASE"
            return f"SELECT id FROM photo WHERE identity {not_}IN ({own})", value
        if name == "camera":
            return f"SELECT id FROM photo WHERE {not_}instr(lower(coalesce(camera, '')), lower(?))", value
        table = "file" if name == "path" else "item"
        within = f"SELECT photo FROM {table} WHERE photo IS NOT NULL AND instr({name}, CAST(? AS TEXT))"
        return f"SELECT id FROM photo WHERE id {not_}IN ({within})", text_of(value)
    return attribute(library, name, sign, value)


def attribute(library: Library, name: str, sign: str, value: str) -> tuple[str, *tuple[object, ...]]:
    """Of a catalog's items; numbers are compared as numbers."""
    known = [key for (key,) in library.rows("SELECT DISTINCT key FROM item, json_each(item.attributes) ORDER BY key")]
    if name not in known:
        of_items = f" Items have: {', '.join(known)}." if known else ""
        raise BadRequest(f"No photo has a {name}. Photos have: {', '.join(FACTS)}.{of_items}")
    path = '$."{}"'.format(name.replace('"', '\\"'))
    held = "SELECT photo FROM item WHERE photo IS NOT NULL AND"
    if sign in ("=", "!="):
        return f"{held} json_extract(attributes, ?) {sign} ? COLLATE NOCASE", path, value
    given = "json_extract(attributes, ?)"
    sql = f"{held} {given} GLOB '*[0-9]*' AND CAST({given} AS REAL) {sign} ?"
    return sql, path, path, number(name, value)


def must_be_equality(name: str, sign: str) -> None:
    if sign not in ("=", "!="):
        raise BadRequest(f"--where {name} takes = or !=, with {FACTS[name]}.")


def number(name: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise BadRequest(f"--where {name} is compared with a number; {value} is none.") from None
