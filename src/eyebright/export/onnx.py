"""A classifier becomes a model file's graph: plain ONNX that any runtime reads, the same bytes every time.

    image uint8 (N, H, W, 3) -> scores (N, L), logits (N, L), embedding (N, D), features (N, C, h, w), float32

Normalization, temperature and activation are inside. Nodes and tensors carry the names of the modules that they come
from (`encoder.stage2.0.look.conv`), parameters those of the state dict (`head.weight`, `head.bias`, `temperature`).
"""

import ast
import logging
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from copy import deepcopy

import onnx
import torch
from onnx import ModelProto, NodeProto, numpy_helper
from torch import nn

from eyebright.classifier import Classifier

OPSET = 20  # what browsers and phones read, too
OUTPUTS = ("scores", "logits", "embedding", "features")


def to_onnx(classifier: Classifier, size: int) -> ModelProto:
    """The graph for pictures of `size` x `size` pixels and any number of them; `classifier` stays as it is."""
    network = deepcopy(classifier).cpu().eval()
    network.auxiliaries = nn.ModuleDict()
    fold_norms(network)
    state = network.state_dict()  # the tensors themselves
    values = {name: state[name].numpy().copy() for name in ("temperature", network.head_names[1]) if name in state}
    for name in values:  # the exporter would leave out a division by 1 and a bias of 0
        state[name].copy_(torch.arange(state[name].numel()).reshape(state[name].shape) + 0.5)
    with quiet():
        program = torch.onnx.export(
            network,
            (torch.zeros(2, size, size, 3, dtype=torch.uint8),),
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("N")},),
            input_names=["image"],
            output_names=OUTPUTS,
            opset_version=OPSET,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    for tensor in model.graph.initializer:
        if tensor.name in values:
            tensor.CopyFrom(numpy_helper.from_array(values[tensor.name], tensor.name))
    rename(model, network)
    strip(model)
    onnx.checker.check_model(model)
    return model


def fold_norms(network: nn.Module) -> None:
    """Every `norm` after a `conv` becomes part of it, computed in float64 so that all processors round alike."""
    for group in network.modules():
        layers = dict(group.named_children())
        conv, norm = layers.get("conv"), layers.get("norm")
        if not isinstance(conv, nn.Conv2d) or not isinstance(norm, nn.BatchNorm2d):
            continue
        assert norm.running_mean is not None
        assert norm.running_var is not None
        gain = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
        before = 0.0 if conv.bias is None else conv.bias.double()
        bias = norm.bias.double() + (before - norm.running_mean.double()) * gain
        conv.weight = nn.Parameter((conv.weight.double() * gain.reshape(-1, 1, 1, 1)).float())
        conv.bias = nn.Parameter(bias.float())
        group.norm = nn.Identity()


def rename(model: ModelProto, network: nn.Module) -> None:
    """Nodes and what they make are named by module; constants by their use (`encoder.stem.act.min`)."""
    graph = model.graph
    leaves = {name for name, module in network.named_modules() if not list(module.children())}
    fixed = {*network.state_dict(), *OUTPUTS, "image"}
    constants = {tensor.name for tensor in graph.initializer} - fixed
    names: dict[str, str] = {}  # from the exporter's to ours
    taken: set[str] = set()
    for node in graph.node:
        node.name = unused(place(node, leaves), taken)
        for slot, name in zip(onnx.defs.get_schema(node.op_type, OPSET).inputs, node.input, strict=False):
            if name in constants:
                names.setdefault(name, f"{node.name}.{slot.name}")
        for number, name in enumerate(node.output):
            if name not in fixed:
                names[name] = f"{node.name}.{number}" if number else node.name
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for tensor in graph.initializer:
        tensor.name = names.get(tensor.name, tensor.name)


def place(node: NodeProto, leaves: Collection[str]) -> str:
    """The module that a node comes from, followed by the operator if that module has others inside."""
    notes = {note.key: note.value for note in node.metadata_props}
    scopes: list[str] = ast.literal_eval(notes.get("pkg.torch.onnx.name_scopes", "['', '']"))
    module = scopes[-2]  # "", outer module, inner module, operation
    return module if module in leaves else f"{module}.{node.op_type.lower()}".removeprefix(".")


def unused(name: str, taken: set[str]) -> str:
    """`name`, or `name_2`, `name_3`, ... where it is taken; and takes it."""
    choice, count = name, 1
    while choice in taken:
        count += 1
        choice = f"{name}_{count}"
    taken.add(choice)
    return choice


def strip(model: ModelProto) -> None:
    """Take out what the exporter notes about itself: source lines, paths, shapes of everything."""
    model.producer_name, model.producer_version, model.doc_string = "eyebright", "", ""
    graph = model.graph
    graph.name, graph.doc_string = "classifier", ""
    del graph.value_info[:], graph.metadata_props[:], model.metadata_props[:]
    for part in (*graph.node, *graph.initializer, *graph.input, *graph.output):
        part.doc_string = ""
        del part.metadata_props[:]


@contextmanager
def quiet() -> Iterator[None]:
    """The exporter speaks to its developers; Eyebright's users have no use for it."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
