"""A network as a model file that can be measured, and is good for nothing else."""

from collections.abc import Sequence

from eyebright import modelfile, selftest
from eyebright.classifier import Classifier
from eyebright.export.onnx import to_onnx
from eyebright.export.sides import free_sides
from eyebright.modelfile import Head, Input, Label, Metadata, ModelFile


def stand_in(classifier: Classifier, labels: Sequence[Label], size: int, name: str, free: bool = False) -> ModelFile:
    """For pictures of `size` pixels; `free`: height and width are left open, which takes a little longer."""
    about = Metadata(
        format=1,
        name=name,
        task=classifier.task,
        labels=tuple(labels),
        input=Input(size=size),
        temperature="temperature",
        head=Head(*classifier.head_names),
        golden=selftest.placeholder(size, len(labels)),
    )
    graph = to_onnx(classifier.eval(), size)
    if free:
        free_sides(graph)
    return modelfile.from_bytes(selftest.seal(graph, about), name)
