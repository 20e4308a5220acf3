"""`eyebright import`: an ONNX classifier from elsewhere becomes a model file."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from eyebright.cli import options
from eyebright.errors import BadRequest, CannotWrite

if TYPE_CHECKING:
    from eyebright.foreign import Choices


@click.command(name="import", no_args_is_help=True)
@click.argument("foreign", required=False, type=click.Path(path_type=Path))
@options.output(required=True, help="The model file to write.")
@click.option("--two-tower", metavar="DIR", help="The folder of a two-tower model (CLIP), or hf:OWNER/NAME.")
@click.option(
    "--labels", type=click.Path(path_type=Path), help="Names: text, one a line, or JSON (a list, a dict by index)."
)
@click.option("--mean", help="Subtracted from each channel: 0.485,0.456,0.406; over 1, in units of 0..255.")
@click.option("--std", help="Each channel is divided by it, in the same units: 0.229,0.224,0.225.")
@click.option("--size", type=click.IntRange(1, 4096), help="Side of its input in pixels.")
@click.option(
    "--crop", type=click.FloatRange(0, 1), help="Share of the shorter side that is looked at; 0: all, stretched."
)
@click.option("--layout", type=click.Choice(["nchw", "nhwc"]), help="Order of its input's dimensions.")
@click.option(
    "--activation", type=click.Choice(["softmax", "sigmoid", "none"]), help="What makes scores of its outputs."
)
@click.option("--positive", metavar="LABEL", help="Makes a yes/no model: the label that is looked for.")
@click.option("--bgr", is_flag=True, help="It wants blue first, as OpenCV and Caffe have it.")
@click.option("--scale", type=click.FloatRange(0, 1e4, min_open=True), help="Of two towers: what multiplies cosines.")
@click.option("--name", help="What the model is called; the file's name by default.")
@click.option("--licence", default="", help="Its licence, for the card.")
@options.force
def command(
    foreign: Path | None,
    output: Path,
    two_tower: str | None,
    labels: Path | None,
    mean: str | None,
    std: str | None,
    size: int | None,
    crop: float | None,
    layout: str | None,
    activation: str | None,
    positive: str | None,
    bgr: bool,
    scale: float | None,
    name: str | None,
    licence: str,
    force: bool,
) -> int:
    """Wrap an ONNX classifier from elsewhere as a model file.

    What the file tells is read from it (layout, size, labels of an Ultralytics export, its own softmax); what is
    guessed is said.

    \b
      eyebright import resnet50.onnx -o resnet50-eyebright.onnx
      eyebright import flowers.onnx --labels flowers.txt --mean 0.5 --std 0.5 -o flowers-eyebright.onnx
      eyebright import --two-tower clip-vit-base-patch32/ -o clip.onnx
    """
    from eyebright.foreign import Choices, read_labels

    if (foreign is None) == (two_tower is None):
        raise BadRequest("import takes one model: an ONNX file, or --two-tower DIR.")
    choices = Choices(
        label_names=read_labels(labels) if labels else None,
        mean=options.three_numbers("--mean", mean) if mean else None,
        std=options.three_numbers("--std", std) if std else None,
        size=size,
        crop=crop,
        layout=layout,  # type: ignore[arg-type]
        activation=activation,  # type: ignore[arg-type]
        positive=positive,
        name=name,
        licence=licence,
        bgr=bgr,
    )
    if two_tower is not None:
        return towers(two_tower, output, choices, scale, force)
    assert foreign is not None
    if scale is not None:
        raise BadRequest("--scale is for --two-tower.")
    return classifier(foreign, output, choices, force)


def classifier(foreign: Path, output: Path, choices: "Choices", force: bool) -> int:
    from eyebright.foreign import wrap

    if not foreign.exists():
        raise BadRequest(f"no such file: {foreign}")
    if output.exists() and not force:
        raise CannotWrite(f"{output} exists; --force overwrites it.")
    wrapped = wrap(foreign, choices)
    options.write_bytes(output, wrapped.data)
    for remark in wrapped.remarks:
        click.echo(f"  {remark}", err=True)
    click.echo(
        f"{output}: {len(wrapped.data) / 1e6:.2f} MB. Try it: eyebright predict photo.jpg --model {output}", err=True
    )
    return 0


def towers(source: str, output: Path, choices: "Choices", scale: float | None, force: bool) -> int:
    """Both files of a two-tower model, the second one beside the first."""
    from eyebright.foreign import fetched, wrap_towers

    if choices.layout or choices.activation or choices.positive or choices.bgr:
        raise BadRequest("--layout, --activation, --positive and --bgr are for classifiers, not for --two-tower.")
    beside = output.with_name(f"{output.stem}-text.onnx")
    for path in (output, beside):
        options.must_be_free(path, force)
    folder = fetched(source, lambda line: click.echo(line, err=True)) if source.startswith("hf:") else Path(source)
    made = wrap_towers(folder, choices, scale)
    for path, data in ((output, made.image), (beside, made.text)):
        options.write_bytes(path, data)
    for remark in made.remarks:
        click.echo(f"  {remark}", err=True)
    click.echo(
        f"{output}: {len(made.image) / 1e6:.2f} MB; {beside}: {len(made.text) / 1e6:.2f} MB. Try them:", err=True
    )
    click.echo(f"  eyebright index FOLDER --model {output}", err=True)
    click.echo(f'  eyebright search "a dog catching a frisbee" --text {beside}', err=True)
    return 0
