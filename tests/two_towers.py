"""A two-tower model made by hand, in the layout of exports: colors of pictures, and words for them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 8
WORDS = {"<pad>": (0, 0, 0), "<unk>": (0.01, 0.01, 0.01), "red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1)}
"""And the color that each stands for."""
COLORS = ["red", "green", "blue"]


def model(
    nodes: list[Any], inputs: dict[str, tuple[int, list[Any]]], output: str, width: int, **numbers: Any
) -> onnx.ModelProto:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "tower",
        [value(name, kind, sides) for name, (kind, sides) in inputs.items()],
        [value(output, TensorProto.FLOAT, ["N", width])],
        [numpy_helper.from_array(np.array(array), name) for name, array in numbers.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def vision(output: str = "image_embeds", width: int = 3, half: bool = False) -> onnx.ModelProto:
    """pixel_values (N, 3, H, W) -> the mean color (N, 3); further numbers are 0."""
    nodes = [
        helper.make_node("ReduceMean", ["pixel_values", "sides"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "turn"], [output]),
    ]
    kind, number = (TensorProto.FLOAT16, np.float16) if half else (TensorProto.FLOAT, np.float32)
    pixels = {"pixel_values": (kind, ["N", 3, "H", "W"])}
    made = model(nodes, pixels, output, width, sides=[2, 3], turn=np.eye(3, width, dtype=number))
    made.graph.output[0].type.tensor_type.elem_type = kind
    return made


def text(output: str = "text_embeds", length: Any = "T", masked: bool = True) -> onnx.ModelProto:
    """input_ids (N, T) and, where `masked`, attention_mask -> the sum of the colors of all words (N, 3)."""
    inputs = {"input_ids": (TensorProto.INT64, ["N", length])}
    nodes = [helper.make_node("Gather", ["colors", "input_ids"], ["words"])]
    if masked:
        inputs["attention_mask"] = (TensorProto.INT64, ["N", length])
        nodes += [
            helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["mask", "last"], ["mask.wide"]),
            helper.make_node("Mul", ["words", "mask.wide"], ["masked"]),
        ]
    nodes.append(helper.make_node("ReduceSum", ["masked" if masked else "words", "tokens"], [output], keepdims=0))
    return model(nodes, inputs, output, 3, colors=np.array([*WORDS.values()], np.float32), last=[2], tokens=[1])


def tokenizer() -> dict[str, Any]:
    """A word a token, as the library `tokenizers` writes it."""
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": {word: at for at, word in enumerate(WORDS)}, "unk_token": "<unk>"},
    }


CONFIG: dict[str, Any] = {"model_type": "clip", "text_config": {"max_position_embeddings": 16}}
PREPROCESSOR: dict[str, Any] = {
    "do_center_crop": True,
    "crop_size": {"height": SIDE, "width": SIDE},
    "size": {"shortest_edge": SIDE},
    "resample": 3,
    "image_mean": [0, 0, 0],
    "image_std": [1, 1, 1],
}
TOKENS: dict[str, Any] = {"model_max_length": 12, "pad_token": "<pad>"}


def write(folder: Path, **other: Any) -> Path:
    """A folder as it is exported; `other` are files by their names without an ending: bytes, JSON, a graph or None."""
    files: dict[str, Any] = {
        "config": CONFIG,
        "preprocessor_config": PREPROCESSOR,
        "tokenizer_config": TOKENS,
        "tokenizer": tokenizer(),
        "vision_model": vision(),
        "text_model": text(),
        **other,
    }
    (folder / "onnx").mkdir(parents=True)
    for name, content in files.items():
        path = folder / "onnx" / f"{name}.onnx" if name.endswith("_model") else folder / f"{name}.json"
        if isinstance(content, onnx.ModelProto):
            content = content.SerializeToString()
        if content is not None:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return folder
