"""Pictures are decoded once, as the network will need them; where there is no room they are decoded each time."""

import errno
import os

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from eyebright.data import Dataset  # noqa: E402
from eyebright.errors import CannotWrite  # noqa: E402
from eyebright.modelfile import Input  # noqa: E402
from eyebright.preprocessing import fit  # noqa: E402
from eyebright.training.pixels import Decoded, Kept, for_judging, for_learning, kept_side  # noqa: E402
from eyebright.training.precision import keep_in_float32  # noqa: E402


@pytest.fixture(scope="module")
def data(patterns):
    return Dataset.read(patterns).part("validation")


def uncounted(done, total):
    """Nobody watches."""


def test_what_is_kept_and_what_is_decoded_again_are_the_same(data, tmp_path):
    """One file of all while it fits into the budget; the shapes of the originals beside it."""
    side = kept_side(data, 32)
    kept = for_learning(data, side, tmp_path / "pixels", 4000, 2, uncounted)
    again = for_learning(data, side, tmp_path / "nothing", 0, 2, uncounted)
    assert isinstance(kept, Kept)
    assert isinstance(again, Decoded)
    assert not (tmp_path / "nothing").exists()
    places = np.array([5, 0, 5])
    first, second = kept.take(places), again.take(places)
    assert np.array_equal(first.pixels, second.pixels)
    assert np.array_equal(first.shapes, second.shapes)
    assert first.shapes.tolist() == pytest.approx([48 / 40] * 3)


def test_what_is_judged_is_what_the_model_file_will_see(data, tmp_path):
    spec = Input(size=32, crop=0.875)
    pixels = for_judging(data, spec, 32, tmp_path / "pixels", 2, uncounted)
    for at in (0, 7, 23):
        assert np.array_equal(pixels[at], fit(data.picture(data.items[at]), spec, 32))


def test_no_more_is_kept_than_pictures_have(data):
    """A little more than the network sees, for crops; enlarging pictures adds nothing but bytes."""
    assert kept_side(data, 24) == 30  # a quarter more
    assert kept_side(data, 36) == 40  # their shorter side
    assert kept_side(data, 64) == 64


def test_the_disk_is_asked_for_all_of_it_before_anything_is_decoded(data, tmp_path, monkeypatch):
    """A file that is mapped into memory must not run out of disk in the middle: the system would kill us."""

    def full(*given):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(CannotWrite, match=r"no space left on device \(0 MB are needed\); a smaller cache_mb"):
        for_learning(data, 32, tmp_path / "pixels", 4000, 1, uncounted)
    assert not (tmp_path / "pixels").exists()


def test_convolutions_that_are_slow_in_bf16_stay_in_float32():
    """Those of one channel each with a stride; the others do as autocast says. A copy has them, too."""
    from copy import deepcopy

    network = nn.ModuleList([nn.Conv2d(4, 4, 3, 2, groups=4), nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 4, 1)])
    keep_in_float32(network)
    for some in (network, deepcopy(network)):
        with torch.autocast("cpu", torch.bfloat16):
            kinds = [layer(torch.rand(1, 4, 8, 8)).dtype for layer in some]
        assert kinds == [torch.float32, torch.bfloat16, torch.bfloat16]
