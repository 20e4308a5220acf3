"""Colors and textures of pictures: alike for one style, whatever is shown."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from eyebright.library.appearance import SIZE, look
from pictures import noise, plain


def likeness(one, other):
    return float(look(one).astype(np.float32) @ look(other).astype(np.float32))


def drawn(shape, color, ground, box):
    picture = Image.new("RGB", (96, 64), ground)
    getattr(ImageDraw.Draw(picture), shape)(box, fill=color)
    return picture


@pytest.mark.parametrize(
    "picture", [plain("red", 40), Image.fromarray(noise()), Image.new("L", (1, 300), 128), Image.new("RGBA", (5, 5))]
)
def test_a_look_has_length_one(picture):
    found = look(picture)
    assert found.shape == (SIZE,)
    assert np.linalg.norm(found.astype(np.float64)) == pytest.approx(1, abs=2e-3)


def test_another_shape_in_the_same_colors_is_nearer_than_the_same_shape_in_others():
    disk = drawn("ellipse", "orange", "navy", (10, 10, 50, 50))
    square = drawn("rectangle", "orange", "navy", (40, 15, 75, 50))
    other = drawn("ellipse", "lightgreen", "white", (10, 10, 50, 50))
    assert likeness(disk, square) > 0.9 > likeness(disk, other)


def test_stripes_are_nearer_to_stripes_than_to_noise():
    across = Image.fromarray(np.tile(np.repeat([40, 200], 6)[None, :, None], (96, 8, 3)).astype(np.uint8))
    moved = Image.fromarray(np.roll(np.asarray(across), 3, 1))
    grain = Image.fromarray(np.random.default_rng(0).choice([40, 200], (96, 96, 1)).repeat(3, 2).astype(np.uint8))
    assert likeness(across, moved) > likeness(across, grain) + 0.1
