"""`eyebright index, correct, undo, history, library`: what a person says stays said."""

import json
import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest


@pytest.fixture
def family(eyebright, holiday, colors, monkeypatch, tmp_path):
    """`eyebright` with a library of its own, in which `holiday` is."""
    monkeypatch.setenv("EYEBRIGHT_LIBRARY", str(tmp_path / "library"))
    ended = eyebright("index", holiday, "--model", colors, "--trust")
    assert ended.code == 1  # one file is torn
    assert ended.out.startswith("3 new. The library knows 3 photos that are there.\n1 file that is no picture")
    assert "torn.jpg: not a picture" in ended.out
    return eyebright


def said(eyebright, photo):
    return {
        (one["label"], one["holds"]) for one in json.loads(eyebright("history", photo, "--format", "json").out)["said"]
    }


def test_what_is_said_holds_until_it_is_taken_back(family):
    assert family("correct", "holiday/red.png", "--is", "Rex", "--not", "wolf").code == 0
    assert said(family, "holiday/red.png") == {("Rex", True), ("wolf", False)}
    assert family("undo").out.count("taken back") == 2
    assert said(family, "holiday/red.png") == set()
    assert family("undo", "--again").code == 0
    assert said(family, "holiday/red.png") == {("Rex", True), ("wolf", False)}


def test_history_says_who_said_what(family):
    family("correct", "holiday/red.png", "--is", "Rex")
    shown = family("history", "holiday/red.png").out
    assert "you say   Rex" in shown
    assert "red 1.00" in shown
    family("undo")
    assert "Rex (taken back)" in family("history", "holiday/red.png").out


def test_a_photo_that_is_gone_is_still_known_by_its_path(family, holiday):
    (holiday / "red.png").unlink()
    assert family("correct", "holiday/red.png", "--is", "Rex").code == 0
    assert said(family, "holiday/red.png") == {("Rex", True)}


def test_two_photos_that_are_not_the_same(family):
    assert family("correct", "--not-same", "holiday/red.png", "holiday/blue.png").code == 0
    assert "not the same as another one" in family("history", "holiday/blue.png").out


def test_albums_are_said_like_all_else(family):
    family("correct", "holiday/red.png", "holiday/blue.png", "--in", "Brittany 2023")
    family("correct", "holiday/red.png", "--out", "Brittany 2023")
    assert "album     Brittany 2023" in family("history", "holiday/blue.png").out
    assert "album   Brittany 2023: 1 photo" in family("library", "status").out
    assert "album     " not in family("history", "holiday/red.png").out


def test_what_was_said_can_be_taken_along(family, tmp_path):
    family("correct", "holiday/red.png", "--is", "Rex")
    assert family("library", "export", "-o", "said.jsonl").code == 0
    (tmp_path / "other").mkdir()
    family("index", "holiday", "--library", "other", "--model", "lite0")
    assert family("library", "merge", "said.jsonl", "--library", "other").out == "New: 1 decision.\n"
    assert family("library", "merge", "said.jsonl", "--library", "other").out == "New: 0 decisions.\n"
    shown = json.loads(family("history", "holiday/red.png", "--library", "other", "--format", "json").out)
    assert shown["said"] == [{"label": "Rex", "holds": True}]


def test_status_check_and_backup(family, tmp_path):
    family("correct", "holiday/red.png", "--is", "Rex")
    status = json.loads(family("library", "status", "--format", "json").out)
    assert {key: status[key] for key in ("photos", "gone", "unreadable", "decisions")} == {
        "photos": 3, "gone": 0, "unreadable": 1, "decisions": 1,
    }  # fmt: skip
    assert family("library", "check").out == "The library is sound.\n"
    assert family("library", "backup", "-o", "copy.db").code == 0
    assert sqlite3.connect(tmp_path / "copy.db").execute("SELECT label FROM said").fetchall() == [("Rex",)]
    assert family("library", "backup", "-o", "copy.db").code == 2
    assert "torn.jpg" in family("library", "status", "--unreadable").out


def test_a_backup_touches_no_other_file(family, tmp_path):
    (tmp_path / "copy.part").write_text("mine")
    (tmp_path / "link.db").symlink_to("there.db")
    os.mkfifo(tmp_path / "pipe")
    assert family("library", "backup", "-o", "copy.db").code == 0
    assert (tmp_path / "copy.part").read_text() == "mine"
    assert family("library", "backup", "-o", "link.db").code == 0
    assert (tmp_path / "link.db").is_symlink()
    assert (tmp_path / "there.db").is_file()
    ended = family("library", "backup", "-o", "pipe", "--force")
    assert (ended.code, "no plain file" in ended.err) == (2, True)
    assert (tmp_path / "pipe").is_fifo()
    assert not list(tmp_path.glob(".copy-*"))


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("correct", "holiday/red.png"), "Name photos and what is in them"),
        (("correct", "--is", "Rex"), "Name photos and what is in them"),
        (("correct", "nosuch.png", "--is", "Rex"), "is no file, and the library knows none of that name"),
        (("correct", "--same", "holiday/red.png", "holiday/red.png"), "one picture already"),
        (("undo",), "nothing to undo"),
        (("undo", "--since", "tomorrow"), "is none"),
        (("undo", "--since", "25:00"), "is none"),
        (("undo", "--since", "0001-01-01"), "is none"),
        (("correct", "holiday/red.png", "--is", "b\udcff"), "text in UTF-8"),
        (("undo", "--since", "10:30", "--last", "2"), "stands alone"),
        (("history", "nosuch.png"), "is no file"),
        (("index", "nosuch"), "is no folder that can be seen now"),
        (("library", "merge", "holiday/notes.txt"), "is no decision"),
        (("library", "merge", "holiday/red.png"), "is not text"),
        pytest.param(
            ("library", "merge", "/dev/zero"),
            "line 1 is too long",
            marks=pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no /dev/zero"),
        ),
        (("library", "status", "--library", "holiday"), "holds no library"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(family, words, why):
    ended = family(*words)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert why in ended.err


def test_a_library_of_a_newer_version_is_left_alone(family, tmp_path):
    connection = sqlite3.connect(tmp_path / "library" / "library.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    ended = family("library", "status")
    assert ended.code == 2
    assert "newer version" in ended.err


@pytest.mark.parametrize("damage", [b"dear diary, this is no database", b"SQLite format 3\0" + b"torn" * 2000])
def test_a_damaged_library_is_one_sentence(family, tmp_path, damage):
    for part in (tmp_path / "library").glob("library.db*"):
        part.unlink()
    (tmp_path / "library" / "library.db").write_bytes(damage)
    ended = family("library", "status")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "damaged" in ended.err


def test_a_library_with_a_torn_page_is_told_by_check_and_by_export(family, tmp_path):
    path = tmp_path / "library" / "library.db"
    with closing(sqlite3.connect(path)) as library:
        library.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = library.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'decision'").fetchone()
        (size,) = library.execute("PRAGMA page_size").fetchone()
    whole = path.read_bytes()
    path.write_bytes(whole[: (page - 1) * size] + b"\xff" * size + whole[page * size :])
    check, export = family("library", "check"), family("library", "export")
    assert (check.code, export.code, export.err.count("\n")) == (1, 2, 1)
    assert "is damaged" in check.out
    assert "is damaged" in export.err
    assert "library export" not in export.err


def shown(ended):
    assert ended.code == 0, ended.err
    return [json.loads(line) for line in ended.out.splitlines()]


def test_search_by_words_finds_what_models_files_and_people_say(family):
    search = ("search", "--format", "json")
    (red,) = shown(family(*search, "red"))
    assert red["source"].endswith("red.png")
    assert red["why"].startswith("red 1.00")
    family("correct", "holiday/blue.png", "--is", "Rex")
    assert [hit["source"].rpartition("/")[2] for hit in shown(family(*search, "REX"))] == ["blue.png"]
    assert shown(family(*search, "rex", "red")) == [{"nothing_similar": True, "nearest": []}]


def test_what_is_said_outranks_the_model_in_a_search(family):
    family("correct", "holiday/red.png", "--not", "red")
    nothing = {"nothing_similar": True, "nearest": [], "unknown": [{"word": "red", "like": None}]}
    assert shown(family("search", "--format", "json", "red")) == [nothing]


def test_search_by_a_picture_from_elsewhere_and_by_one_of_the_library(family, colors, tmp_path):
    (tmp_path / "query.png").write_bytes((tmp_path / "holiday" / "green.png").read_bytes())
    by_image = ("search", "--image", "query.png", "--model", colors, "--trust", "--format", "json", "--top", "2")
    assert shown(family(*by_image))[0]["source"].endswith("green.png")
    green = shown(family(*by_image))[0]
    other, third = shown(family("search", "--like", "holiday/green.png", "--format", "json", "--top", "2"))
    assert "green" not in other["source"] + third["source"]  # it is known already
    by_id = shown(family("search", "--like", green["id"], "--unlike", other["id"], "--format", "json", "--top", "3"))
    assert [hit["source"] for hit in by_id] == [third["source"]]
    assert family("history", green["id"]).out == family("history", "holiday/green.png").out
    among = shown(family("search", "--like", green["id"], "--format", "json", "blue"))
    assert [hit["source"].rpartition("/")[2] for hit in among] == ["blue.png"]


def test_a_photo_that_is_gone_is_not_found(family, holiday, colors):
    (holiday / "red.png").unlink()
    family("index", holiday, "--model", colors, "--trust")
    assert "nothing_similar" in family("search", "red", "--format", "json").out
    assert "red.png" not in family("search", "--like", "holiday/blue.png").out


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("search", "..."), "Say what to look for"),
        (("search", "--crop", "0,0,1,1", "dog"), "is a part of --image"),
        (("search", "--unlike", "1", "dog"), "needs something to be near"),
        (("search", "--like", "999"), "has no photo 999"),
        (("search", "--like", "nosuch.png"), "is no file"),
        (("search", "--image", "holiday/red.png"), "has not seen this library"),
        (("search", "--image", "holiday/torn.jpg", "--model", "MODEL", "--trust"), "not a picture"),
        (("search", "--image", "holiday/red.png", "--crop", "1,2", "--model", "MODEL", "--trust"), "no such box"),
        (("search", "--image", "holiday/red.png", "--crop", "9,9,999,9", "--model", "MODEL", "--trust"), "no part of"),
    ],
)
def test_a_search_that_cannot_be_meant_is_one_sentence(family, colors, words, why):
    ended = family(*(colors if word == "MODEL" else word for word in words))
    assert ended.code in (1, 2)
    assert ended.err.count("\n") == 1
    assert why in ended.err


def test_a_note_is_no_photo(family, holiday):
    (holiday / "notes.md").write_text("Rex")
    ended = family("correct", "holiday/notes.md", "--is", "Rex")
    assert (ended.code, ended.err) == (2, "eyebright: holiday/notes.md is neither a picture nor a video.\n")


@pytest.fixture
def guest():
    """Who may not write what others own."""
    if os.geteuid():
        yield
    else:
        os.seteuid(65534)
        yield
        os.seteuid(0)


@pytest.fixture
def sealed(family, holiday, monkeypatch):
    """`family`, whose library may be read alone."""
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "library"
        shutil.copytree(os.environ["EYEBRIGHT_LIBRARY"], library)
        monkeypatch.setenv("EYEBRIGHT_LIBRARY", str(library))
        assert family("search", "red").code == 0  # all that is imported late is there
        for place, mode in ((Path(folder), 0o755), (library, 0o555), *((file, 0o444) for file in library.iterdir())):
            place.chmod(mode)
        yield family
        library.chmod(0o755)


def test_a_library_that_may_not_be_written_is_searched(sealed, guest):
    assert "red.png" in sealed("search", "red").out
    assert "no photo is known by unicorn" in sealed("search", "unicorn").out
    assert sealed("library", "check").code == 0
    assert "3 photos" in sealed("library", "status").out
    ended = sealed("undo")
    assert ended.code == 2
    assert ended.err.count("\n") == 1


def test_a_library_that_may_not_be_written_and_was_left_unfinished(sealed, request):
    library = Path(os.environ["EYEBRIGHT_LIBRARY"])
    library.chmod(0o755)
    (library / "library.db-wal").write_bytes(b"something")
    library.chmod(0o555)
    request.getfixturevalue("guest")
    ended = sealed("search", "red")
    assert ended.code == 2
    assert "left it unfinished" in ended.err


def test_nothing_is_overwritten_that_cannot_be_made_again(family, holiday, tmp_path):
    library = tmp_path / "library" / "library.db"
    photo, before = (holiday / "red.png").read_bytes(), library.stat().st_size
    for words in (("search", "red"), ("library", "export"), ("library", "backup")):
        for target, what in ((library, "database"), (holiday / "red.png", "picture")):
            ended = family(*words, "-o", target, "--force")
            assert ended.code == 2
            assert what in ended.err or "the library itself" in ended.err
    assert (holiday / "red.png").read_bytes() == photo
    assert library.stat().st_size == before
    assert family("library", "check").code == 0


def test_a_damaged_library_takes_no_good_copys_place(family, tmp_path):
    family("correct", "holiday/red.png", "--is", "Rex")
    assert family("library", "backup", "-o", "good.db").code == 0
    good = (tmp_path / "good.db").read_bytes()
    file = tmp_path / "library" / "library.db"
    torn = bytearray(file.read_bytes())
    torn[-4096:] = bytes([0xAA]) * 4096
    file.write_bytes(torn)
    assert family("library", "backup", "-o", "good.db", "--force").code == 2
    assert (tmp_path / "good.db").read_bytes() == good


def test_a_copy_is_a_library_in_a_folder_of_its_own(family, tmp_path):
    family("correct", "holiday/red.png", "--is", "Rex")
    family("library", "backup", "-o", "copy.db")
    assert "Put a backup into one" in family("search", "Rex", "--library", "copy.db").err
    (tmp_path / "again").mkdir()
    (tmp_path / "copy.db").rename(tmp_path / "again" / "library.db")
    assert "red.png" in family("search", "Rex", "--library", "again").out


def test_what_is_no_library_does_not_become_one(eyebright, holiday, tmp_path):
    (tmp_path / "library.db").touch()
    assert "library.db is empty" in eyebright("library", "status", "--library", tmp_path).err
    (tmp_path / "other").mkdir()
    with closing(sqlite3.connect(tmp_path / "other" / "library.db")) as other:
        other.execute("CREATE TABLE mine (x)")
    assert "database of another program" in eyebright("index", holiday, "--library", tmp_path / "other").err


@pytest.mark.parametrize("folder", ["", "nosuch", "holiday/red.png"])
def test_a_folder_that_is_none_begins_no_library(eyebright, holiday, tmp_path, folder):
    ended = eyebright("index", folder, "--library", tmp_path / "library")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert not (tmp_path / "library").exists()


@pytest.mark.parametrize(
    ("harm", "words", "why"),
    [
        ("UPDATE model SET labels = 'junk'", ("search", "red"), "labels of a model are none"),
        ("UPDATE model SET labels = '[[1, 2]]'", ("search", "red"), "a label has no name"),
        ("UPDATE embedding SET vector = x'010203' WHERE id = 1", ("search", "--like", "1"), "differ in size"),
        ("UPDATE embedding SET vector = 7", ("search", "--like", "1"), "vector of embedding"),
        ("UPDATE photo SET look = x'00'", ("search", "--like", "1", "--by", "look"), "is no look"),
        ("INSERT INTO decision (id, at, what) VALUES ('x', x'05', 'is')", ("library", "status"), "at of decision"),
        ("DROP TABLE word", ("search", "red"), "it has no word"),
        ("DROP TRIGGER decision_stays", ("search", "red"), "it has no decision_stays"),
        (
            "DROP TABLE place; CREATE VIEW place AS WITH RECURSIVE a(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a) "
            "SELECT n AS photo FROM a",
            ("library", "status"),
            "has no place",
        ),
        ("CREATE VIEW mine AS SELECT 1", ("library", "status"), "mine is none of Eyebright's"),
    ],
)
def test_a_library_that_nobody_wrote_so_is_one_sentence(family, tmp_path, harm, words, why):
    with closing(sqlite3.connect(tmp_path / "library" / "library.db")) as connection:
        connection.executescript(harm)
    ended = family(*words)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert why in ended.err
    assert why.split("'")[0].lower() in (family("library", "check").out + family("library", "check").err).lower()
