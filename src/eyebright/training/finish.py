"""The end of a training: graph and validation logits become a model file that knows how sure it may be.

temperature and thresholds from the validation split -> metadata -> golden self-test -> figures of the file itself, on
the test split where there is one.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper

from eyebright import modelfile, selftest
from eyebright.data import Dataset
from eyebright.data.dataset import Split
from eyebright.errors import BadModelFile, BadPicture
from eyebright.evaluation import calibration, metrics, thresholds
from eyebright.evaluation.answers import ask
from eyebright.modelfile import Card, Figure, Head, Input, Metadata
from eyebright.runtime import open_runtime

Floats = NDArray[np.float32]
TOLERANCE = 1e-4
ALIKE = 8  # pictures on which the file is compared with what it was made from


class Finished(NamedTuple):
    data: bytes
    metadata: Metadata
    scores: Floats  # (N, L) of the split that was reported on
    split: Split


def finish(
    graph: ModelProto,
    data: Dataset,
    logits: Mapping[Split, Floats],
    spec: Input,
    card: Card,
    file_logits: Floats | None = None,
) -> Finished:
    """A model file from a graph whose logits are `logits` on the validation split, and perhaps on others.

    `file_logits` are the graph's on the validation split, where it was fitted again with these pictures; `logits` then
    hold what was said of them before. Raises BadModelFile where the file says something else than these.
    """
    name = f"{data.name}, {len(data.labels)} labels"
    validation, truth = data.part("validation"), data.part("validation").targets()
    temperature = calibration.fit_temperature(logits["validation"], truth, data.task)
    set_temperature(graph, temperature)
    scores = calibration.activate(logits["validation"] / temperature, data.task).astype(np.float32)
    cuts = thresholds.cuts(scores, truth, data.task)
    metadata = Metadata(
        format=1,
        name=name,
        task=data.task,
        labels=data.labels,
        input=spec,
        thresholds={
            label.id: round(cut.threshold, 6) for label, cut in zip(data.labels, cuts, strict=True) if cut is not None
        },
        temperature="temperature",
        head=head_of(graph),
        golden=selftest.placeholder(spec.size, len(data.labels)),
        card=msgspec.structs.replace(
            card,
            parameters=parameters(graph),
            calibration=f"temperature {temperature:.3g}, fitted on {len(truth):,} validation pictures",
        ),
    )
    sealed = selftest.seal(graph, metadata, name)
    some = range(min(ALIKE, len(truth)))
    expected = (
        scores if file_logits is None else calibration.activate(file_logits / temperature, data.task).astype(np.float32)
    )
    same(scores_of(sealed, validation.only([validation.items[at] for at in some])), expected[some])

    test = data.part("test")
    split: Split = "test" if test.items else "validation"
    if split == "test":
        known = logits.get("test")
        if known is None:
            scores = scores_of(sealed, test)
        else:
            scores = calibration.activate(known / temperature, data.task).astype(np.float32)
    said = {
        key: msgspec.structs.replace(figure, method=f"{split} split; {figure.method}")
        for key, figure in metrics.figures(scores, data.part(split).targets(), data.task).items()
    }
    metadata = modelfile.from_bytes(sealed, name).metadata
    metadata = msgspec.structs.replace(
        metadata, card=msgspec.structs.replace(metadata.card, metrics={key: rounded(said[key]) for key in said})
    )
    return Finished(modelfile.attach(graph, metadata), metadata, scores, split)


def scores_of(model: bytes, data: Dataset) -> Floats:
    """(N, L): what a model file says of every picture of a data set. Raises BadPicture for one that cannot be read."""
    file = modelfile.from_bytes(model)
    found = ask(data, file, open_runtime(file))
    if found.failed:
        raise BadPicture(found.failed[0])
    return found.outputs["scores"]


def same(found: Floats, expected: Floats) -> None:
    """Raises BadModelFile where a file's scores are not the network's."""
    difference = float(np.abs(found - expected).max())
    if not difference <= TOLERANCE:
        raise BadModelFile(
            f"The model file's scores are off by {difference:.2g} from the network's ({TOLERANCE:g} is allowed), so it "
            "is not written. Please report this."
        )


def set_temperature(graph: ModelProto, temperature: float) -> None:
    (home,) = (tensor for tensor in graph.graph.initializer if tensor.name == "temperature")
    home.CopyFrom(numpy_helper.from_array(np.array(temperature, np.float32), "temperature"))


def head_of(graph: ModelProto) -> Head | None:
    """The names of the last layer, where it is one matrix product that others may exchange."""
    names = {tensor.name for tensor in graph.graph.initializer}
    return Head("head.weight", "head.bias") if {"head.weight", "head.bias"} <= names else None


def parameters(graph: ModelProto) -> int:
    """Numbers that were learned; the few constants of operators are not among them."""
    return sum(
        math.prod(tensor.dims)
        for tensor in graph.graph.initializer
        if tensor.name.startswith("head.") or tensor.name.endswith((".weight", ".bias"))
    )


def rounded(figure: Figure) -> Figure:
    """To five digits after the point: more would pretend."""
    return msgspec.structs.replace(
        figure,
        value=round(figure.value, 5),
        low=None if figure.low is None else round(figure.low, 5),
        high=None if figure.high is None else round(figure.high, 5),
    )
