"""Lets torchvision import beside a CPU build of torch, whose operators it does not find: import this first."""

import torch

_OPERATORS = torch.library.Library("torchvision", "DEF")  # kept for the life of the process
for _name in ("nms", "qnms"):
    _OPERATORS.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
