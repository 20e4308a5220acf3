"""`eyebright quantize`: a float model file becomes an int8 one, with proof of what that costs."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from eyebright.cli import contract, options
from eyebright.cli.contract import of_contract
from eyebright.errors import BadRequest, extra

if TYPE_CHECKING:
    from eyebright.compression.lighter import How
    from eyebright.data import Dataset
    from eyebright.modelfile import Metadata


@click.command(name="quantize", no_args_is_help=True)
@click.argument("model", type=click.Path(readable=False))
@click.option(
    "--calibrate",
    "data",
    required=True,
    type=click.Path(readable=False),
    help="Labeled pictures: train calibrates, validation chooses, test reports.",
)
@click.option(
    "--report", type=click.Path(readable=False), help="Report on all of these labeled pictures instead of test."
)
@options.output(required=True, help="The model file to write.")
@of_contract()
@click.option("--learn", metavar="10m", help="If layers in float are not enough, let the rounding learn so long.")
@click.option("--half", "light", flag_value="half", help="Only store weights in 16 bits; computed in float.")
@click.option("--weights-only", "light", flag_value="int8", help="Only store weights in 8 bits; computed in float.")
@click.option("--reader", metavar="NAME", help="The data's format, where it is detected wrongly.")
@options.text_or_json
@options.plain
@options.force
@options.trust
def command(
    model: str,
    data: str,
    report: str | None,
    output: Path,
    max_drop: float,
    max_class_drop: float,
    strict: bool,
    html: Path | None,
    learn: str | None,
    light: "How | None",
    reader: str | None,
    form: str,
    plain: bool,
    force: bool,
    trust: bool,
) -> int:
    """Make a float model file smaller and faster: 8 bits for weights and activations.

    It is written only if it is smaller or faster here and loses no more than allowed. Layers that 8 bits hurt go back
    to float; temperature and thresholds are fitted again.

    \b
      eyebright quantize run/model.onnx --calibrate photos/ -o small.onnx
      eyebright quantize run/model.onnx --calibrate photos/ -o small.onnx --max-drop 0.2 --strict --html report.html
    """
    from eyebright import models, trial
    from eyebright.cli.show import Show
    from eyebright.modelfile import read

    with extra("train", "quantizing"):
        from eyebright.compression.int8 import lighter, to_int8

    may = contract.allowed(max_drop, max_class_drop)
    learn_s = seconds(learn, light)
    path = models.path(model)
    if output.resolve() == Path(path).resolve():
        raise BadRequest(f"-o names the model itself; {output} stays as it is, choose another place.")
    options.must_be_free(output, force)
    if html:
        options.must_be_free(html, force)
    file = read(path)
    if not trust and file.sha256 not in models.SHIPPED.values():
        trial.prove(file)
    dataset = pictures(data, report, reader, file.metadata)
    show = Show(plain)
    made = lighter(file, dataset, may, light, show) if light else to_int8(file, dataset, may, show, learn_s)
    show.clear()
    reported = f"{made.judged.found.pictures:,} pictures of {made.judged.data.name} that had no say in making it"
    contract.write(made.judged, made.steps, output, html, form, strict, reported)
    return 0


def seconds(learn: str | None, light: "How | None") -> float:
    """What --learn says; 0 without it."""
    if learn is None:
        return 0.0
    if light:
        raise BadRequest("--learn is for int8; with --half and --weights-only nothing is rounded that could learn.")
    try:
        return 60 * options.minutes(learn)
    except BadRequest:
        raise BadRequest(f"--learn is a number with a unit, as 90s, 10m or 2h; got {learn!r}.") from None


def pictures(data: str, report: str | None, reader: str | None, metadata: "Metadata") -> "Dataset":
    """The data in the model's words, with what `--report` names in the place of its test split."""
    from eyebright.compression.parts import together
    from eyebright.data import Dataset
    from eyebright.evaluation.answers import in_terms_of

    def read(path: str) -> Dataset:
        found = Dataset.read(path, reader)
        if metadata.task == "binary" and found.task == "single":
            wanted = (metadata.labels[1].id, metadata.labels[1].label)
            positive = next((label.id for label in found.labels if {label.id, label.label} & set(wanted)), None)
            found = Dataset.read(path, reader, positive=positive) if positive else found
        if (found.task == "multi") != (metadata.task == "multi"):
            raise BadRequest(f"{path} is labeled for task {found.task}, and the model is one of task {metadata.task}.")
        return in_terms_of(metadata, found).data

    whole = read(data)
    if report is None:
        return whole
    return together([(whole.part("train"), "train"), (whole.part("validation"), "validation"), (read(report), "test")])
