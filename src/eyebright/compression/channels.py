"""Whole channels taken out of a network: which matter least, and the surgery.

A channel lives in several layers at once: in the one that makes it, in its norm, in all that read it, and where maps
are added in all that add to it. torch-pruning (Fang et al. 2023, arXiv:2301.12900) finds these groups and cuts them;
which to cut is decided here. Channels go by eights, since processors compute so many at once.
"""

import warnings
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from eyebright.classifier import Classifier
from eyebright.classifier.heads import AdaptivePool
from eyebright.compression.costs import Costs, Unit
from eyebright.encoders import slim
from eyebright.encoders.count import weightless
from eyebright.encoders.slim import HEAD, Slim
from eyebright.errors import BadRequest, extra
from eyebright.training.network import shaped

with extra("train", "pruning"):
    import torch_pruning

Importance = Literal["magnitude", "taylor", "norm"]
IMPORTANCES: tuple[Importance, ...] = ("taylor", "magnitude", "norm")
Loss = Callable[[Tensor, Tensor], Tensor]
"""Logits (B, L) and targets (B, L) -> a number."""
ENCODER = "encoder."
AT_ONCE = 8  # channels
BATCH = 16  # pictures of a gradient


class Channels(NamedTuple):
    """Channels that can go together."""

    layer: str
    """That makes them."""
    places: tuple[int, ...]
    """Theirs in it."""
    harm: float
    """What they matter, by the importance that was asked for."""
    cost: float
    """What goes with them, about, in what is aimed at."""


class Logits(nn.Module):
    """Normalized images -> logits: the part of a classifier that can lose channels, its pool one that can be traced."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.encoder = deepcopy(classifier.encoder)
        self.head = deepcopy(classifier.head)
        for group in list(self.head.modules()):
            for name, part in list(group.named_children()):
                if isinstance(part, AdaptivePool):
                    setattr(group, name, nn.AdaptiveAvgPool2d(part.side))
        self.requires_grad_(True).eval()

    def forward(self, images: Tensor) -> Tensor:
        features = self.encoder.features(images)
        logits: Tensor = self.head(features if getattr(self.head, "spatial", False) else features.mean((2, 3)))
        return logits


def choices(
    classifier: Classifier,
    pixels: Tensor,
    targets: Tensor,
    loss: Loss,
    importance: Importance = "taylor",
    at_once: int = AT_ONCE,
    unit: Unit = "macs",
) -> list[Channels]:
    """All that can be taken out, what matters least for its cost first; of a layer `at_once` channels always stay.

    `pixels` (B, H, W, 3) and `targets` (B, L) are training pictures, `loss` is what they are learned by, `unit` is that
    of the cost, which only `taylor` looks at. Raises BadRequest where the network has nothing that this importance
    looks at.
    """
    network = Logits(classifier)
    images = classifier.normalize(pixels[:1])
    score: Callable[[Any], Tensor | None]
    if importance == "taylor":
        score = Taylor(network, classifier, pixels, targets, loss)
    elif importance == "norm":
        score = torch_pruning.importance.BNScaleImportance()
    else:
        score = torch_pruning.importance.GroupMagnitudeImportance(p=2)
    cost = Costs(unit)
    with cost.watch(network.modules()), torch.no_grad():
        network(images)
    names = {module: name for name, module in network.named_modules()}
    found = []
    for group in groups(network, images):
        scores = score(group)
        if scores is None or len(scores) <= at_once:
            continue
        each = cost_of(group, cost) / len(scores)
        order = scores.argsort().tolist()
        stay = range((len(order) - 1) // at_once * at_once, 0, -at_once)  # how many do, after each choice
        gone = [0, *(len(order) - count for count in stay)]
        for first, last in pairwise(gone):
            some = order[first:last]
            harm = float(scores[some].sum())
            found.append(Channels(names[group[0].dep.target.module], tuple(some), harm, each * len(some)))
    if not found and importance == "norm":
        raise BadRequest("This network has no batch norms to rank its channels by; take --importance taylor.")
    # a change of the loss is worth its cost or not; the others only compare channels with the mean of their group
    return sorted(found, key=lambda choice: choice.harm / (max(choice.cost, 1) if importance == "taylor" else 1))


def without(classifier: Classifier, shape: Slim, gone: Sequence[Channels]) -> tuple[Classifier, Slim]:
    """The network without these channels, and its genotype; `shape` is that of `classifier`, which stays as it is."""
    if not gone:
        return deepcopy(classifier), shape
    network = Logits(classifier)
    layers = dict(network.named_modules())
    connections = connected(network, torch.zeros(2, *some_image(classifier, shape)))
    places: dict[str, list[int]] = {}
    for choice in gone:
        places.setdefault(choice.layer, []).extend(choice.places)
    for name, cut in places.items():
        prune = connections.get_pruner_of_module(layers[name]).prune_out_channels
        connections.get_pruning_group(layers[name], prune, sorted(cut)).prune()
    slimmer = replace(shape, channels=kept(network, classifier, shape))
    made = shaped(slimmer, classifier)
    made.encoder.load_state_dict(network.encoder.state_dict())
    made.head.load_state_dict(network.head.state_dict())
    return made, slimmer


def kept(network: Logits, classifier: Classifier, shape: Slim) -> dict[str, tuple[int, int]]:
    """The sides of all layers that are narrower than where everything began."""
    usual = slim.all_sides(weightless(lambda: slim.build(replace(shape, without=(), channels={}))))
    found = {name: sides for name, sides in slim.all_sides(network.encoder).items() if usual[name] != sides}
    if isinstance(network.head, nn.Linear):
        return found
    before = slim.all_sides(classifier.head)
    for name, sides in slim.all_sides(network.head).items():
        if sides != before[name] or HEAD + name in shape.channels:
            found[HEAD + name] = sides
    return found


def some_image(classifier: Classifier, shape: Slim) -> tuple[int, int, int]:
    """(colors, H, W) of what the encoder is built for."""
    side = slim.side(shape)
    return len(classifier.pixel_mean), side, side


def connected(network: Logits, images: Tensor) -> Any:
    """torch-pruning's graph of which layers hang together."""
    with warnings.catch_warnings(), torch.enable_grad():
        warnings.simplefilter("ignore")
        return torch_pruning.DependencyGraph().build_dependency(network, example_inputs=images)


def groups(network: Logits, images: Tensor) -> list[Any]:
    """Layers that can only lose channels together; what gives the logits loses none."""
    last = getattr(network.head, "output", network.head)
    return list(connected(network, images).get_all_groups([last], [nn.Conv2d, nn.Linear]))


def cost_of(group: Any, cost: Costs) -> float:
    """What would go with all channels of a group."""
    total = 0.0
    for dep, places in group:
        layer = dep.target.module
        if layer in cost:
            c_in, c_out = slim.sides(layer)
            total += len(places) * (cost[layer].reading / c_in if reads(dep) else cost[layer].making / c_out)
    return total


def reads(dep: Any) -> bool:
    """Whether a member of a group takes the channels, and does not make them."""
    return dep.handler in (torch_pruning.prune_conv_in_channels, torch_pruning.prune_linear_in_channels)


class Taylor:
    """How much the loss would change without a channel, to first order (Molchanov et al. 2019, arXiv:1906.10771).

    That is the sum of weight times gradient over all weights that read it; squared, and the mean over batches.
    """

    def __init__(self, network: Logits, classifier: Classifier, pixels: Tensor, targets: Tensor, loss: Loss) -> None:
        layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
        rows: dict[nn.Module, list[Tensor]] = {layer: [] for layer in layers}
        for some, wanted in zip(torch.split(pixels, BATCH), torch.split(targets, BATCH), strict=True):
            network.zero_grad()
            images = classifier.normalize(some).contiguous()  # channels-last, oneDNN may write where it must not
            loss(network(images), wanted).backward()  # type: ignore[no-untyped-call]
            for layer in layers:
                assert layer.weight.grad is not None
                change = (layer.weight.detach() * layer.weight.grad).sum(0)
                rows[layer].append(change.flatten(1).sum(1) if change.dim() > 1 else change)
        network.zero_grad()
        self.changes = {layer: torch.stack(row) for layer, row in rows.items()}  # (batches, c_in)

    def __call__(self, group: Any) -> Tensor | None:
        """(C,), or None where nothing reads the channels."""
        batches = len(next(iter(self.changes.values())))
        total = torch.zeros(batches, len(group[0].idxs))
        readers = 0
        for item in group:
            layer = item.dep.target.module
            if reads(item.dep) and layer in self.changes:
                readers += 1
                total.index_add_(1, torch.tensor(item.root_idxs), self.changes[layer][:, item.idxs])
        return total.square().mean(0) if readers else None
