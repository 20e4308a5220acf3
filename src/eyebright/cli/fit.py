"""`eyebright fit`: from a folder of labeled pictures to a model within a budget."""

import json
import signal
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from eyebright.cli import contract, options
from eyebright.cli.contract import of_contract
from eyebright.errors import BadRequest, extra

if TYPE_CHECKING:
    from eyebright.compression.fit import Budget, Fitted

USE = '''"""Names a picture with the model beside this file. It needs onnxruntime, numpy and Pillow, and nothing else.

    python {use} photo.jpg
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession(Path(__file__).with_name({model!r}))
about = json.loads(session.get_modelmeta().custom_metadata_map["eyebright"])
side, crop = about["input"]["size"], about["input"].get("crop", 1.0)
with Image.open(sys.argv[1]) as file:
    photo = ImageOps.exif_transpose(file).convert("RGB")
width, height = photo.size
half = crop * min(width, height) / 2
box = (width / 2 - half, height / 2 - half, width / 2 + half, height / 2 + half) if crop else (0, 0, width, height)
pixels = np.asarray(photo.resize((side, side), Image.Resampling.BICUBIC, box))
(scores,) = session.run(["scores"], {{"image": pixels[None]}})
for at in scores[0].argsort()[::-1][:3]:
    print(f"{{about['labels'][at]['label']}}: {{scores[0][at]:.2f}}")
'''


@click.command(name="fit", no_args_is_help=True)
@click.argument("data", type=click.Path(readable=False))
@options.output(required=True, help="The model file to write; labels.txt and use.py come beside it.")
@click.option("--max-latency", metavar="5ms", help="One picture, one thread, here or on --device.")
@click.option("--max-size", metavar="2MB", help="Of the model file; MB is 10^6 bytes.")
@click.option("--time", "promised", metavar="30m", default="30m", show_default=True, help="About how long it may take.")
@click.option("--device", "profile", metavar="FILE", help="Design for this device (`eyebright device profile`).")
@click.option("--task", help="single, binary or multi (many labels a picture); seen from the data by default.")
@click.option("--positive", metavar="LABEL", help="Of yes/no: the label that is the yes.")
@click.option("--reader", metavar="NAME", help="The data's format, where it is detected wrongly.")
@of_contract(points=1.0, page="Write a page with the road, every model seen, the figures.")
@click.option("--set", "keys", metavar="KEY=VALUE", multiple=True, help="A key of its recipes, as encoder or size.")
@click.option("--anyway", is_flag=True, help="Learn although the audit found what spoils the result.")
@options.threads
@options.text_or_json
@options.plain
@click.option("--force", is_flag=True, help="Overwrite what exists; of other pictures in OUTPUT.fit, too.")
def command(
    data: str,
    output: Path,
    max_latency: str | None,
    max_size: str | None,
    promised: str,
    profile: str | None,
    task: str | None,
    positive: str | None,
    reader: str | None,
    max_drop: float,
    max_class_drop: float,
    strict: bool,
    html: Path | None,
    keys: tuple[str, ...],
    anyway: bool,
    threads: int | None,
    form: str,
    plain: bool,
    force: bool,
) -> int:
    """Make a model that fits: teach it, shrink it until it is within the budget, and prove what that cost.

    What is lost is against the full network in float, on pictures that nothing else looked at. Ctrl-C finishes with
    what there is. What was done stays in OUTPUT.fit: with another budget it goes on from there.

    \b
      eyebright fit photos/ -o model.onnx --max-size 2MB --max-latency 5ms
      eyebright fit photos/ -o model.onnx --max-size 4MB --time 10m --html report.html
      eyebright fit photos/ -o phone.onnx --max-latency 20ms --device phone.toml
    """
    from eyebright.cli.show import Show
    from eyebright.cli.train import known_task, read
    from eyebright.measure import device

    with extra("train", "fitting a model"):
        from eyebright.compression.fit import Budget, OutOfReach, fit
        from eyebright.compression.fit_page import page, page_of_refusal
        from eyebright.compression.road import as_json

    budget = Budget(
        latency_ms=options.quantity("--max-latency", max_latency, options.MILLISECONDS, "5ms"),
        size_bytes=options.quantity("--max-size", max_size, options.BYTES, "2MB"),
        allowed=contract.allowed(max_drop, max_class_drop),
        device=device.read(profile) if profile else None,
    )
    if output.suffix == ".fit":
        raise BadRequest(f"{output} is what the folder of the fit would be called; end the model file's name in .onnx.")
    beside = {name: output.with_name(name) for name in ("labels.txt", "use.py")}
    for path in (output, *beside.values(), *([html] if html else [])):
        options.must_be_free(path, force)
    time_m = options.minutes(promised)
    show = Show(plain)
    source = {"path": data, "reader": reader, "task": known_task(task) if task else None, "positive": positive}
    dataset = read(source, show)
    given = {**options.of_sets(keys), **({"threads": threads} if threads else {})}
    try:
        with Stop(show) as stop:
            fitted = fit(dataset, output.with_suffix(".fit"), budget, time_m, show, stop, force, anyway, given)
    except OutOfReach as refused:
        show.clear()
        if html:
            options.write_bytes(html, page_of_refusal(str(refused), refused.road, budget).encode("utf-8", "replace"))
        if form == "json":
            seen = as_json(refused.road)
            click.echo(json.dumps({"model": None, "sentence": str(refused), "points": seen}, ensure_ascii=False))
        raise
    show.clear()
    fitted.judged.must_hold(strict)
    options.write_bytes(output, fitted.file.data)
    labels = "".join(f"{label.label}\n" for label in fitted.file.metadata.labels)
    options.write_bytes(beside["labels.txt"], labels.encode())
    options.write_bytes(beside["use.py"], USE.format(use="use.py", model=output.name).encode())
    if html:
        options.write_bytes(html, page(fitted, budget).encode("utf-8", "replace"))
    tell(fitted, budget, output, form)
    return 130 if stop.asked else 0


class Stop:
    """Ctrl-C asks to finish with what there is; a second one stops at once."""

    def __init__(self, show: Any) -> None:
        self.show = show
        self.asked = False

    def __enter__(self) -> "Stop":
        self.before = signal.signal(signal.SIGINT, self.hear)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self.before)

    def __call__(self) -> bool:
        return self.asked

    def hear(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        self.show.say("Finishing with what there is; Ctrl-C again stops at once.")


def tell(fitted: "Fitted", budget: "Budget", output: Path, form: str) -> None:
    import msgspec

    from eyebright.cli.encoders import print_table
    from eyebright.compression.road import as_json
    from eyebright.measure import latency

    judged, point = fitted.judged, fitted.point
    if form == "json":
        figures = {name: msgspec.to_builtins(one.b) for name, one in judged.found.figures.items()}
        costs = {"size_bytes": {"value": len(fitted.file.data)}, "latency_ms_p50": {"value": point.latency_ms}}
        if judged.after.measured.turns_ms:
            costs["latency_ms_p50"] = msgspec.to_builtins(latency(judged.after.measured))
        if budget.device:
            costs["predicted_ms"] = {"value": point.latency_ms, "method": f"predicted for {budget.device.name}"}
        found = {"model": str(output), "split": "test", **figures, **costs, "claim": fitted.claim}
        found |= {"contract": contract.as_json(judged, [step.said for step in fitted.road.state.steps])}
        click.echo(json.dumps({**found, "points": as_json(fitted.road)}, ensure_ascii=False))
        return
    rows = [
        (
            f"{'> ' if one.name == point.name else '  '}{one.name}",
            f"{one.figure.value:.3f}",
            f"{one.size_bytes / 1e6:.2f}",
            f"{one.latency_ms:.2f}",
        )
        for one in fitted.road.points.values()
    ]
    print_table(("model", "validation", "MB", "ms"), rows, left={0})
    click.echo()
    click.echo(click.wrap_text(options.one_line(judged.sentence), 98))
    click.echo(click.wrap_text(options.one_line(fitted.claim), 98))
    where = f"about {point.latency_ms:.2f} ms a picture on {budget.device.name}, as predicted" if budget.device else ""
    cost = where or f"{point.latency_ms:.2f} ms a picture"
    click.echo(f"{output}: {point.size_bytes / 1e6:.2f} MB, {cost}")
    click.echo(f"Try it:  python {output.with_name('use.py')} photo.jpg", err=True)
