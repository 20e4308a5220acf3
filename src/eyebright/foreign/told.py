"""What is known of a foreign classifier: what the user says, else what its file tells, else a guess; each is said."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx import GraphProto, ModelProto, TensorProto

from eyebright import gate
from eyebright.errors import BadModelFile, BadRequest
from eyebright.foreign.back import before_activation, before_head, find_output
from eyebright.foreign.choices import Activation, Choices, Layout
from eyebright.foreign.front import find_image, layout_and_size, normalization
from eyebright.foreign.names import told_names
from eyebright.foreign.zeroshot import ZeroShot
from eyebright.modelfile import KEY, Head

OLDEST_OPSET = 7
"""From here on operators broadcast as numpy does."""


@dataclass(kw_only=True)
class Told:
    """A foreign graph and what is known of it."""

    model: ModelProto
    image: str
    """The input; its tensor type is `element`, its number of pictures `batch` (0: free)."""
    element: int
    batch: int
    layout: Layout
    size: int
    fixed_size: bool
    mean: npt.NDArray[np.float64]
    """(3,), in units of 0..255; 0 and 1 where the graph normalizes by itself."""
    std: npt.NDArray[np.float64]
    crop: float
    logits: str
    """The tensor before the last activation; the scores where nothing better is known."""
    activation: Activation | None
    """Of its own; None: it ends without one."""
    embedding: str | None
    pooled: bool
    """The embedding is rows; else it is a map to be pooled, as the last layer is a convolution."""
    head: Head | None
    names: Sequence[str] | None
    precision: Literal["float32", "int8", "mixed"]
    remarks: list[str] = field(default_factory=list)


def learn(path: Path, choices: Choices, zero_shot: ZeroShot | None = None) -> Told:
    """Read a foreign file, of an encoder with a head put on it. Raises BadModelFile, BadRequest."""
    model, contents = load(path)
    _must_see_pictures_alone(contents, path)
    metadata = {key: value.decode("utf-8", "replace") for key, value in contents.metadata.items()}
    ultralytics = "imgsz" in metadata or "stride" in metadata
    if ultralytics and metadata.get("task", "classify") != "classify":
        raise BadModelFile(f"{path}: an Ultralytics model for {metadata['task']!r}, not for 'classify'.")
    graph = model.graph
    _constants_to_initializers(graph)
    if zero_shot:
        zero_shot.put_on(graph, path)
    remarks: list[str] = []
    image = find_image(graph, path)
    kind = image.type.tensor_type
    layout, size = layout_and_size(graph, image, choices, metadata, remarks, path)
    names = choices.label_names or told_names(metadata)
    if names and not choices.label_names:
        remarks.append(f"labels: {len(names)}, as its metadata has them (--labels)")
    keras = layout == "nhwc"
    mean, std = normalization(graph, image, choices, "0..1" if ultralytics else "-1..1" if keras else "", remarks)
    crop = choices.crop
    if crop is None:
        crop = 1.0 if ultralytics else 0.0 if keras else 0.875
        seen = {0.0: "the whole picture, stretched", 1.0: "the centered square"}
        how = "as Ultralytics has it" if ultralytics else "a guess"
        remarks.append(f"crop: {seen.get(crop, f'the middle {crop:.1%} of the shorter side')}, {how} (--crop)")
    output = find_output(graph, len(names) if names else None, remarks, path)
    logits, activation = before_activation(graph, output)
    embedding, pooled, head = before_head(graph, logits)
    where = "what goes into the last layer" + (", pooled" if not pooled else "")
    remarks.append(f"embedding: {where if embedding else 'not found, so search and teaching have nothing to go by'}")
    return Told(
        model=model,
        image=image.name,
        element=kind.elem_type,
        batch=kind.shape.dim[0].dim_value,
        layout=layout,
        size=size,
        fixed_size=all(dim.dim_value for dim in list(kind.shape.dim)[1:]),
        mean=mean,
        std=std,
        crop=crop,
        logits=logits,
        activation=activation,
        embedding=embedding,
        pooled=pooled,
        head=head,
        names=names,
        precision=_precision(contents, graph),
        remarks=remarks,
    )


def load(path: Path) -> tuple[ModelProto, gate.Contents]:
    """A foreign graph that passed the gate and ONNX's own checker. Raises BadModelFile, BadRequest."""
    try:
        with path.open("rb") as file:
            data = file.read(gate.MAX_FILE_BYTES + 1)
        contents = gate.inspect(data)
        if KEY in contents.metadata:
            raise BadRequest(f"{path} is an Eyebright model file already.")
        model = onnx.load_model_from_string(data)
        del model.graph.value_info[:]
        for value in (*model.graph.input, *model.graph.output):
            value.type.tensor_type.shape.SetInParent()  # an unknown shape is no fault
        onnx.checker.check_model(model)
    except OSError as error:
        raise BadModelFile(f"{path}: {(error.strerror or str(error)).lower()}.") from None
    except BadModelFile as error:
        how = ""
        if "external data" in str(error):
            how = (
                " From torch: torch.onnx.export(..., external_data=False); of a file and its data side by side: "
                f"python -c \"import onnx; onnx.save(onnx.load('{path.name}'), 'whole.onnx')\""
            )
        raise BadModelFile(f"{path}: {error}{how}") from None
    except BadRequest:
        raise
    except Exception as error:  # protobuf's DecodeError and the checker's errors share no base
        raise BadModelFile(f"{path}: not a valid ONNX model: {(str(error).splitlines() or ['?'])[0][:300]}") from None
    if contents.opsets.get("", contents.opsets.get("ai.onnx", OLDEST_OPSET)) < OLDEST_OPSET:
        raise BadModelFile(f"{path}: its operator set is older than {OLDEST_OPSET}; export it for 11 to 20.")
    model.ir_version = min(max(model.ir_version, 4), 10)  # from 4 on initializers need not be inputs as well
    for node in model.graph.node:
        del node.metadata_props[:]  # torch writes paths of the exporting machine here
        node.ClearField("doc_string")
    return model, contents


def _must_see_pictures_alone(contents: gate.Contents, path: Path) -> None:
    if contents.operators["DynamicQuantizeLinear"]:
        raise BadModelFile(
            f"{path}: it is quantized dynamically, so a picture's scores depend on those beside it; import the float "
            "model, or quantize it statically."
        )


def _constants_to_initializers(graph: GraphProto) -> None:
    """Constant nodes with a tensor become initializers, so that there is one place to look for numbers."""
    kept = []
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            graph.initializer.append(node.attribute[0].t)
            graph.initializer[-1].name = node.output[0]
        else:
            kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)


def _precision(contents: gate.Contents, graph: GraphProto) -> Literal["float32", "int8", "mixed"]:
    if any(name.startswith("Q") or name.endswith("Integer") for name in contents.operators):
        return "int8"
    halves = any(tensor.data_type == TensorProto.FLOAT16 for tensor in graph.initializer)
    return "mixed" if halves else "float32"
