"""`eyebright device`: a profile of this device, and what a model file would cost on a profiled one."""

import json
from pathlib import Path

import click

from eyebright.cli import judging, options
from eyebright.errors import BadRequest


@click.group()
def command() -> None:
    """Store what layers cost on this device, or predict a model's time on another from such a profile.

    \b
      eyebright device profile -o laptop.toml
      eyebright device predict lite0 --device laptop.toml
    """


@command.command()
@options.output(required=True, help="The profile to write, a TOML file.")
@click.option("--threads", type=click.IntRange(1, 1024), default=1, show_default=True, help="Threads for one picture.")
@click.option("--quick", is_flag=True, help="Fewer layers and rounds: some 15 seconds.")
@click.option("--name", default="", help="What to call this device; its network name by default.")
@options.force
def profile(output: Path, threads: int, quick: bool, name: str, force: bool) -> None:
    """Measure what layers cost on this device, float and int8, and write the table.

    It takes a minute or two. Nothing else should be at work meanwhile.

    \b
      eyebright device profile -o laptop.toml
      eyebright device profile -o laptop-2.toml --threads 2 --quick
    """
    from eyebright.measure import device, profiling

    options.must_be_free(output, force)
    if len(name) > 500:
        raise BadRequest("--name is longer than 500 characters; shorten it.")
    found = profiling.profile(name, threads, quick, judging.progress("rounds"))
    options.write_bytes(output, device.write(found).encode())
    use = f"eyebright device predict MODEL --device {output}"
    click.echo(options.one_line(f"{output}: {len(found.layers)} layers, {found.runtime}. Use it: {use}"), err=True)


@command.command()
@click.argument("model", type=click.Path(readable=False))
@click.option(
    "--device",
    "where",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="A profile that `device profile` wrote.",
)
@options.size
@options.text_or_json
def predict(model: str, where: Path, size: int | None, form: str) -> None:
    """Predict how long a model file takes for one picture on a profiled device; nothing is run.

    \b
      eyebright device predict lite0 --device laptop.toml
      eyebright device predict mine.onnx --device phone.toml --format json
    """
    import onnx

    from eyebright import models
    from eyebright.measure import device
    from eyebright.modelfile import read

    profiled = device.read(where)
    file = read(models.path(model))
    spec = file.metadata.input
    if size is not None and size not in {spec.size, *spec.sizes}:
        allowed = ", ".join(map(str, sorted({spec.size, *spec.sizes})))
        raise BadRequest(f"{file.path} takes pictures of side {allowed}; --size {size} is not among them.")
    ms = device.predict(profiled, onnx.load_from_string(file.data), size or spec.size)
    if form == "json":
        about = {"device": profiled.name, "runtime": profiled.runtime, "threads": profiled.threads}
        click.echo(json.dumps({"model": file.path, "size": size or spec.size, "predicted_ms": ms, **about}))
        return
    threads = "one thread" if profiled.threads == 1 else f"{profiled.threads} threads"
    click.echo(
        options.one_line(
            f"about {ms:.2f} ms a picture of {size or spec.size} px on {profiled.name} "
            f"({profiled.runtime}, {threads}, profiled {profiled.date})"
        )
    )
