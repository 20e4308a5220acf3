"""How much of a model's figure is left when pictures are spoiled: every corruption, every severity, the same pictures.

A picture is decoded once and shown clean and in all its spoiled versions, so every drop is paired, and what is kept of
a picture is whether the model was right (`single`), or its scores. `show` asks the model, `judged` is arithmetic.
"""

import math
import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eyebright.data import Dataset, Item
from eyebright.errors import BadPicture, BadRequest
from eyebright.evaluation.answers import TOGETHER, named
from eyebright.evaluation.calibration import Floats
from eyebright.evaluation.intervals import Interval, on_logit, student, wilson
from eyebright.evaluation.metrics import MAIN, average_precision_influence, figures, has_positives
from eyebright.evaluation.paired import share_gain
from eyebright.evaluation.robustness.corruptions import CORRUPTIONS, SEVERITIES, versions
from eyebright.modelfile import Figure, ModelFile, Task
from eyebright.preprocessing import fit, shorter_side
from eyebright.recognize.stream import in_order
from eyebright.runtime import Runtime


class Shown(NamedTuple):
    """What a model made of pictures, clean (column 0) and then spoiled, a column a corruption and severity."""

    items: tuple[Item, ...]
    """Those that could be read."""
    outcomes: NDArray[np.float32]
    """`single`: (N, 1 + K), 1 where the right label was named; `binary`: scores (N, 1 + K, 1) of the label that is
    looked for; `multi`: scores (N, 1 + K, L)."""
    targets: NDArray[np.float32]
    """(N, L): 1 where the label holds, 0 where not, NaN where nobody checked; of `binary` the second label alone."""
    failed: tuple[str, ...]
    """A sentence for each picture that could not be read."""
    seconds: float


class Endured(NamedTuple):
    """One corruption; `figures` and `drops` have an entry a severity."""

    name: str
    figures: tuple[Figure, ...]
    drops: tuple[Figure, ...]
    """Clean less spoiled, of the same pictures: more than 0 is worse."""
    mean: Figure
    """Over the severities."""
    drop: Figure


class Robustness(NamedTuple):
    """A figure under every corruption."""

    measure: str
    """top1, ap or map."""
    severities: tuple[int, ...]
    clean: Figure
    corruptions: tuple[Endured, ...]
    means: tuple[Figure, ...]
    """Over the corruptions, an entry a severity."""
    mean: Figure
    """Over corruptions and severities."""
    drop: Figure

    @property
    def worst(self) -> Endured:
        """The corruption that costs most."""
        return max(self.corruptions, key=lambda one: one.drop.value)

    @property
    def mildest(self) -> Endured:
        """The corruption that costs least."""
        return min(self.corruptions, key=lambda one: one.drop.value)


def show(
    data: Dataset,
    model: ModelFile,
    runtime: Runtime,
    names: Sequence[str] = tuple(CORRUPTIONS),
    severities: Sequence[int] = SEVERITIES,
    seed: int = 0,
    threads: int = 1,
    told: Callable[[int, int], None] = lambda done, total: None,
) -> Shown:
    """Show every picture to the model, clean and under each corruption (in this order) at each severity.

    `data` has the model's labels (`answers.in_terms_of`); `told` hears how many of how many pictures are done. What is
    done to a picture depends on `seed` and its name alone. Raises BadRequest where nothing can come of it.
    """
    task, spec = model.metadata.task, model.metadata.input
    _must_be_determined(data, task)
    shorter = shorter_side(spec)
    began = time.perf_counter()

    def outcome(item: Item) -> NDArray[np.float32] | str:
        try:
            pixels = fit(data.picture(item, shorter), spec)
        except BadPicture as error:
            return str(error)
        seen = versions(pixels, item.name, names, severities, seed)
        rows = []
        while some := list(islice(seen, TOGETHER)):
            rows.append(runtime.run(np.stack(some), ["scores"])[0])
        scores = np.concatenate(rows)
        if task == "single":
            return np.isin(scores.argmax(axis=1), item.labels).astype(np.float32)
        return scores[:, -1:] if task == "binary" else scores

    items: list[Item] = []
    kept: list[NDArray[np.float32]] = []
    failed: list[str] = []
    found = in_order(lambda some: [outcome(item) for item in some], data.items, threads, most=1)
    for done, (item, one) in enumerate(zip(data.items, found, strict=True), 1):
        if isinstance(one, str):
            failed.append(one)
        else:
            items.append(item)
            kept.append(one)
        told(done, len(data.items))
    if not items:
        raise BadRequest(
            f"None of the {len(data.items):,} pictures could be read: {failed[0] if failed else 'no items'}"
        )
    read = data.only(items)
    _must_be_determined(read, task)
    return Shown(tuple(items), np.stack(kept), _looked_for(read, task), tuple(failed), time.perf_counter() - began)


def judged(shown: Shown, names: Sequence[str], severities: Sequence[int], task: Task) -> Robustness:
    """The figures, each with its 95% interval: those of `evaluate`, and means and drops from what each picture moves.

    A mean or a drop is a sum of figures of the same pictures, so what one picture moves of it is the sum of what it
    moves of each. One picture has no interval of a drop.
    """
    outcomes, targets = shown.outcomes, shown.targets
    n = len(outcomes)
    if task == "single":
        values = outcomes.mean(axis=0, dtype=np.float64)
        moved, fewest = (outcomes - values) / n, n
        cells = [_figure(wilson(int(right), n), n) for right in outcomes.sum(axis=0)]
    else:  # one label's average precision is the mean over one label
        columns = [outcomes[:, at] for at in range(outcomes.shape[1])]
        cells = [figures(scores, targets, "multi")["map"] for scores in columns]
        values = np.array([cell.value for cell in cells])
        moved, fewest = np.stack([_moved(scores, targets) for scores in columns], 1), int((targets == 1).sum())
    places = 1 + np.arange(len(names) * len(severities)).reshape(len(names), len(severities))

    def mean(at: NDArray[np.intp]) -> Figure:
        return _figure(on_logit(float(values[at].mean()), moved[:, at].mean(axis=1), fewest), n)

    def drop(at: NDArray[np.intp]) -> Figure:
        if task == "single" and len(at) == 1:
            return _figure(share_gain(outcomes[:, at[0]], outcomes[:, 0])[0], n)
        value = float(values[0] - values[at].mean())
        if n == 1:
            return Figure(value, n=n, method="one picture has no interval")
        apart = moved[:, 0] - moved[:, at].mean(axis=1)
        half = student(fewest - 1) * math.sqrt(n / (n - 1) * float((apart**2).sum()))
        return Figure(value, value - half, value + half, n, "jackknife, paired")

    endured = tuple(
        Endured(
            name,
            tuple(cells[at] for at in row),
            tuple(drop(row[at : at + 1]) for at in range(len(row))),
            mean(row),
            drop(row),
        )
        for name, row in zip(names, places, strict=True)
    )
    means = tuple(mean(column) for column in places.T)
    all_of_them = places.ravel()
    return Robustness(MAIN[task], tuple(severities), cells[0], endured, means, mean(all_of_them), drop(all_of_them))


def finding(found: Robustness) -> str:
    """The outcome in one sentence."""
    said = f"{found.measure} is {found.clean.value:.3f} on clean pictures and {found.mean.value:.3f} on spoiled ones"
    worst, mildest = found.worst, found.mildest
    if worst is mildest:
        return f"{said}, all of them by {worst.name}."
    return f"{said}; {worst.name} costs most ({worst.drop.value:.3f}), {mildest.name} least ({mildest.drop.value:.3f})."


def _must_be_determined(data: Dataset, task: Task) -> None:
    if task != "single" and not has_positives(_looked_for(data, task)).any():
        wanted = [label.label for label in data.labels[-1 if task == "binary" else 0 :]]
        raise BadRequest(f"No picture of {data.name} shows {named(wanted)}: {MAIN[task]} is not determined.")


def _looked_for(data: Dataset, task: Task) -> NDArray[np.float32]:
    targets = data.targets()
    return targets[:, -1:] if task == "binary" else targets


def _moved(scores: Floats, targets: Floats) -> NDArray[np.float64]:
    """(N,): the slope of mean average precision over the weight of each picture."""
    labels = np.flatnonzero(has_positives(targets))
    slopes = [average_precision_influence(scores[:, at], targets[:, at]) for at in labels]
    return np.asarray(np.mean(slopes, axis=0))


def _figure(interval: Interval, n: int) -> Figure:
    return Figure(interval.value, interval.low, interval.high, n, interval.method)
