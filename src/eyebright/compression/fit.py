"""One command from a folder of pictures to a model that fits a device.

the head alone, in a minute -> the whole network learns: the full-size transfer, beside which all is judged
-> if that is too large or too slow: a smaller input, channels taken out, learned again with it as teacher
-> 8 bits -> of what fits, the best on the validation split -> judged on the test split, which nothing else looks at

A model is there from the first minute; each step says what it does and why, and is not done twice (road.py).
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx

from eyebright.compression.contract import Judged, judge
from eyebright.compression.goal import Goal
from eyebright.compression.int8 import converted
from eyebright.compression.lighter import lightened
from eyebright.compression.parts import parts, without_copies
from eyebright.compression.prune import prune
from eyebright.compression.road import Point, Road
from eyebright.data import Dataset
from eyebright.errors import Refused
from eyebright.evaluation import metrics
from eyebright.evaluation.drop import Allowed, points
from eyebright.evaluation.intervals import wilson
from eyebright.evaluation.sizes import at_size
from eyebright.measure import device, in_turns
from eyebright.modelfile import Figure, ModelFile, from_bytes, read
from eyebright.training import Recipe, train
from eyebright.training.events import Enough, Event, Progress, Said, Tell
from eyebright.training.finish import scores_of
from eyebright.training.run import MODEL, Run

FEW = 200
"""Pictures to learn from, under which the whole network would learn them by heart: there only the head learns."""
TEACHER, CHILD = 0.42, 0.75
"""Shares of the time that is left: for the full-size transfer, and then for what is made of it."""
A_LITTLE_LESS = 0.97
"""Of a budget, which is what is aimed at."""
SMALLEST_SHARE = 0.1
"""Of a network's weights, under which nothing sensible stays."""


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
    what makes the result meaningless. `keys` are keys of all recipes, such as `encoder` and `size`. Raises Refused
    where no model within the budget keeps what is allowed; its sentence has the nearest that can be reached.
    """
    began = time.monotonic()
    whole = parts(without_copies(data, tell))
    road = Road(folder, asked(whole, keys or {}), force)
    maker = Maker(whole, road, budget, began + 60 * minutes, tell, stop, keys or {})
    head = maker.head(anyway)
    maker.int8("head-int8", head, "the head alone, in 8 bits: the network itself as it was published")
    full = head
    if maker.few:
        road.note(
            f"{len(maker.shown.items)} pictures are too few for a whole network to learn from: only its head learned."
        )
    elif not maker.stop():
        full = maker.teacher()
        maker.int8("full-int8", full, "all of the network learned, in 8 bits")
    maker.smaller(full)
    return finished(maker, full)


def asked(data: Dataset, keys: Mapping[str, Any]) -> str:
    """What a road is for: these pictures, learned in this way. How many threads that takes does not matter."""
    how = sorted((key, str(value)) for key, value in keys.items() if key != "threads")
    return hashlib.sha256(f"fit 1 {data.content_hash} {how}".encode()).hexdigest()


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

    def run(self, name: str, recipe: Recipe, anyway: bool = True) -> Path:
        """The model file of a training in the folder: a finished one stays as it is, one that was stopped goes on."""
        folder = self.road.folder / name
        about = Run(folder).about()
        if about and (folder / MODEL).is_file():
            return folder / MODEL
        began = time.monotonic()
        given = None if about else recipe
        result = train(
            self.shown, folder, given, resume=bool(about), force=not about, anyway=anyway, tell=self.tell, source={}
        )
        self.road.note(f"{name}: learned in mode {recipe.mode}", time.monotonic() - began)
        return result.model

    def head(self, anyway: bool) -> ModelFile:
        """And the audit, which comes before all learning and is not repeated."""
        self.say("First the head alone, on what the published network sees: a model in a minute, to fall back on.")
        return read(self.run("head", Recipe.of("head", self.keys), anyway))

    def teacher(self) -> ModelFile:
        """The full-size transfer: what all else is judged beside."""
        fits = not self.budget.over(self.road.state.points["head-int8"])
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
            except Refused as refused:
                self.say(f"{refused} Only its weights are stored in 8 bits instead, and computed in float.")
                made, done = lightened(file, "int8"), "only the weights, since 8 bits in all would lose too much"
            return made, f"{how}; {done}", *self.measured(from_bytes(made, name))

        found = self.road.point(name, make)
        over = self.budget.over(found)
        self.say(f"{sentence(found)} {'Over the budget: ' + ', '.join(over) + '.' if over else 'Within the budget.'}")
        return found

    def at_size(self, name: str, point: Point, size: int) -> Point:
        """The same model with a smaller input."""

        def make() -> tuple[bytes, str, Figure, float]:
            file = at_size(self.road.open(point), size)
            return file.data, f"{point.how}; with pictures of {size} pixels", *self.measured(file)

        found = self.road.point(name, make)
        self.say(sentence(found))
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
        start = self.road.state.points.get("full-int8") or self.road.state.points["head-int8"]
        if not budget.over(start) or self.stop():
            return
        if budget.size_bytes and start.size_bytes > budget.size_bytes and not self.few:
            start = self.pruned(start)
        sizes = [size for size in sorted(full.metadata.input.sizes, reverse=True) if size < full.metadata.input.size]
        for size in sizes:
            if not budget.latency_ms or start.latency_ms <= budget.latency_ms or self.stop():
                break
            start = self.at_size(f"{start.name.partition('@')[0]}@{size}", start, size)

    def pruned(self, start: Point) -> Point:
        """Channels taken out until the file is small enough, and learned again from the full network."""
        wanted = self.budget.size_bytes * A_LITTLE_LESS
        if wanted < SMALLEST_SHARE * start.size_bytes:
            self.road.note(f"{self.budget.size_bytes / 1e6:g} MB is under a tenth of the network: nothing would stay.")
            return start
        name = f"pruned-{wanted / 1e6:.2f}MB"
        folder = self.road.folder / name
        self.say(
            f"Taking out the channels that matter least, until the file is {wanted / 1e6:.2f} MB in 8 bits; the full "
            "network then teaches what is left."
        )
        if not Run(folder).about():
            minutes = max(self.left_m * CHILD, 0.5)
            goal = Goal(size_bytes=wanted, int8=True)
            full = self.road.folder / "full"
            prune(
                full,
                folder,
                goal,
                self.shown,
                minutes=minutes,
                allowed=None,
                keys=self.keys,
                force=True,
                source={},
                tell=self.tell,
            )
        self.run(name, Recipe())
        return self.int8(f"{name}-int8", read(folder / MODEL), f"channels taken out to {wanted / 1e6:.2f} MB, taught")


def sentence(point: Point) -> str:
    figure = point.figure
    return (
        f"{point.name}: {figure.value:.3f} on validation ({figure.low:.3f} to {figure.high:.3f}), "
        f"{point.size_bytes / 1e6:.2f} MB, {point.latency_ms:.2f} ms."
    )


def finished(maker: Maker, full: ModelFile) -> Fitted:
    """The best point within the budget, judged beside the full network on the test split. Raises Refused."""
    budget, road = maker.budget, maker.road
    within = [point for point in road.state.points.values() if not budget.over(point)]
    if not within:
        raise Refused(f"Nothing is written. {out_of_reach(budget, road)}")
    best = max(within, key=lambda point: (point.figure.value, -point.size_bytes))
    maker.say(f"Of what is within the budget {best.name} is the best; trying it on the test split ...")
    file = road.open(best)
    judged = judge(full, file, maker.whole.part("test"), budget.allowed, maker.told)
    try:
        judged.must_hold()
    except Refused as refused:
        raise Refused(f"{refused} {out_of_reach(budget, road)}") from None
    return Fitted(file, judged, best, road, claim(maker, judged))


def out_of_reach(budget: Budget, road: Road) -> str:
    """What of the budget gave, and the nearest that can be reached."""
    points_ = sorted(road.state.points.values(), key=lambda point: -point.figure.value)
    best = points_[0].figure.value
    near = [point for point in points_ if point.figure.value >= best - budget.allowed.whole]
    least = min(near, key=lambda point: point.size_bytes)
    small = min(points_, key=lambda point: (len(budget.over(point)), point.size_bytes))
    return (
        f"Asked for: {budget.words}, at most {points(-budget.allowed.whole)} points lost. Within those points: "
        f"{least.size_bytes / 1e6:.2f} MB and {least.latency_ms:.2f} ms ({least.name}). The nearest to the budget: "
        f"{small.size_bytes / 1e6:.2f} MB and {small.latency_ms:.2f} ms at {points(small.figure.value - best)} points "
        f"({small.name}). {road.folder} keeps them: another budget takes little time."
    )


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
