"""How large a network is, measured: one forward pass without data, on torch's meta device, watched layer by layer."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

Made = TypeVar("Made")


class Counts(NamedTuple):
    num_parameters: int
    num_macs: int  # multiply-adds for one image, of convolutions and dense layers, as papers count them
    size_bytes: int  # of the parameters, as they are stored


class Layer(NamedTuple):
    """One line of a network's description, in the order in which an image meets the layers."""

    name: str  # of the module, as in the state dict
    what: str  # "convolution 3 x 3, stride 2"
    shape: tuple[int, ...]  # of what leaves it, for one image: (C, h, w) or (D,)
    num_parameters: int
    num_macs: int


def weightless(make: Callable[[], Made]) -> Made:
    """What `make` makes, on the meta device: at once and without memory, and only to be counted."""
    with torch.device("meta"):
        return make()


def count(network: nn.Module, shape: tuple[int, ...]) -> Counts:
    """What a network in use has and does; `shape` is that of one image as it takes it, (colors, H, W) of an encoder.

    What only training uses, as GoogLeNet's auxiliary heads, is not met and does not count.
    """
    rows = layers(network, shape)
    values = sum(row.num_parameters for row in rows)
    stored = next(network.parameters(), torch.empty(0)).element_size()
    return Counts(values, sum(row.num_macs for row in rows), values * stored)


def layers(network: nn.Module, shape: tuple[int, ...]) -> list[Layer]:
    """Every layer that an image of this shape passes; `network` stays as it is."""
    rows: list[Layer] = []
    met: set[nn.Module] = set()

    def watch(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def note(layer: nn.Module, _: Any, output: Tensor) -> None:
            values = 0 if layer in met else sum(weight.numel() for weight in layer.parameters())
            met.add(layer)
            rows.append(Layer(name, describe(layer), tuple(output.shape[1:]), values, macs(layer, output)))

        return note

    watched = deepcopy(network).to("meta").eval()
    for name, module in watched.named_modules():
        if not list(module.children()) and not isinstance(module, nn.Identity):
            module.register_forward_hook(watch(name))
    kind = next(watched.parameters(), torch.empty(0)).dtype
    with torch.no_grad():
        watched(torch.empty(1, *shape, dtype=kind, device="meta"))
    return rows


def macs(layer: nn.Module, output: Tensor) -> int:
    """Multiply-adds of a layer that gave this output, (1, C, h, w) or (1, D)."""
    if isinstance(layer, nn.Conv2d):
        return layer.weight.numel() * output.shape[2] * output.shape[3]
    return layer.weight.numel() if isinstance(layer, nn.Linear) else 0


def describe(layer: nn.Module) -> str:
    """A layer in words.

    >>> describe(nn.Conv2d(8, 8, (1, 7), stride=2, groups=8)), describe(nn.MaxPool2d(3)), describe(nn.ReLU6())
    ('convolution 1 x 7, stride 2, each channel alone', 'max pool 3 x 3, stride 3', 'ReLU6')
    """
    if isinstance(layer, nn.Conv2d):
        alone = layer.groups == layer.in_channels > 1
        groups = ", each channel alone" if alone else f", {layer.groups} groups" if layer.groups > 1 else ""
        return f"convolution {window(layer.kernel_size)}{strides(layer.stride)}{groups}"
    if isinstance(layer, nn.MaxPool2d | nn.AvgPool2d):
        kind = "max" if isinstance(layer, nn.MaxPool2d) else "mean"
        return f"{kind} pool {window(layer.kernel_size)}{strides(layer.stride)}"
    names = {nn.BatchNorm2d: "batch norm", nn.Linear: "dense", nn.AdaptiveAvgPool2d: "mean over places"}
    return names.get(type(layer), type(layer).__name__)


def window(sides: int | tuple[int, ...]) -> str:
    rows, columns = (sides, sides) if isinstance(sides, int) else sides
    return f"{rows} x {columns}"


def strides(steps: int | tuple[int, ...]) -> str:
    step = steps if isinstance(steps, int) else max(steps)
    return f", stride {step}" if step > 1 else ""
