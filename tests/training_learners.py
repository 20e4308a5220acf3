"""A small network on its way, and a fabric of one process."""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from eyebright.classifier import Classifier
from eyebright.encoders import Encoder
from eyebright.encoders.layers import conv
from eyebright.training import Recipe
from eyebright.training.batches import Batch, Batches
from eyebright.training.loop import Learner
from eyebright.training.pixels import Kept
from pictures import noise

ALONE = SimpleNamespace(
    device="cpu", world_size=1, global_rank=0, autocast=nullcontext, broadcast=lambda something: something
)
PLAIN = {"mode": "scratch", "crop": 1.0, "flip": False, "smoothing": 0.0, "batch": 6, "rate": 0.05}


def classifier(labels=3, task="single", seed=0):
    """Three stages of a convolution and a norm each."""
    torch.manual_seed(seed)
    stages = {"stem": conv(3, 8, 3, 2), "stage1": conv(8, 8, 3), "stage2": conv(8, 16, 3, 2)}
    return Classifier(Encoder(stages, 16, 4), torch.nn.Linear(16, labels), task, (127.5,), (127.5,))


def learner(seed=0, **keys):
    return Learner(classifier(seed=seed), Recipe(**{**PLAIN, **keys}))


def targets(count=12, labels=3):
    return np.eye(labels, dtype=np.float32)[np.arange(count) % labels]


def batches(recipe, steps=8, count=12):
    pixels = np.stack([noise(16, 16, seed) for seed in range(count)])
    return Batches(Kept(pixels, np.ones(count, np.float32)), targets(count), recipe, 16, steps)


def batch(count=6):
    torch.manual_seed(1)
    return Batch(0, 255 * torch.rand(count, 16, 16, 3), torch.from_numpy(targets(count)))


def copied(learner):
    return {name: tensor.clone() for name, tensor in learner.weights().items()}


def changed(before, learner):
    """The names of tensors that are other than before."""
    return {name for name, tensor in learner.weights().items() if not torch.equal(tensor, before[name])}
