"""Small classifiers as other tools write them: conv, relu, pooled, dense, and each tool's habits around that."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 8
LABELS = ("ant", "bee", "cow", "dog", "elk")
Pixels = npt.NDArray[np.uint8]


def pictures(count: int = 3, side: int = SIDE) -> Pixels:
    return np.random.default_rng(5).integers(0, 256, (count, side, side, 3)).astype(np.uint8)


class Graph:
    """A graph under construction: `add` appends a node behind the last one, or behind those that are named."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.numbers: list[Any] = []
        self.random = np.random.default_rng(3)
        self.at = "input"

    def number(self, values: npt.ArrayLike, name: str | None = None) -> str:
        name = name or f"number{len(self.numbers)}"
        self.numbers.append(numpy_helper.from_array(np.array(values), name))
        return name

    def weight(self, *shape: int, type: Any = np.float32) -> str:
        return self.number(self.random.normal(0, 0.6, shape).astype(type))

    def add(self, operator: str, *more: str, to: str | None = None, first: str | None = None, **how: Any) -> str:
        to = to or f"{operator.lower()}{len(self.nodes)}"
        attributes = {key.rstrip("_"): value for key, value in how.items()}
        self.nodes.append(helper.make_node(operator, [first or self.at, *more], [to], **attributes))
        self.at = to
        return to

    def body(self, type: Any = np.float32) -> "Graph":
        """(N, 3, H, W) -> (N, 6, 1, 1)."""
        self.add("Conv", self.weight(6, 3, 3, 3, type=type), self.weight(6, type=type))
        self.add("Relu")
        self.add("GlobalAveragePool")
        return self

    def head(self, count: int = len(LABELS), type: Any = np.float32) -> "Graph":
        """(N, 6, 1, 1) -> (N, count); its input is the tensor `embedding`."""
        self.add("Flatten", axis=1, to="embedding")
        self.add("Gemm", self.weight(6, count, type=type), self.weight(count, type=type), to="logits")
        return self

    def model(
        self,
        shape: tuple[Any, ...] = ("N", 3, SIDE, SIDE),
        type: int = TensorProto.FLOAT,
        outputs: tuple[str, ...] = (),
        opset: int = 17,
        metadata: dict[str, str] | None = None,
        old: bool = False,
    ) -> onnx.ModelProto:
        """`old`: IR 3, where initializers are inputs as well."""
        inputs = [helper.make_tensor_value_info("input", type, shape)]
        if old:
            inputs += [helper.make_tensor_value_info(n.name, n.data_type, n.dims) for n in self.numbers]
        out = TensorProto.FLOAT if type == TensorProto.UINT8 else type
        ends = [helper.make_tensor_value_info(name, out, None) for name in outputs or (self.at,)]
        graph = helper.make_graph(self.nodes, "small", inputs, ends, self.numbers)
        opsets = [helper.make_opsetid("", opset)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=3 if old else 8, producer_name="tests")
        helper.set_model_props(model, metadata or {})
        return model


def saved(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "foreign.onnx"
    path.write_bytes(model.SerializeToString())
    return path
