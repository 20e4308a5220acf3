"""Vectors are found again: by a scan, after changes, after damage, with and without faiss."""

import importlib.util

import numpy as np
import pytest

from eyebright.library import Library, vectors
from eyebright.library.vectors import Vectors, read

SIZE = 48


@pytest.fixture(params=["faiss", "numpy"])
def library(tmp_path, request, monkeypatch):
    monkeypatch.setattr(vectors, "FEW", 100)
    if request.param == "numpy":
        monkeypatch.setattr(vectors, "find_spec", lambda name: None)
    elif not importlib.util.find_spec("faiss"):
        pytest.skip("faiss is not installed")
    with Library(tmp_path, make=True) as made:
        with made.writing() as connection:
            connection.execute("INSERT INTO model (sha256, name, labels) VALUES ('a', 'a', '[]')")
        add(made, random(300))
        yield made


def random(count, seed=0):
    found = np.random.default_rng(seed).normal(size=(count, SIZE)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def add(library, some):
    with library.writing() as connection:
        first = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM photo").fetchone()[0]
        for at, vector in enumerate(some, first):
            connection.execute(
                "INSERT INTO photo (id, identity, kind, format) VALUES (?, ?, 'picture', 'png')", (at, str(at))
            )
            values = at, vector.astype(np.float16).tobytes()
            connection.execute("INSERT INTO embedding (photo, model, vector) VALUES (?, 1, ?)", values)


def test_the_nearest_are_those_that_comparing_with_all_finds(library):
    scanned = Vectors(library, 1)
    assert scanned.scan is not None
    known = random(300).astype(np.float16).astype(np.float32)
    for query in random(10, seed=1):
        wanted = np.argsort(-(known @ query))[:5] + 1
        found = scanned.nearest(query, 5)
        assert [near.photo for near in found] == wanted.tolist()
        assert found[0].score == pytest.approx(float(known[wanted[0] - 1] @ query), abs=1e-5)


def test_what_is_new_is_found_at_once_and_what_went_is_not(library):
    opened = Vectors(library, 1)
    (query,) = random(1, seed=2)
    add(library, [query])
    assert opened.nearest(query, 1)[0].photo == 301
    assert Vectors(library, 1).nearest(query, 1)[0].photo == 301
    with library.writing() as connection:
        connection.execute("DELETE FROM embedding WHERE photo = 301")
    assert opened.nearest(query, 1)[0].photo != 301


def test_only_photos_that_are_asked_for(library):
    opened = Vectors(library, 1)
    found = opened.nearest(random(300)[7], 3, "SELECT id FROM photo WHERE id BETWEEN ? AND ?", 100, 102)
    assert {near.photo for near in found} == {100, 101, 102}


def test_the_file_is_made_anew_when_the_library_outgrew_it(library):
    Vectors(library, 1)
    path = library.folder / "vectors-1.bin"
    before = path.stat().st_mtime_ns
    Vectors(library, 1)
    assert path.stat().st_mtime_ns == before
    add(library, random(100, seed=3))
    Vectors(library, 1)
    assert read(path).newest == 400


@pytest.mark.parametrize("place", [3, 30, 90, 2000, -1])
def test_a_flipped_byte_is_noticed_and_the_file_made_anew(library, place):
    Vectors(library, 1)
    path = library.folder / "vectors-1.bin"
    whole = path.read_bytes()
    data = bytearray(whole)
    data[place] ^= 4
    path.write_bytes(data)
    query = random(300)[7]
    assert Vectors(library, 1).nearest(query, 1)[0].photo == 8
    assert path.read_bytes() == whole


@pytest.mark.parametrize("said", [b"", b"{}", b"[1]", b'{"kind":"faiss","newest":1,"count":1,"size":1,"sha256":""}'])
def test_what_is_said_of_the_file_may_be_damaged_too(library, said):
    Vectors(library, 1)
    (library.folder / "vectors-1.json").write_bytes(said)
    assert Vectors(library, 1).nearest(random(300)[7], 1)[0].photo == 8


@pytest.mark.parametrize("left", [0, 10, 1000])
def test_a_file_that_was_cut_short_is_made_anew(library, left):
    Vectors(library, 1)
    path = library.folder / "vectors-1.bin"
    path.write_bytes(path.read_bytes()[:left])
    assert Vectors(library, 1).nearest(random(300)[7], 1)[0].photo == 8


def test_of_a_film_the_nearest_moment_counts(library):
    (query,) = random(1, seed=4)
    with library.writing() as connection:
        for time_s, vector in ((5.0, query), (10.0, -query)):
            values = time_s, vector.astype(np.float16).tobytes()
            connection.execute("INSERT INTO embedding (photo, model, time_s, vector) VALUES (9, 1, ?, ?)", values)
    (near,) = Vectors(library, 1).nearest(query, 1)
    assert (near.photo, near.time_s) == (9, 5.0)


def test_frames_of_films_do_not_crowd_photos_out(library):
    query = random(1, seed=9)[0]
    with library.writing() as connection:
        connection.execute("INSERT INTO photo (id, identity, kind, format) VALUES (999, 'film', 'video', 'mp4')")
        blob = query.astype(np.float16).tobytes()
        connection.executemany(
            "INSERT INTO embedding (photo, model, time_s, vector) VALUES (999, 1, ?, ?)",
            [(float(second), blob) for second in range(400)],
        )
    near = Vectors(library, 1).nearest(query, 10)
    assert near[0].photo == 999
    assert len({one.photo for one in near}) == 10


def test_what_is_new_does_not_stand_in_for_what_is_near(library):
    """Films take the first places of the scan; photos that came since are far away."""
    query = random(1, seed=9)[0]
    near = (query + 0.3 * random(300, seed=5)[:20]) / np.linalg.norm(query + 0.3 * random(300, seed=5)[:20], axis=1)[
        :, None
    ]
    add(library, near)
    with library.writing() as connection:
        for film in (998, 999):
            connection.execute(
                "INSERT INTO photo (id, identity, kind, format) VALUES (?, ?, 'video', 'mp4')", (film, str(film))
            )
            rows = [(film, float(second), query.astype(np.float16).tobytes()) for second in range(150)]
            connection.executemany("INSERT INTO embedding (photo, model, time_s, vector) VALUES (?, 1, ?, ?)", rows)
    opened = Vectors(library, 1)
    add(library, -random(30, seed=6))
    found = Vectors(library, 1).nearest(query, 10)
    exact = opened.best(query, 10, "model = ?", 1)
    assert [one.photo for one in found] == [one.photo for one in exact]


def test_a_library_that_was_put_back_is_scanned_anew(library):
    Vectors(library, 1)
    with library.writing() as connection:
        connection.execute("DELETE FROM embedding")
        connection.execute("DELETE FROM photo")
    some = random(300, seed=5)
    add(library, some)
    assert Vectors(library, 1).nearest(some[7], 1)[0].photo == 8


def test_where_no_file_can_be_written_all_are_compared(library, monkeypatch):
    def full(*given):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(vectors, "hashed", full)
    some = random(300)
    searched = Vectors(library, 1)
    assert searched.scan is None
    assert searched.nearest(some[7], 1)[0].photo == 8
