"""What chance does to a picture leaves its label true, and nothing is changed that was not asked for."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

torch = pytest.importorskip("torch")

from eyebright.modelfile import Input  # noqa: E402
from eyebright.preprocessing import fit  # noqa: E402
from eyebright.training import Recipe  # noqa: E402
from eyebright.training.augment import LUMA, OPERATIONS, augment, blend, draw, erase, recolor  # noqa: E402
from eyebright.training.pixels import Stretched  # noqa: E402
from pictures import noise, opened  # noqa: E402

STILL = Recipe(flip=False, crop=1.0)
EVERYTHING = Recipe(
    area=0.3, shift=0.2, color=1.0, operations=3, magnitude=1.0, erase=0.5, crop=0.875
)  # and flip, by default


def squares(count=4, side=32, seed=0):
    """(B, side, side, 3) of noise, whose originals were squares."""
    pixels = np.stack([noise(side, side, seed + number) for number in range(count)])
    return Stretched(pixels, np.ones(count, np.float32))


def drawn(recipe, count=4, seed=0, **stated):
    """What chance decides, but for what is stated."""
    draws = draw(np.random.default_rng(seed), count, recipe)
    return draws._replace(**{key: np.array(value, getattr(draws, key).dtype) for key, value in stated.items()})


@pytest.mark.parametrize("crop", [0.0, 1.0])
def test_what_is_not_asked_for_does_not_happen(crop):
    """Without augmentation a square picture of the right size is itself."""
    pictures = squares()
    images = augment(pictures, drawn(STILL), replace(STILL, crop=crop), 32)
    assert np.abs(images.numpy() - pictures.pixels).max() < 0.01


@pytest.mark.parametrize("crop", [0.0, 0.875, 1.0])
def test_without_augmentation_a_photo_looks_as_it_will_to_the_model_file(cat, crop):
    """What is learned from and what is judged are cropped alike; only the place along the longer side is free."""
    photo = opened(cat).convert("RGB")
    pressed = np.array(photo.resize((80, 80), Image.Resampling.BICUBIC, reducing_gap=2.0))
    pictures = Stretched(pressed[None], np.array([photo.width / photo.height], np.float32))
    draws = drawn(STILL, 1, crop=[[0.5, 0.5, 0.5, 0.5]])
    image = augment(pictures, draws, replace(STILL, crop=crop), 64).numpy()[0]
    expected = fit(photo, Input(size=64, crop=crop)).astype(np.float32)
    assert np.abs(image - expected).mean() < 5
    assert np.abs(image - expected[:, ::-1]).mean() > 20, "this comparison sees nothing"


def test_half_of_the_pictures_are_mirrored():
    """Those that chance picks, from left to right; the others stay."""
    pictures = squares(2)
    images = augment(pictures, drawn(STILL, 2, flip=[0.49, 0.51]), replace(STILL, flip=True), 32).numpy()
    assert np.abs(images[0] - pictures.pixels[0, :, ::-1]).max() < 0.01
    assert np.abs(images[1] - pictures.pixels[1]).max() < 0.01


def test_a_shift_moves_whole_pixels():
    """Sharp pictures stay sharp: nothing lies between two pixels. What was outside is mirrored in."""
    recipe, pictures = replace(STILL, shift=0.25), squares(2)
    images = augment(pictures, drawn(recipe, 2, shift=[[1, 0.5], [0.5, 0.19]]), recipe, 32).numpy()
    assert np.abs(images[0, :, :24] - pictures.pixels[0, :, 8:]).max() < 0.01
    assert np.abs(images[1, 5:] - pictures.pixels[1, :27]).max() < 0.01


def test_a_crop_keeps_at_least_its_area():
    """Of coordinates as colors: what is seen spans as much of the picture as the recipe says."""
    ramp = np.tile(np.arange(64, dtype=np.uint8)[None, :, None], (64, 1, 3))
    recipe = replace(STILL, area=0.25)
    pictures = Stretched(np.stack([ramp, ramp.transpose(1, 0, 2)]), np.ones(2, np.float32))
    for seed in range(10):
        one = drawn(recipe, 1, seed)
        both = type(one)(*(np.repeat(rows, 2, 0) for rows in one))
        images = augment(pictures, both, recipe, 64).numpy()
        wide, high = (np.ptp(image) / 63 for image in images)
        assert 0.25 * 0.9 <= wide * high <= 1.0
        assert 0.7 < wide / high < 1.4


@given(st.integers(0, 2**32 - 1))
def test_whatever_chance_decides_a_picture_comes_out(seed):
    """Finite, in 0..255, of the size that was asked for."""
    pictures = Stretched(squares(3).pixels, np.array([0.5, 1.0, 3.0], np.float32))
    images = augment(pictures, drawn(EVERYTHING, 3, seed), EVERYTHING, 24)
    assert images.shape == (3, 24, 24, 3)
    assert bool(((images >= 0) & (images <= 255)).all())


def test_nothing_turns_a_picture_black():
    """Changes of one kind add up; two that darken must not leave nothing."""
    recipe = replace(STILL, color=1.0, operations=3, magnitude=1.0)
    at = OPERATIONS.index("brightness")
    draws = drawn(recipe, 1, kinds=[[at] * 3], strengths=[[-1.0] * 3], color=[[0.0, 0.5, 0.5, 0.5]])
    assert float(recolor(torch.full((1, 3, 4, 4), 200.0), draws, recipe).min()) > 20


def test_gray_stays_gray():
    """Contrast, saturation and hue have no color of their own."""
    gray = torch.from_numpy(noise(16, 16)[..., :1].astype(np.float32)).permute(2, 0, 1).expand(1, 3, 16, 16)
    recipe = replace(STILL, color=1.0)
    for seed in range(20):
        image = recolor(gray, drawn(recipe, 1, seed), recipe)
        assert float((image.amax(1) - image.amin(1)).max()) < 0.01


def test_hue_and_saturation_leave_luminance():
    """Another color, as bright as it was."""
    image = torch.from_numpy(100 + noise(16, 16).astype(np.float32) / 8).permute(2, 0, 1)[None]
    recipe, luma = replace(STILL, color=1.0), torch.tensor(LUMA)
    for hue, saturation in ((0.0, 0.5), (1.0, 0.5), (0.5, 0.0), (0.8, 0.9)):
        changed = recolor(image, drawn(recipe, 1, color=[[0.5, 0.5, saturation, hue]]), recipe)
        was, is_now = (torch.einsum("c,bchw->bhw", luma, some) for some in (image, changed))
        assert float((was - is_now).abs().max()) < 0.01
        assert float((image - changed).abs().max()) > 0.5


def test_contrast_leaves_the_mean():
    """It spreads a picture around its own middle."""
    image = torch.from_numpy(100 + noise(16, 16).astype(np.float32) / 8).permute(2, 0, 1)[None]
    recipe = replace(STILL, color=1.0)
    changed = recolor(image, drawn(recipe, 1, color=[[0.5, 1.0, 0.5, 0.5]]), recipe)
    luma = torch.tensor(LUMA)[:, None, None]
    assert float((image * luma).sum(1).mean()) == pytest.approx(float((changed * luma).sum(1).mean()), abs=0.01)
    assert float(changed.std()) > 1.3 * float(image.std())


def test_a_box_is_erased_in_as_many_as_was_asked_for():
    """One box of one color, of 2% to 33% of the picture where it fits; the rest stays."""
    images = torch.full((200, 3, 32, 32), -1.0)
    draws = draw(np.random.default_rng(0), 200, replace(STILL, erase=0.5))
    gone = (erase(images, draws.erase, 0.5) != -1).any(1)
    hit = gone.flatten(1).any(1)
    assert 0.4 < float(hit.float().mean()) < 0.6
    assert bool((hit == torch.from_numpy(draws.erase[:, 0] < 0.5)).all())
    assert float(gone[hit].float().mean((1, 2)).min()) > 0.01
    assert float(gone[hit].float().mean((1, 2)).max()) < 0.36


def test_mixup_mixes_pictures_and_targets_alike():
    """Neighbors are blended with each other, and each label gets its picture's share."""
    images, targets = torch.rand(4, 8, 8, 3), torch.eye(4)
    draws = drawn(replace(STILL, mixup=1.0), share=[0.3, 0.3, 1.0, 1.0])
    mixed, shares = blend(images, targets, draws)
    torch.testing.assert_close(mixed[0], 0.3 * images[0] + 0.7 * images[1])
    torch.testing.assert_close(mixed[1], 0.3 * images[1] + 0.7 * images[0])
    torch.testing.assert_close(mixed[2:], images[2:])
    torch.testing.assert_close(shares[0], torch.tensor([0.3, 0.7, 0, 0]))
    torch.testing.assert_close(shares.sum(1), torch.ones(4))


def test_cutmix_counts_the_pixels():
    """A box that is cut by the border is smaller than was drawn, and the target says so."""
    images, targets = torch.zeros(40, 16, 16, 3), torch.zeros(40, 2)
    images[1::2], targets[::2, 0], targets[1::2, 1] = 1.0, 1.0, 1.0
    mixed, shares = blend(images, targets, drawn(replace(STILL, cutmix=1.0), 40))
    torch.testing.assert_close(mixed[::2].mean((1, 2, 3)), shares[::2, 1])
    torch.testing.assert_close(mixed[1::2].mean((1, 2, 3)), shares[1::2, 1])
    assert 0.1 < float(mixed[::2].mean()) < 0.9


def test_nobody_knows_more_of_a_blend_than_of_its_pictures():
    """An unchecked label (NaN) of either stays unchecked, or the loss would believe a made-up answer."""
    targets = torch.tensor([[1.0, torch.nan], [0.0, 1.0]])
    _, shares = blend(torch.rand(2, 4, 4, 3), targets, drawn(replace(STILL, mixup=1.0), 2, share=[0.4, 0.4]))
    torch.testing.assert_close(shares[:, 0], torch.tensor([0.4, 0.6]))
    assert bool(shares[:, 1].isnan().all())
