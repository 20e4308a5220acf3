"""One command from a folder of pictures to a model that fits a device.

the head alone, in a minute -> the whole network learns: the full-size transfer, beside which all is judged
-> if that is too large or too slow: a smaller input, channels taken out, learned again with it as teacher
-> 8 bits -> of what fits, the best on the validation split -> judged on the test split, which nothing else looks at

A model is there from the first minute; each step says what it does and why, and is not done twice (road.py).
"""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from eyebright import modelfile
from eyebright.compression.budget import Budget
from eyebright.compression.contract import Judged, judge
from eyebright.compression.maker import Maker, made_for
from eyebright.compression.parts import parts, without_copies
from eyebright.compression.road import Point, Road
from eyebright.data import Dataset
from eyebright.errors import BadRequest, Refused
from eyebright.evaluation.drop import points
from eyebright.evaluation.intervals import wilson
from eyebright.modelfile import ModelFile, from_bytes
from eyebright.training import finish
from eyebright.training.checks import checked
from eyebright.training.events import Tell

__all__ = ["Budget", "Fitted", "OutOfReach", "fit"]


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
    full = maker.head(minutes)
    if maker.few:
        maker.why(
            f"{len(maker.shown.items)} pictures are too few for a whole network to learn from: only its head learned."
        )
    elif not maker.stop():
        full = maker.teacher()
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
    tries = road.tries(file)
    judged = judge(full, file, maker.whole.part("test"), budget.allowed, maker.told)
    often = (
        ""
        if tries == 1
        else f" {tries} models were tried on these pictures so far: who keeps the luckiest should judge it on others."
    )
    try:
        judged.must_hold()
    except Refused as refused:
        raise OutOfReach(f"{refused} {out_of_reach(budget, seen, road)}{often}", road) from None
    return Fitted(
        with_test_figures(file, judged, budget), judged, best, road, claim(maker, judged) + often * (tries > 1)
    )


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
