"""bf16 on processors: faster, except where torch has no quick way to learn in it.

Convolutions of one channel each (depthwise) with a stride or a large kernel take four times as long backwards in bf16
as in float32 (torch 2.13, oneDNN), so these few stay in float32.
"""

from types import MethodType

import torch
from torch import Tensor, nn


def keep_in_float32(network: nn.Module) -> None:
    """Let the convolutions that are slow in bf16 compute in float32 whatever autocast says."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d) and layer.groups > 1 and (max(layer.kernel_size) > 3 or max(layer.stride) > 1):
            layer.forward = MethodType(_in_float32, layer)  # type: ignore[method-assign]


def _in_float32(layer: nn.Conv2d, images: Tensor) -> Tensor:
    with torch.autocast(images.device.type, enabled=False):
        return nn.Conv2d.forward(layer, images.float())


def computes_bf16() -> bool:
    """Whether this processor multiplies in bf16 by itself; where it does not, bf16 is slower than float32."""
    capability = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(capability.get("avx512_bf16") or capability.get("amx_bf16") or capability.get("bf16"))
