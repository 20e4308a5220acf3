"""A library of an older version becomes one of today: nothing is lost, and a copy of the old one stays."""

import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from eyebright.errors import BadRequest, CannotWrite
from eyebright.library import Library, migrations
from eyebright.library.indexer import index
from eyebright.library.photos import about, wrong_with
from pictures import color_recognizer, encoded, plain

IDENTITY = bytes(range(16))


@pytest.fixture
def old(tmp_path, monkeypatch):
    """A library of version 1 with a photo, and with what was said of it."""
    with monkeypatch.context() as then:
        then.setattr(migrations, "STEPS", migrations.STEPS[:1])
        with Library(tmp_path / "library", make=True) as library, library.writing() as connection:
            connection.execute("INSERT INTO photo (identity, kind, format) VALUES (?, 'picture', 'jpeg')", (IDENTITY,))
            made = "a", "2026-01-01T00:00:00.000000", "is", IDENTITY, "Rex"
            connection.execute("INSERT INTO decision (id, at, what, photo, label) VALUES (?, ?, ?, ?, ?)", made)
            connection.execute("INSERT INTO said VALUES (?, 'label', 'Rex', 1, 'a')", (IDENTITY,))
    return tmp_path / "library"


def test_what_was_said_is_there_and_a_copy_of_the_old_library(old):
    with Library(old) as library:
        assert library.value("PRAGMA user_version") == len(migrations.STEPS)
        assert about(library, IDENTITY).said == [("Rex", True)]
        assert wrong_with(library) == []
    copy = sqlite3.connect(old / "backups" / "before-version-2.db")
    assert copy.execute("PRAGMA user_version").fetchone() == (1,)
    assert copy.execute("SELECT label FROM decision").fetchall() == [("Rex",)]
    copy.close()


def test_a_step_that_fails_leaves_the_library_as_it_was(old, monkeypatch):
    monkeypatch.setattr(migrations, "STEPS", (migrations.FIRST, "CREATE TABLE item (id);\nCREATE TABLE photo (id);"))
    with pytest.raises(sqlite3.OperationalError):
        Library(old)
    monkeypatch.undo()
    with Library(old) as library:
        assert about(library, IDENTITY).said == [("Rex", True)]


def test_copies_that_are_made_at_once_do_not_disturb_each_other(old):
    """As when several programs open an old library."""
    with ThreadPoolExecutor(4) as threads:
        copies = [threads.submit(copied, old) for _ in range(16)]
        assert [copy.result() for copy in copies] == [(1,)] * 16
    assert os.listdir(old / "backups") == ["old.db"]


def copied(folder):
    with closing(sqlite3.connect(folder / "library.db")) as library:
        migrations.backup(library, folder / "backups" / "old.db", version=1)
    with closing(sqlite3.connect(folder / "backups" / "old.db")) as copy:
        return copy.execute("SELECT count(*) FROM decision").fetchone()


def test_the_copy_of_an_old_library_is_not_replaced_by_one_of_a_newer(old):
    """As when another program brings it up to date between two steps of this one."""
    with Library(old) as library:
        migrations.backup(library.connection, old / "backups" / "before-version-2.db", version=1)
    with closing(sqlite3.connect(old / "backups" / "before-version-2.db")) as copy:
        assert copy.execute("PRAGMA user_version").fetchone() == (1,)


def test_a_copy_that_cannot_be_made_is_said_and_the_library_stays_old(old):
    (old / "backups").touch()
    with pytest.raises(CannotWrite, match="backups"):
        Library(old)
    with closing(sqlite3.connect(old / "library.db")) as library:
        assert library.execute("PRAGMA user_version").fetchone() == (1,)


def test_a_library_of_a_newer_version_is_left_alone(old):
    with Library(old) as library:
        library.connection.execute("PRAGMA user_version = 99")
    before = (old / "library.db").read_bytes()
    with pytest.raises(BadRequest, match="newer version"):
        Library(old)
    assert (old / "library.db").read_bytes() == before


def test_photos_of_an_older_library_get_their_look_when_they_are_met_again(tmp_path, monkeypatch):
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "red.png").write_bytes(encoded(plain("red", 40)))
    with Library(tmp_path / "library", make=True) as library:
        index(library, [photos], color_recognizer())
        with library.writing() as connection:
            connection.execute("UPDATE photo SET look = NULL")
        again = index(library, [photos], color_recognizer())
        assert (again.seen, again.changed, again.same) == (1, 0, 0)
        assert library.value("SELECT count(*) FROM photo WHERE look IS NOT NULL") == 1
        assert index(library, [photos], color_recognizer()).same == 1
