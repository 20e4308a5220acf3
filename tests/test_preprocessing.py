"""Cropping and resizing, against the formula in float64."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from eyebright import models
from eyebright.modelfile import Input, read
from eyebright.preprocessing import crop_box, fit, shorter_side
from pictures import noise, opened


def cubic(x):
    """Keys' kernel with a = -0.5."""
    x, a = np.abs(x), -0.5
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * (x**3 - 5 * x**2 + 8 * x - 4)
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def weights(length, start, end, size):
    """How much each of `length` pixels counts in each of `size`: (size, length), rows sum to 1.

    The kernel is as wide as the scale, so that nothing between two output pixels is skipped (antialiasing).
    """
    scale = (end - start) / size
    wide = max(scale, 1.0)
    centers = start + (np.arange(size) + 0.5) * scale
    found = cubic((np.arange(length)[None] + 0.5 - centers[:, None]) / wide)
    return found / found.sum(axis=1, keepdims=True)


def reference(pixels, spec, size):
    """(H, W, 3) -> (size, size, 3) float64 in 0..255; rows first, then columns, each kept to 0..255."""
    height, width = pixels.shape[:2]
    side = spec.crop * min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    across = np.einsum("ow,hwc->hoc", weights(width, left, left + side, size), pixels.astype(np.float64)).clip(0, 255)
    return np.einsum("oh,hwc->owc", weights(height, top, top + side, size), across).clip(0, 255)


@pytest.fixture(scope="module")
def shipped():
    return read(models.path()).metadata.input


@pytest.mark.parametrize("name", ["cat.jpg", "coffee.jpg", "rocket.jpg"])
@pytest.mark.parametrize("size", [224, 128, 320])
def test_the_shipped_preprocessing_is_the_formula(photos, shipped, name, size):
    """Bicubic with a = -0.5, antialiased, edges of the crop at fractions of pixels: within one level of 255.

    One, since Pillow rounds to 8 bits between its two passes.
    """
    picture = opened(photos / name)
    picture = picture.crop((0, 0, picture.width - 1, picture.height - 1))
    left, top, _, _ = crop_box(*picture.size, shipped.crop)
    assert (left % 1, top % 1) != (0, 0)
    expected = reference(np.asarray(picture), shipped, size).round()
    assert np.abs(fit(picture, shipped, size) - expected).max() <= 1


@given(st.integers(1, 90), st.integers(1, 90), st.integers(8, 40), st.floats(0.3, 1), st.integers(0, 9))
def test_any_picture_is_fitted_by_the_formula(width, height, size, crop, seed):
    """Small, narrow, enlarged or made smaller; noise is the hardest case, as long as nothing is cut at 0 and 255."""
    pixels = noise(width, height, seed) // 2 + 64
    spec = Input(size=size, crop=crop)
    assert np.abs(fit(Image.fromarray(pixels), spec) - reference(pixels, spec, size).round()).max() <= 1


@given(st.integers(1, 5000), st.integers(1, 5000), st.floats(0.01, 1))
def test_the_box_is_a_centered_square_inside_the_picture(width, height, crop):
    """What is cut off is the same left and right, above and below."""
    left, top, right, bottom = crop_box(width, height, crop)
    assert right - left == pytest.approx(bottom - top) == pytest.approx(crop * min(width, height))
    assert left == pytest.approx(width - right, abs=1e-6)
    assert top == pytest.approx(height - bottom, abs=1e-6)
    assert -1e-6 <= left < right <= width + 1e-6
    assert -1e-6 <= top < bottom <= height + 1e-6


def test_crop_zero_looks_at_all_of_a_picture():
    """Some models were trained on stretched pictures."""
    picture = Image.fromarray(noise(90, 30))
    found = fit(picture, Input(size=16, crop=0, interpolation="box"))
    assert np.array_equal(found, np.asarray(picture.resize((16, 16), Image.Resampling.BOX)))


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear", "lanczos", "box", "nearest"])
def test_every_interpolation_keeps_a_plain_picture_plain(interpolation):
    """No ringing, no dark edge: a weight that is lost at the border would show here."""
    picture = Image.new("RGB", (57, 43), (200, 100, 50))
    found = fit(picture, Input(size=24, crop=0.875, interpolation=interpolation))
    assert found.shape == (24, 24, 3)
    assert found.dtype == np.uint8
    assert (found == (200, 100, 50)).all()


def test_the_shorter_side_leaves_the_box_as_large_as_the_input(shipped):
    """A picture that is decoded to this size is resized by a factor of one."""
    side = shorter_side(shipped)
    left, _, right, _ = crop_box(side, 2 * side, shipped.crop)
    assert right - left == pytest.approx(shipped.size, abs=1)
