"""`eyebright prune`: from a run to a smaller, faster one."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from eyebright.cli import contract, options
from eyebright.cli.contract import of_contract
from eyebright.errors import BadRequest, extra

if TYPE_CHECKING:
    from eyebright.cli.show import Show
    from eyebright.compression.prune import Pruned

BEGUN_WITH = (
    "target_latency", "faster", "target_size", "keep", "int8", "by", "importance", "rounds", "promised", "keys", "data",
)  # fmt: skip


@click.command(no_args_is_help=True)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The new run's folder to make.")
@click.option("--target-latency", metavar="3ms", help="Milliseconds a picture here, on one thread.")
@click.option(
    "--faster", type=float, metavar="TIMES", help="Than the run's own model file, as 1.5; here, on one thread."
)
@click.option("--target-size", metavar="2MB", help="Of the model file.")
@click.option("--keep", type=float, metavar="SHARE", help="Of the multiply-adds, 0 to 1.")
@click.option("--int8", is_flag=True, help="With --target-size: of the file once it is quantized.")
@click.option(
    "--by",
    type=click.Choice(["channels", "blocks"]),
    default="channels",
    show_default=True,
    help="What is taken out.",
)
@click.option(
    "--importance",
    type=click.Choice(["taylor", "magnitude", "norm"]),
    default="taylor",
    show_default=True,
    help="How channels are ranked.",
)
@click.option(
    "--rounds", type=click.IntRange(1, 100), default=3, show_default=True, help="Steps in which it is taken out."
)
@click.option("--time", "promised", metavar="10m", help="Of the fine-tuning: 90s, 10m, 2h; 12 passes by default.")
@click.option("--set", "keys", metavar="KEY=VALUE", multiple=True, help="Any key of the fine-tuning's recipe.")
@of_contract()
@click.option("--data", metavar="DATA", help="The run's pictures, where they are not any more where it found them.")
@options.text_or_json
@options.plain
@click.option("--resume", is_flag=True, help="Go on with what was stopped while its network learned.")
@click.option("--force", is_flag=True, help="Replace the run that is in the folder.")
def command(
    run: Path,
    output: Path,
    target_latency: str | None,
    faster: float | None,
    target_size: str | None,
    keep: float | None,
    int8: bool,
    by: Any,
    importance: Any,
    rounds: int,
    promised: str | None,
    keys: tuple[str, ...],
    max_drop: float,
    max_class_drop: float,
    strict: bool,
    html: Path | None,
    data: str | None,
    form: str,
    plain: bool,
    resume: bool,
    force: bool,
) -> int:
    """Take out what a network needs least, and teach the rest to do without it.

    RUN is a folder that `eyebright train` filled by mode finetune or scratch. Whole channels or whole blocks go, until
    the goal is met, measured on this machine; then the network learns from the run's model file.

    \b
      eyebright prune run/ -o small/ --target-latency 3ms
      eyebright prune run/ -o small/ --faster 1.5
      eyebright prune run/ -o small/ --target-size 2MB --by blocks
      eyebright prune run/ -o small/ --keep 0.5 --time 10m
      eyebright prune run/ -o small/ --resume
    """
    from eyebright.cli.show import Show
    from eyebright.cli.train import read

    with extra("train", "pruning"):
        from eyebright.compression.goal import Goal
        from eyebright.compression.prune import prune, resumed

    allowed = contract.allowed(max_drop, max_class_drop)
    if html:
        options.must_be_free(html, force)
    show = Show(plain)
    if resume:
        given = click.get_current_context().get_parameter_source
        if any(given(name) is ParameterSource.COMMANDLINE for name in BEGUN_WITH):
            raise BadRequest(f"--resume goes on with what {output} was begun with; leave out the rest.")
        begun = read(where(output, None), show)
        told(resumed(run, output, begun, allowed=allowed, strict=strict, tell=show), show, strict, html, form)
        return 0
    goal = Goal(
        latency_ms=options.quantity("--target-latency", target_latency, options.MILLISECONDS, "3ms"),
        speedup=faster or 0.0,
        size_bytes=options.quantity("--target-size", target_size, options.BYTES, "2MB"),
        keep=keep or 0.0,
        int8=int8,
    )
    source = where(run, data)
    try:
        pruned = prune(
            run,
            output,
            goal,
            read(source, show),
            by=by,
            importance=importance,
            rounds=rounds,
            minutes=options.minutes(promised) if promised else 0.0,
            allowed=allowed,
            strict=strict,
            keys=options.of_sets(keys),
            force=force,
            source=source,
            tell=show,
        )
    except KeyboardInterrupt:
        if (output / "run.json").exists():
            show.say(f"Go on with:  eyebright prune {run} -o {output} --resume")
        raise
    told(pruned, show, strict, html, form)
    return 0


def told(pruned: "Pruned", show: "Show", strict: bool, html: Path | None, form: str) -> None:
    """Parent and child side by side, and the verdict. Raises Refused."""
    show.clear()
    judged = pruned.judged
    assert judged is not None
    reported = f"{judged.found.pictures:,} pictures of {judged.data.name} that had no say in making it"
    contract.show(judged, pruned.steps, html, form, reported)
    contract.held(judged, pruned.steps, form, lambda: pruned.must_hold(strict))
    contract.say(judged, pruned.steps, pruned.model, form)
    click.echo(f"Read it: {pruned.run / 'report.html'}", err=True)


def where(run: Path, data: str | None) -> dict[str, Any]:
    """Where the run's pictures are."""
    from eyebright.training.run import Run

    found = Run(run).about().get("data")
    source = found if isinstance(found, dict) else {}
    if data is not None:
        return {**source, "path": str(Path(data).absolute())}
    if not isinstance(source.get("path"), str):
        raise BadRequest(f"{run} does not say on which pictures it learned; name them with --data.")
    if not Path(source["path"]).exists():
        raise BadRequest(f"{source['path']}, on which {run} learned, is gone; say with --data where its pictures are.")
    return source
