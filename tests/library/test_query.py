"""A search as a person asks it, from Python."""

import pytest

from eyebright.errors import BadRequest
from eyebright.library import Library
from eyebright.library.indexer import index
from eyebright.library.query import Query, find
from pictures import color_recognizer, encoded, plain


@pytest.fixture
def library(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for color in ("red", "green", "blue"):
        (tmp_path / "photos" / f"{color}.png").write_bytes(encoded(plain(color, 50)))
    with Library(tmp_path / "library", make=True) as made:
        index(made, ["photos"], color_recognizer(sharp=30))
        yield made


def names(found):
    return [one.hit.path.rpartition("/")[2].removesuffix(".png") for one in found.shown]


def test_a_picture_from_elsewhere_needs_the_model(library, tmp_path):
    (tmp_path / "pink.png").write_bytes(encoded(plain("pink", 50)))
    assert names(find(library, Query(image="pink.png"), color_recognizer(sharp=30), top=1)) == ["red"]
    with pytest.raises(BadRequest, match="--image needs the model file"):
        find(library, Query(image="pink.png"))


def test_a_photo_of_the_library_needs_none(library):
    assert set(names(find(library, Query(like=("photos/blue.png",))))) == {"red", "green"}
    assert names(find(library, Query("green"))) == ["green"]


def test_what_asks_for_nothing_is_declined(library):
    with pytest.raises(BadRequest, match="Say what to look for"):
        find(library, Query())
