"""Makes the models on the way to one that fits, each once: heads, the full network, smaller ones, all in 8 bits."""

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import onnx

from eyebright.compression import choose
from eyebright.compression.budget import Budget
from eyebright.compression.goal import Goal
from eyebright.compression.int8 import converted
from eyebright.compression.lighter import lightened
from eyebright.compression.prune import prune
from eyebright.compression.road import Point, Road
from eyebright.data import Dataset
from eyebright.errors import BadRequest, Refused
from eyebright.evaluation import metrics
from eyebright.evaluation.sizes import at_size
from eyebright.measure import device, in_turns, machine
from eyebright.modelfile import Figure, ModelFile, from_bytes, read
from eyebright.training import Recipe, train
from eyebright.training.events import Enough, Event, Progress, Said, Tell
from eyebright.training.finish import scores_of
from eyebright.training.recipe import Mode
from eyebright.training.run import MODEL, Run

FEW = 200
"""Pictures to learn from, under which the whole network would learn them by heart: there only the head learns."""
TEACHER, CHILD = 0.42, 0.85
"""Shares of the time that is left: for the full-size transfer, and then for what is made of it."""
IN_BYTES, IN_TIME = 0.99, 0.97
"""Of a budget, which is what is aimed at: how large a file will be is known, how fast not so well."""
USUAL = "efficientnet-lite0"
"""The network, unless another one with pretrained weights suits the budget."""
FOR_HEADS = 0.15
"""Share of the time after which no further network gets a head."""
NEARLY = 1.2
"""An input is tried if its expected time is at most so many times the budget."""


class Head(NamedTuple):
    """A network as it was published, with a head of its own."""

    encoder: str
    file: ModelFile
    point: Point


def made_for(budget: Budget) -> str:
    """What a point's milliseconds and its way to 8 bits depend on."""
    where = repr(budget.device) if budget.device else machine()
    return hashlib.sha256(f"{where} {budget.allowed}".encode()).hexdigest()[:16]


class Maker:
    """Makes points on the road; each of them once."""

    def __init__(
        self,
        whole: Dataset,
        road: Road,
        budget: Budget,
        deadline: float,
        tell: Tell,
        stop: Callable[[], bool],
        keys: Mapping[str, Any],
    ) -> None:
        self.whole = whole
        self.shown = whole.only([item for item in whole.items if item.split != "test"])
        """What is learned from and chosen by."""
        self.road = road
        self.budget = budget
        self.deadline = deadline
        self.told = tell
        self.stop = stop
        self.keys = dict(keys)
        self.few = len(self.shown.items) < FEW
        self.encoder = str(self.keys.get("encoder", USUAL))

    @property
    def left_m(self) -> float:
        """Minutes."""
        return max(self.deadline - time.monotonic(), 0) / 60

    def tell(self, event: Event) -> None:
        self.told(event)
        if isinstance(event, Progress) and self.stop():
            raise Enough

    def say(self, text: str) -> None:
        self.told(Said(text))

    def why(self, text: str) -> None:
        """Said now, and kept for the page."""
        self.say(text)
        self.road.note(text)

    def begun(self, name: str) -> bool:
        """Whether a training is in the folder; one that was killed before it began is taken away."""
        folder = self.road.folder / name
        about = Run(folder).about()
        if not about:
            shutil.rmtree(folder, ignore_errors=True)
        return bool(about)

    def run(self, name: str, recipe: Recipe) -> Path:
        """The model file of a training in the folder: a finished one stays as it is, one that was stopped goes on."""
        folder, begun = self.road.folder / name, self.begun(name)
        if begun and (folder / MODEL).is_file():
            return folder / MODEL
        began = time.monotonic()
        closed = [self.whole.identity(item) for item in self.whole.part("test").items]
        given = None if begun else recipe
        result = train(self.shown, folder, given, resume=begun, anyway=True, tell=self.tell, source={}, apart=closed)
        self.road.note(f"{name}: learned in mode {recipe.mode}", time.monotonic() - began)
        return result.model

    def named(self, name: str) -> str:
        """Of a run: what is not of the usual network says of which it is."""
        return name if self.encoder in (USUAL, self.keys.get("encoder")) else f"{name}-{self.encoder}"

    def recipe(self, mode: Mode, **more: Any) -> Recipe:
        return Recipe.of(mode, {**self.keys, "encoder": self.encoder, **more})

    def head(self, minutes: float) -> ModelFile:
        """A head on the network that suits; which that is stays so from here on."""
        self.say("First the head alone, on what the published network sees: a model in a minute, to fall back on.")
        tried = [self.head_in_8_bits(self.one_head())]
        allowed, over = self.budget.allowed.whole, self.budget.distance
        usual = self.of_card(tried[0].file)
        for encoder in self.others(minutes):
            self.encoder = encoder
            file = self.one_head()
            value = self.of_card(file)
            if value >= usual - allowed:
                tried.append(self.head_in_8_bits(file))
            else:
                self.why(f"{encoder} is left out: its head has {value:.3f} on validation, that of {USUAL} {usual:.3f}.")
            self.encoder = USUAL
        chosen = choose.best(tried, lambda one: one.point.figure.value, lambda one: over(one.point), allowed)
        self.encoder = chosen.encoder
        if len(tried) > 1:
            self.why(
                f"Of {len(tried)} networks {chosen.encoder} suits the budget: of those whose heads are within "
                f"{100 * allowed:g} points of the best, it is the best within it or the nearest to it."
            )
        return chosen.file

    def one_head(self) -> ModelFile:
        return read(self.run(self.named("head"), self.recipe("head")))

    def head_in_8_bits(self, file: ModelFile) -> Head:
        how = f"the head alone, in 8 bits: {self.encoder} itself as it was published"
        return Head(self.encoder, file, self.int8(f"{self.named('head')}-int8", file, how))

    def of_card(self, file: ModelFile) -> float:
        """The main figure on the validation split, in float."""
        return file.metadata.card.metrics[metrics.MAIN[self.whole.task]].value

    def others(self, minutes: float) -> Iterator[str]:
        """Encoders that are worth a head, beside the usual one: smaller than it, or likely to be within the budget."""
        if "encoder" in self.keys or "weights" in self.keys:
            return
        labels, task, size = len(self.whole.labels), self.whole.task, self.keys.get("size", 0)
        here = self.road.points["head-int8"]
        usual = choose.cost(USUAL, labels, task, size)
        learned = (self.road.folder / "full").is_dir()  # another choice would do that again
        for encoder in choose.installed():
            late = learned or self.stop() or self.left_m < (1 - FOR_HEADS) * minutes
            if encoder == USUAL or (late and not (self.road.folder / f"head-{encoder}").is_dir()):
                continue
            cost = choose.cost(encoder, labels, task, size)
            like = msgspec.structs.replace(
                here,
                size_bytes=here.size_bytes + cost.size_bytes - usual.size_bytes,
                latency_ms=here.latency_ms * cost.macs / usual.macs,
            )
            asked = self.budget.size_bytes or self.budget.latency_ms
            if cost.size_bytes < usual.size_bytes or (asked and not self.budget.over(like)):
                yield encoder

    def teacher(self) -> ModelFile:
        """The full-size transfer: what all else is judged beside."""
        fits = not self.budget.over(self.road.points[f"{self.named('head')}-int8"])
        minutes = self.left_m * (0.9 if fits else TEACHER)
        why = "it is within the budget as it is" if fits else "it is over the budget, and will teach a smaller one"
        self.say(f"Now the whole network learns: {why}.")
        full = read(self.run(self.named("full"), self.recipe("finetune", minutes=max(minutes, 0.5))))
        self.int8(f"{self.named('full')}-int8", full, "all of the network learned, in 8 bits")
        return full

    def int8(self, name: str, file: ModelFile, how: str) -> Point:
        """A point: the model in 8 bits, measured."""

        def make() -> tuple[bytes, str, Figure, float]:
            try:
                made, _, steps = converted(file, self.shown, self.budget.allowed, self.told)
                done = steps[-1]
            except (Refused, BadRequest) as error:
                self.say(f"{error} Only its weights are stored in 8 bits instead, and computed in float.")
                made, done = lightened(file, "int8"), "only the weights, since 8 bits in all would lose too much"
            return made, f"{how}; {done}", *self.measured(from_bytes(made, name))

        found = self.road.point(name, make)
        over = self.budget.over(found)
        self.say(f"{sentence(found)} {'Over the budget: ' + ', '.join(over) + '.' if over else 'Within the budget.'}")
        return found

    def measured(self, file: ModelFile) -> tuple[Figure, float]:
        """The main figure on the validation split, and milliseconds."""
        some = self.shown.part("validation")
        figures = metrics.figures(scores_of(file.data, some), some.targets(), self.whole.task)
        return figures[metrics.MAIN[self.whole.task]], self.milliseconds(file)

    def milliseconds(self, file: ModelFile) -> float:
        if self.budget.device:
            return device.predict(self.budget.device, onnx.load_from_string(file.data), file.metadata.input.size)
        found = in_turns([file])[0]
        return float(np.median(found.cpu_ms or found.turns_ms))  # others' work on this machine does not count

    def smaller(self, full: ModelFile) -> None:
        """Points within the budget, where the full network is over it: fewer channels, then a smaller input."""
        budget = self.budget
        run = self.named("full")
        whole = point = self.road.points.get(f"{run}-int8") or self.road.points[f"{self.named('head')}-int8"]
        large = budget.size_bytes and point.size_bytes > budget.size_bytes
        if large and not self.few and not self.stop():
            goal = Goal(size_bytes=IN_BYTES * budget.size_bytes, int8=True, parent_bytes=point.size_bytes)
            aim = goal.words(goal.value)
            name = self.pruned(run, self.named(f"pruned-{aim.replace(' ', '')}"), goal)
            if name:
                full, run = read(self.road.folder / name / MODEL), name
                whole = point = self.int8(f"{name}-int8", full, f"channels taken out to {aim}, taught")
        own = full.metadata.input.size
        for size in sorted(full.metadata.input.sizes, reverse=True):
            expected = whole.latency_ms * (size / own) ** 2
            if not budget.latency_ms or point.latency_ms <= budget.latency_ms or self.stop():
                return
            if size < own and (expected <= budget.latency_ms * NEARLY or size == min(full.metadata.input.sizes)):
                how = f"{whole.how.partition(';')[0]}; pictures of {size} pixels"
                point = self.int8(f"{whole.name}@{size}", at_size(full, size), how)
        if budget.latency_ms and point.latency_ms > budget.latency_ms and not self.few and not self.stop():
            faster = whole.latency_ms / (IN_TIME * budget.latency_ms)
            name = self.pruned(run, self.named(f"pruned-{faster:.2f}x"), Goal(speedup=faster))
            if name:
                full = read(self.road.folder / name / MODEL)
                self.int8(f"{name}-int8", full, f"channels taken out until it was {faster:.2f} times as fast, taught")

    def pruned(self, parent: str, name: str, goal: Goal) -> str | None:
        """The name of a run with less in its network, which learned again; None where so little cannot be left."""
        self.say(
            "Taking out the channels that matter least, until what is left is "
            f"{goal.words(goal.value)}{' in 8 bits' if goal.int8 else ''}; the full network then teaches it."
        )
        folder = self.road.folder / name
        if not self.begun(name):
            minutes = max(self.left_m * CHILD, 0.5)
            teacher = self.road.points.get(f"{parent}-int8")  # says the same, in a third of the time
            taught = {"teacher": str((self.road.folder / teacher.file).absolute())} if teacher else {}
            try:
                prune(
                    self.road.folder / parent,
                    folder,
                    goal,
                    self.shown,
                    minutes=minutes,
                    allowed=None,
                    keys={**taught, **self.keys},
                    source={},
                    tell=self.tell,
                )
            except BadRequest as error:
                self.why(str(error))
                return None
        self.run(name, Recipe())
        return name


def sentence(point: Point) -> str:
    figure = point.figure
    return (
        f"{point.name}: {figure.value:.3f} on validation ({figure.low:.3f} to {figure.high:.3f}), "
        f"{point.size_bytes / 1e6:.2f} MB, {point.latency_ms:.2f} ms."
    )
