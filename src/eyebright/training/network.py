"""The network that a recipe asks for: an encoder with its weights, a head, a task."""

import torch
from onnx import ModelProto

from eyebright.classifier import Classifier
from eyebright.classifier.heads import auxiliary_heads, linear, paper_head
from eyebright.classifier.pixel_features import NORMALIZATION, SIDE, pixel_features
from eyebright.encoders import catalog
from eyebright.encoders.published import SOURCES
from eyebright.encoders.weights import HALF, load
from eyebright.errors import BadRequest
from eyebright.export import parity
from eyebright.export.onnx import to_onnx
from eyebright.modelfile import Task
from eyebright.training.recipe import PIXELS, Recipe


def classifier_of(recipe: Recipe, labels: int, task: Task) -> Classifier:
    """A classifier for so many labels: pretrained unless it learns from scratch; its head always new."""
    size = input_size(recipe)
    torch.manual_seed(recipe.seed)
    if recipe.encoder == PIXELS:
        encoder = pixel_features(size)
        return Classifier(encoder, linear(encoder, labels), task, *NORMALIZATION)
    if recipe.mode == "scratch" and not recipe.weights:
        encoder = catalog.build(recipe.encoder, recipe.width, recipe.depth, recipe.colors, size)
        mean: tuple[float, ...] = HALF[0]
        std: tuple[float, ...] = HALF[1]
    else:
        source = weights_of(recipe)
        encoder, _, mean, std = load(source, recipe.encoder, recipe.width, recipe.depth, recipe.colors, size)
    if recipe.head == "paper":
        head = paper_head(recipe.encoder, encoder, labels, recipe.width)
    else:
        head = linear(encoder, labels)
        torch.nn.init.normal_(head.weight, std=0.01)
        torch.nn.init.zeros_(head.bias)
    auxiliaries = auxiliary_heads(recipe.encoder, encoder, labels, recipe.width) if recipe.mode == "scratch" else {}
    return Classifier(encoder, head, task, mean, std, auxiliaries)


def input_size(recipe: Recipe) -> int:
    """Pixels a side: what the recipe says, or what its encoder was drawn for."""
    if recipe.encoder == PIXELS:
        return recipe.size or 2 * SIDE  # it is averaged down to SIDE
    catalog.check(recipe.encoder)
    return recipe.size or catalog.input_size(recipe.encoder)


def weights_of(recipe: Recipe) -> str:
    """Where the pretrained weights are. Raises BadRequest where none are known."""
    if not recipe.weights and recipe.encoder not in SOURCES:
        raise BadRequest(
            f"No weights of {recipe.encoder} come with Eyebright: name them with --weights, take one of "
            f"{', '.join(SOURCES)}, or learn from nothing with --mode scratch."
        )
    return recipe.weights or recipe.encoder


def bare_encoder(recipe: Recipe) -> tuple[ModelProto, int]:
    """A pretrained encoder as a graph, its head an accident; and the pixels a side that it takes."""
    size = input_size(recipe)
    classifier = classifier_of(recipe, 2, "binary")
    graph = to_onnx(classifier, size)
    parity.check(classifier, graph, parity.pictures(size))
    return graph, size
