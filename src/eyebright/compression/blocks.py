"""Whole blocks taken out of a network: a block whose output has the shape of its input can be left out.

How much a block matters is measured, not guessed: what the network says of training pictures without it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eyebright.classifier import Classifier
from eyebright.compression.costs import Costs, Unit
from eyebright.compression.norms import show, watched
from eyebright.encoders.slim import Slim, take_out
from eyebright.modelfile import Task


class Block(NamedTuple):
    """A block that can go."""

    name: str
    harm: float
    """How far the answers move without it: the mean divergence from those with it, in nats."""
    cost: float
    """What goes with it, in what is aimed at."""


def choices(
    classifier: Classifier, pixels: Tensor, tell: Callable[[int, int], None], unit: Unit = "macs"
) -> list[Block]:
    """All blocks that can be left out, what matters least for its cost first, each judged alone.

    `pixels` (B, H, W, 3) are training pictures; `tell` hears how many blocks of how many were judged; `unit` is that of
    the cost.
    """
    found = costs(classifier, pixels[:1], unit)
    with torch.inference_mode():
        said = show(classifier, pixels)
        blocks = []
        for done, (name, cost) in enumerate(found.items(), 1):
            with skipped(classifier, name):
                harm = divergence(said, show(classifier, pixels), classifier.task)
            blocks.append(Block(name, harm, cost))
            tell(done, len(found))
    return sorted(blocks, key=lambda block: block.harm / max(block.cost, 1))


def without(classifier: Classifier, shape: Slim, gone: Sequence[Block]) -> tuple[Classifier, Slim]:
    """The network without these blocks, and its genotype; `shape` is that of `classifier`, which stays as it is."""
    made = deepcopy(classifier)
    names = tuple(block.name for block in gone)
    for name in names:
        take_out(made.encoder, name)
    channels = {
        layer: sides for layer, sides in shape.channels.items() if not layer.startswith(tuple(f"{n}." for n in names))
    }
    return made, replace(shape, without=(*shape.without, *names), channels=channels)


def costs(classifier: Classifier, pixels: Tensor, unit: Unit = "macs") -> dict[str, float]:
    """What each block costs whose output has the shape of its input."""
    same: dict[nn.Module, bool] = {}
    cost = Costs(unit)

    def shapes(module: nn.Module, given: Any, output: Any) -> None:
        same[module] = sizes(given[0]) == sizes(output)

    rows = {name: stage for name, stage in classifier.encoder.stages().items() if isinstance(stage, nn.Sequential)}
    blocks = {f"{name}.{place}": block for name, row in rows.items() for place, block in row.named_children()}
    with watched(blocks.values(), shapes), cost.watch(classifier.encoder.modules()), torch.inference_mode():
        classifier.eval()(pixels)
    found = {name: sum(cost[one].whole for one in block.modules() if one in cost) for name, block in blocks.items()}
    return {name: found[name] for name, block in blocks.items() if same.get(block) and found[name]}


def sizes(value: Any) -> Any:
    """The shape of a map, or those of several."""
    return tuple(value.shape) if isinstance(value, Tensor) else tuple(map(sizes, value))


@contextmanager
def skipped(classifier: Classifier, name: str) -> Iterator[None]:
    """The classifier without a block, for a while."""
    stage, _, place = name.rpartition(".")
    row = classifier.encoder.stages()[stage]
    block = getattr(row, place)
    setattr(row, place, nn.Identity())
    try:
        yield
    finally:
        setattr(row, place, block)


def divergence(before: Tensor, after: Tensor, task: Task) -> float:
    """The mean divergence of what is said after from what was said before, logits (B, L) both, in nats."""
    if task == "multi":
        target = before.sigmoid()
        cross = F.binary_cross_entropy_with_logits
        return float((cross(after, target) - cross(before, target)) * before.shape[1])
    return float(F.kl_div(after.log_softmax(1), before.log_softmax(1), log_target=True, reduction="batchmean"))
