"""How layers compute on processors: no slower than they must, and never past the end of their memory."""

import os
import subprocess
import sys
from copy import deepcopy

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from eyebright.training.precision import take_places_first  # noqa: E402

STEPS = """
import torch
from types import SimpleNamespace
from contextlib import nullcontext
from eyebright.training import Recipe
from eyebright.training.batches import Batch
from eyebright.training.loop import Learner, learn_from, make_loss
from eyebright.training.network import classifier_of

torch.set_num_threads(1)
keys = {"encoder": "resnet-8", "width": 0.5, "size": 96, "precision": "float32", "device": "cpu"}
recipe = Recipe.of("scratch", keys)
learner = Learner(classifier_of(recipe, 4, "single"), recipe)
learner.open_stages(0.0)
targets = torch.eye(4)[torch.arange(16) % 4]
loss = make_loss("single", recipe, targets.numpy())
fabric = SimpleNamespace(device="cpu", world_size=1, global_rank=0, autocast=nullcontext)
for step in range(8):
    batch = Batch(step, 255 * torch.rand(16, 96, 96, 3), targets)
    learn_from(batch, learner.classifier, learner.optimizer, recipe, fabric, loss)
"""


def test_a_step_in_float32_leaves_other_memory_alone():
    """A narrow ResNet's shortcuts ended the process: their gradient was written past its end (oneDNN)."""
    strict = {**os.environ, "GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=4096:glibc.malloc.mmap_max=100000"}
    command = [sys.executable, "-c", STEPS]  # with each piece of memory by itself, so that what is past it is nobody's
    ended = subprocess.run(command, env=strict, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-500:]


def test_a_layer_that_takes_its_places_first_learns_the_same():
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(8, 16, 1, 2), nn.Conv2d(16, 16, 1, 2), nn.Conv2d(16, 8, 3, 2))
    other = deepcopy(plain)
    take_places_first(other)
    assert ["forward" in vars(layer) for layer in other] == [True, False, False]
    images = torch.rand(2, 8, 13, 14)  # rows-first, where torch's own way is safe
    for network in (plain, other):
        network(images).square().sum().backward()
    for one, same in zip(plain.parameters(), other.parameters(), strict=True):
        assert torch.allclose(one.grad, same.grad, rtol=1e-4, atol=1e-4)
    with torch.no_grad():
        assert torch.equal(plain(images), other.eval()(images))
