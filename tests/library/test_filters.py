"""`--where`: facts of photos and attributes of items choose among photos."""

import json

import pytest

from eyebright.errors import BadRequest
from eyebright.library import Library
from eyebright.library.catalog import items_of
from eyebright.library.decisions import Said, record
from eyebright.library.filters import some

PHOTOS = [
    (
        "/trip/a.jpg",
        "picture",
        "jpeg",
        400,
        "2023-07-01T10:30",
        "Canon 5D",
        {"color": "Red", "price": "19.9 EUR"},
    ),
    ("/trip/b.png", "picture", "png", 800, "2023-08-01T10:30", None, {"color": "blue", "price": "50"}),
    ("/films/c.mp4", "video", "mp4", 1200, None, "Nikon", {"color": "red", "price": "on request"}),
]


@pytest.fixture
def library(tmp_path):
    with Library(tmp_path, make=True) as made:
        with made.writing() as connection:
            for number, (path, kind, form, width, taken, camera, _) in enumerate(PHOTOS, 1):
                values = number, bytes([number]) * 16, kind, form, width, taken, camera
                connection.execute(
                    "INSERT INTO photo (id, identity, kind, format, width, taken, camera) VALUES (?, ?, ?, ?, ?, ?, ?)",
                    values,
                )
                connection.execute("INSERT INTO file (path, photo, size, changed) VALUES (?, ?, 1, 1)", (path, number))
        record(made, [Said("in", bytes([number]) * 16, label=name) for number, name in ((1, "Summer"), (2, "Übung"))])
        yield made


def with_items(library):
    with library.writing() as connection:
        connection.executemany(
            "INSERT INTO item (catalog, name, photo, title, attributes) VALUES ('/shop/a.csv', ?, ?, 't', ?)",
            [(str(number), number, json.dumps(photo[-1])) for number, photo in enumerate(PHOTOS, 1)],
        )


def chosen(library, *wheres):
    found = some(library, wheres)
    return [photo for (photo,) in library.rows(f"{found.sql} ORDER BY photo", *found.values)]


@pytest.mark.parametrize(
    ("wheres", "photos"),
    [
        ((), [1, 2, 3]),
        (("kind=video",), [3]),
        (("kind != video",), [1, 2]),
        (("taken=2023-07",), [1]),
        (("taken>=2023-08",), [2]),
        (("taken<=2023-07",), [1]),
        (("taken>2023",), []),
        (("taken!=2023-07",), [2, 3]),
        (("taken<2023-07-01 10:31",), [1]),
        (("camera=canon",), [1]),
        (("camera!=canon",), [2, 3]),
        (("width>400", "width<=800"), [2]),
        (("path=/trip",), [1, 2]),
        (("album=summer",), [1]),
        (("album!=summer",), [2, 3]),
        (("album=übung",), [2]),
        (("format=JPEG",), [1]),
        (("format=jpg",), [1]),
        (("format!=jpg",), [2, 3]),
        (("color=red",), [1, 3]),
        (("color!=red",), [2]),
        (("price<50",), [1]),
        (("price>=50",), [2]),
        (("color=red", "price<20"), [1]),
        (("catalog=a.csv", "kind=video"), [3]),
        (("camera='; DROP TABLE photo; --",), []),
    ],
)
def test_what_is_chosen(library, wheres, photos):
    with_items(library)
    assert chosen(library, *wheres) == photos


def test_what_is_gone_is_not_chosen(library):
    with library.writing() as connection:
        connection.execute("UPDATE file SET gone = 1 WHERE photo = 1")
    assert chosen(library, "kind=picture") == [2]


def test_where_a_photo_was_is_not_where_it_is(library):
    with library.writing() as connection:
        connection.execute("INSERT INTO file (path, photo, size, changed, gone) VALUES ('/old/a.jpg', 1, 1, 1, 1)")
    assert chosen(library, "path=/old/") == []
    assert chosen(library, "path!=/old/") == [1, 2, 3]
    assert chosen(library, "path=/trip/caf\udce9") == []


def of_items(library, *attributes):
    with library.writing() as connection:
        connection.executemany(
            "INSERT INTO item (catalog, name, photo, title, attributes) VALUES ('/shop/a.csv', ?, ?, 't', ?)",
            [(str(number), number, json.dumps(has)) for number, has in enumerate(attributes, 1)],
        )


@pytest.mark.parametrize(
    ("where", "photos"),
    [
        ("price<50", []),
        ("price>1000", [1]),
        ("price=50", [2, 3]),
        ("price=50.0", [2, 3]),
        ("price!=50", [1]),
        ("price=1,299", [1]),
    ],
)
def test_numbers_are_compared_as_numbers(library, where, photos):
    of_items(library, {"price": "1,299.00"}, {"price": "50.00"}, {"price": "EUR 50"})
    assert chosen(library, where) == photos


@pytest.mark.parametrize(
    ("prices", "where", "photos"),
    [
        (("1.299,00 €", "1.299", "1,299"), "price>1000", [1, 2]),
        (("1.299,00 €", "1.299", "1,299"), "price>1.000", [1, 2]),
        (("1.299,00 €", "1.299", "1,299"), "price=1.299", [1, 2]),
        (("1299.00", "1.299", "1,299"), "price>1000", [1, 3]),
        (("9,5", "12.99", "1.299"), "price<20", [1, 2]),
    ],
)
def test_what_a_mark_means_is_told_by_the_column(library, prices, where, photos):
    """Where one price shows that decimals come after a comma, those that could be read both ways are read so, too."""
    of_items(library, *({"price": price} for price in prices))
    assert chosen(library, where) == photos


def test_values_that_are_no_numbers_are_told(library):
    of_items(library, {"price": "12-15"}, {"price": "from 7.50"}, {"price": "3"})
    assert some(library, ["price<50"]).remarks == ("Of price these are no numbers and are left out: 12-15, from 7.50.",)
    assert some(library, ["price=3"]).remarks == ()


@pytest.mark.parametrize(
    ("where", "photos"),
    [("id=SKU005", [2]), ("id!=sku005", [1, 3]), ("id=sku", []), ("title=MUG", [1, 3]), ("title!=mug", [2])],
)
def test_items_are_chosen_by_id_and_title(library, where, photos):
    with library.writing() as connection:
        connection.executemany(
            "INSERT INTO item (catalog, name, photo, title, attributes) VALUES ('/shop/a.csv', ?, ?, ?, '{}')",
            [("sku004", 1, "Green mug"), ("sku005", 2, "Hat"), ("sku006", 3, "Mügs")],
        )
    assert chosen(library, where) == photos


def test_all_that_is_said_of_items_holds_of_one(library):
    """Of two items on one photo, one is pink and the other large: no item is both."""
    with library.writing() as connection:
        connection.executemany(
            "INSERT INTO item (catalog, name, photo, title, attributes) VALUES ('/shop/a.csv', ?, 1, '', ?)",
            [("a", json.dumps({"color": "red", "size": "XL"})), ("b", json.dumps({"color": "pink", "size": "S"}))],
        )
    assert chosen(library, "color=pink", "size=XL") == []
    assert chosen(library, "color=pink", "size=S") == [1]
    assert chosen(library, "color!=red") == [1, 2, 3]
    assert [item.name for item in items_of(library, 1, some(library, ["color=pink"]))] == ["b"]
    assert [item.name for item in items_of(library, 1)] == ["a", "b"]


def test_what_is_not_said_is_not_equal(library):
    of_items(library, {"color": "red"}, {"color": "blue"}, {"size": "XL"})
    assert chosen(library, "color!=red") == [2, 3]


@pytest.mark.parametrize("name", ['the "size"', "back\\slash", "a.b", "$"])
def test_an_attribute_may_have_any_name(library, name):
    of_items(library, {name: "XL"}, {name: "3"})
    assert (chosen(library, f"{name}=xl"), chosen(library, f"{name}<4")) == ([1], [2])


def test_an_attribute_is_known_however_its_letters_are_written(library):
    of_items(library, {"Price": "9"}, {"Price": "from 7.50"})
    assert chosen(library, "price<10") == chosen(library, "PRICE=9") == [1]
    assert some(library, ["price<10"]).remarks


def test_the_format_of_a_phone_is_known_by_its_ending(library):
    with library.writing() as connection:
        connection.execute("UPDATE photo SET format = 'heif' WHERE id = 2")
    assert chosen(library, "format=HEIC") == [2]


def test_more_than_fifty_are_refused(library):
    assert chosen(library, *["width>0"] * 50) == [1, 2, 3]
    with pytest.raises(BadRequest, match="50 times, not 1,100"):
        some(library, ["width>0"] * 1100)


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ("camera", "NAME=VALUE"),
        ("size=XL", "No photo has a size. Photos have: taken, camera"),
        ("age=3", "No photo has an age. Photos have: taken, camera.*, id, title"),
        ("id<3", "id takes = or !=, with the id of"),
        ("width=wide", "a number; wide is none"),
        ("camera<3", "camera takes = or !="),
        ("=3", "NAME=VALUE"),
        ("width<nan", "a number; nan is none"),
        ("width<inf", "a number; inf is none"),
        ("taken>=yesterday", "yesterday is none"),
        ("taken=2023-13", "2023-13 is none"),
        ("taken=20", "20 is none"),
        ("camera=\udcff", r"camera=\\xff is not text"),
    ],
)
def test_what_cannot_be_meant(library, where, why):
    with pytest.raises(BadRequest, match=why):
        some(library, [where])


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ("album=Nowhere", "You have no album Nowhere"),
        ("kind=foo", "there are: picture, video"),
        ("format=foo", "No photo is of format foo"),
        ("rating=many", "compared with a number"),
    ],
)
def test_what_is_nowhere_is_said(library, where, why):
    with pytest.raises(BadRequest, match=why):
        some(library, [where])
