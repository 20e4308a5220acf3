"""A training from end to end: `train` fills a folder, the run, that ends with a model file.

recipe.toml      how it is done, every key
run.json         on which pictures, and how many steps were planned
log.jsonl        a line for each thing that happened
checkpoints/     where to go on after a stop
curves.png  report.html  tensorboard/ (if the recipe wants it)
model.onnx  labels.txt  use.py
"""

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from eyebright import __version__, models
from eyebright.data import Dataset
from eyebright.data.dataset import SPLITS
from eyebright.errors import BadModelFile, BadRequest, CannotWrite, MissingExtra, extra
from eyebright.modelfile import Card, Figure
from eyebright.training import report
from eyebright.training.checks import checked
from eyebright.training.embeddings import encoder_file
from eyebright.training.events import Counted, Event, Said, Tell
from eyebright.training.finish import Finished
from eyebright.training.recipe import PIXELS, Recipe
from eyebright.training.transfer import by_head

MODEL = "model.onnx"
PARTS = ("encoder.toml", "weights.safetensors")
"""A slimmed network and what it began with, so that a run of one is whole in itself."""
FILES = (*PARTS, "recipe.toml", "run.json", "log.jsonl", "curves.png", "report.html", MODEL, "labels.txt", "use.py")
FOLDERS = ("checkpoints", "pixels", "twin", "tensorboard")
NAMED = 12  # labels that a card names
USE = '''"""Names pictures with the model beside this file: python use.py photo.jpg ..."""

import sys
from pathlib import Path

import eyebright

recognizer = eyebright.load(Path(__file__).with_name("{model}"))
for prediction in recognizer.stream(sys.argv[1:]):
    if hasattr(prediction, "error"):
        print(f"{{prediction.source}}: {{prediction.error.message}}")
        continue
    said = ", ".join(f"{{label.label}} {{label.score:.2f}}" for label in prediction.labels[:3])
    print(f"{{prediction.source}}: {{said}}")
'''


@dataclass(frozen=True)
class Result:
    """What a training ends with."""

    run: Path
    model: Path
    figures: dict[str, Figure]
    split: str
    """On which split the figures were measured: test, or validation where there is no test."""


@dataclass(frozen=True)
class Run:
    """A run's folder."""

    path: Path

    def recipe(self) -> Recipe:
        return Recipe.read(self.path / "recipe.toml", {})

    def about(self) -> dict[str, Any]:
        """What run.json says; empty where there is none."""
        try:
            about = json.loads((self.path / "run.json").read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        return about if isinstance(about, dict) else {}

    @property
    def planned(self) -> int | None:
        """How many steps there will be, if that is known."""
        steps = self.about().get("steps")
        return steps if isinstance(steps, int) else None

    def plan(self, steps: int) -> None:
        """Write down how many steps there will be; a promise of time is kept by them, also after a stop."""
        self.write("run.json", json.dumps({**self.about(), "steps": steps}, indent=1))

    def write(self, name: str, content: str | bytes) -> None:
        """A whole file or none."""
        file = self.path / name
        partial = file.with_name(name + ".partial")
        try:
            partial.write_bytes(content if isinstance(content, bytes) else content.encode())
            os.replace(partial, file)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise CannotWrite(f"{file} cannot be written: {(error.strerror or str(error)).lower()}.") from None

    def log(self, event: Event) -> None:
        """A line of log.jsonl."""
        if isinstance(event, Counted):
            return
        kind = type(event).__name__.lower()
        line = json.dumps({"time": round(time.time(), 3), "event": kind, **asdict(event)})
        try:
            with open(self.path / "log.jsonl", "a", encoding="utf-8") as log:
                log.write(line + "\n")
        except OSError as error:
            raise CannotWrite(
                f"{self.path / 'log.jsonl'} cannot be written: {(error.strerror or str(error)).lower()}."
            ) from None

    def clear(self) -> None:
        """Take away what a run writes, and nothing else."""
        for name in FOLDERS:
            shutil.rmtree(self.path / name, ignore_errors=True)
        for name in FILES:
            (self.path / name).unlink(missing_ok=True)

    def forget(self) -> None:
        """Of a request that cannot be meant nothing stays, unless it has learned something."""
        if not (self.path / "checkpoints").exists():
            self.clear()
            with contextlib.suppress(OSError):  # something of somebody else's is in it
                self.path.rmdir()

    def add_proof(self, sentence: str) -> None:
        """Put into the report that the run was killed and resumed, and ended the same."""
        page = (self.path / "report.html").read_text("utf-8")
        self.write("report.html", report.with_proof(page, sentence))

    def history(self) -> list[dict[str, Any]]:
        """The steps that log.jsonl tells of, each once: after a resume the later telling counts."""
        found: dict[int, dict[str, Any]] = {}
        try:
            lines = (self.path / "log.jsonl").read_bytes().splitlines()
        except OSError:
            return []
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                continue  # the line that a kill cut short
            if isinstance(event, dict) and event.get("event") == "progress":
                found[event["step"]] = event
        return [found[step] for step in sorted(found)]


class Diary:
    """Writes each event into the run's log, and tells it on; what happened before there is a run waits for it."""

    def __init__(self, listeners: list[Tell]) -> None:
        self.before: list[Event] = []
        self.listeners = [self.before.append, *listeners]

    def __call__(self, event: Event) -> None:
        for listener in self.listeners:
            listener(event)

    def write_into(self, folder: Run) -> None:
        for event in self.before:
            folder.log(event)
        self.listeners[0] = folder.log


def train(
    data: Dataset | str | Path,
    run: str | Path,
    recipe: Recipe | None = None,
    *,
    resume: bool = False,
    force: bool = False,
    anyway: bool = False,
    tell: Tell = lambda event: None,
    source: dict[str, Any] | None = None,
    apart: Collection[str] = (),
) -> Result:
    """Train on `data`, a data set or where one is, into the folder `run`; see `Recipe` for how.

    `resume` goes on with a run that was stopped, by its own recipe. `force` replaces a run that is there. `anyway`
    trains although the audit found what makes the result meaningless. `source` is what a later `--resume` needs to
    read the data again. Pictures whose identity is in `apart` do not teach without labels either. Raises BadRequest,
    CannotWrite, BadModelFile, MissingExtra, Diverged.
    """
    began = time.monotonic()
    if not isinstance(data, Dataset):
        source = {"path": str(Path(data).absolute()), **(source or {})}
        data = Dataset.read(data)
    folder = Run(Path(run))
    first = speaks()
    recipe = (recipe or (folder.recipe() if resume else Recipe())).settled(data.task)
    recipe_hash = hashlib.sha256((repr(anywhere(recipe)) + data.content_hash).encode()).hexdigest()
    if first:
        may_open(folder, recipe_hash, resume, force)
    with extra("train", "training"):
        if recipe.mode == "head":
            encoder_file(recipe)
        else:
            from eyebright.training.learn import possible  # torch, which a second head does without

            possible(recipe)
    diary = Diary([tell] if first else [])
    good, identities = checked(data, anyway or resume, diary)  # what is resumed was wanted when it began
    pictures_hash = hashlib.sha256("\n".join(identities).encode()).hexdigest()
    teacher_hash = hashlib.sha256(Path(models.path(recipe.teacher)).read_bytes()).hexdigest() if recipe.teacher else ""
    if first and resume and folder.about().get("teacher_hash", "") != teacher_hash:
        raise BadRequest(f"The teacher of {folder.path} was changed since it began; begin anew in another folder.")
    if first and resume and folder.about().get("pictures_hash") != pictures_hash:
        raise BadRequest(f"The pictures of {folder.path} were changed since it began; begin anew in another folder.")
    if first and not resume:
        hashes = {"content_hash": data.content_hash, "recipe_hash": recipe_hash, "pictures_hash": pictures_hash}
        if teacher_hash:
            hashes["teacher_hash"] = teacher_hash
        open_run(folder, recipe, {"eyebright": __version__, "data": source or {}, **hashes})
    if first:
        diary.write_into(folder)
    about = card(good, recipe)
    try:
        if recipe.mode == "head":
            if recipe.minutes:
                diary(Said("Mode head takes one look at each picture and is then done; the time does not count."))
            finished = by_head(good, identities, recipe, about, diary)
        else:
            from eyebright.training.board import board
            from eyebright.training.learn import Place, by_learning

            if recipe.tensorboard and first:
                diary.listeners.append(board(folder.path / "tensorboard"))
            here = folder.path
            place = Place(here / "checkpoints", here / "pixels", recipe_hash, folder.planned, folder.plan, apart)
            finished = by_learning(good, identities, recipe, about, place, began, diary)
    except (BadRequest, BadModelFile, MissingExtra):
        if first and not resume:
            folder.forget()
        raise
    if first:
        close_run(folder, finished, good, recipe)
    return Result(folder.path, folder.path / MODEL, finished.metadata.card.metrics, finished.split)


def speaks() -> bool:
    """Whether this is the only process, or the first of several: the one that writes.

    `torchrun` says RANK, and Lightning LOCAL_RANK to those that it starts for `devices`.
    """
    return os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")) == "0"


def may_open(folder: Run, recipe_hash: str, resume: bool, force: bool) -> None:
    """Raise where the folder is taken, or does not hold what is to be gone on with."""
    about = folder.about()
    if resume:
        if not about:
            raise BadRequest(f"{folder.path} holds no run to go on with; leave out --resume to begin one.")
        if about.get("recipe_hash") != recipe_hash:
            raise BadRequest(f"{folder.path} was begun with another recipe or other pictures; take another folder.")
        return
    if (about or (folder.path / "recipe.toml").exists()) and not force:
        raise CannotWrite(f"{folder.path} holds a run; --resume goes on with it, --force replaces it.")
    if folder.path.exists() and not folder.path.is_dir():
        raise CannotWrite(f"{folder.path} is a file; take another name for the run's folder.")
    if folder.path.exists() and not about and any(folder.path.iterdir()):
        raise CannotWrite(f"{folder.path} is not empty and no run; take another folder.")


def anywhere(recipe: Recipe) -> Recipe:
    """The recipe of a slimmed network with what is in its files in the place of where they are."""
    if not recipe.genotype:
        return recipe
    found = {key: Path(getattr(recipe, key)) for key in ("encoder", "weights")}
    hashes = {key: hashlib.sha256(file.read_bytes()).hexdigest() for key, file in found.items() if file.is_file()}
    return replace(recipe, **hashes)  # type: ignore[arg-type]


def with_parts(recipe: Recipe) -> tuple[Recipe, dict[str, bytes]]:
    """The recipe of a slimmed network with its files beside it, and these by name."""
    parts: dict[str, bytes] = {}
    names: dict[str, Any] = {}
    for key, name in zip(("encoder", "weights"), PARTS, strict=True):
        file = Path(getattr(recipe, key))
        if recipe.genotype and file.suffix == Path(name).suffix and file.is_file():
            parts[name], names[key] = file.read_bytes(), name
    return replace(recipe, **names), parts


def open_run(folder: Run, recipe: Recipe, about: dict[str, Any]) -> None:
    """Make the folder; what another run left there goes."""
    recipe, parts = with_parts(recipe)
    try:
        folder.clear()
        folder.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWrite(f"{folder.path} cannot be made: {(error.strerror or str(error)).lower()}.") from None
    for name, content in parts.items():
        folder.write(name, content)
    folder.write("recipe.toml", recipe.write())
    folder.write("run.json", json.dumps(about, indent=1))


def card(data: Dataset, recipe: Recipe) -> Card:
    """What a person should know of the model, as far as it is known before it learned."""
    counts = {split: sum(item.split == split for item in data.items) for split in SPLITS}
    has = ", ".join(f"{count:,} {split}" for split, count in counts.items() if count)
    names = [label.label for label in data.labels]
    pretrained = recipe.encoder != PIXELS and (recipe.mode != "scratch" or bool(recipe.weights))
    weights = recipe.weights if not recipe.weights or recipe.weights.startswith("hf:") else Path(recipe.weights).name
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return Card(
        description=f"Knows {', '.join(names[:NAMED])}{more}.",
        licence="that of the pictures" + (" and of the pretrained weights" if pretrained else ""),
        data=f"{data.name}: {has} pictures; content {data.content_hash[:16]}",
        limits="What is none of its labels gets the name of one that is."
        if data.task != "multi"
        else "It looks for its labels and for nothing else.",
        lineage=(
            "colors and edges, counted"
            if recipe.encoder == PIXELS
            else f"{network_name(recipe)}, "
            + (f"weights {weights or recipe.encoder}" if pretrained else "from random weights"),
            f"trained with mode {recipe.mode}, seed {recipe.seed}, Eyebright {__version__}",
        ),
    )


def network_name(recipe: Recipe) -> str:
    """The network in words."""
    if not recipe.genotype:
        return recipe.encoder
    from eyebright.encoders import slim

    return f"{slim.read(recipe.genotype).encoder}, slimmed"


def close_run(folder: Run, finished: Finished, data: Dataset, recipe: Recipe) -> None:
    """Write what a run ends with; the model file last, so that who finds it finds all."""
    folder.write("labels.txt", "".join(f"{label.label}\n" for label in data.labels))
    folder.write("use.py", USE.format(model=MODEL))
    history = folder.history()
    if history:
        folder.write("curves.png", report.curves_png(history, data.task))
    folder.write("report.html", report.page(finished, data, recipe, history))
    shutil.rmtree(folder.path / "pixels", ignore_errors=True)
    folder.write(MODEL, finished.data)
