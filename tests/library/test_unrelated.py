"""The library tells by itself how near what it does not hold comes."""

import numpy as np
import pytest
from PIL import Image

from eyebright.library import Library, unrelated
from eyebright.library.indexer import index
from eyebright.library.unrelated import FEWEST, MOSAICS, Null, mosaic, null
from pictures import color_recognizer

RED, GREEN = (200, 40, 40), (40, 200, 40)


def photos(folder, color, count):
    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(0)
    for number in range(count):
        pixels = np.clip(random.normal(color, 25, (32, 32, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{color[0]}-{number}.png")
    return folder


@pytest.fixture
def recognizer():
    return color_recognizer()


def test_a_cut_off_is_the_share_of_what_is_unrelated():
    known = Null(100, tuple(np.linspace(0, 1, 101).tolist()))
    assert known.cutoff(0.01) == pytest.approx(0.99)
    assert known.cutoff(0.1) == pytest.approx(0.9)


def test_indexing_finds_it_once_and_anew_when_the_library_has_grown(tmp_path, recognizer, monkeypatch):
    looked = []
    seen = unrelated.seen
    monkeypatch.setattr(unrelated, "seen", lambda *given: looked.append(1) or seen(*given))
    folder = photos(tmp_path / "photos", RED, FEWEST)
    with Library(tmp_path / "library", make=True) as library:
        index(library, [folder], recognizer)
        assert len(null(library, 1).nearest) == MOSAICS
        photos(folder, (201, 40, 40), 5)
        index(library, [folder], recognizer)
        assert len(looked) == 1
        photos(folder, GREEN, FEWEST)
        index(library, [folder], recognizer)
        assert len(looked) == 2
        assert null(library, 1).count == 2 * FEWEST + 5


def test_a_small_library_says_nothing(tmp_path, recognizer):
    with Library(tmp_path / "library", make=True) as library:
        index(library, [photos(tmp_path / "photos", RED, FEWEST - 1)], recognizer)
        assert null(library, 1) is None


@pytest.mark.parametrize("text", [b"", b"{}", b'{"count": 1, "nearest": "near"}'])
def test_a_damaged_file_says_nothing(tmp_path, text):
    with Library(tmp_path / "library", make=True) as library:
        unrelated.place(library, 1).write_bytes(text)
        assert null(library, 1) is None


def test_a_mosaic_shows_a_piece_of_36_photos():
    some = [np.full((60, 60, 3), number, np.uint8) for number in range(40)]
    made = mosaic(some, np.random.default_rng(0))
    pieces = made.reshape(6, 10, 6, 10, 3)
    assert (pieces == pieces[:, :1, :, :1]).all()
    assert len(np.unique(pieces)) == 36
