"""What SQLite says of a library that is damaged, full or closed, as sentences; and what in one nobody wrote so."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eyebright.errors import BadRequest, CannotWrite
from eyebright.library import migrations

_MADE = re.compile(r"CREATE (?:VIRTUAL )?(TABLE|INDEX|TRIGGER) (\w+)")
_KINDS = {
    "photo": "identity blob, kind text, format text, width integer?, height integer?, taken text?, camera text?, "
    "look blob?, hashes blob?",
    "file": "path text, size integer, changed integer, error text?",
    "model": "sha256 text, name text, labels text",
    "label": "label text, score real",
    "embedding": "time_s real, vector blob",
    "word": "kind text, value text",
    "item": "name text, title text, attributes text",
    "decision": "id text, at text, what text, photo blob?, other blob?, label text?, undoes text?, by text?",
    "said": "photo blob, label text",
}
"""What a column holds; SQLite itself takes anything. `?`: or nothing."""
_UNSOUND = {
    "photo WHERE length(identity) != 16": "a photo is not known by its content",
    "photo WHERE length(look) != 364 OR length(hashes) != 64": "what a photo looks like is no look",
    "model WHERE NOT json_valid(labels)": "labels of a model are none",
    "model, json_each(labels) AS one WHERE json_type(one.value, '$[0]') IS NOT 'text' "
    "OR json_type(one.value, '$[1]') IS NOT 'text' OR json_array_length(one.value) != 3": "a label has no name",
    "(SELECT model FROM (SELECT DISTINCT model, length(vector) AS size FROM embedding) GROUP BY model "
    "HAVING count(*) > 1 OR max(size % 2))": "embeddings of a model differ in size",
    "decision WHERE at IS NOT strftime('%Y-%m-%dT%H:%M:%S', at) || substr(at, 20)": "a decision has no moment",
    "item WHERE NOT json_valid(attributes)": "attributes of an item are none",
}
"""Where there would be what should not be, and what that is; looked at in this order."""


@contextmanager
def told(path: Path) -> Iterator[None]:
    """What SQLite says, as a sentence."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise explained(path, error) from None
    except UnicodeEncodeError:
        raise BadRequest("What was said is no text: it has bytes that are no letters.") from None


def explained(path: Path, error: sqlite3.DatabaseError) -> BadRequest | CannotWrite:
    code = getattr(error, "sqlite_errorname", "") or ""
    if code.startswith("SQLITE_FULL"):
        return CannotWrite(f"{path}: the disk is full; nothing of this step was written.")
    if code.startswith("SQLITE_READONLY"):
        return CannotWrite(f"{path} may not be written; it can be searched.")
    if code.startswith(("SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_PERM")):
        return CannotWrite(f"{path} cannot be read or written ({str(error).rstrip('.')}).")
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return CannotWrite(f"{path} is being written by another program; try again when it is done.")
    if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return BadRequest(
            f"{path} is damaged ({str(error).rstrip('.')}); a copy may lie in {path.parent / migrations.BACKUPS}."
        )
    raise error


def must_be_whole(connection: sqlite3.Connection, path: Path) -> None:
    """Raise BadRequest for a library without all its tables, or with what would do more than hold rows."""
    made = {(kind.lower(), name) for step in migrations.STEPS for kind, name in _MADE.findall(step)}
    here = {(kind, name) for kind, name in connection.execute("SELECT type, name FROM sqlite_schema")}
    foreign = [name for kind, name in here - made if kind in ("view", "trigger")]
    if missing := sorted(name for _, name in made - here):
        raise BadRequest(
            f"{path} is damaged: it has no {missing[0]}; a copy may lie in {path.parent / migrations.BACKUPS}."
        )
    if foreign:
        raise BadRequest(f"{path} was changed by another program: {foreign[0]} is none of Eyebright's.")


def unsound(connection: sqlite3.Connection) -> Iterator[str]:
    """What is in a library that nobody wrote so."""
    checks = {where: f"{column} of {table} is of another kind" for table, column, where in kinds()} | _UNSOUND
    for rows, what in checks.items():
        if connection.execute(f"SELECT EXISTS (SELECT 1 FROM {rows})").fetchone() != (0,):
            yield what
            return  # others may not be askable then


def kinds() -> Iterator[tuple[str, str, str]]:
    """Table, column, and where there would be what it must not hold."""
    for table, columns in _KINDS.items():
        for column, kind in (part.split() for part in columns.split(", ")):
            allowed = [
                kind.rstrip("?"),
                *(["null"] if kind.endswith("?") else []),
                *(["integer"] if kind == "real" else []),
            ]
            yield table, column, f"{table} WHERE typeof({column}) NOT IN ({', '.join(map(repr, allowed))})"


def blame(connection: sqlite3.Connection, path: Path) -> None:
    """Raise BadRequest where something failed because of what a library holds."""
    try:
        wrong = next(unsound(connection), "")
    except sqlite3.Error:  # it is of another version, or past reading
        return
    if wrong:
        raise BadRequest(
            f"{path} is damaged ({wrong}); a copy may lie in {path.parent / migrations.BACKUPS}."
        ) from None
