"""`--where`: facts of photos and attributes of items choose among photos."""

import json

import pytest

from eyebright.errors import BadRequest
from eyebright.library import Library
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
        record(made, [Said("in", bytes([1]) * 16, label="Summer")])
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
        (("camera=canon",), [1]),
        (("camera!=canon",), [2, 3]),
        (("width>400", "width<=800"), [2]),
        (("path=/trip",), [1, 2]),
        (("album=summer",), [1]),
        (("album!=summer",), [2, 3]),
        (("format=JPEG",), [1]),
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


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ("camera", "NAME=VALUE"),
        ("size=XL", "No photo has a size. Photos have: taken, camera"),
        ("width=wide", "a number; wide is none"),
        ("camera<3", "camera takes = or !="),
        ("=3", "NAME=VALUE"),
    ],
)
def test_what_cannot_be_meant(library, where, why):
    with pytest.raises(BadRequest, match=why):
        some(library, [where])
