"""`eyebright predict`: name what is in photos, folders and videos."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eyebright.cli import options
from eyebright.errors import BadRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eyebright.recognize import Failure, Prediction, Recognizer


@click.command(no_args_is_help=True)
@options.sources
@options.model
@click.option("--top", type=click.IntRange(1, 1000), default=5, show_default=True, help="How many labels to show.")
@click.option("--threshold", type=float, help="Score from which on something is said; the model's own or 0.6.")
@click.option("--parents/--no-parents", default=True, help="Show what stands above the labels: cat above tabby.")
@click.option("--abstain", type=float, metavar="SHARE", help="Answer only where that share of answers is right: 0.99.")
@click.option(
    "--set-coverage", type=float, metavar="SHARE", help="Give sets of labels that hold the right one so often: 0.9."
)
@click.option("--none-of-these", is_flag=True, help="Say so where no label fits (a page of text, say).")
@options.output_format
@options.output()
@options.force
@click.option("--resume", is_flag=True, help="Go on with --output FILE where an earlier run ended.")
@options.plain
@options.every
@click.option("--summarize", is_flag=True, help="Of a video: stretches of time instead of single frames.")
@click.option("--frames", "all_frames", is_flag=True, help="Of an animated picture: every frame, not the first alone.")
@click.option("--watch", is_flag=True, help="Follow folders and name what appears, until Ctrl-C.")
@options.size
@options.batch
@options.threads
@options.provider
@options.megapixels
@options.trust
def command(
    sources: tuple[str, ...],
    form: Any,
    output: Path | None,
    force: bool,
    resume: bool,
    plain: bool,
    parents: bool,
    watch: bool,
    every: str,
    summarize: bool,
    all_frames: bool,
    batch: int,
    **how: Any,
) -> int:
    """Name what is in photos, folders and videos.

    SOURCES are files, folders (with all in them), patterns like 'holiday/*.jpg', videos, or - for a picture on
    standard input.

    \b
      eyebright predict photo.jpg
      eyebright predict holiday/ --format json --output names.jsonl
      eyebright predict film.mp4 --every 2s --summarize
    """
    from eyebright.cli import progress
    from eyebright.cli.results import Results
    from eyebright.recognize.sources import Sources, count, expand
    from eyebright.recognize.video import Every

    given = expand(sources, has_stdin=not watch)
    looks: dict[str, Any] = {"every": Every.parse(every), "summarize": summarize, "all_frames": all_frames}
    if watch:
        _must_be_folders(given)
    recognizer = options.recognizer(**how)
    with Results(form, output, plain=plain, parents=parents, force=force, resume=resume) as results:
        items = Sources(given, sys.stdin.buffer, results.done)
        if watch:
            found = _appearing(recognizer, given, looks, plain)
        else:
            found = recognizer.stream(items, batch=batch, **looks)
            if progress.wanted(results.on_terminal, plain):
                found = progress.told(found, items, count(given) - len(results.done))
        for result in found:
            results.write(result)
    if results.written == 0 and not results.done:
        raise BadRequest(options.nothing_in(given, items.others))
    options.tell_rest(items.others, results.failed, results.written)
    return 1 if results.failed else 0


def _must_be_folders(given: list[str]) -> None:
    for folder in given:
        if not Path(folder).is_dir():
            raise BadRequest(f"--watch follows folders; {folder} is none.")


def _appearing(
    recognizer: "Recognizer", folders: list[str], looks: dict[str, Any], plain: bool
) -> "Iterator[Prediction | Failure]":
    """What is in the files that appear in folders from now on, until Ctrl-C."""
    from eyebright.recognize.sources import watch

    if not plain:
        click.echo(f"Watching {', '.join(folders)}; Ctrl-C ends.", err=True)
    for appeared in watch(folders):
        yield from recognizer.stream(appeared, batch=1, **looks)
