"""`eyebright tune`: teach a model file when to speak and when to stay silent, from labeled pictures."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eyebright.cli import judging, options
from eyebright.cli.tune_answers import as_json, name_of, tell
from eyebright.errors import BadRequest

if TYPE_CHECKING:
    from eyebright.data import Dataset
    from eyebright.data.dataset import Split
    from eyebright.evaluation.tuning import Calibrated, NoneOfThese, Part
    from eyebright.modelfile import Metadata, ModelFile
    from eyebright.runtime import Runtime


@click.command(name="tune", no_args_is_help=True)
@click.argument("model", type=click.Path(readable=False))
@click.argument("data", type=click.Path(readable=False))
@click.option("--goal", metavar="GOAL", help="precision>=0.95, recall>=0.9, f1, or 'cost fp=1 fn=20'.")
@click.option("--label", "labels", multiple=True, metavar="LABEL", help="Only this label; may be repeated.")
@click.option("--calibrate", is_flag=True, help="Fit the temperature anew, so that scores mean what they say.")
@click.option("--outside", type=click.Path(path_type=Path), help="Pictures that are none of its labels.")
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test", "all"]),
    help="Take these pictures in two halves; otherwise validation chooses and test proves.",
)
@judging.reader
@judging.crops
@options.output(required=True, help="The model file to write.")
@options.text_or_json
@options.provider
@options.threads
@options.trust
@options.force
def command(
    model: str,
    data: str,
    goal: str | None,
    labels: tuple[str, ...],
    calibrate: bool,
    outside: Path | None,
    split: str | None,
    reader: str | None,
    crops: bool,
    output: Path,
    form: str,
    provider: str,
    threads: int | None,
    trust: bool,
    force: bool,
) -> int:
    """Set thresholds from a goal, and teach a model file when to stay silent.

    One part of the labeled pictures chooses, another proves; what cannot be proved is not written, and it says what
    would help. The model file that is given stays as it is.

    \b
      eyebright tune run/model.onnx photos/ --goal "precision>=0.95" -o careful.onnx
      eyebright tune run/model.onnx photos/ --goal "cost fp=1 fn=20" --label fire -o watchful.onnx
      eyebright tune run/model.onnx photos/ --outside others/ -o silent.onnx
    """
    from eyebright.evaluation import goals, tuning

    options.must_be_free(output, force)
    aim = goals.parse(goal) if goal else None
    if labels and not aim:
        raise BadRequest("--label says whose threshold a goal is for: give --goal too.")
    file, runtime = judging.opened(model, provider, trust)
    metadata = file.metadata
    wanted = {id_of(metadata, label) for label in labels}
    if metadata.task == "binary" and metadata.labels[0].id in wanted:
        raise BadRequest(f"Of yes or no, only {metadata.labels[1].label} has a threshold.")
    if calibrate and (metadata.temperature is None or "logits" not in runtime.outputs):
        raise BadRequest(f"{metadata.name} has no temperature to fit, or gives no logits to fit it by.")
    if outside and not {"logits", "embedding"} & set(runtime.outputs):
        raise BadRequest(f"{metadata.name} gives neither logits nor an embedding to tell other pictures by.")
    parts = Parts.of(data, file, runtime, split, reader, crops, threads)
    choose, prove = parts.choose, parts.prove
    cooled = tuning.calibrated(metadata, choose, prove) if calibrate else None
    if cooled:
        choose, prove = (parts.cooled(part, metadata, cooled.temperature) for part in (choose, prove))
        metadata = tuning.recalibrated(metadata, cooled, temperature_of(file))
    found = tuning.thresholds(metadata, aim, wanted, choose, prove) if aim else {}
    if aim and not any(isinstance(one, goals.Promise) for one in found.values()):
        told = [
            f"{name_of(metadata, id)}: {one.sentence}" for id, one in found.items() if isinstance(one, goals.Refusal)
        ]
        judging.say(told)
        raise BadRequest(f"no label can be promised {aim}, so {output} was not written.")
    if aim:
        metadata = tuning.with_thresholds(metadata, aim, found, parts.on)
    metadata = tuning.with_silences(metadata, choose, prove)
    none, data_out = None, file.data
    if outside:
        metadata, none, data_out = parts.learn_outside(outside, metadata)
    options.write_bytes(output, sealed(data_out, metadata, cooled, str(output)))
    if form == "json":
        click.echo(json.dumps(as_json(metadata, aim, found, cooled, none, output), ensure_ascii=False, allow_nan=False))
    else:
        tell(metadata, aim, found, cooled, none, str(parts), parts.prove, output)
    return 1 if parts.failed else 0


class Parts:
    """The two parts of the pictures, and what the model says of them."""

    def __init__(self, file: "ModelFile", runtime: "Runtime", threads: int | None) -> None:
        self.file, self.runtime, self.threads = file, runtime, threads
        self.failed = False
        self.names = ("", "")
        self.train: Dataset | None = None
        self.data: tuple[Dataset, Dataset]
        self.choose: Part
        self.prove: Part

    @classmethod
    def of(
        cls,
        path: str,
        file: "ModelFile",
        runtime: "Runtime",
        split: str | None,
        reader: str | None,
        crops: bool,
        threads: int | None,
    ) -> "Parts":
        from eyebright.evaluation.answers import halves

        parts = cls(file, runtime, threads)
        whole = judging.labeled(path, file.metadata, split or "all", reader, crops, judges=bool(split)).data
        parts.train = None if split else whole.part("train")
        first, second = whole.part("validation"), whole.part("test")
        if split or not (first.items and second.items):
            known: list[Split] = ["test", "validation"]
            what = split or next((each for each in known if whole.part(each).items), "train")
            one = whole if split else whole.part(what)  # type: ignore[arg-type]
            inside = halves(one.items)
            first, second = (
                one.only([item for item, is_first in zip(one.items, inside, strict=True) if is_first == half])
                for half in (True, False)
            )
            parts.names = (f"half of {'all' if what == 'all' else what}", "the other half")
            if not split and what == "train":
                raise BadRequest(
                    f"{whole.name} has neither validation nor test pictures, and what a model learned from proves "
                    "nothing; --split train takes them all the same."
                )
        else:
            parts.names = ("validation", "test")
        if not first.items or not second.items:
            raise BadRequest(f"{whole.name} has {len(first.items) + len(second.items)} pictures: too few to halve.")
        parts.data = first, second
        parts.choose, parts.prove = parts.ask(first), parts.ask(second)
        return parts

    def __str__(self) -> str:
        sizes = [f"{len(part.targets):,} pictures" for part in (self.choose, self.prove)]
        return f"Chosen on {sizes[0]} ({self.names[0]}), proved on {sizes[1]} ({self.names[1]})."

    @property
    def on(self) -> str:
        """The pictures that prove, for the model file."""
        return f"{len(self.prove.targets):,} pictures of {self.names[1]}"

    def ask(self, data: "Dataset") -> "Part":
        from eyebright.evaluation.tuning import Part

        outputs = [name for name in ("scores", "logits", "embedding", "novelty") if name in self.runtime.outputs]
        answers = judging.asked(data, self.file, self.runtime, outputs, self.threads)
        self.failed |= bool(answers.failed)
        return Part(answers.outputs, answers.targets)

    def cooled(self, part: "Part", metadata: "Metadata", temperature: float) -> "Part":
        from eyebright.evaluation.calibration import activate

        scores = activate(part.outputs["logits"] / temperature, metadata.task).astype("float32")
        return part._replace(outputs={**part.outputs, "scores": scores})

    def learn_outside(self, path: Path, metadata: "Metadata") -> "tuple[Metadata, NoneOfThese, bytes]":
        """When to say none of these, from pictures that are none of its labels: half of them choose, half prove."""
        import msgspec
        import onnx

        from eyebright.data.against import outside
        from eyebright.evaluation import novelty, tuning
        from eyebright.evaluation.answers import halves
        from eyebright.export.novelty import with_novelty

        met = outside(path)
        answers = judging.asked(met, self.file, self.runtime, list(self.choose.outputs), self.threads)
        first = halves(answers.items)
        if first.all() or not first.any():
            raise BadRequest(f"{path} has {len(first)} pictures: too few to choose by some and prove by others.")
        others = dict(answers.outputs)
        own, proof = dict(self.choose.outputs), dict(self.prove.outputs)
        changed = self.file.data
        if self.train and self.train.items and "embedding" in own:
            seen = judging.asked(novelty.some(self.train), self.file, self.runtime, ["embedding"], self.threads)
            familiar = novelty.fit(seen.outputs["embedding"])
            width = model_width(self.file.data)
            if familiar is not None and width == len(familiar.mean):
                for outputs in (own, proof, others):
                    outputs["novelty"] = novelty.novelty(outputs["embedding"], familiar)
                model = onnx.load_from_string(self.file.data)
                changed = with_novelty(model, familiar).SerializeToString(deterministic=True)
        abstain, none = tuning.none_of_these(
            own,
            proof,
            {name: rows[first] for name, rows in others.items()},
            {name: rows[~first] for name, rows in others.items()},
            f"pictures of {self.names[0]}",
        )
        return msgspec.structs.replace(metadata, abstain=abstain), none, changed


def temperature_of(file: "ModelFile") -> float:
    """The temperature that stands in a model file."""
    import onnx
    from onnx import numpy_helper

    tensors = onnx.load_from_string(file.data).graph.initializer
    return float(numpy_helper.to_array(next(one for one in tensors if one.name == file.metadata.temperature)).item())


def model_width(data: bytes) -> int | None:
    """How many numbers the file itself says that its embedding has."""
    import onnx

    graph = onnx.load_from_string(data).graph
    shapes = [output.type.tensor_type.shape.dim for output in graph.output if output.name == "embedding"]
    return int(shapes[0][-1].dim_value) if shapes and len(shapes[0]) else None


def sealed(data: bytes, metadata: "Metadata", cooled: "Calibrated | None", path: str) -> bytes:
    """The bytes of the new file; with another temperature its golden pictures are made anew."""
    import numpy as np
    import onnx
    from onnx import numpy_helper

    from eyebright import modelfile, selftest

    graph = onnx.load_from_string(data)
    if cooled is None:
        return modelfile.attach(graph, metadata)
    (home,) = (tensor for tensor in graph.graph.initializer if tensor.name == metadata.temperature)
    home.CopyFrom(numpy_helper.from_array(np.array(cooled.temperature, np.float32).reshape(home.dims), home.name))
    return selftest.seal(graph, metadata, path)


def id_of(metadata: "Metadata", label: str) -> str:
    """The id of a label by its id or name."""
    for one in metadata.labels:
        if label in (one.id, one.label) or label.casefold() == one.label.casefold():
            return one.id
    from eyebright.evaluation.answers import named

    raise BadRequest(f"{metadata.name} has no label {label}; it has {named([one.label for one in metadata.labels])}.")
