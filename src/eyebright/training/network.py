"""The network that a recipe asks for: an encoder with its weights, a head, a task."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from onnx import ModelProto
from safetensors import SafetensorError, safe_open

from eyebright.classifier import Classifier
from eyebright.classifier.heads import auxiliary_heads, linear, paper_head
from eyebright.classifier.pixel_features import NORMALIZATION, SIDE, pixel_features
from eyebright.encoders import Encoder, slim
from eyebright.encoders.published import SOURCES
from eyebright.encoders.slim import Slim
from eyebright.encoders.weights import HALF, load
from eyebright.errors import BadRequest
from eyebright.export import parity
from eyebright.export.onnx import to_onnx
from eyebright.export.sides import with_free_sides
from eyebright.modelfile import Task
from eyebright.training.recipe import PIXELS, Recipe


def classifier_of(recipe: Recipe, labels: int, task: Task) -> Classifier:
    """A classifier for so many labels: pretrained unless it learns from scratch.

    Its head is new, unless the weights are of a slimmed network and have one that fits.
    """
    size = input_size(recipe)
    torch.manual_seed(recipe.seed)
    if recipe.encoder == PIXELS:
        encoder = pixel_features(size)
        return Classifier(encoder, linear(encoder, labels), task, *NORMALIZATION)
    shape = slim.asked(recipe.encoder, recipe.width, recipe.depth, recipe.colors, size)
    carried = None
    if recipe.mode == "scratch" and not recipe.weights:
        encoder = slim.build(shape)
        mean: tuple[float, ...] = HALF[0]
        std: tuple[float, ...] = HALF[1]
    else:
        source = weights_of(recipe)
        make = partial(head_of, shape, recipe.head) if recipe.genotype else linear
        encoder, carried, mean, std = load(
            source, recipe.encoder, recipe.width, recipe.depth, recipe.colors, size, make
        )
    head = head_of(shape, recipe.head, encoder, labels)
    if recipe.head != "paper" and isinstance(head, torch.nn.Linear):
        torch.nn.init.normal_(head.weight, std=0.01)
        torch.nn.init.zeros_(head.bias)
    if carried is not None and recipe.genotype and shapes(carried) == shapes(head):
        head = carried
    auxiliaries = auxiliary_heads(shape.encoder, encoder, labels, shape.width) if recipe.mode == "scratch" else {}
    return Classifier(encoder, head, task, mean, std, auxiliaries)


def brings_head(recipe: Recipe, labels: Sequence[str]) -> bool:
    """Whether the weights of a slimmed network say that their head is of this kind and of these labels, by id."""
    if not recipe.genotype or Path(recipe.weights).suffix != ".safetensors":
        return False
    try:
        with safe_open(recipe.weights, "pt") as opened:
            said = opened.metadata() or {}
    except (OSError, SafetensorError):
        return False
    return bool(said.get("head") == recipe.head and said.get("labels") == json.dumps(list(labels)))


def head_of(shape: Slim, head: str, encoder: Encoder, labels: int) -> torch.nn.Module:
    """The head, logistic or paper, of a network of this shape."""
    if head != "paper":
        return linear(encoder, labels)
    return slim.narrow_head(shape, paper_head(shape.encoder, encoder, labels, shape.width))


def drawn(shape: Slim, head: str, labels: int, task: Task) -> Classifier:
    """A classifier of this shape with random weights, that does not normalize yet."""
    encoder = slim.build(shape)
    return Classifier(encoder, head_of(shape, head, encoder, labels), task, (0.0,), (1.0,)).eval()


def shaped(shape: Slim, classifier: Classifier) -> Classifier:
    """A classifier for the same as this one, of another shape and with random weights."""
    head = "logistic" if isinstance(classifier.head, torch.nn.Linear) else "paper"
    last = getattr(classifier.head, "output", classifier.head)
    assert isinstance(last, torch.nn.Linear | torch.nn.Conv2d)
    made = drawn(shape, head, slim.sides(last)[1], classifier.task)
    for name in ("pixel_mean", "pixel_std", "temperature"):
        getattr(made, name).copy_(getattr(classifier, name))
    return made


def shapes(network: torch.nn.Module) -> dict[str, torch.Size]:
    """Of everything in it, by name."""
    return {name: value.shape for name, value in network.state_dict().items()}


def input_size(recipe: Recipe) -> int:
    """Pixels a side: what the recipe says, or what its encoder was drawn for."""
    if recipe.encoder == PIXELS:
        return recipe.size or 2 * SIDE  # it is averaged down to SIDE
    return recipe.size or slim.input_size(recipe.encoder)


def weights_of(recipe: Recipe) -> str:
    """Where the pretrained weights are. Raises BadRequest where none are known."""
    if not recipe.weights and recipe.encoder not in SOURCES:
        raise BadRequest(
            f"No weights of {recipe.encoder} come with Eyebright: name them with --weights, take one of "
            f"{', '.join(SOURCES)}, or learn from nothing with --mode scratch."
        )
    return recipe.weights or recipe.encoder


def bare_encoder(recipe: Recipe) -> tuple[ModelProto, int, tuple[int, ...]]:
    """A pretrained encoder as a graph, its head an accident; the pixels a side that it is for, and all it takes."""
    size = input_size(recipe)
    classifier = classifier_of(recipe, 2, "binary")
    graph = to_onnx(classifier, size)
    parity.check(classifier, graph, parity.pictures(size))
    graph, sizes = with_free_sides(classifier, graph, size)
    return graph, size, sizes
