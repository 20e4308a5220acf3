"""Learned rounding: an int8 network imitates the float one that it was made from, and its weights move by a step or so.

Quantization-aware fine-tuning with a teacher (as in arXiv:1806.08342 and 2004.10568): what is rounded passes gradients
on, ranges stay, and nothing but pictures is needed. It works on the graph, whatever network that is.
"""

import math
import time

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, numpy_helper
from torch import Tensor

from eyebright.evaluation import calibration
from eyebright.export.network import Network
from eyebright.modelfile import Task
from eyebright.runtime import cores
from eyebright.training.distill import imitation
from eyebright.training.events import Progress, Said, Tell

BATCH = 16
RATE = 0.01
"""Of weights, in steps of their rounding: over a few hundred updates most stay where they are."""
BIASES = 100.0
"""As many times faster, since a step of theirs is so much finer."""
TRIAL = 2  # updates that tell how many fit in the time


def learned(
    model: ModelProto, small: ModelProto, pixels: NDArray[np.uint8], task: Task, seconds: float, tell: Tell
) -> ModelProto:
    """`small`, the int8 form of `model`, with weights that were moved for `seconds` on pictures (N, H, W, 3)."""
    torch.set_num_threads(cores())
    network = Network(small)
    weights, biases = latent(model, small)
    optimizer = torch.optim.Adam(
        [{"params": list(weights.values()), "factor": 1.0}, {"params": list(biases.values()), "factor": BIASES}],
        betas=(0.9, 0.99),
    )
    both = [pixels, pixels[:, :, ::-1]]
    teacher = [torch.from_numpy(scores(model, some, task)).float() for some in both]
    random = np.random.default_rng(0)
    began, steps, step = time.monotonic(), TRIAL, 0
    while step < steps:
        places, side = random.integers(len(pixels), size=BATCH), int(random.integers(2))
        batch = torch.from_numpy(np.ascontiguousarray(both[side][places]))
        share = min(step / max(steps, 2 * TRIAL), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = RATE * group["factor"] * (0.5 + 0.5 * math.cos(math.pi * share))
        loss = distance(network, batch, teacher[side][places], weights, biases, task)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        step += 1
        spent = time.monotonic() - began
        if step == TRIAL:
            steps = max(int(seconds / (spent / TRIAL)), TRIAL)
            tell(Said(f"{steps:,} updates fit into the {seconds:.0f} s in which the rounding may learn."))
        left_s = (steps - step) * spent / step
        tell(Progress(step, steps, step * BATCH / len(pixels), float(loss.detach()), 0.0, BATCH * step / spent, left_s))
    return written(small, weights, biases)


def scores(model: ModelProto, pixels: NDArray[np.uint8], task: Task) -> NDArray[np.float64]:
    from eyebright.compression.int8 import run

    return calibration.activate(run(model, np.ascontiguousarray(pixels)), task)


def latent(model: ModelProto, small: ModelProto) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weights and biases in steps of their rounding, not rounded, by the names of their int8 and int32 forms."""
    whole = {tensor.name: tensor for tensor in model.graph.initializer}
    held = {tensor.name: tensor for tensor in small.graph.initializer}
    weights: dict[str, Tensor] = {}
    biases: dict[str, Tensor] = {}
    for node in small.graph.node:
        if node.op_type != "DequantizeLinear" or node.input[0] not in held:
            continue
        name = node.input[0]
        source = whole.get(name.removesuffix("_quantized"))
        if source is None:
            continue
        values = torch.from_numpy(np.array(numpy_helper.to_array(source)))
        scale = torch.from_numpy(np.array(numpy_helper.to_array(held[node.input[1]])))
        axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 1)
        if scale.ndim and values.ndim > 1:
            shape = [1] * values.ndim
            shape[axis] = -1
            scale = scale.reshape(shape)
        kind = weights if held[name].data_type == TensorProto.INT8 else biases
        kind[name] = (values / scale).requires_grad_()
    return weights, biases


def distance(
    network: Network,
    pixels: Tensor,
    taught: Tensor,
    weights: dict[str, Tensor],
    biases: dict[str, Tensor],
    task: Task,
) -> Tensor:
    """How far the small network's scores are from the teacher's (B, L), in nats."""
    rounded = {name: (value + (value.round() - value).detach()).clamp(-127, 127) for name, value in weights.items()}
    logits = network(pixels, rounded | biases)["logits"]
    return imitation(logits, taught, task, 1.0).mean()


def written(small: ModelProto, weights: dict[str, Tensor], biases: dict[str, Tensor]) -> ModelProto:
    """A copy with what was learned, rounded."""
    changed = ModelProto()
    changed.CopyFrom(small)
    for tensor in changed.graph.initializer:
        if tensor.name in weights:
            value = weights[tensor.name].detach().round().clamp(-127, 127).numpy().astype(np.int8)
        elif tensor.name in biases:
            value = biases[tensor.name].detach().round().numpy().astype(np.int32)
        else:
            continue
        tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))
    return changed
