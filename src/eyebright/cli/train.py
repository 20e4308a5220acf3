"""`eyebright train`: from a folder of labeled pictures to a model file."""

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eyebright.cli import options
from eyebright.errors import BadRequest

if TYPE_CHECKING:
    from eyebright.cli.show import Show
    from eyebright.data import Dataset
    from eyebright.training import Recipe, Result

TASKS = {
    "single": "single",
    "binary": "binary",
    "multi": "multi",
    "single class": "single",
    "single-class": "single",
    "multiclass": "multi",
    "multi-class": "multi",
}
"""Words for a task, some of them of an older guide -> ours."""


@click.command(no_args_is_help=True)
@click.argument("data", required=False, type=click.Path(readable=False))
@click.option("-o", "--output", "run", required=True, type=click.Path(path_type=Path), help="The run's folder to make.")
@click.option("--mode", type=click.Choice(["head", "finetune", "scratch"]), help="What learns; head by default.")
@click.option("--task", help="single, binary or multi (many labels a picture); seen from the data by default.")
@click.option("--encoder", metavar="NAME", help="The network, of `eyebright encoders`; pixels: colors and edges.")
@click.option("--weights", metavar="FILE", help="Pretrained weights: .safetensors, .pth, .onnx, or hf:OWNER/MODEL.")
@click.option("--width", type=float, help="Multiplies the network's channels.")
@click.option("--depth", type=float, help="Multiplies its blocks.")
@click.option("--size", type=int, help="Pixels a side that it sees.")
@click.option("--time", "promised", metavar="10m", help="Take this long in all: 90s, 10m, 2h.")
@click.option("--teacher", metavar="MODEL", help="A model file whose answers are imitated (distillation).")
@click.option("--unlabeled", metavar="DIR", help="With a teacher: more pictures, whose labels nobody knows.")
@click.option("--seed", type=int, help="All that is drawn at random follows from it.")
@click.option("--device", metavar="NAME", help="auto, cpu, cuda or mps.")
@click.option("--recipe", "file", type=click.Path(path_type=Path), help="A TOML file of keys, as a run keeps one.")
@click.option("--set", "keys", metavar="KEY=VALUE", multiple=True, help="Any key of a recipe; may be repeated.")
@click.option("--reader", metavar="NAME", help="The data's format, where it is detected wrongly.")
@click.option("--positive", metavar="LABEL", help="Of yes/no: the label that is the yes.")
@click.option("--crops", is_flag=True, help="Of COCO and VOC: each box is a picture of its own.")
@click.option("--resume", is_flag=True, help="Go on with the run in the folder, which was stopped.")
@click.option("--prove-resume", is_flag=True, help="Afterwards, show that a killed and resumed run ends the same.")
@click.option("--anyway", is_flag=True, help="Train although the audit found what spoils the result.")
@options.text_or_json
@options.plain
@click.option("--force", is_flag=True, help="Replace the run that is in the folder.")
def command(
    data: str | None,
    run: Path,
    task: str | None,
    promised: str | None,
    file: Path | None,
    keys: tuple[str, ...],
    reader: str | None,
    positive: str | None,
    crops: bool,
    resume: bool,
    prove_resume: bool,
    anyway: bool,
    form: str,
    plain: bool,
    force: bool,
    **given: Any,
) -> int:
    """Teach a network your own labels, from a folder of labeled pictures.

    DATA is a folder with a folder of pictures for each label, an archive of it, a table, or another format that
    `eyebright data show` understands. The run's folder gets the model file, a report and all that is needed to go on.

    \b
      eyebright train photos/ -o run/
      eyebright train photos/ -o run/ --mode finetune --time 30m
      eyebright train digits.zip -o run/ --mode scratch --encoder resnet-8 --size 32
      eyebright train --resume -o run/
    """
    from eyebright.cli.show import Show
    from eyebright.training import train
    from eyebright.training.run import speaks

    show = Show(plain, silent=not speaks())
    source, recipe = asked(data, run, task, promised, file, keys, reader, positive, crops, resume, given)
    dataset = read(source, show)
    try:
        result = train(dataset, run, recipe, resume=resume, force=force, anyway=anyway, tell=show, source=source)
    except KeyboardInterrupt:
        if (run / "run.json").exists():
            show.say(f"Go on with:  eyebright train --resume -o {run}")
        raise
    if not speaks():
        return 0
    if prove_resume:
        prove(run, show)
    show.clear()
    tell(result, form)
    return 0


def asked(
    data: str | None,
    run: Path,
    task: str | None,
    promised: str | None,
    file: Path | None,
    keys: tuple[str, ...],
    reader: str | None,
    positive: str | None,
    crops: bool,
    resume: bool,
    given: dict[str, Any],
) -> tuple[dict[str, Any], "Recipe | None"]:
    """Where the data are, and the recipe; of a run that is resumed, its own."""
    from eyebright.training import Recipe
    from eyebright.training.run import Run

    wanted = {key: value for key, value in given.items() if value is not None} | options.of_sets(keys)
    if promised is not None:
        wanted["minutes"] = options.minutes(promised)
    for key in ("teacher", "unlabeled"):
        if key in wanted and Path(wanted[key]).exists():
            wanted[key] = str(Path(wanted[key]).absolute())  # the run may be resumed from elsewhere
    if resume:
        if data or wanted or file or task or reader or positive or crops:
            raise BadRequest(f"--resume goes on with what {run} was begun with; leave out the rest.")
        source = Run(run).about().get("data")
        if not isinstance(source, dict) or not isinstance(source.get("path"), str):
            raise BadRequest(f"{run} holds no run to go on with.")
        if parent := source.get("pruned_from"):
            raise BadRequest(
                f"{run} was begun by a pruning, which also judges it: eyebright prune {parent} -o {run} --resume"
            )
        return source, None
    if data is None:
        raise BadRequest("which data? Name a folder, an archive or a table of labeled pictures.")
    source = {
        "path": str(Path(data).absolute()),
        "reader": reader,
        "task": None if task is None else known_task(task),
        "positive": positive,
        "crops": crops,
    }
    mode = wanted.pop("mode", None)
    if file is not None:
        return source, Recipe.read(file, {**wanted, **({"mode": mode} if mode else {})})
    return source, Recipe.of(mode or "head", wanted, "the recipe")


def known_task(word: str) -> str:
    """Our word for a task."""
    task = TASKS.get(word.lower().strip())
    if task is None:
        raise BadRequest(f"--task is single (one label each), binary (yes or no) or multi (many); {word!r} is not.")
    if word.lower() not in ("single", "binary", "multi"):
        what = "many labels a picture" if task == "multi" else "one label a picture"
        click.echo(f"{word!r} is called {task} here: {what}.", err=True)
    return task


def read(source: dict[str, Any], show: "Show") -> "Dataset":
    from eyebright.data import Dataset
    from eyebright.data.dataset import SPLITS

    reader, task, positive, crops = (source.get(key) for key in ("reader", "task", "positive", "crops"))
    dataset = Dataset.read(source["path"], reader, task, positive, bool(crops))
    if source.get("halved"):
        from eyebright.compression.parts import parts

        dataset = parts(dataset)  # half of the validation pictures will judge what was made of a run
    counts = Counter(item.split for item in dataset.items)
    splits = ", ".join(f"{counts[split]:,} {split}" for split in SPLITS if counts[split])
    show.say(f"{dataset.name}: {len(dataset.labels)} labels, task {dataset.task}; {splits}.")
    for remark in dataset.remarks:
        show.say(remark)
    return dataset


def prove(run: Path, show: "Show") -> None:
    from eyebright.training.prove import prove
    from eyebright.training.run import Run

    if not Run(run).history():
        show.say("Mode head takes no steps, so there is nothing to resume.")
        return
    sentence = prove(run, show)
    Run(run).add_proof(sentence)
    show.say(sentence)


def tell(result: "Result", form: str) -> None:
    """The figures, and what to do with the model."""
    import msgspec

    if form == "json":
        figures = {key: msgspec.to_builtins(figure) for key, figure in result.figures.items()}
        click.echo(json.dumps({"model": str(result.model), "split": result.split, **figures}))
        return
    click.echo(f"On the {result.split} split:")
    for key, figure in result.figures.items():
        low_high = "" if figure.low is None else f"  ({figure.low:.3f} to {figure.high:.3f})"
        click.echo(f"  {key:<18} {figure.value:.3f}{low_high}")
    click.echo(f"{result.model}: {result.model.stat().st_size / 1e6:.2f} MB")
    click.echo(f"Try it:  eyebright predict photo.jpg --model {result.model}", err=True)
    click.echo(f"Read it: {result.run / 'report.html'}", err=True)
