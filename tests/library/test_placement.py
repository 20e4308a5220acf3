"""Where one picture lies in another one: every way in which copies are made, and no other picture."""

import numpy as np
import pytest
from PIL import Image

from eyebright.library.placement import placed, shrunk, small
from eyebright.phash import FORMS, laid
from pictures import opened, plain

BOTH = (0, 1)


@pytest.fixture(scope="module")
def coffee(photos):
    return opened(photos / "coffee.jpg").convert("RGB")


def lie(first, second, forms=BOTH):
    return placed(small(shrunk(first)), small(shrunk(second)), forms)


def cropped(picture, left, top, right, bottom):
    """Less these shares of its sides."""
    width, height = picture.size
    return picture.crop(
        (round(width * left), round(height * top), round(width * (1 - right)), round(height * (1 - bottom)))
    )


@pytest.mark.parametrize(
    "shares", [(0.05,) * 4, (0.1,) * 4, (0.0, 0.0, 0.25, 0.0), (0.2, 0.0, 0.0, 0.15)], ids="5% 10% right corner".split()
)
def test_a_crop_shows_a_part_and_all_of_it_is_in_the_picture(coffee, shares):
    found = lie(coffee, cropped(coffee, *shares))
    left, top, right, bottom = shares
    assert found.of_first == pytest.approx((1 - left - right) * (1 - top - bottom), abs=0.03)
    assert found.of_second > 0.97
    assert found.plain


def test_the_order_of_two_pictures_changes_who_shows_more(coffee):
    found = lie(cropped(coffee, *(0.1,) * 4), coffee)
    assert found.of_first > 0.97
    assert found.of_second == pytest.approx(0.64, abs=0.03)


@pytest.mark.parametrize("degrees", [2, -3])
def test_a_small_rotation_is_measured(coffee, degrees):
    found = lie(coffee, coffee.rotate(degrees, Image.Resampling.BICUBIC))
    assert abs(found.angle) == pytest.approx(abs(degrees), abs=0.4)
    assert found.rotated


@pytest.mark.parametrize("form", range(FORMS))
def test_each_of_eight_forms_is_told(coffee, form):
    """As they say it, the first looks like the second laid in the form."""
    again = Image.fromarray(np.ascontiguousarray(laid(np.asarray(coffee)[None], form)[0]))
    found = lie(again, coffee, range(FORMS))
    assert (found.mirrored, found.turned) == (form in (1, 2, 4, 7), form not in (0, 1))
    assert min(found.of_first, found.of_second) > 0.97


def test_what_is_written_on_a_picture_is_seen(coffee):
    marked = coffee.copy()
    marked.paste((255, 255, 255), (coffee.width // 3, coffee.height // 3, coffee.width // 2, coffee.height // 2))
    assert lie(coffee, marked).written
    assert not lie(coffee, coffee.resize((90, 60))).written


def test_other_pictures_and_other_colors_are_no_copies(coffee, photos):
    assert lie(coffee, opened(photos / "rocket.jpg").convert("RGB")) is None
    assert lie(coffee, opened(photos / "cat.jpg").convert("RGB"), range(FORMS)) is None
    red, green, blue = coffee.split()
    assert lie(coffee, Image.merge("RGB", (blue, red, green))) is None


@pytest.mark.parametrize("size", [(600, 3), (3, 600), (600, 40)])
def test_strips_are_compared_with_no_harm(coffee, size):
    assert lie(coffee, coffee.resize(size)) is None
    assert lie(coffee.resize(size), coffee.resize(size)) is None


def test_pictures_that_show_nothing_are_no_copies():
    assert lie(plain("red"), plain("red")) is None
    assert lie(plain("red", 1, 300), plain("blue", 1, 1)) is None
