"""Hashes find what looks the same, however it is laid, and searching them misses nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from eyebright import phash
from pictures import encoded, noise, opened, plain


def hashes(picture):
    return phash.hashes(phash.gray(picture)[None])[0]


def distance(one, other):
    return int(np.bitwise_count(one ^ other))


def closest(one, other):
    """The form in which the other looks most like the first, and in how many bits they differ."""
    distances = np.bitwise_count(hashes(one)[0] ^ hashes(other))
    return int(distances.argmin()), int(distances.min())


@pytest.mark.parametrize(
    ("form", "transposition"),
    [
        (1, Image.Transpose.FLIP_LEFT_RIGHT),
        (2, Image.Transpose.FLIP_TOP_BOTTOM),
        (3, Image.Transpose.ROTATE_180),
        (4, Image.Transpose.TRANSPOSE),
        (5, Image.Transpose.ROTATE_90),
        (6, Image.Transpose.ROTATE_270),
        (7, Image.Transpose.TRANSVERSE),
    ],
)
def test_the_hashes_of_a_picture_know_all_eight_ways_to_lay_it(cat, form, transposition):
    """A form is a way to lay the second so that it looks like the first."""
    picture = opened(cat)
    laid = picture.transpose(transposition)
    assert closest(picture, laid) == (form, 0)
    pixels = np.asarray(laid)[None]
    np.testing.assert_array_equal(phash.laid(pixels, form)[0], np.asarray(picture))


def test_a_smaller_copy_in_another_file_is_near(photos, tmp_path):
    for photo in sorted(photos.glob("*.jpg")):
        picture = opened(photo)
        half = picture.resize((picture.width // 2, picture.height // 2))
        (tmp_path / "copy.jpg").write_bytes(encoded(half, "JPEG", quality=30))
        form, bits = closest(picture, opened(tmp_path / "copy.jpg"))
        assert form == 0
        assert bits <= phash.NEAR


def test_different_photos_are_far_in_every_form(photos):
    names = sorted(photos.glob("*.jpg"))
    for one in names:
        for other in names:
            if one < other:
                assert closest(opened(one), opened(other))[1] > 2 * phash.NEAR


def test_a_picture_of_one_color_has_hash_0():
    assert not hashes(plain("red")).any()


def test_a_symmetric_picture_keeps_its_hash_through_compression(tmp_path):
    """The waves that symmetry makes vanish are noise in a copy; noise must not set bits."""
    half = np.asarray(Image.fromarray(noise(4, 8)).resize((64, 128), Image.Resampling.BICUBIC))
    picture = Image.fromarray(np.concatenate((half, half[:, ::-1]), axis=1))
    (tmp_path / "copy.jpg").write_bytes(encoded(picture, "JPEG", quality=50))
    assert distance(hashes(picture)[0], hashes(opened(tmp_path / "copy.jpg"))[0]) <= phash.NEAR


@given(st.integers(0, 2**32 - 1), st.integers(2, 150))
def test_the_search_finds_what_comparing_all_with_all_finds(seed, count):
    random = np.random.default_rng(seed)
    found = random.integers(0, 2**64, (count, phash.FORMS), np.uint64)
    for row in range(1, count, 2):  # near the one before, in some form, by up to 9 bits
        flipped = random.choice(64, random.integers(0, 10), replace=False)
        bits = sum(1 << int(bit) for bit in flipped)
        found[row, random.integers(8)] = found[row - 1, 0] ^ np.uint64(bits)
    distances = np.bitwise_count(found[:, None, :1] ^ found[None]).min(2)
    first, second = np.nonzero(np.triu(distances <= phash.NEAR, 1))
    pairs = [pair for part in phash.near(found) for pair in zip(*map(np.ndarray.tolist, part), strict=True)]
    assert sorted(pair[:2] for pair in pairs) == sorted(zip(first.tolist(), second.tolist(), strict=True))
    for one, other, form in pairs:
        assert np.bitwise_count(found[one, 0] ^ found[other, form]) == distances[one, other]


def test_where_all_are_alike_each_picture_still_has_partners():
    """And not all pairs of them, of which there would be too many."""
    found = np.zeros((400, phash.FORMS), np.uint64)
    second = np.concatenate([part.second for part in phash.near(found)])
    counts = np.bincount(second, minlength=400)
    assert counts[0] == 0
    assert (counts[1:] == np.minimum(np.arange(1, 400), 64)).all()


def test_detail_tells_a_copy_from_another_picture(photos):
    grays = np.stack([phash.gray(opened(photo)) for photo in sorted(photos.glob("*.jpg"))])
    np.testing.assert_allclose(phash.detail(grays, grays), 1, atol=1e-5)
    assert (phash.detail(grays, np.roll(grays, 1, axis=0)) < 0.5).all()
    assert phash.detail(grays[:0], grays[:0]).shape == (0,)
