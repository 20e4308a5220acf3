"""A checkpoint holds all that a run needs to go on, is whole or absent, and is no pickle."""

import errno
import json

import pytest

torch = pytest.importorskip("torch")

from eyebright.errors import BadRequest, CannotWrite  # noqa: E402
from eyebright.training import checkpoint  # noqa: E402
from eyebright.training.events import Judged  # noqa: E402
from eyebright.training.loop import make_loss, train  # noqa: E402
from training_learners import ALONE, batches, learner, targets  # noqa: E402


def go_on(one, steps):
    """Take steps until there are so many of 12."""
    loss_of = make_loss("single", one.recipe, targets())
    for progress in train(one, batches(one.recipe, 12), lambda weights: Judged(0.5, 1.0), 4, ALONE, loss_of):
        if progress.step == steps:
            break
    return one


def saved(folder, steps=5, **keys):
    one = go_on(learner(**keys), steps)
    checkpoint.save(one, folder, "a recipe")
    return one


def same(one, other):
    """Weights, average and what the optimizer remembers."""
    for first, second in ((one.weights(), other.weights()), (one.average, other.average)):
        assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
    for key, state in one.optimizer.state_dict()["state"].items():
        for name, value in state.items():
            assert torch.equal(
                torch.as_tensor(value), torch.as_tensor(other.optimizer.state_dict()["state"][key][name])
            )
    assert (one.step, one.worse, one.best) == (other.step, other.worse, other.best)


@pytest.mark.parametrize("keys", [{}, {"ema": 0.0}, {"optimizer": "adamw"}, {"momentum": 0.0}])
def test_what_was_saved_comes_back_to_the_bit(tmp_path, keys):
    """And going on from it is going on."""
    one = saved(tmp_path, **keys)
    other = learner(seed=9, **keys)
    assert checkpoint.load(other, tmp_path, "a recipe")
    same(one, other)
    same(go_on(one, 12), go_on(other, 12))


def test_stages_that_stood_still_have_nothing_to_remember(tmp_path):
    """The optimizer knows some of the parameters only."""
    keys = {"mode": "finetune", "unfreeze": 0.8}
    one = saved(tmp_path, 2, **keys)
    other = learner(seed=9, **keys)
    checkpoint.load(other, tmp_path, "a recipe")
    same(go_on(one, 12), go_on(other, 12))


def test_without_a_checkpoint_a_run_starts_anew(tmp_path):
    assert not checkpoint.load(learner(), tmp_path / "nothing", "a recipe")
    assert checkpoint.best_weights(tmp_path) is None


@pytest.mark.parametrize("rest", [0, 7, 100, -1])
def test_of_a_file_that_was_cut_short_the_one_before_is_taken(tmp_path, rest):
    """A disk may lose what it said it had written."""
    saved(tmp_path, 5)
    saved(tmp_path, 6)
    newest = checkpoint.steps(tmp_path)[-1]
    newest.write_bytes(newest.read_bytes()[:rest])
    one = learner()
    assert checkpoint.load(one, tmp_path, "a recipe")
    assert one.step == 5


def test_the_last_two_are_kept_and_the_best(tmp_path):
    for steps in (3, 4, 5, 6):
        saved(tmp_path, steps)
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["best.safetensors", "step-00000005.safetensors", "step-00000006.safetensors"]


def test_the_checkpoint_of_another_recipe_is_refused(tmp_path):
    saved(tmp_path)
    with pytest.raises(BadRequest, match="is of another recipe or other pictures; take another run folder"):
        checkpoint.load(learner(), tmp_path, "another")


def test_a_checkpoint_is_json_and_numbers(tmp_path):
    """Eight bytes of length, JSON, then nothing but the tensors: no pickle could run code."""
    saved(tmp_path)
    content = checkpoint.steps(tmp_path)[0].read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    said = json.loads(header.pop("__metadata__")["eyebright"])
    assert said["step"] == 5
    assert 8 + length + max(tensor["data_offsets"][1] for tensor in header.values()) == len(content)


def test_on_a_full_disk_the_old_one_stays(tmp_path, monkeypatch):
    """One sentence, nothing half-written, and the run can go on."""
    one = saved(tmp_path, 5)
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}

    def full(tensors, file, metadata):
        file.write_bytes(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    go_on(one, 6)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save_file", full)
        with pytest.raises(CannotWrite, match=r"cannot be written: no space left on device; make room and go on"):
            checkpoint.save(one, tmp_path, "a recipe")
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before
    checkpoint.save(one, tmp_path, "a recipe")
    other = learner()
    checkpoint.load(other, tmp_path, "a recipe")
    same(one, other)


def test_a_folder_that_may_not_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CannotWrite, match="cannot be written"):
        checkpoint.save(learner(), tmp_path / "file" / "checkpoints", "a recipe")
