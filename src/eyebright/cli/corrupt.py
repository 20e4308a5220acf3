"""`eyebright corrupt`: what is left of a model's figure when pictures are spoiled; of a video, how steady it is."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eyebright.cli import judging, options
from eyebright.errors import BadRequest

if TYPE_CHECKING:
    from eyebright.evaluation.robustness.consistency import Consistency
    from eyebright.evaluation.robustness.robustness import Robustness
    from eyebright.modelfile import Figure, ModelFile
    from eyebright.runtime import Runtime

FLIPS = 30
"""Changes in a video that are listed in text; --format json has all."""
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(name="corrupt", no_args_is_help=True)
@click.argument("model", type=click.Path(readable=False))
@click.argument("data", type=click.Path(readable=False))
@judging.split
@judging.reader
@judging.crops
@click.option(
    "--only",
    metavar="NAMES",
    help="With commas: noise, blur, light, color, detail, or single corruptions as the table has them.",
)
@click.option("--severities", metavar="NUMBERS", help="Of 1 (barely seen) to 5 (strong): 1,3,5; all by default.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="The same one spoils alike.")
@options.text_or_json
@click.option("--html", type=_FILE, help="Write a page with the lines, the table and examples.")
@click.option("--sheet", type=_FILE, help="Write a PNG of one picture under all that is done.")
@options.force
@options.every
@options.provider
@options.threads
@options.trust
def command(
    model: str,
    data: str,
    split: str,
    reader: str | None,
    crops: bool,
    only: str | None,
    severities: str | None,
    seed: int,
    form: str,
    html: Path | None,
    sheet: Path | None,
    force: bool,
    every: str,
    provider: str,
    threads: int | None,
    trust: bool,
) -> int:
    """Judge a model under noise, blur and bad light.

    DATA is what `eyebright data show` reads: every picture is shown clean, and spoiled in 14 ways at 5 severities.
    Or it is a video, without labels: how often does the model change its mind from one frame to the next?

    \b
      eyebright corrupt run/model.onnx photos/
      eyebright corrupt lite0 photos.zip --split all --only noise,blur --severities 1,3,5 --html spoiled.html
      eyebright corrupt lite0 film.mp4 --every 500ms
    """
    from eyebright.evaluation.robustness.corruptions import CORRUPTIONS, chosen
    from eyebright.runtime import cores

    given = {"--only": only, "--severities": severities, "--html": html, "--sheet": sheet}
    if _is_video(data):
        for option, value in given.items():
            if value is not None:
                raise BadRequest(f"{option} is for labeled pictures; {data} is a video.")
        file, runtime = judging.opened(model, provider, trust)
        return watch(file, runtime, Path(data), every, form, threads or cores())
    names = tuple(CORRUPTIONS) if only is None else chosen([name.strip() for name in only.split(",")])
    levels = numbers(severities)
    if html:
        options.must_be_free(html, force)
    if sheet:
        options.must_be_free(sheet, force, over="picture")
    if html and html == sheet:
        raise BadRequest("--html and --sheet name the same file; give each its own.")

    from eyebright.evaluation.robustness import page as robustness_page
    from eyebright.evaluation.robustness import robustness
    from eyebright.evaluation.robustness import sheet as corruption_sheet
    from eyebright.preprocessing import fit

    file, runtime = judging.opened(model, provider, trust)
    understood = judging.labeled(data, file.metadata, split, reader, crops).data
    shown = robustness.show(
        understood, file, runtime, names, levels, seed, threads or cores(), judging.progress("seen")
    )
    judging.say(shown.failed)
    found = robustness.judged(shown, names, levels, file.metadata.task)
    where = f"{understood.name}{'' if split == 'all' else f', {split} split'}"
    if html or sheet:
        item = shown.items[0]
        pixels = fit(understood.picture(item), file.metadata.input)
        if html:
            about = f"On {_pictures(len(shown.items))} of {where}; the model file is {Path(file.path).name}."
            page = robustness_page.page(found, file.metadata.name, about, pixels, item.name, seed)
            options.write_bytes(html, page.encode("utf-8", "replace"))
        if sheet:
            options.write_bytes(sheet, corruption_sheet.to_png(pixels, item.name, names, levels, seed))
    if form == "json":
        click.echo(json.dumps(as_json(found, seed), ensure_ascii=False))
    else:
        click.echo(options.one_line(f"{file.metadata.name}, on {_pictures(len(shown.items))} of {where}:"))
        tell(found)
    return 1 if shown.failed else 0


def watch(file: "ModelFile", runtime: "Runtime", path: Path, every: str, form: str, threads: int) -> int:
    """A video: how often what is said changes, and where."""
    from eyebright.evaluation.robustness.consistency import consistency, statements, track
    from eyebright.recognize.video import Every

    seen = track(file, runtime, path, Every.parse(every), threads)
    said = statements(seen.scores, file.metadata)
    found = consistency(seen.scores, seen.times_s, said, file.metadata.task)
    if form == "json":
        figures = {name: _plain(getattr(found, name)) for name in ("same_label", "same_statement", "distance")}
        flips = [{"time_s": flip.time_s, "before": flip.before, "after": flip.after} for flip in found.flips]
        click.echo(json.dumps({**figures, "frames": len(said), "flips": flips}, ensure_ascii=False))
    else:
        click.echo(options.one_line(f"{file.metadata.name}, on {len(said):,} frames of {path.name}:"))
        tell_flips(found)
    return 0


def numbers(text: str | None) -> tuple[int, ...]:
    """Severities, each once and ascending, from "1,3,5"; all from None.

    >>> numbers("5, 1")
    (1, 5)
    """
    from eyebright.evaluation.robustness.corruptions import SEVERITIES

    if text is None:
        return SEVERITIES
    parts = [part.strip() for part in text.split(",")]
    known = {str(severity): severity for severity in SEVERITIES}
    for part in parts:
        if part not in known:
            raise BadRequest(f"--severities takes numbers from 1 to 5 with commas between, as 1,3,5; {part!r} is none.")
    return tuple(sorted({known[part] for part in parts}))


def as_json(found: "Robustness", seed: int) -> dict[str, Any]:
    """One object; what has a severity stands under it, as text."""
    levels = [str(severity) for severity in found.severities]
    return {
        "measure": found.measure,
        "seed": seed,
        "clean": _plain(found.clean),
        "mean": _plain(found.mean),
        "drop": _plain(found.drop),
        "worst": found.worst.name,
        "severities": dict(zip(levels, map(_plain, found.means), strict=True)),
        "corruptions": {
            one.name: {
                "mean": _plain(one.mean),
                "drop": _plain(one.drop),
                "severities": dict(zip(levels, map(_plain, one.figures), strict=True)),
                "drops": dict(zip(levels, map(_plain, one.drops), strict=True)),
            }
            for one in found.corruptions
        },
    }


def tell(found: "Robustness") -> None:
    from eyebright.cli.encoders import print_table
    from eyebright.evaluation.robustness.robustness import finding

    click.echo(f"  {found.measure} of clean pictures {_shown(found.clean)}\n")
    lines = [
        (one.name, *(f"{figure.value:.3f}" for figure in one.figures), _shown(one.mean), _shown(one.drop))
        for one in found.corruptions
    ]
    lines.append(("all", *(f"{figure.value:.3f}" for figure in found.means), _shown(found.mean), _shown(found.drop)))
    print_table(("severity", *map(str, found.severities), "mean", "drop"), lines, left={0})
    click.echo(f"\n{finding(found)}")


def tell_flips(found: "Consistency") -> None:
    from eyebright.cli.encoders import print_table
    from eyebright.cli.wording import clock

    for name in ("same_label", "same_statement", "distance"):
        click.echo(f"  {name:<16} {getattr(found, name).value:.3f}")
    if found.flips:
        lines = [(clock(flip.time_s), *map(options.one_line, flip[1:])) for flip in found.flips[:FLIPS]]
        click.echo()
        print_table(("at", "before", "after"), lines, left={1, 2})
    if len(found.flips) > FLIPS:
        click.echo(f"... and {len(found.flips) - FLIPS:,} more changes: --format json has them all.")


def _is_video(path: str) -> bool:
    from eyebright.recognize.sources import Movie, Sources

    return os.path.isfile(path) and isinstance(next(iter(Sources([path]))), Movie)


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count:,} pictures"


def _shown(figure: "Figure") -> str:
    if figure.low is None or figure.high is None:
        return f"{figure.value:.3f}"
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def _plain(figure: "Figure") -> Any:
    import msgspec

    return msgspec.to_builtins(figure)
