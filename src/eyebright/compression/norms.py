"""Batch norms of a network that is about to lose channels, or has lost some.

A norm that came folded, or from other pictures, says nothing of how large its channels are. `settle` writes it anew
with the statistics that it meets, and changes no answer. After channels are gone, `recalibrate` measures them again:
each channel then has the mean and the spread that it had before.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from eyebright.classifier import Classifier

TOGETHER = 32  # pictures at a time
STILL = 1e-8
"""A channel whose variance is below this says the same of every picture; its norm stays as it is."""


def norms(network: nn.Module) -> dict[str, nn.BatchNorm2d]:
    return {name: module for name, module in network.named_modules() if isinstance(module, nn.BatchNorm2d)}


@torch.no_grad()
def settle(classifier: Classifier, pixels: Tensor) -> None:
    """Give every norm the mean and variance of what enters it from pictures (B, H, W, 3), and the same answers."""
    sums: dict[nn.BatchNorm2d, list[Tensor]] = {}

    def note(norm: nn.Module, given: Any, _: Tensor) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        variance, mean = (part.double() for part in torch.var_mean(given[0], (0, 2, 3), correction=0))
        places = given[0].numel() / given[0].shape[1]
        new = [mean * places, (variance + mean.square()) * places, torch.tensor(places)]
        sums[norm] = [a + b for a, b in zip(sums[norm], new, strict=True)] if norm in sums else new

    with watched(norms(classifier.encoder).values(), note):
        classifier.eval()
        show(classifier, pixels)
    for norm, (total, squares, count) in sums.items():
        mean = total / count
        variance = (squares / count - mean.square()).clamp(min=0)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        gain = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        moves = variance > STILL
        bias = norm.bias.double() + gain * (mean - norm.running_mean.double())
        norm.bias.copy_(torch.where(moves, bias, norm.bias.double()))
        norm.weight.copy_(torch.where(moves, gain * (variance + norm.eps).sqrt(), norm.weight.double()))
        norm.running_mean.copy_(torch.where(moves, mean, norm.running_mean.double()))
        norm.running_var.copy_(torch.where(moves, variance, norm.running_var.double()))


@torch.no_grad()
def recalibrate(classifier: Classifier, pixels: Tensor) -> None:
    """Measure the statistics of every norm again, on pictures (B, H, W, 3)."""
    found = norms(classifier.encoder).values()
    kept = [(norm, norm.momentum) for norm in found]
    classifier.eval()
    for norm in found:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
        norm.train()
    show(classifier, pixels)
    classifier.eval()
    for norm, momentum in kept:
        norm.momentum = momentum


def show(classifier: Classifier, pixels: Tensor) -> Tensor:
    """Logits (B, L) of pictures (B, H, W, 3)."""
    return torch.cat([classifier(some).logits for some in torch.split(pixels, TOGETHER)])


@contextmanager
def watched(modules: Any, note: Callable[[nn.Module, Any, Tensor], None]) -> Iterator[None]:
    """`note` hears what enters and leaves each of these modules."""
    hooks = [module.register_forward_hook(note) for module in modules]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
