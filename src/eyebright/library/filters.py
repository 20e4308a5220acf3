"""Which photos a search is among: `--where camera=Canon --where "price<50"`, as SQL that selects their ids.

A name is a fact of photos (FACTS) or else an attribute of a catalog's items. Facts come first where both have a name.
What is said of items holds of one and the same: of a photo that several show only those are meant of which it does.
"""

import math
import re
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from eyebright.errors import BadRequest
from eyebright.library.database import Library, text_of
from eyebright.library.names import normal
from eyebright.recognize.sources import name_of

MOST = 50
"""Comparisons at once; SQLite nests a thousand and no more."""
SHOWN = 5
"""Values that are no numbers, of which each is told."""

FACTS = {
    "taken": "the date, 2023 or 2023-07-01",
    "camera": "a part of its name",
    "rating": "stars, as the file says",
    "kind": "picture or video",
    "format": "jpeg, png, heic, raw ...",
    "width": "pixels",
    "height": "pixels",
    "path": "a part of it",
    "place": "a word of its city or country",
    "album": "the name of an album of yours",
    "catalog": "a part of the path of its file",
    "id": "the id of a catalog's item",
    "title": "a part of that of a catalog's item",
}
"""Names that every library knows, and what is compared."""
OF_ITEMS = {
    "catalog": "instr(item.catalog, CAST(? AS TEXT))",
    "id": "item.name = ? COLLATE NOCASE",
    "title": "instr(plain(item.title), ?)",
}
"""Those of items, as SQL."""
ALIASES = {
    "jpg": "jpeg", "tif": "tiff", "heic": "heif", "mp4": "mov", "m4v": "mov", "mkv": "matroska", "webm": "matroska",
    "photo": "picture", "photos": "picture", "image": "picture", "film": "video", "movie": "video",
    "mpg": "mpeg", "wmv": "asf", "ts": "mpegts",
}  # fmt: skip
"""What people call a kind or a format, as by the ending of a name, and what it is called here."""
_FORM = re.compile(r"\s*(?P<name>[^<>=!]+?)\s*(?P<sign><=|>=|!=|<|>|=)\s*(?P<value>.*?)\s*$", re.DOTALL)
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d(T\d\d(:\d\d(:\d\d)?)?)?)?)?", re.ASCII)
_NUMBER = re.compile(
    r"[^\d+-]{0,4}?"  # EUR, $
    r"(?P<number>[+-]?(?:\d+(?:[.,]\d+|['’\s]\d{3}(?!\d))*|\.\d+))"
    r"(?:\D|(?<=[^\W\d])\d)*"  # no second number; the 2 of m2 is none
)
_THERE = "SELECT photo FROM file WHERE NOT gone AND photo IS NOT NULL"


class Some(NamedTuple):
    """A part of the photos: SQL that selects their ids, and its values."""

    sql: str = _THERE
    values: tuple[object, ...] = ()
    items: str = "1"
    """SQL that is true of the items of a catalog that are meant, and its values."""
    item_values: tuple[object, ...] = ()
    remarks: tuple[str, ...] = ()
    """What a person should know."""

    def and_(self, sql: str, *values: object) -> "Some":
        return self._replace(sql=f"{self.sql} AND photo IN ({sql})", values=(*self.values, *values))

    def and_item(self, sql: str, *values: object, remarks: Sequence[str] = ()) -> "Some":
        return self._replace(
            items=f"{self.items} AND {sql}",
            item_values=(*self.item_values, *values),
            remarks=tuple(dict.fromkeys((*self.remarks, *remarks))),
        )

    def among(self, photos: Sequence[int]) -> "Some":
        return self.and_(",".join(map(str, photos)) or "NULL")


ALL = Some()
"""All that are there."""


def some(library: Library, wheres: Sequence[str]) -> Some:
    """Photos that are there and of which all of these hold. Raises BadRequest."""
    if len(wheres) > MOST:
        raise BadRequest(f"--where can be given {MOST} times, not {len(wheres):,} times.")
    library.connection.create_function("number_in", 2, number_in, deterministic=True)
    library.connection.create_function("plain", 1, normal, deterministic=True)
    found = ALL
    for where in wheres:
        form = _FORM.match(where)
        if not form:
            raise BadRequest(f'--where takes NAME=VALUE, as camera=Canon or "price<50"; {name_of(where)} is none.')
        if form["name"] not in ("path", "catalog") and name_of(where) != where:
            raise BadRequest(f"--where {name_of(where)} is not text.")
        name, sign, value = form["name"], form["sign"], form["value"]
        if name in FACTS and name not in OF_ITEMS:
            found = found.and_(*one(library, name, sign, value))
        else:
            sql, *values = of_item(library, name, sign, value)
            found = found.and_item(sql, *values, remarks=left_out(library, name) if sign[0] in "<>" else ())
    if found.items != ALL.items:
        sql = f"SELECT photo.id FROM photo LEFT JOIN item ON item.photo = photo.id WHERE {found.items}"
        found = found.and_(sql, *found.item_values)
    return found


def one(library: Library, name: str, sign: str, value: str) -> tuple[str, *tuple[object, ...]]:
    """SQL and its values for one comparison; != is all that = is not."""
    if sign == "!=":
        sql, *values = one(library, name, "=", value)
        return f"SELECT id FROM photo WHERE id NOT IN ({sql})", *values
    if name in ("width", "height"):
        return f"SELECT id FROM photo WHERE {name} {sign} ?", number(name, value)
    if name == "rating":
        stars = f"kind = 'rating' AND number_in(value) {sign} ?"
        return f"SELECT photo FROM word JOIN file ON file.id = file WHERE {stars}", number(name, value)
    if name == "taken":
        return taken(sign, date(value))
    if sign != "=":
        raise no_order(name)
    if name in ("kind", "format"):
        return kind(library, name, value.lower())
    if name == "album":
        rows = library.rows("SELECT DISTINCT label FROM said WHERE kind = 'album'").fetchall()
        meant = [label for (label,) in rows if normal(label) == normal(value)]
        if not meant:
            albums = f"; there are: {', '.join(sorted(label for (label,) in rows))}" if rows else ""
            raise BadRequest(f"You have no album {value}{albums}.")
        own = f"SELECT photo FROM said WHERE kind = 'album' AND holds AND label IN ({','.join('?' * len(meant))})"
        return f"SELECT id FROM photo WHERE identity IN ({own})", *meant
    if name == "camera":
        return "SELECT id FROM photo WHERE camera IS NOT NULL AND instr(plain(camera), ?)", normal(value)
    if name == "place":
        holds = "instr(' ' || plain({}) || ' ', ' ' || ? || ' ')"
        told = (
            f"SELECT photo FROM word JOIN file ON file.id = file WHERE word.kind = 'place' AND {holds.format('value')}"
        )
        named = holds.format("city || ' ' || near || ' ' || country")
        return f"{told} UNION SELECT photo FROM place WHERE {named}", normal(value), normal(value)
    return f"{_THERE} AND instr(path, CAST(? AS TEXT))", text_of(value)


def no_order(name: str) -> BadRequest:
    return BadRequest(f"--where {name} takes = or !=, with {FACTS[name]}.")


def kind(library: Library, name: str, value: str) -> tuple[str, str, str]:
    """Of a kind or format; of a format that is nowhere it is said which there are. Raises BadRequest."""
    meant = ALIASES.get(value, value)
    known = {one for (one,) in library.rows(f"SELECT DISTINCT {name} FROM photo")}
    known |= {"picture", "video"} if name == "kind" else set()
    if value not in known and meant not in known:
        raise BadRequest(f"No photo is of {name} {value}; there are: {', '.join(sorted(known))}.")
    return f"SELECT id FROM photo WHERE {name} IN (?, ?)", value, meant


def taken(sign: str, when: str) -> tuple[str, str]:
    if sign == "=":
        return "SELECT id FROM photo WHERE taken LIKE ? || '%'", when
    end = when + "~" if sign in ("<=", ">") else when  # after all of that year, month or day
    return f"SELECT id FROM photo WHERE taken {sign} ?", end


def of_item(library: Library, name: str, sign: str, value: str) -> tuple[str, *tuple[object, ...]]:
    """SQL and its values for one comparison of an item; != is also true of photos that no item shows."""
    if sign == "!=":
        sql, *values = of_item(library, name, "=", value)
        return f"coalesce(NOT {sql}, 1)", *values
    if name not in OF_ITEMS:
        return attribute(library, name, sign, value)
    if sign != "=":
        raise no_order(name)
    return OF_ITEMS[name], {"catalog": text_of(value), "title": normal(value)}.get(name, value)


def attribute(library: Library, name: str, sign: str, value: str) -> tuple[str, *tuple[object, ...]]:
    """Of a catalog's items; numbers are compared as numbers, and read as the others of their column."""
    must_be_known(library, name)
    held = "EXISTS (SELECT 1 FROM json_each(item.attributes) WHERE key = ? COLLATE NOCASE AND {})"
    same: tuple[str, ...] = ()
    if sign == "=":
        same = (value,)
        if any(map(str.isalpha, value)) or number_in(value) is None:
            return held.format("value = ? COLLATE NOCASE"), name, value
    else:
        number(name, value)
    commas = [
        text_of(path)
        for path in sorted({path for path, text in said_of(library, name) if "," in text and has_comma(text)})
    ]
    comma = f"item.catalog IN ({','.join(['CAST(? AS TEXT)'] * len(commas))})"
    compared = f"number_in(value, {comma}) {sign} number_in(?, {comma})"
    if same:
        compared = f"(value = ? COLLATE NOCASE OR {compared})"
    values: list[object] = [name, *same, *commas, value, *commas]
    return held.format(compared), *values


def must_be_known(library: Library, name: str) -> None:
    """Raises BadRequest where no item has an attribute, however its letters are written."""
    known = [key for (key,) in library.rows("SELECT DISTINCT key FROM item, json_each(item.attributes) ORDER BY key")]
    if name.lower() not in map(str.lower, known):
        article = "an" if name.lower().startswith(tuple("aeiou")) else "a"
        of_items = f" Items have: {', '.join(known)}." if known else ""
        raise BadRequest(f"No photo has {article} {name}. Photos have: {', '.join(FACTS)}.{of_items}")


def said_of(library: Library, name: str) -> list[tuple[str, str]]:
    """(catalog, what is said) of all items that have an attribute."""
    return library.rows(
        "SELECT DISTINCT catalog, value FROM item, json_each(attributes) WHERE key = ? COLLATE NOCASE", name
    ).fetchall()


def left_out(library: Library, name: str) -> Sequence[str]:
    """What to say of values that are compared as numbers and are none."""
    odd = sorted({text for _, text in said_of(library, name) if number_in(text) is None})
    more = f" and {len(odd) - SHOWN:,} more" if len(odd) > SHOWN else ""
    shown = ", ".join(text[:40] for text in odd[:SHOWN])
    return [f"Of {name} these are no numbers and are left out: {shown}{more}."] if odd else []


def number(name: str, value: str) -> float:
    found = number_in(value)
    if found is None:
        raise BadRequest(f"--where {name} is compared with a number; {value} is none.")
    return found


def number_in(text: str, comma: object = False) -> float | None:
    """The one number of a text, as people write it, perhaps with a currency or unit; None where there is none.

    `comma` says that decimals come after one, where "1.299" and "1,299" may be either.

    >>> [number_in(text) for text in ("50.00", "EUR 1,299.00", "1.299,00 €", "9,5", "2 m2", "38-40", "on request")]
    [50.0, 1299.0, 1299.0, 9.5, 2.0, None, None]
    >>> [number_in(text, comma=True) for text in ("1.299", "1,299", "12.99", "1,299.00")]
    [1299.0, 1.299, 12.99, 1299.0]
    >>> [number_in(text) for text in ("36,37,38", "192.168.0.1", "1,299,000", "−5")]
    [None, None, 1299000.0, -5.0]
    """
    text = text.strip().replace("−", "-")
    try:
        value = float("" if comma and "." in text else text)
    except ValueError:
        found = _NUMBER.fullmatch(text)
        digits = found["number"] if found else ""
        value = float(written_plainly(digits, bool(comma))) if digits and is_one(digits) else math.nan
    return value if math.isfinite(value) else None


def is_one(digits: str) -> bool:
    """Whether marks part thousands and decimals, and not several numbers."""
    *whole, last = re.split("[.,]", re.sub(r"['’\s]", "", digits))
    marks = set(re.findall("[.,]", digits))
    return all(len(group) == 3 for group in whole[1:]) and (len(whole) < 2 or len(marks) > 1 or len(last) == 3)


def has_comma(text: str) -> bool:
    """Whether a number's decimals come after a comma without doubt.

    >>> [has_comma(text) for text in ("1.299,00 €", "9,5", "1,299", "1,299,000", "1,299.00")]
    [True, True, False, False, False]
    """
    found = _NUMBER.fullmatch(text.strip())
    *whole, last = re.split(",", found["number"]) if found else ("",)
    return len(whole) == 1 and last.isdigit() and (len(last) != 3 or "." in whole[0] or whole[0] == "0")


def written_plainly(digits: str, comma: bool = False) -> str:
    """Without marks between thousands, and a point before decimals.

    >>> written_plainly("1,299"), written_plainly("1.299"), written_plainly("1 299,5"), written_plainly("0,125")
    ('1299', '1.299', '1299.5', '0.125')
    """
    digits = re.sub(r"['’\s]", "", digits)
    *whole, last = re.split("[.,]", digits)
    marks = set(re.findall("[.,]", digits))
    between = {"."} if comma else {","}
    thousands = len(last) == 3 and whole not in ([], [""], ["0"]) and (marks == between or len(whole) > 1 == len(marks))
    return "".join((*whole, last)) if thousands or not whole else f"{''.join(whole)}.{last}"


def date(value: str) -> str:
    """A year, month, day or moment, as ISO 8601 writes it. Raises BadRequest."""
    value = value.replace(" ", "T")
    try:
        if not _DATE.fullmatch(value):
            raise ValueError(value)
        datetime.fromisoformat(value + "0001-01-01T00:00:00"[len(value) :])
    except ValueError:
        raise BadRequest(f"--where taken is compared with {FACTS['taken']}; {value} is none.") from None
    return value
