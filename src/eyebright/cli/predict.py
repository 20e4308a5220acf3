"""`eyebright predict`: name what is in photos, folders and videos."""

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eyebright.cli import options
from eyebright.errors import BadRequest

if TYPE_CHECKING:
    from eyebright.cli.results import Results
    from eyebright.recognize import Failure, Prediction, Recognizer


@click.command(no_args_is_help=True)
@click.argument("sources", nargs=-1, required=True)
@options.model
@click.option("--top", type=click.IntRange(1, 1000), default=5, show_default=True, help="How many labels to show.")
@click.option("--threshold", type=float, help="Score from which on something is said; the model's own or 0.6.")
@click.option("--parents/--no-parents", default=True, help="Show what stands above the labels: cat above tabby.")
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
@click.option("--size", type=int, help="Side of the input in pixels, one that the model lists (see inspect).")
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
    every: str,
    summarize: bool,
    all_frames: bool,
    watch: bool,
    batch: int,
    megapixels: int,
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
    from eyebright.recognize.sources import Sources, expand
    from eyebright.recognize.video import Every

    if every:
        Every.parse(every)
    given = expand(sources, has_stdin=True)
    recognizer = _recognizer(megapixels, **how)
    if watch:
        return _watch(recognizer, given, form, output, plain=plain, parents=parents, force=force, resume=resume)
    from eyebright.cli.results import Results

    with Results(form, output, plain=plain, parents=parents, force=force, resume=resume) as results:
        items = Sources(given, sys.stdin.buffer, results.done)
        found = recognizer.stream(items, every=every, all_frames=all_frames, summarize=summarize, batch=batch)
        with progress(given, results, plain) as told:
            for result in told(found):
                results.write(result)
    if results.written == 0 and not results.done:
        what = f" ({items.others:,} other files)" if items.others else ""
        raise BadRequest(f"no pictures or videos in {', '.join(given)}{what}.")
    if items.others:
        click.echo(f"{items.others:,} files that are no pictures or videos were left out.", err=True)
    if results.failed:
        click.echo(f"{results.failed:,} of {results.written:,} could not be read.", err=True)
    return 1 if results.failed else 0


def _recognizer(megapixels: int, **how: Any) -> "Recognizer":
    from eyebright.images import Limits
    from eyebright.recognize import load

    return load(limits=Limits(pixels=megapixels * 1_000_000), **how)


def _watch(recognizer: "Recognizer", folders: list[str], form: Any, output: Path | None, **how: Any) -> int:
    from eyebright.cli.results import Results
    from eyebright.recognize.sources import watch

    for folder in folders:
        if not Path(folder).is_dir():
            raise BadRequest(f"--watch follows folders; {folder} is none.")
    with Results(form, output, **how) as results:
        if not how["plain"]:
            click.echo(f"Watching {', '.join(folders)}; Ctrl-C ends.", err=True)
        for appeared in watch(folders):
            for result in recognizer.stream(appeared, batch=1):
                results.write(result)
    return 0


def progress(given: list[str], results: "Results", plain: bool) -> Any:
    """A bar with rate and time left on stderr, where somebody looks at it and no results run through it."""
    if plain or not sys.stderr.isatty() or results.on_terminal:
        return nullcontext(lambda found: found)
    import time

    from eyebright.recognize.sources import count

    bar = click.progressbar(length=max(count(given) - len(results.done), 1), file=sys.stderr, show_pos=True, width=30)
    began = time.monotonic()

    class Told:
        def __enter__(self) -> Any:
            bar.__enter__()
            return self.through

        def __exit__(self, *error: Any) -> None:
            bar.__exit__(*error)

        @staticmethod
        def through(found: "Iterator[Prediction | Failure]") -> "Iterator[Prediction | Failure]":
            last = ""
            for done, result in enumerate(found, 1):
                yield result
                rate = done / max(time.monotonic() - began, 1e-6)
                bar.label = f"{rate:,.0f} a second"
                bar.update(result.source != last)
                last = result.source

    return Told()
