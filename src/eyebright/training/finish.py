"""The end of a training: graph and validation logits become a model file that knows how sure it may be.

temperature and thresholds from the validation split -> metadata -> golden self-test -> when to say nothing -> figures
of the file itself, on the test split where there is one.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper

from eyebright import modelfile, selftest
from eyebright.data import Dataset
from eyebright.data.dataset import Split
from eyebright.errors import BadModelFile, BadPicture
from eyebright.evaluation import abstain, calibration, conformal, judgement, novelty, outside, thresholds
from eyebright.evaluation.answers import Answers, ask, halves
from eyebright.evaluation.report import verdict
from eyebright.export.novelty import with_novelty
from eyebright.modelfile import Card, Figure, Head, Input, Metadata
from eyebright.runtime import cores, open_runtime

Floats = NDArray[np.float32]
TOLERANCE = 1e-4
LABELS = 100
"""Whose own figures the card still holds."""
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
    embeddings: Mapping[Split, Floats] | None = None,
    like: Metadata | None = None,
) -> Finished:
    """A model file from a graph whose logits are `logits` on the validation split, and perhaps on others.

    `file_logits` are the graph's on the validation split, where it was fitted again with these pictures; `logits` then
    hold what was said of them before. `embeddings` are the graph's of the training and validation pictures; without
    them the file looks at some of these again. Raises BadModelFile where the file says something else than these.
    """
    name = like.name if like else f"{data.name}, {len(data.labels)} labels"
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
        hierarchy=like.hierarchy if like else (),
        input=spec,
        thresholds={
            label.id: round(cut.threshold, 6) for label, cut in zip(data.labels, cuts, strict=True) if cut is not None
        },
        temperature="temperature",
        head=head_of(graph),
        golden=selftest.placeholder(spec.size, len(data.labels)),
        card=msgspec.structs.replace(
            card,
            parameters=card.parameters or parameters(graph),
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
    told = Said(validation, scores)
    judged = Said(test, said_of_test(sealed, test, logits.get("test"), temperature)) if test.items else told
    metadata = modelfile.from_bytes(sealed, name).metadata
    metadata = msgspec.structs.replace(metadata, **silences(told, judged))
    metadata = msgspec.structs.replace(metadata, card=with_figures(metadata, judged, f"{split} split"))
    has = any(output.name == "embedding" for output in graph.graph.output)
    rows = embeddings or (embeddings_of(sealed, data) if has else {})
    familiar = novelty.fit(rows["train"]) if rows else None
    if familiar is not None:
        graph = with_novelty(graph, familiar)
        own = {"novelty": novelty.novelty(rows["validation"], familiar)}
        metadata = msgspec.structs.replace(metadata, abstain=outside.limit("novelty", own, "validation pictures"))
    return Finished(modelfile.attach(graph, metadata), metadata, judged.scores, split)


def with_figures(metadata: Metadata, judged: "Said", on: str) -> Card:
    """The card with what the model is worth on these pictures, and what it is surely bad at."""
    answers = Answers(judged.data.items, {"scores": judged.scores}, judged.data.targets(), (), 0.0)
    found = judgement.judge(answers, metadata)

    def told(figures: Mapping[str, Figure]) -> dict[str, Figure]:
        return {
            key: rounded(msgspec.structs.replace(figure, method=f"{on}; {figure.method}"))
            for key, figure in figures.items()
        }

    each = {id: told(figures) for id, figures in found.per_class.items()} if len(metadata.labels) <= LABELS else {}
    return msgspec.structs.replace(
        metadata.card, metrics=told(found.figures), per_class=each, limits=" ".join(verdict.weaknesses(found))
    )


class Said(NamedTuple):
    """Pictures and what the model says of them."""

    data: Dataset
    scores: Floats  # (N, L)


def said_of_test(sealed: bytes, test: Dataset, logits: Floats | None, temperature: float) -> Floats:
    """(N, L): the scores of the test split, from the file itself where its logits are not known yet."""
    if logits is None:
        return scores_of(sealed, test)
    return calibration.activate(logits / temperature, test.task).astype(np.float32)


def silences(validation: Said, test: Said) -> dict[str, Any]:
    """Promises of accuracy, chosen on the validation split and proved on the test split, and limits of label sets.

    Without a test split, which is then the validation split again, one half of it chooses and the other proves.
    """
    task = validation.data.task
    if task == "multi":
        return {}
    scores, truth = validation.scores, validation.data.targets()
    proof, proof_truth = test.scores, test.data.targets()
    if test is validation:
        first = halves(validation.data.items)
        scores, truth, proof, proof_truth = scores[first], truth[first], proof[~first], truth[~first]
    promised = abstain.promises(scores, truth, proof, proof_truth) if len(scores) and len(proof) else ()
    return {"selective": promised, "sets": conformal.measure(validation.scores, validation.data.targets())}


def scores_of(model: bytes, data: Dataset) -> Floats:
    """(N, L): what a model file says of every picture of a data set. Raises BadPicture for one that cannot be read."""
    file = modelfile.from_bytes(model)
    found = ask(data, file, open_runtime(file), threads=cores())
    if found.failed:
        raise BadPicture(found.failed[0])
    return found.outputs["scores"]


def embeddings_of(model: bytes, data: Dataset) -> dict[Split, Floats]:
    """What a model file makes of some training and validation pictures, (N, D) each."""
    file = modelfile.from_bytes(model)
    runtime = open_runtime(file)
    splits: tuple[Split, Split] = ("train", "validation")
    return {
        split: ask(novelty.some(data.part(split)), file, runtime, ["embedding"], cores()).outputs["embedding"]
        for split in splits
    }


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
    for ending in ("", "_quantized"):
        if {f"head.weight{ending}", f"head.bias{ending}"} <= names:
            return Head(f"head.weight{ending}", f"head.bias{ending}")
    return None


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
