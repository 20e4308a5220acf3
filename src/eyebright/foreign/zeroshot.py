"""A head of texts: what makes a classifier of an image encoder that was trained together with a text encoder."""

from dataclasses import dataclass
from pathlib import Path

from onnx import GraphProto, TensorProto, helper, numpy_helper

from eyebright.errors import BadModelFile
from eyebright.runtime import Floats

IMAGE_OUTPUTS = ("image_embeds", "pooler_output")


@dataclass(frozen=True)
class ZeroShot:
    """logits (N, L) = unit(embedding) (N, D) times weights (D, L): cosines to the texts of labels, times a scale."""

    weights: Floats

    def put_on(self, graph: GraphProto, path: Path) -> None:
        """The graph's only output becomes the logits; what goes into the product has length 1. Raises BadModelFile."""
        output, width = find_embedding(graph, IMAGE_OUTPUTS, path)
        expected, labels = self.weights.shape
        if width not in (0, expected):
            raise BadModelFile(
                f"{path}: its embeddings have {width} numbers, those of texts {expected}: these are not the two "
                "encoders of one model, or not with their projections."
            )
        graph.initializer.append(numpy_helper.from_array(self.weights, "texts"))
        graph.node.extend(
            [
                helper.make_node("Cast", [output], ["embedding.float32"], to=TensorProto.FLOAT),
                helper.make_node("LpNormalization", ["embedding.float32"], ["embedding.unit"], axis=1, p=2),
                helper.make_node("MatMul", ["embedding.unit", "texts"], ["zero_shot"]),
            ]
        )
        del graph.output[:]
        graph.output.append(helper.make_tensor_value_info("zero_shot", TensorProto.FLOAT, ["N", labels]))


def find_embedding(graph: GraphProto, names: tuple[str, ...], path: Path) -> tuple[str, int]:
    """The first of some outputs that a graph has, and its width (0: not stated). Raises BadModelFile."""
    found = {value.name: value.type.tensor_type.shape.dim for value in graph.output}
    name = next((name for name in names if name in found), None)
    if name is None:
        raise BadModelFile(f"{path}: it gives {', '.join(found)}, and no embedding ({' or '.join(names)}).")
    dims = found[name]
    if len(dims) not in (0, 2):
        raise BadModelFile(f"{path}: its output {name!r} has {len(dims)} dimensions; an embedding has 2 (N, D).")
    return name, dims[1].dim_value if dims else 0
