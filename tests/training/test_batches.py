"""Which pictures a step learns from follows from the seed and its number, and from nothing else."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from eyebright.training import Recipe  # noqa: E402
from eyebright.training.batches import Batches, Order, rareness  # noqa: E402
from eyebright.training.pixels import Kept  # noqa: E402
from pictures import noise  # noqa: E402

BUSY = Recipe(
    mode="scratch", crop=1.0, batch=8, area=0.4, shift=0.1, color=0.5, operations=2, erase=0.3, mixup=0.4, cutmix=0.4
)


def batches(recipe=BUSY, steps=6, rank=0, world=1):
    """Of 20 pictures of noise with one of four labels each."""
    pixels = np.stack([noise(24, 24, seed) for seed in range(20)])
    targets = np.eye(4, dtype=np.float32)[np.arange(20) % 4]
    return Batches(Kept(pixels, np.ones(20, np.float32)), targets, recipe, 24, steps, rank, world)


def test_every_picture_comes_once_a_pass_in_an_order_of_its_own():
    """Also where batches straddle two passes: 7 pictures, 3 a step."""
    order = Order(0, None, 7)
    row = np.concatenate([order.places(step, 3) for step in range(14)])
    passes = [tuple(row[start : start + 7]) for start in range(0, 42, 7)]
    assert all(sorted(some) == list(range(7)) for some in passes)
    assert len(set(passes)) == 6


def test_a_batch_may_be_larger_than_the_set():
    """Ten passes in one step."""
    assert Counter(Order(0, None, 3).places(2, 30).tolist()) == {0: 10, 1: 10, 2: 10}


def test_another_seed_is_another_order():
    assert Order(0, None, 50).places(0, 50).tolist() != Order(1, None, 50).places(0, 50).tolist()


def test_rare_labels_are_drawn_as_often_as_common_ones():
    """90 of one label, 10 of the other; what has no label is drawn as if nothing were known."""
    targets = np.eye(2, dtype=np.float32)[[0] * 90 + [1] * 10]
    order = Order(0, rareness(targets), 100)
    row = np.concatenate([order.places(step, 100) for step in range(40)])
    assert 0.46 < (row >= 90).mean() < 0.54


def test_unchecked_labels_make_no_picture_rare():
    """NaN is not a label; a picture without any is still drawn."""
    weights = rareness(np.array([[1, np.nan], [1, 0], [0, np.nan]], np.float32))
    assert weights.sum() == pytest.approx(1)
    assert weights[0] == weights[1]
    assert weights[2] > 0


def test_a_run_that_goes_on_sees_what_it_would_have_seen():
    """Nothing is remembered between steps: the same bits from the middle as from the start."""
    whole = list(batches().since(0))
    assert [batch.step for batch in whole] == list(range(6))
    for again in batches().since(4):
        assert torch.equal(again.images, whole[again.step].images)
        assert torch.equal(again.targets, whole[again.step].targets)


def test_after_the_last_step_there_is_nothing():
    """A run may be killed when it has taken all its steps."""
    assert list(batches().since(6)) == []
    assert len(list(batches(steps=1).since(0))) == 1


@pytest.mark.parametrize("balance", ["none", "sampling"])
def test_two_processes_share_what_one_would_see(balance):
    """The parts of a batch, put together, are the batch; pairs that are mixed stay together."""
    recipe = replace(BUSY, balance=balance)
    for step in range(3):
        whole = batches(recipe).batch(step)
        parts = [batches(recipe, rank=rank, world=2).batch(step) for rank in (0, 1)]
        torch.testing.assert_close(torch.cat([part.images for part in parts]), whole.images, atol=1e-2, rtol=0)
        assert torch.equal(torch.cat([part.targets for part in parts]), whole.targets)


def test_a_network_may_learn_at_less_than_the_size_that_it_is_judged_at():
    """Crops show things larger than they will be (Touvron et al. 2019, arXiv:1906.06423)."""
    smaller = Batches(None, np.eye(4, dtype=np.float32), replace(BUSY, learn_scale=0.75), 224, 100)
    assert {smaller.size_at(step) for step in range(100)} == {168}


def test_pictures_grow_until_the_last_quarter():
    """In steps of 32 pixels, and never beyond what was asked for."""
    growing = Batches(None, np.eye(4, dtype=np.float32), replace(BUSY, progressive=0.5), 224, 100)
    sizes = [growing.size_at(step) for step in range(100)]
    assert sizes == sorted(sizes)
    assert sizes[0] == 128  # half of 224 in steps of 32
    assert set(sizes) == {128, 160, 192, 224}
    assert min(step for step, size in enumerate(sizes) if size == 224) <= 75


def test_a_broken_picture_is_an_error_of_the_step():
    """What fails in the thread that prepares is raised where the loop is."""
    failing = batches()
    failing.pictures = None
    with pytest.raises(AttributeError):
        next(failing.since(0))
