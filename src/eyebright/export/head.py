"""Another head for an exported encoder: the graph up to `embedding` stays, what follows is written anew, in seconds.

Nothing here needs torch or runs the encoder. All heads are ONNX's own operators, so that they go wherever it goes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from eyebright.classifier.fitted import Head, Kernel, Linear, Neighbors, Quadratic, Trees
from eyebright.errors import BadModelFile
from eyebright.modelfile import Task

OPSET, IR_VERSION = 20, 10  # as the exporter's
OLDEST_OPSET = 18  # in which the operators used here mean what they mean now
ALMOST_NOTHING = np.float32(1e-8)
"""The share of votes that stands for none, whose logarithm would be infinite."""


def with_head(
    model: ModelProto, weight: NDArray[Any], bias: NDArray[Any], task: Task, temperature: float = 1.0
) -> ModelProto:
    """The same encoder with a linear head of weight (L, D) and bias (L,), another task and other labels perhaps.

    They stand in the file as `head.weight`, `head.bias` and `temperature`. Raises BadModelFile where the graph has no
    `embedding` of D numbers. `model` stays as it is; the result has no metadata, since the old would not be true.
    """
    return with_fitted(model, Linear(np.asarray(weight, np.float32), np.asarray(bias, np.float32)), task, temperature)


def with_fitted(model: ModelProto, head: Head, task: Task, temperature: float = 1.0) -> ModelProto:
    """As `with_head`, with any head that `traditional.fit` gives."""
    found = [output for output in model.graph.output if output.name == "embedding"]
    if not found:
        raise BadModelFile("This model gives no `embedding` for a head to look at; export its encoder anew.")
    width = found[0].type.tensor_type.shape.dim[-1].dim_value
    if width != head.num_features:
        raise BadModelFile(f"This model's embedding has {width} numbers; the head is for {head.num_features}.")
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if opset < OLDEST_OPSET:
        raise BadModelFile(f"This model is for operator set {opset}; a head needs {OLDEST_OPSET}: export it anew.")
    changed = ModelProto()
    changed.CopyFrom(model)
    del changed.metadata_props[:]
    graph = changed.graph
    for output in graph.output:
        if output.name in ("scores", "logits"):
            output.type.tensor_type.shape.dim[1].dim_value = head.num_labels
    keep_what_is_needed(graph, [output.name for output in graph.output if output.name not in ("scores", "logits")])
    graph.MergeFrom(written(head, task, temperature))
    onnx.checker.check_model(changed)
    return changed


def logits_of(head: Head, embeddings: NDArray[np.float32], task: Task) -> NDArray[np.float32]:
    """(N, D) -> (N, L): what the head's graph says of embeddings that were computed before."""
    graph = written(head, task, 1.0)
    graph.name = "head"
    graph.input.append(helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", head.num_features]))
    graph.output.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", head.num_labels]))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found: list[NDArray[np.float32]] = session.run(["logits"], {"embedding": embeddings.astype(np.float32)})
    return found[0]


def keep_what_is_needed(graph: onnx.GraphProto, outputs: Sequence[str]) -> None:
    """Take out nodes and constants that none of the outputs depends on."""
    needed = set(outputs)
    nodes = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            nodes.append(node)
    tensors = [tensor for tensor in graph.initializer if tensor.name in needed]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(reversed(nodes))
    graph.initializer.extend(tensors)


def written(head: Head, task: Task, temperature: float) -> onnx.GraphProto:
    """The nodes from `embedding` to `logits` and `scores`, and the constants that they use."""
    part = Part()
    if isinstance(head, Linear):
        write_linear(head, part)
    elif isinstance(head, Quadratic):
        write_quadratic(head, part)
    elif isinstance(head, Kernel):
        write_kernel(head, part)
    elif isinstance(head, Neighbors):
        write_votes(neighbors_votes(head, part), task, part)
    else:
        write_votes(trees_votes(head, part), task, part)
    part.graph.initializer.append(numpy_helper.from_array(np.array(temperature, np.float32), "temperature"))
    calibrated = part.node("Div", "logits", "temperature", name="head.calibrated")
    if task == "multi":
        part.node("Sigmoid", calibrated, name="head.sigmoid", output="scores")
    else:
        part.node("Softmax", calibrated, name="head.softmax", output="scores", axis=1)
    return part.graph


class Part:
    """A graph on its way: each call adds a node or a constant and gives the name of what it makes."""

    def __init__(self) -> None:
        self.graph = onnx.GraphProto()

    def node(self, operator: str, *inputs: str, name: str = "", output: str = "", **attributes: Any) -> str:
        name = name or f"head.{operator.lower()}.{len(self.graph.node)}"
        self.graph.node.append(helper.make_node(operator, inputs, [output or name], name, **attributes))
        return output or name

    def constant(self, name: str, value: NDArray[Any] | np.generic) -> str:
        self.graph.initializer.append(numpy_helper.from_array(np.asarray(value), f"head.{name}"))
        return f"head.{name}"


def write_linear(head: Linear, part: Part) -> None:
    """Only here are the constants called `weight` and `bias`: this head can be exchanged for another matrix."""
    weight, bias = part.constant("weight", head.weight), part.constant("bias", head.bias)
    part.node("Gemm", "embedding", weight, bias, name="head", output="logits", transB=1)


def write_quadratic(head: Quadratic, part: Part) -> None:
    x = part.node("Sub", "embedding", part.constant("center", head.center))
    weight, offset = part.constant("straight", head.weight), part.constant("offset", head.bias)
    straight = part.node("Gemm", x, weight, offset, transB=1)
    bent = part.node("Gemm", part.node("Mul", x, x), part.constant("square", head.square), transB=1)
    part.node("Add", straight, bent, output="logits")


def write_kernel(head: Kernel, part: Part) -> None:
    """|x - p|^2 = |x|^2 - 2 x p + |p|^2, for all points p in one product."""
    x = part.node("Sub", "embedding", part.constant("center", head.center))
    x = part.node("Mul", x, part.constant("scale", head.scale))
    points, lengths = part.constant("points", head.points), part.constant("lengths", (head.points**2).sum(1))
    distances = part.node("Gemm", x, points, lengths, alpha=-2.0, transB=1)
    own = part.node("ReduceSum", part.node("Mul", x, x), part.constant("axis", np.array([1])))
    distances = part.node("Add", distances, own)
    near = part.node("Exp", part.node("Mul", distances, part.constant("gamma", np.float32(-head.gamma))))
    mix, offset = part.constant("mix", head.weight), part.constant("offset", head.bias)
    part.node("Gemm", near, mix, offset, output="logits", transB=1)


def neighbors_votes(head: Neighbors, part: Part) -> str:
    """(N, L): the mean of the targets of the k points in the most similar directions."""
    similar = part.node("Gemm", "embedding", part.constant("points", head.points), transB=1)
    part.node("TopK", similar, part.constant("k", np.array([head.k])), name="head.similarity")
    part.graph.node[-1].output.append("head.nearest")
    targets = part.node("Gather", part.constant("targets", head.targets), "head.nearest")  # (N, k, L)
    return part.node("ReduceMean", targets, part.constant("axis", np.array([1])), keepdims=0)


def trees_votes(head: Trees, part: Part) -> str:
    """(N, L): all trees are walked at once, a level a step; a leaf leads to itself."""
    feature, threshold = part.constant("feature", head.feature), part.constant("threshold", head.threshold)
    left, right = part.constant("left", head.left), part.constant("right", head.right)
    at = part.constant("roots", head.roots[None])  # (1, T), and (N, T) after the first step
    for level in range(head.depth):
        looked_at = part.node("Gather", feature, at)
        if level == 0:
            value = part.node("Gather", "embedding", part.constant("first", head.feature[head.roots]), axis=1)
        else:
            value = part.node("GatherElements", "embedding", looked_at, axis=1)
        goes_left = part.node("LessOrEqual", value, part.node("Gather", threshold, at))
        at = part.node("Where", goes_left, part.node("Gather", left, at), part.node("Gather", right, at))
    votes = part.node("Gather", part.constant("votes", head.votes), at)  # (N, T, L)
    return part.node("ReduceMean", votes, part.constant("axis", np.array([1])), keepdims=0)


def write_votes(votes: str, task: Task, part: Part) -> None:
    """Shares in 0..1 as logits: their activation at temperature 1 gives the shares back."""
    floor = part.constant("floor", ALMOST_NOTHING)
    if task != "multi":
        part.node("Log", part.node("Max", votes, floor), output="logits")
        return
    against = part.node("Sub", part.constant("one", np.float32(1)), votes)
    logs = [part.node("Log", part.node("Max", side, floor)) for side in (votes, against)]
    part.node("Sub", *logs, output="logits")
