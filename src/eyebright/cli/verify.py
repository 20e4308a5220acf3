"""`eyebright verify`: the self-test of a model file on this machine."""

import json
import time

import click

from eyebright.cli import options


@click.command()
@click.argument("model", required=False, type=click.Path(readable=False))
@options.provider
@options.threads
@options.text_or_json
@options.trust
def command(model: str | None, provider: str, threads: int | None, form: str, trust: bool) -> int:
    """Run the self-test of a model file on this machine: do its answers come out as where it was made?

    \b
      eyebright verify
      eyebright verify mine.onnx --provider openvino
    """
    import numpy as np

    from eyebright import models, selftest, trial
    from eyebright.modelfile import read
    from eyebright.runtime import cores

    file = read(models.path(model))
    if not trust and file.sha256 not in models.SHIPPED.values():
        trial.prove(file)
    runtime, outcomes = selftest.open_and_check(file, provider, cores() if threads is None else threads)
    passed = all(outcome.passed for outcome in outcomes)
    picture = selftest.pixels(file.metadata.golden.pictures[0])[None]
    times_ms = []
    for _ in range(20):
        began = time.perf_counter()
        runtime.run(picture, ["scores"])
        times_ms.append((time.perf_counter() - began) * 1000)
    p50 = float(np.median(times_ms))
    if form == "json":
        rows = [
            {
                "passed": outcome.passed,
                "difference": outcome.difference,
                "expected": outcome.expected,
                "got": outcome.got,
            }
            for outcome in outcomes
        ]
        entry = {"model": file.path, "sha256": file.sha256, "runtime": runtime.name, "passed": passed, "pictures": rows}
        click.echo(json.dumps({**entry, "latency_ms_p50": p50}))
        return 0 if passed else 2
    names = {label.id: options.one_line(label.label) for label in file.metadata.labels}
    tolerance = file.metadata.golden.tolerance
    click.echo(f"{options.one_line(file.metadata.name)}, {file.stored_bytes / 1e6:.2f} MB, on {runtime.name}")
    for number, outcome in enumerate(outcomes, 1):
        word = "as expected" if outcome.passed else "WRONG"
        seen = f"{names[outcome.got]}" + ("" if outcome.got == outcome.expected else f", not {names[outcome.expected]}")
        click.echo(
            f"  picture {number}: {word} ({seen}; scores within {outcome.difference:.6f}, {tolerance:g} allowed)"
        )
    click.echo(f"  {p50:.1f} ms a picture, network alone, median of 20")
    click.echo("The self-test passed." if passed else "The self-test FAILED: do not trust this model on this machine.")
    return 0 if passed else 2
