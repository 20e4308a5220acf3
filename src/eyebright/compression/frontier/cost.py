"""What it will take to train a network, found by trying it with random weights, before any is trained."""

import time
from dataclasses import replace

import numpy as np

from eyebright.compression.frontier.begin import recipe_of
from eyebright.compression.frontier.points import INT8, Asked, Network
from eyebright.compression.int8 import PICTURES
from eyebright.compression.stand_in import stand_in
from eyebright.data import Dataset
from eyebright.modelfile import Input, ModelFile
from eyebright.preprocessing import fit
from eyebright.training import plan
from eyebright.training.batches import Batches
from eyebright.training.distill import Teacher
from eyebright.training.learn import start
from eyebright.training.loop import Learner, make_loss
from eyebright.training.network import classifier_of, input_size
from eyebright.training.pixels import SPARE, Kept

TRIED, TRIED_SIDE = 16, 224
"""Pictures of the steps that are timed, where they are so large; of smaller ones as many more, up to a whole batch."""
DECODED = 32
"""Pictures that tell how long decoding takes."""


def untrained(network: Network, asked: Asked, data: Dataset) -> ModelFile:
    """A model file that can be measured, and is good for nothing else."""
    classifier = classifier_of(recipe_of(asked, network), len(data.labels), data.task)
    return stand_in(classifier, data.labels, network.size, network.name)


def picture_s(network: Network, asked: Asked, data: Dataset) -> float:
    """How long a picture takes to learn from, in seconds, by a few steps on noise."""
    recipe = recipe_of(asked, network).settled(data.task)
    as_many = round(TRIED * max(TRIED_SIDE / network.size, 1) ** 2)
    recipe = replace(recipe, batch=min(as_many, recipe.batch))
    labels, task = data.labels, data.task
    learner = Learner(classifier_of(recipe, len(labels), task), recipe, start(recipe).device)
    side = round(input_size(recipe) * SPARE)
    noise = np.random.default_rng(0).integers(0, 256, (recipe.batch, side, side, 3), np.uint8)
    targets = np.eye(len(labels), dtype=np.float32)[np.arange(recipe.batch) % len(labels)]
    teacher = Teacher(recipe.teacher, labels, task) if recipe.teacher else None
    kept = Kept(noise, np.ones(recipe.batch, np.float32))
    batches = Batches(kept, targets, recipe, input_size(recipe), 8, teacher=teacher)
    loss_of = make_loss(task, recipe, targets)
    return plan.seconds_a_step(learner, batches, start(recipe), loss_of) / recipe.batch


def around_s(network: Network, asked: Asked, data: Dataset, drawn_s: float) -> float:
    """What a training takes beside its passes: pictures are decoded, files written and tried, perhaps in int8.

    `data` is without the test split; `drawn_s` is what writing and opening an untrained file took.
    """
    items = data.items[:: max(len(data.items) // DECODED, 1)][:DECODED]
    began = time.monotonic()
    for item in items:
        fit(data.picture(item, network.size), Input(size=network.size))
    decoded_s = (time.monotonic() - began) / len(items) * len(data.items)
    looked_s = network.latency_ms / 1000 * (PICTURES * 3 + 2 * len(data.part("validation").items))
    return 2 * decoded_s + 3 * drawn_s + looked_s * (2 if INT8 in asked.bits else 1)
