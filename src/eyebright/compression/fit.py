"""One command from a folder of pictures to a model that fits a device.

the head alone, in a minute -> the whole network learns: the full-size transfer, beside which all is judged
-> if that is too large or too slow: a smaller input, channels taken out, learned again with it as teacher
-> 8 bits -> of what fits, the best on the validation split -> judged on the test split, which nothing else looks at

A model is there from the first minute; each step says what it does and why, and is not done twice (road.py).
"""

import hashlib
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx

from eyebright import modelfile
from eyebright.compression.contract import Judged, judge
from eyebright.compression.goal import Goal
from eyebright.compression.int8 import converted
from eyebright.compression.lighter import lightened
from eyebright.compression.parts import parts, without_copies
from eyebright.compression.prune import prune
from eyebright.compression.road import Point, Road
from eyebright.data import Dataset
from eyebright.errors import BadRequest, Refused
from eyebright.evaluation import metrics
from eyebright.evaluation.drop import Allowed, points
from eyebright.evaluation.intervals import wilson
from eyebright.evaluation.sizes import at_size
from eyebright.measure import device, in_turns, machine
from eyebright.modelfile import Figure, ModelFile, from_bytes, read
from eyebright.training import Recipe, finish, train
from eyebright.training.checks import checked
from eyebright.training.events import Enough, Event, Progress, Said, Tell
from eyebright.training.finish import scores_of
from eyebright.training.run import MODEL, Run

FEW = 200
"""Pictures to learn from, under which the whole network would learn them by heart: there only the head learns."""
TEACHER, CHILD = 0.42, 0.85
"""Shares of the time that is left: for the full-size transfer, and then for what is made of it."""
IN_BYTES, IN_TIME = 0.99, 0.97
"""Of a budget, which is what is aimed at: how large a file will be is known, how fast not so well."""
NEARLY = 1.2
"""An input is tried if its expected time is at most so many times the budget."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a model may cost; 0: whatever it takes."""

    latency_ms: float = 0.0
    """One picture on one thread: on this machine, or on `device`."""
    size_bytes: float = 0.0
    """Of the model file."""
    allowed: Allowed = field(default_factory=lambda: Allowed(0.01, 0.03))
    """What may be lost against the full-size transfer, in float."""
    device: "device.Device | None" = None
    """Another machine to design for, by its profile."""

    def over(self, point: Point) -> list[str]:
        """In words, what of a point is over the budget."""
        found = []
        if self.size_bytes and point.size_bytes > self.size_bytes:
            found.append(f"{point.size_bytes / 1e6:.2f} MB of {self.size_bytes / 1e6:g}")
        if self.latency_ms and point.latency_ms > self.latency_ms:
            found.append(f"{point.latency_ms:.2f} ms of {self.latency_ms:g}")
        return found

    def distance(self, point: Point) -> float:
        """How many times the budget a point costs, of what it costs most of."""
        size = point.size_bytes / self.size_bytes if self.size_bytes else 0.0
        return max(size, point.latency_ms / self.latency_ms if self.latency_ms else 0.0)

    @property
    def words(self) -> str:
        asked = [f"{self.latency_ms:g} ms a picture" if self.latency_ms else "", f"{self.size_bytes / 1e6:g} MB"]
        said = " and ".join(filter(None, asked if self.size_bytes else asked[:1]))
        return said or "as small and fast as it comes"


class Fitted(NamedTuple):
    """What a fit ends with."""

    file: ModelFile
    judged: Judged
    point: Point
    road: Road
    claim: str
    """What can be said of it with so many pictures."""


class OutOfReach(Refused):
    """No model within the budget keeps what is allowed; `road` has all that was seen."""

    def __init__(self, sentence: str, road: Road) -> None:
        super().__init__(sentence)
        self.road = road


def fit(
    data: Dataset,
    folder: Path,
    budget: Budget,
    minutes: float,
    tell: Tell,
    stop: Callable[[], bool] = lambda: False,
    force: bool = False,
    anyway: bool = False,
    keys: Mapping[str, Any] | None = None,
) -> Fitted:
    """Make a model within a budget, in about so many minutes; `folder` keeps what was done, for another try.

    `stop` is asked now and then: once it says so, what there is, is finished. `anyway`: learn although the audit found
    what makes the result meaningless. `keys` are keys of all recipes, such as `encoder` and `size`. Raises
    OutOfReach where no model within the budget keeps what is allowed; its sentence has the nearest that can be reached.
    """
    began = time.monotonic()
    whole = parts(checked(without_copies(data, tell), anyway, tell)[0])
    must_tell(whole)
    road = Road(folder, asked(whole, keys or {}), made_for(budget), force)
    maker = Maker(whole, road, budget, began + 60 * minutes, tell, stop, keys or {})
    if road.given(minutes):
        maker.say("There is far more time than before: all but the head is made anew.")
    head = maker.head()
    maker.int8("head-int8", head, "the head alone, in 8 bits: the network itself as it was published")
    full = head
    if maker.few:
        maker.why(
            f"{len(maker.shown.items)} pictures are too few for a whole network to learn from: only its head learned."
        )
    elif not maker.stop():
        full = maker.teacher()
        maker.int8("full-int8", full, "all of the network learned, in 8 bits")
    maker.smaller(full)
    if maker.stop():
        road.had((time.monotonic() - began) / 60)
    return finished(maker, full)


def must_tell(data: Dataset) -> None:
    """Raise BadRequest where the pictures that choose or judge can tell nothing."""
    for split in ("validation", "test"):
        targets = data.part(split).targets()
        if len(targets) < 2:
            raise BadRequest(f"{data.name} has {len(targets)} {split} picture; two are the fewest that tell anything.")
        if data.task != "single" and not (targets[:, -1 if data.task == "binary" else slice(None)] == 1).any():
            raise BadRequest(
                f"No {split} picture of {data.name} has what is looked for, so nothing can be judged by it."
            )


def asked(data: Dataset, keys: Mapping[str, Any]) -> str:
    """What a road is for: these pictures, learned in this way. How many threads that takes does not matter."""
    how = sorted((key, str(value)) for key, value in keys.items() if key != "threads")
    return hashlib.sha256(f"fit 1 {data.content_hash} {how}".encode()).hexdigest()


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

    def head(self) -> ModelFile:
        self.say("First the head alone, on what the published network sees: a model in a minute, to fall back on.")
        return read(self.run("head", Recipe.of("head", self.keys)))

    def teacher(self) -> ModelFile:
        """The full-size transfer: what all else is judged beside."""
        fits = not self.budget.over(self.road.points["head-int8"])
        minutes = self.left_m * (0.9 if fits else TEACHER)
        why = "it is within the budget as it is" if fits else "it is over the budget, and will teach a smaller one"
        self.say(f"Now the whole network learns: {why}.")
        recipe = Recipe.of("finetune", {**self.keys, "minutes": max(minutes, 0.5)})
        return read(self.run("full", recipe))

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
        point = self.road.points.get("full-int8") or self.road.points["head-int8"]
        whole, run = point, "full"
        large = budget.size_bytes and point.size_bytes > budget.size_bytes
        if large and not self.few and not self.stop():
            goal = Goal(size_bytes=IN_BYTES * budget.size_bytes, int8=True, parent_bytes=point.size_bytes)
            aim = goal.words(goal.value)
            name = self.pruned(run, f"pruned-{aim.replace(' ', '')}", goal)
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
            name = self.pruned(run, f"pruned-{faster:.2f}x", Goal(speedup=faster))
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
            try:
                prune(
                    self.road.folder / parent,
                    folder,
                    goal,
                    self.shown,
                    minutes=minutes,
                    allowed=None,
                    keys=self.keys,
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


def finished(maker: Maker, full: ModelFile) -> Fitted:
    """The best point within the budget, judged beside the full network on the test split. Raises Refused."""
    budget, road = maker.budget, maker.road
    seen = list(road.points.values())
    within = [point for point in seen if not budget.over(point)]
    if not within:
        raise OutOfReach(f"Nothing is written. {out_of_reach(budget, seen, road)}", road)
    best = max(within, key=lambda point: (point.figure.value, -point.size_bytes))
    maker.say(f"Of what is within the budget {best.name} is the best; trying it on the test split ...")
    file = road.open(best)
    judged = judge(full, file, maker.whole.part("test"), budget.allowed, maker.told)
    try:
        judged.must_hold()
    except Refused as refused:
        raise OutOfReach(f"{refused} {out_of_reach(budget, seen, road)}", road) from None
    return Fitted(with_test_figures(file, judged, budget), judged, best, road, claim(maker, judged))


def with_test_figures(file: ModelFile, judged: Judged, budget: Budget) -> ModelFile:
    """The model file whose card tells what was found on the test split, if that is still within the budget."""
    said = finish.Said(judged.data, judged.after.scores.astype(np.float32))
    told = modelfile.rewritten(file, card=finish.with_figures(file.metadata, said, "test split"))
    return file if 0 < budget.size_bytes < len(told) else from_bytes(told, file.path)


def out_of_reach(budget: Budget, seen: Sequence[Point], road: Road) -> str:
    """What of the budget gave, and the nearest of the points that were seen."""
    points_ = sorted(seen, key=lambda point: -point.figure.value)
    best = points_[0].figure.value
    near = [point for point in points_ if point.figure.value >= best - budget.allowed.whole]
    least = min(near, key=lambda point: point.size_bytes)
    small = min(points_, key=budget.distance)
    gave = "; ".join(budget.over(least)) or "accuracy"
    return (
        f"Asked for: {budget.words}, at most {100 * budget.allowed.whole:g} points lost. What gave: {gave}. Within "
        f"those points of the best on validation: {costs(least)} ({least.name}). The nearest to the budget: "
        f"{costs(small)} at {points(small.figure.value - best)} points ({small.name}). {road.folder} keeps them: "
        "another budget takes little time."
    )


def costs(point: Point) -> str:
    return f"{point.size_bytes / 1e6:.2f} MB and {point.latency_ms:.2f} ms"


def claim(maker: Maker, judged: Judged) -> str:
    """What so few or so many pictures allow to be said of the model."""
    test = judged.verdict.whole
    n = test.pictures
    if maker.whole.task == "multi":
        return f"Measured on {n:,} pictures that it had not seen."
    right = round((test.before + test.change.value) * n)
    found = wilson(right, n) if judged.verdict.measure == "top1" else None
    if found is None:
        return f"Measured on {n:,} pictures that it had not seen."
    said = f"On {n:,} pictures that it had not seen, {right:,} are right: between {found.low:.0%} and {found.high:.0%}"
    if n < 100:
        more = "four times as many would halve that range."
        return f"{said} of such pictures. That is all that {n} pictures can tell; {more}"
    return f"{said} of such pictures (95% sure)."
