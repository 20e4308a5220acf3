"""Sizes of a data set: from headers, as the pictures are seen."""

import pytest

from data.making import folder, picture
from eyebright.data import Dataset, summary
from eyebright.errors import BadPicture
from eyebright.images import header, upright_size
from pictures import animation, encoded, plain, turned


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_sideways_photo_is_measured_upright(orientation):
    """As `decode` gives it."""
    assert upright_size(header(turned(plain("red", 64, 48), orientation, "JPEG"))) == (64, 48)


@pytest.mark.parametrize(
    "data", [encoded(plain("red", 30, 20), form) for form in ("PNG", "WEBP", "BMP", "TIFF", "AVIF")]
)
def test_every_format_tells_its_size(data):
    """Without being decoded."""
    assert upright_size(header(data)) == (30, 20)
    assert upright_size(header(animation("red", "blue"))) == (64, 48)


@pytest.mark.parametrize("data", [b"", b"dear diary", picture()[:20], b"\xff\xd8\xff" + bytes(50)])
def test_what_is_no_picture_has_no_size(data):
    """And says why."""
    with pytest.raises(BadPicture):
        upright_size(header(data))


def test_a_sample_is_the_same_every_time_and_spread_over_the_set(tmp_path):
    """By a hash of the names, so that folders in order do not hide each other."""
    files = {f"{label}/{n:03}.png": b"" for label in ("cat", "dog") for n in range(100)}
    dataset = Dataset.read(folder(tmp_path / "set", files))
    taken = summary.sample(dataset, 50)
    assert taken == summary.sample(dataset, 50)
    assert 10 < sum(item.name.startswith("cat") for item in taken) < 40
