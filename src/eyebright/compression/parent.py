"""The run that is pruned: its network with the best weights, and some of its training pictures."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from eyebright import modelfile
from eyebright.classifier import Classifier
from eyebright.data import Dataset
from eyebright.encoders import slim
from eyebright.encoders.slim import Slim
from eyebright.errors import BadPicture, BadRequest
from eyebright.modelfile import ModelFile
from eyebright.preprocessing import fit, shorter_side
from eyebright.training import Recipe, checkpoint
from eyebright.training.batches import Order
from eyebright.training.events import Said, Tell, counting
from eyebright.training.network import drawn, input_size
from eyebright.training.run import MODEL, Run

PICTURES = 256
"""Of the training split, by which channels and blocks are ranked and norms measured."""


class Parent(NamedTuple):
    """A run that can be pruned."""

    run: Path
    recipe: Recipe
    shape: Slim
    classifier: Classifier
    file: ModelFile


def read_parent(run: Path) -> Parent:
    """The network of a run, with its best weights. Raises BadRequest where it has none that can be pruned."""
    folder = Run(run)
    if not (run / "recipe.toml").is_file():
        raise BadRequest(f"{run} is no run: name a folder that `eyebright train` filled.")
    recipe = folder.recipe()
    if recipe.mode == "head":
        raise BadRequest(
            f"{run} is of mode head: nothing in its encoder is its own. Train with --mode finetune, and prune that."
        )
    weights = checkpoint.best_weights(run / "checkpoints")
    if weights is None or not (run / MODEL).is_file():
        raise BadRequest(f"{run} has no best checkpoint or no {MODEL}; finish it: eyebright train --resume -o {run}")
    file = modelfile.read(run / MODEL)
    size = input_size(recipe)
    shape = slim.asked(recipe.encoder, recipe.width, recipe.depth, recipe.colors, size)
    classifier = drawn(shape, recipe.head, len(file.metadata.labels), file.metadata.task)
    own = {name: value for name, value in weights.items() if not name.startswith("auxiliaries.")}
    try:
        classifier.load_state_dict(own)
    except RuntimeError:
        raise BadRequest(f"{run}: its checkpoint is of another network than its recipe says.") from None
    return Parent(run, recipe, shape, classifier, file)


class Seen(NamedTuple):
    """Some training pictures."""

    pixels: Tensor  # (B, H, W, 3), 0..255
    targets: Tensor  # (B, L)


def look(parent: Parent, data: Dataset, tell: Tell) -> Seen:
    """Pictures of the training split, as the model file sees them; which, follows from the seed."""
    training = data.part("train")
    order = Order(parent.recipe.seed, None, len(training.items)).places(0, min(PICTURES, len(training.items)))
    tell(Said(f"Looking at {len(order)} training pictures ..."))
    spec = parent.file.metadata.input
    shorter = shorter_side(spec)
    told = counting(tell, "decoded")
    pixels, kept = [], []
    for at in order:
        try:
            pixels.append(fit(training.picture(training.items[at], shorter), spec))
        except BadPicture:
            continue  # learning leaves it out as well, and says so
        kept.append(at)
        told(len(kept), len(order))
    if not kept:
        raise BadRequest(f"None of {len(order):,} training pictures of {data.name} can be read.")
    return Seen(torch.from_numpy(np.stack(pixels)).float(), torch.from_numpy(training.targets()[kept]))
