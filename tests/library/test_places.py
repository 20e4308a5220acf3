"""Where a photo was taken, by its coordinates and in words."""

import shutil

import pytest

from eyebright.library import places
from eyebright.library.filters import some
from eyebright.library.indexer import index
from eyebright.library.search import by_words
from pictures import color_recognizer, plain


@pytest.mark.parametrize(
    ("north", "east", "wanted"),
    [
        (48.8049, 2.1204, ("Versailles", "Paris", "France")),
        (51.5, -0.12, ("London", "", "United Kingdom")),
        (27.98, 86.92, ("", "", "Nepal")),
        (0.0, -150.0, ("", "", "")),
        (90.0, 0.0, ("", "", "")),
        (-16.5, 179.99, ("", "", "Fiji")),
        (-16.5, -179.99, ("", "", "Fiji")),
    ],
)
def test_coordinates_are_said_as_people_say_them(north, east, wanted):
    assert tuple(places.at([north], [east])[0]) == wanted


def taken_at(folder, name, north, east):
    """A photo with coordinates."""
    picture = plain("red", 40 + len(name))
    exif = picture.getexif()
    exif[0x8825] = {1: "N", 2: (float(north), 0.0, 0.0), 3: "E", 4: (float(east), 0.0, 0.0)}
    picture.save(folder / f"{name}.jpg", exif=exif)


def found(library, text):
    return {hit.path.rpartition("/")[2] for hit in by_words(library, text, 10)}


def test_photos_are_found_by_where_they_were_taken(library, folder):
    taken_at(folder, "a", 48.8049, 2.1204)
    taken_at(folder, "bb", 52.52, 13.4)
    taken_at(folder, "ccc", 0, 0.1)
    index(library, [str(folder)], color_recognizer())
    assert [found(library, text) for text in ("versailles", "Paris", "france", "germany berlin", "accra")] == [
        {"a.jpg"}, {"a.jpg"}, {"a.jpg"}, {"bb.jpg"}, set(),
    ]  # fmt: skip
    sql, values, *_ = some(library, ["place=PARIS"])
    assert library.rows(f"SELECT count(*) FROM photo WHERE id IN ({sql})", *values).fetchone() == (1,)
    sql, values, *_ = some(library, ["place=ran"])  # a part of France, and no word of it
    assert library.rows(f"SELECT count(*) FROM photo WHERE id IN ({sql})", *values).fetchone() == (0,)


def test_coordinates_that_were_put_right_are_another_place(library, folder):
    taken_at(folder, "a", 48.8049, 2.1204)
    index(library, [str(folder)], color_recognizer())
    taken_at(folder, "a", 52.52, 13.4)
    index(library, [str(folder)], color_recognizer())
    assert found(library, "paris") == set()
    assert found(library, "berlin") == {"a.jpg"}


def test_what_was_taken_out_of_the_only_file_is_not_known_any_more(library, folder):
    taken_at(folder, "a", 48.8049, 2.1204)
    shutil.copy(folder / "a.jpg", folder / "copy.jpg")
    index(library, [str(folder)], color_recognizer())
    plain("red", 41).save(folder / "a.jpg")
    index(library, [str(folder)], color_recognizer())
    assert found(library, "paris") != set()  # its copy still says so
    (folder / "copy.jpg").unlink()
    plain("red", 41).save(folder / "a.jpg", comment=b"again")
    index(library, [str(folder)], color_recognizer())
    assert found(library, "paris") != set()  # it went in that same run
    plain("red", 41).save(folder / "a.jpg", comment=b"and again")
    index(library, [str(folder)], color_recognizer())
    assert found(library, "paris") == set()
    assert library.rows("SELECT latitude, camera FROM photo").fetchall() == [(None, None)]
