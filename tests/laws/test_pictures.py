"""Laws 1 to 3: how a picture is stored, and what stands beside it, changes nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import eyebright
from eyebright import images
from pictures import color_recognizer, encoded, noise, opened, turned


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photo_reads_the_same(recognizer, cat, orientation):
    """A camera may store a picture turned or mirrored; what is in it does not change. Lossless: bit for bit."""
    upright = recognizer(encoded(opened(cat)))
    assert recognizer(turned(opened(cat), orientation)) == upright


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_turned_photo_reads_the_same_in_every_format_with_exif(recognizer, cat, form, orientation):
    """Lossy compression works on blocks, so scores may move a little; what is said may not."""
    options = {"TIFF": {}}.get(form, {"quality": 92})
    picture = opened(cat)
    upright = recognizer(turned(picture, 1, form, **options))
    found = recognizer(turned(picture, orientation, form, **options))
    assert found.summary.id == upright.summary.id
    assert abs(found.summary.score - upright.summary.score) < 0.05


@pytest.mark.parametrize("orientation", [6, 8])
def test_a_large_turned_photo_is_cropped_after_it_is_upright(recognizer, cat, orientation):
    """Reduced decoding happens before turning; the crop is centered, and both must agree on which side is which."""
    large = opened(cat).resize((1804, 1200), Image.Resampling.BICUBIC)
    upright = recognizer(turned(large, 1, "JPEG", quality=90))
    found = recognizer(turned(large, orientation, "JPEG", quality=90))
    assert found.summary.id == upright.summary.id
    assert abs(found.summary.score - upright.summary.score) < 0.05


@pytest.mark.parametrize("name", ["cat.jpg", "coffee.jpg", "rocket.jpg"])
@pytest.mark.parametrize("side", [700, 1300, 3000])
def test_decoding_at_reduced_scale_and_in_full_agree(recognizer, photos, name, side):
    """A JPEG is decoded at the scale that is needed, which is faster; what is said may not depend on it.

    A best label that leads by less than 0.1 may change places with the next one.
    """
    picture = opened(photos / name)
    large = picture.resize((side, round(side * picture.height / picture.width)), Image.Resampling.BICUBIC)
    data = encoded(large, "JPEG", quality=92)
    reduced, full = recognizer(data), recognizer(images.decode(data))
    scores = {row.id: row.score for row in full.labels}
    if full.labels[0].score - full.labels[1].score >= 0.1:
        assert reduced.labels[0].id == full.labels[0].id
    assert all(abs(row.score - scores.get(row.id, row.score)) < 0.05 for row in reduced.labels)


@pytest.fixture(scope="module")
def mixed(photos):
    """Nine pictures of different shapes."""
    real = [(photos / name).read_bytes() for name in ("cat.jpg", "coffee.jpg", "rocket.jpg")]
    return [*real, *(encoded(noise(30 + 41 * seed, 200 - 19 * seed, seed)) for seed in range(6))]


@pytest.fixture(scope="module")
def singles(recognizer, mixed):
    return [recognizer(data) for data in mixed]


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("batch", [1, 2, 3, 8])
def test_a_batch_equals_its_singles(mixed, singles, threads, batch):
    """int8 arithmetic is exact in any order, so neither company nor threads may move a score at all."""
    recognizer = eyebright.load(threads=threads)
    found = list(recognizer.stream(mixed, batch=batch))
    assert [one.labels[0].id for one in found] == [one.labels[0].id for one in singles]
    for one, single in zip(found, singles, strict=True):
        assert np.allclose([row.score for row in one.labels], [row.score for row in single.labels], atol=1e-4)
    assert found == singles


@pytest.mark.parametrize("threads", [2, 4])
def test_embeddings_do_not_depend_on_company(recognizer, mixed, threads):
    """A library is indexed in batches and asked with single pictures; both must land in the same place."""
    alone = np.stack([recognizer.embed(data) for data in mixed])
    together = eyebright.load(threads=threads).embed(mixed)
    assert together.shape == (9, 1280)
    assert together.dtype == np.float32
    assert np.abs(together - alone).max() <= 1e-4


def test_the_same_picture_comes_as_anything(recognizer, cat):
    """A path, text, bytes, a PIL image and an array are ways to hold one picture, not five pictures."""
    data = encoded(opened(cat))
    assert recognizer(str(cat)) == recognizer(cat)
    picture, array = opened(cat), np.asarray(opened(cat))
    told = [recognizer(form) for form in (data, bytearray(data), memoryview(data), picture, array)]
    assert all(one == told[0] for one in told)
    assert recognizer(iter([data, picture, array])) == told[:3]
    assert recognizer(form for form in ()) == []


def test_an_array_may_lie_in_memory_in_any_order(recognizer, cat):
    """A mirrored or sliced view is a picture like any other."""
    array = np.asarray(opened(cat))
    assert recognizer(array[:, ::-1]) == recognizer(array[:, ::-1].copy())
    assert recognizer(np.asfortranarray(array)) == recognizer(array)
    frozen = array.copy()
    frozen.flags.writeable = False
    assert recognizer(frozen) == recognizer(array)


@given(st.integers(1, 40), st.integers(1, 40))
def test_every_shape_has_a_prediction(width, height):
    """A strip one pixel wide is a picture too."""
    recognizer = color_recognizer()
    assert recognizer(noise(width, height)).labels
