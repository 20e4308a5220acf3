"""`eyebright data doubt`: which labels are probably wrong, what a person says to that, and the list that follows."""

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eyebright.cli import options
from eyebright.errors import BadRequest

if TYPE_CHECKING:
    from eyebright.data import Dataset
    from eyebright.data.verdicts import Question
    from eyebright.evaluation.doubtful import Case
    from eyebright.evaluation.mistakes import Suspects

ROWS = 50
"""Cases that are listed in text; a table and --format json have all."""
ENCODERS = {"lite0": "efficientnet-lite0"}
"""Short names beside those of `eyebright encoders`."""
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(name="doubt", no_args_is_help=True)
@click.argument("data", type=click.Path(readable=False))
@click.option("--encoder", metavar="NAME", default="lite0", show_default=True, help="Of `eyebright encoders`.")
@click.option(
    "--split", type=click.Choice(["train", "all"]), default="all", show_default=True, help="The pictures to judge."
)
@click.option("--top", type=click.IntRange(1), help="So many, doubtful or not; else those worth a look.")
@options.text_or_json
@click.option("--html", type=_FILE, help="Write a page with the pictures beside those that speak against their label.")
@click.option("--csv", "table", type=_FILE, help="Write a table to fill in; with --review, where the answers are kept.")
@click.option("--review", is_flag=True, help="Ask about each on a page of this machine; Ctrl-C ends it.")
@click.option("--no-browser", is_flag=True, help="With --review: only print the page's address.")
@click.option("--apply", "answers", type=_FILE, help="A table with verdicts: yes, no, drop, or another label.")
@click.option("--write", "corrected", type=_FILE, help="Write the corrected list, from --apply or --review.")
@click.option("--reader", metavar="NAME", help="The format, where it is detected wrongly: folders, csv, coco ...")
@options.threads
@options.plain
@options.force
def command(
    data: str,
    encoder: str,
    split: str,
    top: int | None,
    form: str,
    html: Path | None,
    table: Path | None,
    review: bool,
    no_browser: bool,
    answers: Path | None,
    corrected: Path | None,
    reader: str | None,
    threads: int | None,
    plain: bool,
    force: bool,
) -> int:
    """Find labels that are probably wrong, ask a person, and write a corrected list; the data stay as they are.

    \b
      eyebright data doubt photos/
      eyebright data doubt photos/ --review --csv verdicts.csv
      eyebright data doubt photos/ --apply verdicts.csv --write photos/corrected.csv
    """
    from eyebright.data import Dataset

    _check(review, table, answers, corrected, html)
    goes_on = review and table is not None and table.exists()
    for output in filter(None, (html, None if goes_on else table, corrected)):
        options.must_be_free(output, force)
    dataset = Dataset.read(data, reader)
    if corrected:
        from eyebright.data import clean

        clean.above(dataset, corrected)  # whether a list can be written is known before any work
    if answers:
        assert corrected
        return _write(dataset, answers, corrected)
    if goes_on and table:
        from eyebright.data import verdicts

        verdicts.read(table, dataset)  # and whether it can be gone on with
    part = dataset.part("train") if split == "train" else dataset
    if not part.items:
        raise BadRequest(f"{dataset.name} has no train split; --split all takes every picture.")
    found, cases, judged, failed = _found(part, encoder, top, threads, plain)
    summary = _summary(found, judged)
    if html:
        from eyebright.evaluation.doubtful_page import page

        options.write_bytes(html, page(cases, judged, summary).encode("utf-8", "replace"))
    if review:
        assert table
        _ask(cases, judged, table, no_browser)
        if corrected and table.exists():
            _write(dataset, table, corrected)
        elif corrected:
            click.echo(f"No answer was given, so {corrected} is not written.", err=True)
        return 1 if failed else 0
    if table:
        from eyebright.data import verdicts

        text = verdicts.table((question(case, judged), case.doubt) for case in cases)
        options.write_bytes(table, text.encode("utf-8", "surrogateescape"))
        click.echo(f"{table}: {len(cases):,} rows; write yes, no, drop or a label into the last column.", err=True)
    if form == "json":
        click.echo(json.dumps(_as_json(data, summary, found, cases, judged), ensure_ascii=False))
    else:
        _tell(summary, cases, judged)
    options.tell_rest(0, failed, len(part.items))
    return 1 if failed else 0


def question(case: "Case", data: "Dataset") -> "Question":
    """A case as a table names it."""
    from eyebright.data.verdicts import Question, names

    words = [*names(data), ""]  # the last for NONE
    return Question(case.item.name, words[case.given], words[case.proposed])


def _check(review: bool, table: Path | None, answers: Path | None, corrected: Path | None, html: Path | None) -> None:
    """Raises BadRequest for options that cannot be meant together."""
    if review and not table:
        raise BadRequest("--review keeps the answers in a table: name it with --csv FILE.")
    if answers and (review or table or html):
        raise BadRequest("--apply only writes a corrected list; leave out --review, --csv and --html.")
    if answers and not corrected:
        raise BadRequest("--apply writes a corrected list: name it with --write FILE.")
    if corrected and not (answers or review):
        raise BadRequest("--write takes a person's verdicts: from --apply FILE, or from --review.")
    named = [path for path in (html, table, answers, corrected) if path]
    if len(set(named)) < len(named):
        raise BadRequest("two options name the same file; give each its own.")


def _found(
    part: "Dataset", encoder: str, top: int | None, threads: int | None, plain: bool
) -> "tuple[Suspects, list[Case], Dataset, int]":
    """The suspects, those to show, the pictures that were judged, and how many could not be read."""
    from eyebright.cli.show import Show
    from eyebright.evaluation.doubtful import cases
    from eyebright.training import Recipe
    from eyebright.training.doubt import doubt

    recipe = Recipe.of("head", {"encoder": ENCODERS.get(encoder, encoder), "threads": threads or 0}, "the request")
    show = Show(plain)
    result = doubt(part, recipe, show)
    show.clear()
    return result.suspects, cases(result.suspects, result.data, result.embeddings, top), result.data, result.unread


def _summary(found: "Suspects", data: "Dataset") -> str:
    """One sentence."""
    labels = "yes and no answers" if data.task == "multi" else "labels"
    flagged, total = int(found.flagged.sum()), len(found.doubt)
    counted = f"{total:,} {labels} of {len(data.items):,} pictures" if data.task == "multi" else f"{total:,} {labels}"
    if not flagged:
        return f"Of {counted} none looks wrong."
    wrong = float(found.doubt[found.flagged].sum())
    if flagged == 1:
        return f"Of {counted} 1 is worth a look: it is wrong with a chance of {wrong:.2f}."
    return f"Of {counted} {flagged:,} are worth a look; about {wrong:,.0f} of these are wrong."


def _tell(summary: str, cases: "Sequence[Case]", data: "Dataset") -> None:
    from eyebright.cli.encoders import print_table
    from eyebright.evaluation.doubtful import words

    click.echo(options.one_line(f"{data.name}: {summary}"))
    if not cases:
        return
    lines = []
    for case in cases[:ROWS]:
        cells = (*words(case, data.labels), f"{case.doubt:.3f}", case.item.name, case.reason)
        lines.append(tuple(options.one_line(cell) for cell in cells))
    click.echo()
    print_table(("given", "proposed", "doubt", "file", "why"), lines, left={0, 1, 3, 4})
    if len(cases) > ROWS:
        click.echo(f"... and {len(cases) - ROWS:,} more: --csv FILE and --format json have them all.")


def _as_json(data: str, summary: str, found: "Suspects", cases: "Sequence[Case]", judged: "Dataset") -> dict[str, Any]:
    ids = [*(label.id for label in judged.labels), None]  # the last for NONE
    return {
        "data": data,
        "task": judged.task,
        "pictures": len(judged.items),
        "judged": len(found.doubt),
        "flagged": int(found.flagged.sum()),
        "expected_wrong": round(float(found.doubt.sum()), 1),
        "summary": summary,
        "suspects": [
            {
                "file": case.item.name,
                "split": case.item.split,
                "given": ids[case.given],
                "proposed": ids[case.proposed],
                "doubt": round(case.doubt, 6),
                "flagged": case.flagged,
                "reason": case.reason,
                "near": [item.name for item in case.near],
            }
            for case in cases
        ],
    }


def _ask(cases: "Sequence[Case]", data: "Dataset", table: Path, no_browser: bool) -> None:
    """Show the page until Ctrl-C."""
    from eyebright.cli.review import Review, server

    if not cases:
        click.echo("There is nothing to ask about.", err=True)
        return
    review = Review(cases, [question(case, data) for case in cases], data, table)
    with server(review) as serving:
        click.echo(f"{len(cases):,} labels to judge, {review.answered:,} have an answer: {review.address}", err=True)
        click.echo("Ctrl-C ends it; answers are kept as they are given.", err=True)
        if not no_browser:
            _open(review.address)
        with contextlib.suppress(KeyboardInterrupt):
            serving.serve_forever(poll_interval=0.2)
    click.echo(f"{table}: {review.answered:,} of {len(cases):,} have an answer.", err=True)


def _open(address: str) -> None:
    """In a thread: a browser in the terminal would wait for pages that nobody serves yet."""
    import threading
    import webbrowser

    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()


def _write(dataset: "Dataset", answers: Path, corrected: Path) -> int:
    from eyebright.data import clean, verdicts

    told = verdicts.read(answers, dataset)
    new = verdicts.corrected(dataset, told)
    options.write_bytes(corrected, clean.listed(new, corrected).encode())
    before = {item.name: item.labels for item in dataset.items}
    changed = sum(item.labels != before[item.name] for item in new.items)
    click.echo(
        f"{corrected}: {len(new.items):,} pictures, {changed:,} with other labels, "
        f"{len(dataset.items) - len(new.items):,} dropped.",
        err=True,
    )
    return 0
