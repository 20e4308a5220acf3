"""Corruptions: of every shape, the same every time, stronger with severity, and each does what its name says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyebright.errors import BadRequest
from eyebright.evaluation.robustness.corruptions import CORRUPTIONS, SEVERITIES, chance, chosen, corrupt, versions
from eyebright.modelfile import Input
from eyebright.preprocessing import fit
from pictures import noise, opened

BY_CHANCE = ("gaussian_noise", "shot_noise", "impulse_noise", "motion_blur")  # and by one of two sides, two more
BLURS = ("gaussian_blur", "defocus_blur", "motion_blur", "low_resolution")


@pytest.fixture(scope="module")
def natural(photos):
    """Three photos as a model of 160 x 160 pixels sees them."""
    return {path.name: fit(opened(path).convert("RGB"), Input(size=160)) for path in sorted(photos.glob("*.jpg"))}


def spoiled(pixels, name, severity=5, picture="cat.jpg", seed=0):
    return corrupt(pixels, name, severity, chance(seed, picture, name))


def difference(first, second):
    return float(np.abs(first.astype(float) - second).mean())


@given(
    name=st.sampled_from(list(CORRUPTIONS)),
    severity=st.sampled_from(SEVERITIES),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
)
def test_a_spoiled_picture_has_the_shape_that_it_had(name, severity, height, width):
    """Also of one pixel; and what was given is left alone."""
    pixels = noise(width, height)
    pixels.setflags(write=False)
    found = spoiled(pixels, name, severity)
    assert found.shape == (height, width, 3)
    assert found.dtype == np.uint8


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_same_picture_is_spoiled_in_the_same_way(natural, name):
    cat = natural["cat.jpg"]
    assert np.array_equal(spoiled(cat, name), spoiled(cat, name))


@pytest.mark.parametrize("name", BY_CHANCE)
def test_chance_follows_from_the_seed_and_the_name_of_the_picture(natural, name):
    """Or every picture would have its dead pixels in the same places."""
    cat = natural["cat.jpg"]
    assert not np.array_equal(spoiled(cat, name), spoiled(cat, name, picture="dog.jpg"))
    assert not np.array_equal(spoiled(cat, name), spoiled(cat, name, seed=1))


@pytest.mark.parametrize("name", ["rotation", "color_cast"])
def test_both_sides_occur(natural, name):
    found = {spoiled(natural["cat.jpg"], name, picture=str(number)).tobytes() for number in range(12)}
    assert len(found) == 2


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_more_severe_is_further_from_the_clean_picture(natural, name):
    """Of each photo alone, since chance is the same at each severity."""
    for picture, pixels in natural.items():
        distances = [difference(spoiled(pixels, name, severity, picture), pixels) for severity in SEVERITIES]
        assert distances == sorted(set(distances)), picture
        assert 0 < distances[0] < distances[-1] / 1.5


@pytest.mark.parametrize("name", [*BLURS, "rotation", "contrast"])
def test_a_picture_of_one_color_has_nothing_to_lose(name):
    """Up to its edges: nothing dark comes in from outside."""
    gray = np.full((50, 41, 3), 117, np.uint8)
    assert np.array_equal(spoiled(gray, name), gray)


@pytest.mark.parametrize("name", BLURS)
def test_blur_moves_nothing_and_loses_no_light(name):
    y, x = np.mgrid[:101, :101]
    square = np.repeat((255 * (np.maximum(abs(y - 50), abs(x - 50)) <= 12))[..., None], 3, 2).astype(np.uint8)
    blurred = spoiled(square, name)[..., 0].astype(float)
    assert blurred.sum() == pytest.approx(square[..., 0].sum(), rel=0.04)
    for at in (y, x):
        assert (blurred * at).sum() / blurred.sum() == pytest.approx(50, abs=0.1)
    assert np.count_nonzero(blurred) > 1.1 * 25**2


def test_noise_has_no_bias():
    gray = np.full((200, 200, 3), 128, np.uint8)
    for name in ("gaussian_noise", "shot_noise", "impulse_noise"):
        assert spoiled(gray, name, 3).mean() == pytest.approx(128, abs=1), name


def test_shot_noise_is_that_of_counted_photons():
    """Of 30 photons at white, a pixel at half of that counts 15, give or take their root."""
    gray = np.full((200, 200, 3), 128, np.uint8)
    assert spoiled(gray, "shot_noise", 3).std() == pytest.approx(np.sqrt(30 * 128 / 255) * 255 / 30, rel=0.03)


def test_impulse_noise_kills_as_many_pixels_as_it_says():
    gray = np.full((200, 200, 3), 128, np.uint8)
    found = spoiled(gray, "impulse_noise", 5)
    dead = (found != 128).all(axis=2)
    assert dead.mean() == pytest.approx(0.2, abs=0.01)
    assert set(np.unique(found[dead])) == {0, 255}


def test_light_and_color_go_where_their_names_say(natural):
    for picture, pixels in natural.items():
        mean, spread = pixels.mean(), pixels.std()
        assert spoiled(pixels, "brightness", 2).mean() > mean > spoiled(pixels, "darkness", 2).mean()
        assert spoiled(pixels, "contrast", 5).std() == pytest.approx(0.13 * spread, rel=0.05)
        gray = spoiled(pixels, "desaturation", 5)
        assert np.array_equal(gray[..., 0], gray[..., 2])
        cast = spoiled(pixels, "color_cast", 4, picture).mean((0, 1)) - pixels.mean((0, 1))
        assert cast[0] * cast[2] < 0


def test_rotation_leaves_what_is_round_alone(natural):
    y, x = np.mgrid[:90, :90] - 44.5
    disk = np.repeat((200 * (np.hypot(x, y) < 30))[..., None], 3, 2).astype(np.uint8)
    assert difference(spoiled(disk, "rotation"), disk) < 2
    assert difference(spoiled(natural["cat.jpg"], "rotation"), natural["cat.jpg"]) > 10


@pytest.mark.parametrize("name", ["gaussian_blur", "defocus_blur", "motion_blur"])
def test_a_larger_picture_is_blurred_as_much_to_the_eye(photos, name):
    """Or a model of larger inputs would be judged by milder pictures."""
    small, large = (fit(opened(photos / "coffee.jpg").convert("RGB"), Input(size=size)) for size in (100, 200))
    halved = spoiled(large, name, 4).reshape(100, 2, 100, 2, 3).mean((1, 3))
    assert difference(spoiled(small, name, 4), halved) < 2
    assert difference(spoiled(small, name, 4), small) > 6


def test_all_versions_come_in_the_order_of_names_and_severities():
    pixels = noise(20, 20)
    clean, *rest = versions(pixels, "cat.jpg", ["jpeg", "darkness"], [2, 5])
    assert np.array_equal(clean, pixels)
    wanted = [("jpeg", 2), ("jpeg", 5), ("darkness", 2), ("darkness", 5)]
    for found, (name, severity) in zip(rest, wanted, strict=True):
        assert np.array_equal(found, spoiled(pixels, name, severity))


def test_names_and_families():
    assert chosen(["rotation", "noise", "jpeg", "jpeg"]) == (*BY_CHANCE[:3], "jpeg", "rotation")


@pytest.mark.parametrize(
    ("name", "severity", "sentence"),
    [
        ("jpeg", 0, "a severity is 1, 2, 3, 4 or 5, from barely seen to strong; 0 is not."),
        ("jpeg", 6, "a severity is 1, 2, 3, 4 or 5"),
        ("jpg", 1, "no corruption is called 'jpg'; did you mean jpeg?"),
        ("snow", 1, "no corruption is called 'snow'; there are noise, blur, light,"),
    ],
)
def test_what_is_no_corruption_is_refused(name, severity, sentence):
    with pytest.raises(BadRequest, match="^" + sentence.replace("?", r"\?")):
        spoiled(noise(8, 8), name, severity)
