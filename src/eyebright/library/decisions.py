"""What a person said of photos: a log that only grows, and what follows from it.

A decision is about identities, not files or rows, so it outlives moves, re-indexing and every model. What holds now
(tables `said` and `pair`) is what the log says when it is read from its beginning: of two decisions about one thing
the later counts, and one that was undone never was. An undo is a decision like others and can itself be undone. What
was said in one go is one step: it has one moment, and is undone in one go.
"""

import secrets
import sqlite3
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Literal, NamedTuple

import msgspec

from eyebright.errors import BadRequest
from eyebright.library.damage import told
from eyebright.library.database import Library
from eyebright.library.identity import BYTES
from eyebright.library.names import normal

What = Literal["is", "not", "in", "out", "same", "not-same", "undo"]
ABOUT_ONE, ABOUT_TWO = ("is", "not", "in", "out"), ("same", "not-same")
KINDS = {"is": "label", "not": "label", "in": "album", "out": "album"}
LONGEST = 200
"""Letters of a label."""
LONGEST_LINE = 2000
MOST_LINES = 10_000_000
FIRST = datetime(1970, 1, 1)
"""Ids count from here, and so nothing was said earlier."""
AHEAD = timedelta(days=1)
"""How far the clock may be ahead that another log was written by. What is said later must come after all of it."""


class Said(NamedTuple):
    """Something to be decided."""

    what: What
    photo: bytes = b""
    """An identity."""
    other: bytes = b""
    label: str = ""
    """Or an album, of `in` and `out`."""
    undoes: str = ""


class Decision(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One line of the log. Identities are written as hexadecimal digits; ids sort as the log does."""

    id: str
    at: str
    """UTC; that of all decisions of one step."""
    what: What
    photo: str = ""
    other: str = ""
    label: str = ""
    undoes: str = ""
    by: Literal["", "edit"] = ""
    """Nothing where a person said it; `edit` where it was carried over to a picture that was edited in its place."""

    def __post_init__(self) -> None:
        one, two = self.what in ABOUT_ONE, self.what in ABOUT_TWO
        sound = (
            0 < len(self.id) <= 64
            and bool(self.photo) == (one or two)
            and bool(self.other) == two
            and not (two and bytes.fromhex(self.photo) == bytes.fromhex(self.other))
            and bool(self.label) == one
            and 0 <= len(self.label) <= LONGEST
            and bool(self.undoes) == (self.what == "undo")
            and all(len(bytes.fromhex(digits)) == BYTES for digits in (self.photo, self.other) if digits)
            and is_moment(self.at)
        )
        if not sound:
            raise ValueError(f"no decision of kind {self.what} is made like that")


def is_moment(text: str) -> bool:
    """Whether a text is a moment as the log writes it.

    >>> is_moment("2026-07-01T08:30:00.000000"), is_moment("2026-07-01T08:30:00.000000+00:00")
    (True, False)
    """
    at = datetime.fromisoformat(text)
    return at.tzinfo is None and at >= FIRST and written(at) == text


def written(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")


def record(library: Library, step: Sequence[Said], by: Literal["", "edit"] = "") -> list[Decision]:
    """Add one step to the log, for good: when this returns, not even a power cut loses it. Raises BadRequest."""
    step = [checked(said) for said in step]
    must_agree(step)
    with library.writing(certain=True) as connection:
        return add(connection, step, by)


def add(connection: sqlite3.Connection, step: Sequence[Said], by: Literal["", "edit"] = "") -> list[Decision]:
    """One step, within a transaction."""
    (latest,) = connection.execute("SELECT max(at) FROM decision").fetchone()
    at = datetime.now(UTC).replace(tzinfo=None)
    if latest:  # a clock that was set back must not reorder what was said
        at = max(at, datetime.fromisoformat(latest) + timedelta(microseconds=1))
    made = [decision(said, at, number, by) for number, said in enumerate(step)]
    for one in made:
        append(connection, one)
    if any(one.what == "undo" for one in made):
        derive(connection)
    else:
        for one in made:
            apply(connection, one)
    return made


def checked(said: Said) -> Said:
    """With a tidy label. Raises BadRequest."""
    label = " ".join(said.label.split())
    if not is_plain(label):
        raise BadRequest("A label or album is text in UTF-8, without signs that command a screen.")
    if said.what in ABOUT_ONE and not (len(label) <= LONGEST and normal(label)):
        raise BadRequest(f"A label or album has 1 to {LONGEST} letters.")
    if said.what in ABOUT_TWO and said.photo == said.other:
        raise BadRequest("These are one picture already: their contents are the same.")
    return said._replace(label=label)


def is_plain(label: str) -> bool:
    """Whether a label is text on one line: no half letters, nothing that commands a terminal."""
    return not any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in label)


def must_agree(step: Sequence[Said]) -> None:
    """Raise BadRequest where one step says a thing and its opposite."""
    for yes, no, kind in (("is", "not", "label"), ("in", "out", "album")):
        names: dict[str, set[tuple[bytes, str]]] = {
            what: {(one.photo, normal(one.label)) for one in step if one.what == what} for what in (yes, no)
        }
        if both := names[yes] & names[no]:
            raise BadRequest(f"The {kind} {min(both)[1]} is both said and denied; say one of them.")


def decision(said: Said, at: datetime, number: int, by: Literal["", "edit"]) -> Decision:
    micros = (at - FIRST) // timedelta(microseconds=1)
    made = f"{micros:014x}{number:06x}{secrets.token_hex(4)}"
    return Decision(made, written(at), said.what, said.photo.hex(), said.other.hex(), said.label, said.undoes, by)


def append(connection: sqlite3.Connection, one: Decision) -> int:
    """How many lines the log has more: none, where it had this one."""
    words = (text or None for text in (one.label, one.undoes, one.by))
    cursor = connection.execute(
        "INSERT OR IGNORE INTO decision (id, at, what, photo, other, label, undoes, by) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (one.id, one.at, one.what, blob(one.photo), blob(one.other), *words),
    )
    return cursor.rowcount


def blob(digits: str) -> bytes | None:
    return bytes.fromhex(digits) if digits else None


def derive(connection: sqlite3.Connection) -> None:
    """What holds, from the whole log."""
    connection.execute("DELETE FROM said")
    connection.execute("DELETE FROM pair")
    for one in standing(log(connection)):
        apply(connection, one)


def apply(connection: sqlite3.Connection, one: Decision) -> None:
    if one.what in ABOUT_ONE:
        photo, kind, name = blob(one.photo), KINDS[one.what], normal(one.label)
        for (label,) in connection.execute("SELECT label FROM said WHERE photo = ? AND kind = ?", (photo, kind)):
            if normal(label) == name:  # the same thing, however it was written then
                connection.execute("DELETE FROM said WHERE photo = ? AND kind = ? AND label = ?", (photo, kind, label))
        values = photo, kind, one.label, one.what in ("is", "in"), one.id
        connection.execute("INSERT INTO said VALUES (?, ?, ?, ?, ?)", values)
    elif one.what in ABOUT_TWO:
        pair = sorted(bytes.fromhex(digits) for digits in (one.photo, one.other))  # whichever was named first
        connection.execute("INSERT OR REPLACE INTO pair VALUES (?, ?, ?, ?)", (*pair, one.what == "same", one.id))


def log(connection: sqlite3.Connection) -> list[Decision]:
    """The whole log, oldest first; what was merged has its place by its time."""
    found = connection.execute("SELECT id, at, what, photo, other, label, undoes, by FROM decision ORDER BY at, id")
    return [
        Decision(made, at, what, (one or b"").hex(), (two or b"").hex(), label or "", undoes or "", by or "")
        for made, at, what, one, two, label, undoes, by in found
    ]


def standing(decisions: Sequence[Decision]) -> list[Decision]:
    """Those that were not undone; of undos, those that were not undone themselves."""
    undone: set[str] = set()
    for one in reversed(decisions):
        if one.what == "undo" and one.id not in undone:
            undone.add(one.undoes)
    return [one for one in decisions if one.id not in undone]


def undo(library: Library, last: int = 1, since: str = "", again: bool = False) -> list[Decision]:
    """Take back the `last` steps that still hold, or all since a moment (UTC); what was taken back.

    `again` takes back the last undo instead; what was said then, which holds again, is returned. Raises BadRequest
    where there is nothing to take back.
    """
    with library.writing(certain=True) as connection:
        all_said = log(connection)
        by_id = {one.id: one for one in all_said}
        held = [one for one in standing(all_said) if (one.what == "undo") == again]
        if not since:  # the last thing that a person said, whatever an index run carried over meanwhile
            held = [one for one in held if not one.by]
        if again:  # an undo of an undo is what `again` does, and is not taken back by it
            held = [one for one in held if one.undoes in by_id and by_id[one.undoes].what != "undo"]
        steps = [list(step) for _, step in groupby(held, key=lambda one: one.at)]
        chosen = [step for step in steps if step[0].at >= since] if since else steps[-last:]
        taken = [one for step in chosen for one in step]
        if not taken:
            raise BadRequest(
                "There is nothing to undo." if not again else "Nothing was undone that could be taken back."
            )
        add(connection, [Said("undo", undoes=one.id) for one in reversed(taken)])
    return [by_id[one.undoes] for one in reversed(taken)] if again else taken


def lines(library: Library) -> Iterator[str]:
    """The log as JSON, one decision a line."""
    with told(library.path):
        said = log(library.connection)
    for one in said:
        yield msgspec.json.encode(one).decode()


def merge(library: Library, text: Iterable[str], where: str) -> int:
    """Add the decisions of another log, each once; how many were new. Raises BadRequest, and then none is added."""
    latest = written(datetime.now(UTC).replace(tzinfo=None) + AHEAD)
    new = 0
    with library.writing(certain=True) as connection:
        for number, line in enumerate(text, 1):
            if number > MOST_LINES:
                raise BadRequest(f"{where} has over {MOST_LINES:,} lines; nothing was added.")
            if one := read(line, f"{where}, line {number}", latest):
                new += append(connection, one)
        derive(connection)
    return new


def read(line: str, where: str, latest: str) -> Decision | None:
    """A line of another log; None for an empty one. Raises BadRequest."""
    if len(line) > LONGEST_LINE:
        raise BadRequest(f"{where} is too long for a decision; nothing was added.")
    if not line.strip():
        return None
    try:
        one = msgspec.json.decode(line, type=Decision)
        if one.label != " ".join(one.label.split()) or not is_plain(one.label):
            raise ValueError("its label is not plain text")
    except (msgspec.DecodeError, UnicodeError, ValueError) as error:
        raise BadRequest(f"{where} is no decision ({error}); nothing was added.") from None
    if one.at > latest:
        raise BadRequest(f"{where} is of {one.at}, which is to come; nothing was added.")
    return one
