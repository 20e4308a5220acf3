"""`eyebright bench`: what model files cost on this machine, each against the first."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eyebright.cli import judging, options
from eyebright.errors import BadRequest

if TYPE_CHECKING:
    from eyebright.measure import Measured
    from eyebright.modelfile import Figure, ModelFile

HEADER = (
    *("model", "MB", "p50 ms", "p90 ms", "p99 ms", "times as fast", "first s", "memory MB", "M MACs", "in int8"),
    "runtime",
)


@click.command(name="bench")
@click.argument("models", nargs=-1, required=True, type=click.Path(readable=False))
@click.option(
    "--provider",
    "--runtime",
    "provider",
    default="cpu",
    show_default=True,
    help="What computes: cpu (ONNX Runtime), openvino, cuda, coreml ...",
)
@click.option("--threads", type=click.IntRange(1, 1024), default=1, show_default=True, help="Threads for one picture.")
@click.option(
    "--rounds", type=click.IntRange(3, 1000), default=21, show_default=True, help="Turns that each model has."
)
@options.size
@click.option(
    "--device", type=click.Path(path_type=Path, dir_okay=False), help="Also predict it for this device profile."
)
@options.text_or_json
@options.trust
def command(
    models: tuple[str, ...],
    provider: str,
    threads: int,
    rounds: int,
    size: int | None,
    device: Path | None,
    form: str,
    trust: bool,
) -> int:
    """Measure what model files cost on this machine: time, memory, size, multiply-adds; each against the first.

    A picture at a time, each model in processes of its own, in turns. Nothing else should be at work meanwhile.

    \b
      eyebright bench lite0
      eyebright bench float.onnx int8.onnx --threads 2 --format json
    """
    from eyebright import measure
    from eyebright.measure import device as profiles

    there = profiles.read(device) if device else None
    files = [_read(model, size, trust) for model in models]
    sides = [size or file.metadata.input.size for file in files]
    predicted = [_predicted(there, file, side) for file, side in zip(files, sides, strict=True)] if there else []
    found = measure.in_turns(files, provider, rounds, judging.progress("rounds"), threads, size)
    rows = [_row(file, side, found[0], one) for file, side, one in zip(files, sides, found, strict=True)]
    for row, ms in zip(rows, predicted, strict=False):
        row["predicted_ms"] = ms
    if form == "json":
        about = {"machine": measure.machine(), "provider": provider, "threads": threads}
        for row in rows:
            click.echo(json.dumps({**row, **about}, ensure_ascii=False))
    else:
        _tell(rows, found, there.name if there else None)
    return 0


def _read(model: str, size: int | None, trust: bool) -> "ModelFile":
    from eyebright import models, trial
    from eyebright.modelfile import read

    file = read(models.path(model))
    spec = file.metadata.input
    if size is not None and size not in {spec.size, *spec.sizes}:
        allowed = ", ".join(map(str, sorted({spec.size, *spec.sizes})))
        raise BadRequest(f"{file.path} takes pictures of side {allowed}; --size {size} is not among them.")
    if not trust and file.sha256 not in models.SHIPPED.values():
        trial.prove(file)
    return file


def _predicted(there: Any, file: "ModelFile", size: int) -> float:
    import onnx

    from eyebright.measure import device as profiles

    return profiles.predict(there, onnx.load_from_string(file.data), size)


def _row(file: "ModelFile", size: int, first: "Measured", found: "Measured") -> dict[str, Any]:
    """One model as JSON has it; what is not known is left out."""
    import msgspec

    from eyebright.measure import latency, quantile, speedup

    def plain(figure: "Figure") -> dict[str, Any]:
        return dict(msgspec.to_builtins(figure))

    row: dict[str, Any] = {
        "model": file.path,
        "name": file.metadata.name,
        "sha256": file.sha256,
        "size": size,
        "size_bytes": os.path.getsize(file.path),
        "latency_ms_p50": plain(latency(found)),
        "latency_ms_p90": plain(quantile(found, 0.9)),
        "latency_ms_p99": plain(quantile(found, 0.99)),
        "speedup": plain(speedup(first, found)),
        "first_s": found.first_s,
        "memory_bytes": found.memory_bytes,
        "macs": found.macs,
        "int8_macs": found.int8_macs,
        "runtime": found.runtime,
    }
    return {key: value for key, value in row.items() if value is not None}


def _tell(rows: list[dict[str, Any]], found: list["Measured"], there: str | None) -> None:
    from eyebright.cli.encoders import print_table
    from eyebright.measure import machine

    lines = [_cells(number, row) for number, row in enumerate(rows)]
    header: tuple[str, ...] = HEADER
    if there:
        header = (*HEADER, "there ms")
        lines = [(*line, f"{row['predicted_ms']:.2f}") for line, row in zip(lines, rows, strict=True)]
    print_table(header, [tuple(options.one_line(cell) for cell in line) for line in lines], left={0, 5, 10})
    threads = "one thread" if found[0].threads == 1 else f"{found[0].threads} threads"
    ratio = "the processor's time" if found[0].cpu_ms else "time"
    said = (
        f"One picture at a time, network alone, on {threads}, {len(found[0].turns_ms)} turns of each on {machine()}; "
        f"times as fast is the median (quartiles) of the ratio of {ratio} in turns that followed one another; first is "
        "from the file's bytes to the first scores, memory the most that a fresh process had by then."
    )
    click.echo(click.wrap_text(options.one_line(said), 98))
    if there:
        click.echo(click.wrap_text(options.one_line(f"There: as the profile of {there} predicts it."), 98))


def _cells(number: int, row: dict[str, Any]) -> tuple[str, ...]:
    ratio, macs = row["speedup"], row.get("macs")
    int8, memory = row.get("int8_macs"), row.get("memory_bytes")
    return (
        row["model"],
        f"{row['size_bytes'] / 1e6:.2f}",
        *(f"{row[f'latency_ms_{share}']['value']:.2f}" for share in ("p50", "p90", "p99")),
        f"{ratio['value']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f})" if number else "1",
        f"{row['first_s']:.2f}",
        f"{memory / 1e6:.0f}" if memory else "",
        f"{macs / 1e6:,.1f}" if macs else "",
        f"{int8 / macs:.0%}" if macs and int8 is not None else "",
        row["runtime"],
    )
