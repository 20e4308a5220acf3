"""How layers compute on processors, where torch's quickest way does not do (torch 2.13, oneDNN).

bf16 is faster, but convolutions of one channel each (depthwise) with a stride or a large kernel take four times as long
backwards in it as in float32, so these few stay in float32.

In float32 the gradient of a strided 1 x 1 convolution that fewer than 16 channels enter is written past the end of its
memory, where maps are channels-last: a large one ends the process. Such a layer takes its places first.
"""

from types import MethodType

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def keep_in_float32(network: nn.Module) -> None:
    """Let the convolutions that are slow in bf16 compute in float32 whatever autocast says."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d) and layer.groups > 1 and (max(layer.kernel_size) > 3 or max(layer.stride) > 1):
            layer.forward = MethodType(_in_float32, layer)  # type: ignore[method-assign]


def _in_float32(layer: nn.Conv2d, images: Tensor) -> Tensor:
    with torch.autocast(images.device.type, enabled=False):
        return nn.Conv2d.forward(layer, images.float())


def take_places_first(network: nn.Module) -> None:
    """Let strided 1 x 1 convolutions of few channels learn as ones without a stride, of the places that count."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d) and max(layer.stride) > 1 == max(layer.kernel_size) and layer.in_channels < 16:
            layer.forward = MethodType(_of_places, layer)  # type: ignore[method-assign]


def _of_places(layer: nn.Conv2d, images: Tensor) -> Tensor:
    if not layer.training:
        return nn.Conv2d.forward(layer, images)
    down, across = layer.stride
    return F.conv2d(images[:, :, ::down, ::across], layer.weight, layer.bias, groups=layer.groups)


def computes_bf16() -> bool:
    """Whether this processor multiplies in bf16 by itself; where it does not, bf16 is slower than float32."""
    capability = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(capability.get("avx512_bf16") or capability.get("amx_bf16") or capability.get("bf16"))
