"""`eyebright evaluate`: how good a model is on pictures whose labels are known."""

import json
import platform
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eyebright.cli import judging, options
from eyebright.errors import BadRequest, CannotWrite

if TYPE_CHECKING:
    from eyebright.data import Dataset
    from eyebright.evaluation.judgement import Judgement
    from eyebright.modelfile import ModelFile

PAGE, NUMBERS = "report.html", "report.json"
ROWS = 50
"""Labels that are listed in text; --format json has all."""
COLUMNS = ("precision", "recall", "f1", "ap", "auroc")


@click.command(name="evaluate", no_args_is_help=True)
@click.argument("model", type=click.Path(readable=False))
@click.argument("data", type=click.Path(readable=False))
@judging.split
@click.option("--report", type=click.Path(path_type=Path, file_okay=False), help="Make this folder with a report.")
@click.option("--slices", type=click.Path(path_type=Path), help="A CSV table: file, and columns to judge parts by.")
@click.option("--sizes", metavar="N,N", help="What other sizes of the input cost, against the first: 224,192,160.")
@click.option("--no-latency", is_flag=True, help="With --sizes: do not time them; it takes some seconds.")
@judging.reader
@judging.crops
@options.text_or_json
@options.provider
@options.threads
@options.trust
@options.force
def command(
    model: str,
    data: str,
    split: str,
    report: Path | None,
    slices: Path | None,
    sizes: str | None,
    no_latency: bool,
    reader: str | None,
    crops: bool,
    form: str,
    provider: str,
    threads: int | None,
    trust: bool,
    force: bool,
) -> int:
    """Judge a model file by pictures whose labels are known; every figure has a 95% interval.

    DATA is what `eyebright data show` reads: folders, an archive, a table, annotations.

    \b
      eyebright evaluate run/model.onnx photos/
      eyebright evaluate run/model.onnx photos/ --report report/
      eyebright evaluate run/model.onnx photos/ --sizes 224,192,160
      eyebright evaluate lite0 photos.zip --split all --format json
    """
    from eyebright.data import Dataset
    from eyebright.evaluation import judgement
    from eyebright.evaluation.sizes import parse
    from eyebright.evaluation.slices import read

    if sizes and (report or slices):
        raise BadRequest("--sizes prints a table of its own; leave out --report and --slices.")
    if report:
        must_be_new(report, force)
    file, runtime = judging.opened(model, provider, trust)
    asked = parse(file.metadata, sizes) if sizes else []
    understood = judging.labeled(data, file.metadata, split, reader, crops).data
    if asked:
        from eyebright.cli.evaluate_sizes import judge_sizes

        about = {"data": data, "split": split}
        return judge_sizes(file, runtime, understood, asked, about, form, provider, threads, not no_latency)
    if slices:
        read(slices, understood.items)  # before an hour of looking at pictures
    outputs = judgement.needed(file.metadata, runtime.outputs)
    answers = judging.asked(understood, file, runtime, outputs, threads)
    judged = judgement.judge(answers, file.metadata, read(slices, answers.items) if slices else None)
    entry = json.dumps(judgement.as_json(judged), ensure_ascii=False, allow_nan=False)
    if report:
        whole = Dataset.read(data, reader, crops=crops)  # leaks are found between splits
        write(report, judged, understood, whole, file, split, provider, entry)
    if form == "json":
        click.echo(entry)
    else:
        click.echo(f"{options.one_line(file.metadata.name)}, on {len(answers.items):,} pictures of", nl=False)
        click.echo(f" {options.one_line(understood.name)}{'' if split == 'all' else f', {split} split'}:")
        tell(judged)
    if report:
        click.echo(f"{report / PAGE} is the report, {report / NUMBERS} its figures.", err=True)
    return 1 if answers.failed else 0


def must_be_new(report: Path, force: bool) -> None:
    """Raises CannotWrite where a report would take the place of something."""
    if report.is_dir() and not force and any((report / name).exists() for name in (PAGE, NUMBERS)):
        raise CannotWrite(f"{report} has a report already; --force replaces it.")
    if not report.is_dir():
        options.must_be_free(report, force=False, remedy="a report is a folder; choose another place")


def write(
    report: Path,
    judged: "Judgement",
    data: "Dataset",
    whole: "Dataset",
    file: "ModelFile",
    split: str,
    provider: str,
    entry: str,
) -> None:
    """The page and the numbers, with what the machine and the data say besides."""
    import eyebright
    from eyebright import measure
    from eyebright.data.audit import audit
    from eyebright.evaluation.report.page import Facts, page

    click.echo("Measuring time, and looking for what is wrong with the pictures ...", err=True)
    (cost,) = measure.in_turns([file], provider)
    facts = Facts(
        split=split,
        size_bytes=file.stored_bytes,
        sha256=file.sha256,
        command=shlex.join(["eyebright", *sys.argv[1:]]),
        machine=f"{measure.machine()}; {cost.runtime}",
        version=f"eyebright {eyebright.__version__}, Python {platform.python_version()}",
        latency=measure.latency(cost),
        macs=cost.macs,
        audit=[finding.sentence for finding in audit(whole).findings],
    )
    text = page(judged, data, facts)
    try:
        report.mkdir(exist_ok=True)
    except OSError as error:
        raise options.cannot_write(report, error) from None
    options.write_bytes(report / NUMBERS, entry.encode())
    options.write_bytes(report / PAGE, text.encode())


def tell(judged: "Judgement") -> None:
    from eyebright.cli.encoders import print_table
    from eyebright.evaluation.report.verdict import sentences, shown

    metadata, each = judged.metadata, judged.per_class
    for key, figure in judged.figures.items():
        click.echo(f"  {key:<18} {shown(figure)}")
    click.echo()
    for sentence in sentences(judged):
        click.echo(click.wrap_text(options.one_line(sentence), 98, "", "  "))
    columns = [name for name in COLUMNS if any(name in figures for figures in each.values())]
    lines = []
    for label in metadata.labels[:ROWS]:
        figures = each[label.id]
        pictures = figures["recall"].n if "recall" in figures else 0
        cells = [shown(figures[name]) if name in figures else "" for name in columns]
        lines.append((options.one_line(label.label), f"{pictures:,}", *cells))
    click.echo()
    print_table(("label", "pictures", *columns), lines, left={0})
    if len(metadata.labels) > ROWS:
        click.echo(f"... and {len(metadata.labels) - ROWS:,} more labels: --format json has them all.")
    if judged.slices:
        click.echo()
        rows = [
            (options.one_line(one.column), options.one_line(one.value), f"{one.figure.n:,}", shown(one.figure))
            for one in judged.slices[:ROWS]
        ]
        print_table(("slice", "value", "pictures", "figure"), rows, left={0, 1})
        if len(judged.slices) > ROWS:
            click.echo(f"... and {len(judged.slices) - ROWS:,} more slices: --format json has them all.")
