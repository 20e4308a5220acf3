"""The schema, as steps from nothing to what this version knows. A copy is made before an older library is changed."""

import sqlite3
import tempfile
from pathlib import Path

from eyebright.errors import BadRequest, CannotWrite

BACKUPS = "backups"
"""The folder beside the library that copies go to."""
FIRST = """
CREATE TABLE photo (
    id INTEGER PRIMARY KEY,
    identity BLOB NOT NULL UNIQUE,      -- 16 bytes of its content without metadata
    kind TEXT NOT NULL,                 -- picture, video
    format TEXT NOT NULL,
    width INTEGER, height INTEGER,      -- pixels, held upright
    taken TEXT,                         -- the clock where it was taken, 2023-07-01T10:30:00
    zone INTEGER,                       -- minutes of that clock before UTC's, where known
    camera TEXT,
    latitude REAL, longitude REAL,
    hashes BLOB,                        -- of its eight forms, for finding copies
    stack INTEGER REFERENCES photo      -- whose picture it is another form of: RAW, live, burst, edited
);
CREATE INDEX photo_taken ON photo (taken);
CREATE TABLE file (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,
    photo INTEGER REFERENCES photo,     -- none where it could not be read
    size INTEGER NOT NULL,              -- bytes
    changed INTEGER NOT NULL,           -- its time of modification, ns
    sidecar INTEGER NOT NULL DEFAULT 0, -- that of its sidecar, or 0
    gone INTEGER NOT NULL DEFAULT 0,    -- whether the last scan of its folder did not meet it
    error TEXT                          -- why it could not be read; '' for what is neither picture nor video
);
CREATE INDEX file_photo ON file (photo);
CREATE TABLE folder (path TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE model (
    id INTEGER PRIMARY KEY,
    sha256 TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    labels TEXT NOT NULL                -- JSON: [[id, label, parent], ...]
);
CREATE TABLE label (
    photo INTEGER NOT NULL REFERENCES photo ON DELETE CASCADE,
    model INTEGER NOT NULL REFERENCES model,
    label TEXT NOT NULL,                -- its id
    score REAL NOT NULL,
    PRIMARY KEY (photo, model, label)
) WITHOUT ROWID;
CREATE TABLE embedding (
    id INTEGER PRIMARY KEY,
    photo INTEGER NOT NULL REFERENCES photo ON DELETE CASCADE,
    model INTEGER NOT NULL REFERENCES model,
    time_s REAL NOT NULL DEFAULT 0,     -- in a video
    vector BLOB NOT NULL,               -- float16, of length 1
    UNIQUE (photo, model, time_s)
);
CREATE TABLE word (                     -- what files and sidecars say: a person's words, too
    file INTEGER NOT NULL REFERENCES file ON DELETE CASCADE,
    kind TEXT NOT NULL,                 -- keyword, caption, title, rating, face
    value TEXT NOT NULL,
    PRIMARY KEY (file, kind, value)
) WITHOUT ROWID;
CREATE VIRTUAL TABLE text USING fts5 (  -- derived: what can be searched of a photo; its rowid is the photo's id
    words, names, camera, tokenize = 'unicode61 remove_diacritics 2'
);
CREATE TABLE decision (                 -- the log of what a person said; rows are only ever added
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    at TEXT NOT NULL,                   -- UTC, 2026-07-01T08:30:00.000000
    what TEXT NOT NULL,                 -- is, not, in, out, same, not-same, undo
    photo BLOB,                         -- identity
    other BLOB,                         -- identity, of same and not-same
    label TEXT,                         -- or the name of an album, of in and out
    undoes TEXT                         -- id of a decision
);
CREATE INDEX decision_photo ON decision (photo);
CREATE INDEX decision_undoes ON decision (undoes);
CREATE TRIGGER decision_stays BEFORE DELETE ON decision BEGIN SELECT RAISE(ABORT, 'decisions are never deleted'); END;
CREATE TRIGGER decision_holds BEFORE UPDATE ON decision BEGIN SELECT RAISE(ABORT, 'decisions are never changed'); END;
CREATE TABLE said (                     -- derived from decision: what holds now
    photo BLOB NOT NULL,
    kind TEXT NOT NULL,                 -- label, album
    label TEXT NOT NULL,
    holds INTEGER NOT NULL,
    decision TEXT NOT NULL,
    PRIMARY KEY (photo, kind, label)
) WITHOUT ROWID;
CREATE TABLE pair (                     -- derived from decision; one < other
    one BLOB NOT NULL,
    other BLOB NOT NULL,
    same INTEGER NOT NULL,
    decision TEXT NOT NULL,
    PRIMARY KEY (one, other)
) WITHOUT ROWID;
CREATE TABLE job (
    id INTEGER PRIMARY KEY,
    what TEXT NOT NULL,                 -- index
    began TEXT NOT NULL,                -- UTC
    ended TEXT,                         -- none while it runs, and where it was stopped
    result TEXT                         -- JSON
);
"""
SECOND = """
ALTER TABLE model ADD COLUMN family TEXT;       -- of a two-tower model: which text files belong to it
ALTER TABLE photo ADD COLUMN look BLOB;         -- float16: its colors and textures
CREATE TABLE item (                             -- of a catalog
    id INTEGER PRIMARY KEY,
    catalog TEXT NOT NULL,                      -- the path of its CSV file
    name TEXT NOT NULL,                         -- what the catalog calls it
    photo INTEGER REFERENCES photo,             -- none where its picture could not be read
    title TEXT NOT NULL,
    attributes TEXT NOT NULL,                   -- JSON: {name: text, ...}
    UNIQUE (catalog, name)
);
CREATE INDEX item_photo ON item (photo);
CREATE TABLE taught (                           -- labels that were learned from examples
    model INTEGER PRIMARY KEY REFERENCES model, -- its own row, as of any model
    encoder INTEGER NOT NULL REFERENCES model,  -- whose embeddings it takes
    weight BLOB NOT NULL,                       -- float32
    bias REAL NOT NULL
);
"""
THIRD = """
CREATE TABLE place (                            -- derived from a photo's coordinates: where that is, in words
    photo INTEGER PRIMARY KEY REFERENCES photo,
    latitude REAL NOT NULL, longitude REAL NOT NULL,
    city TEXT NOT NULL, near TEXT NOT NULL, country TEXT NOT NULL
);
ALTER TABLE decision ADD COLUMN by TEXT;        -- none where a person said it; edit: carried to an edited picture
ALTER TABLE taught ADD COLUMN mean BLOB;        -- float32: of the library, when it was learned
ALTER TABLE taught ADD COLUMN scored INTEGER NOT NULL DEFAULT 0;    -- the last embedding that it was asked about
"""
STEPS = (FIRST, SECOND, THIRD)
"""What turns a library of version N into one of version N + 1."""


def migrate(connection: sqlite3.Connection, path: Path, writable: bool = True) -> None:
    """Bring a library to the newest schema. Raises BadRequest for one that is newer, CannotWrite."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(STEPS):
        raise BadRequest(
            f"{path} is of a newer version of Eyebright (schema {version}, known are {len(STEPS)}): "
            "pip install -U eyebright."
        )
    if version == len(STEPS):
        return
    if not version and connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() != (0,):
        raise BadRequest(f"{path} is a database of another program; the library needs a folder of its own.")
    if not writable:
        raise CannotWrite(f"{path} is of an older version and may not be written here; copy it to where it may be.")
    if version:
        backup(connection, path.parent / BACKUPS / f"before-version-{version + 1}.db", version)
    connection.execute("BEGIN IMMEDIATE")
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()  # another process may have been first
        for step in STEPS[version:]:
            for statement in statements(step):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(STEPS)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk has ended it already
            connection.execute("ROLLBACK")
        raise


def statements(script: str) -> list[str]:
    """The statements of a script; `executescript` would commit what is under way."""
    found, part = [], ""
    for line in script.strip().splitlines():
        part += line + "\n"
        if sqlite3.complete_statement(part):
            found.append(part)
            part = ""
    return found


def backup(connection: sqlite3.Connection, path: Path, version: int = len(STEPS), sound: bool = False) -> None:
    """A whole copy, in a folder of its own beside its place first; none of a library that is of another version now.

    `sound`: none of a damaged one, so that it takes no good copy's place. Raises CannotWrite, BadRequest.
    """
    try:
        path.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".copy-", dir=path.parent) as beside:
            whole = Path(beside) / path.name
            copy = sqlite3.connect(whole)
            try:
                connection.backup(copy)
                (found,) = copy.execute("PRAGMA user_version").fetchone()
                if sound and copy.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                    raise BadRequest(
                        "The library is damaged, so no copy was written; eyebright library export writes what was said."
                    )
            finally:
                copy.close()
            log = path.with_name(path.name + "-wal")
            if log.exists() and log.stat().st_size:  # it would be read into the copy
                raise CannotWrite(f"{path} is a library in use; a copy needs another place.")
            if found == version:  # else another process was faster, and has made this copy
                whole.replace(path)
    except OSError as error:
        raise CannotWrite(f"{path} cannot be written: {(error.strerror or str(error)).lower()}.") from None
