"""What finds wrong labels: scores of each picture from heads that were fitted without it.

data -> every picture seen four ways (embeddings) -> folds, a head for each (scores) -> evaluation.mistakes

Two rounds: in the second, labels that the first one doubts weigh less, so that wrong ones do not teach that they are
right. The cost of the head is the one with the least log-loss on pictures that were left out, by the labels as given.
"""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eyebright.classifier import logistic
from eyebright.classifier.fitted import Linear
from eyebright.data import Dataset
from eyebright.data.found import listed
from eyebright.data.look import looks
from eyebright.errors import BadRequest
from eyebright.evaluation import calibration, mistakes
from eyebright.evaluation.mistakes import Suspects
from eyebright.modelfile import Input, Task
from eyebright.runtime import cores
from eyebright.training.embeddings import embed, encoder_file
from eyebright.training.events import Said, Tell, counting
from eyebright.training.recipe import Recipe

Floats = NDArray[np.float32]

FOLDS = 5
REPEATS = 3
"""Ways to make folds; their logits are averaged."""
UNSURE = 0.5
"""Of many labels one that is more likely wrong teaches nothing."""
CROPS = (1.0, 0.0)
"""The middle square, and the whole picture: what one of them shows by chance, the other often does not."""


class Doubted(NamedTuple):
    """What was found in a data set."""

    data: Dataset
    """The pictures that were judged."""
    embeddings: Floats
    """(N, D) of these."""
    suspects: Suspects
    """Rows are places in `data.items`."""
    unread: int
    """Pictures that could not be read."""


def doubt(data: Dataset, recipe: Recipe, tell: Tell) -> Doubted:
    """Judge the labels of all pictures of a data set by each other; of a recipe, encoder, seed and threads count.

    What cannot be read, and labels of fewer than FOLDS different pictures, are left out and said. Raises BadRequest
    where that leaves nothing to compare.
    """
    total = len(data.items)
    data, identities = readable(data, tell)
    targets = data.targets()
    enough = judgeable(data, targets, identities, tell)
    rows = see(data, identities, recipe, tell)
    tell(Said(f"Fitting {REPEATS * FOLDS} heads, twice ..."))
    scores = cross_validated(rows, targets, data.task, identities, recipe.seed, recipe.threads or cores())
    if data.task == "multi":
        at, targets = np.arange(len(rows)), np.where(enough, targets, np.nan).astype(np.float32)
    else:
        at = np.flatnonzero(enough[targets.argmax(axis=1)])
    unread = total - len(data.items)
    data = data.only([data.items[place] for place in at])
    return Doubted(data, rows[at], mistakes.suspects(scores[at], targets[at], data.task), unread)


def readable(data: Dataset, tell: Tell) -> tuple[Dataset, list[str]]:
    """Without what cannot be read, and a hash of each picture."""
    count = counting(tell, "looked at")
    seen = looks(data, lambda done: count(done, len(data.items)))
    for look in seen:
        if look.problem:
            tell(Said(f"Left out: {look.item.name}: {look.problem}"))
    good = [look for look in seen if not look.problem]
    if not good:
        raise BadRequest(f"None of the {len(seen):,} pictures of {data.name} could be read.")
    return data.only([look.item for look in good]), [data.identity(look.item) for look in good]


def judgeable(data: Dataset, targets: Floats, identities: Sequence[str], tell: Tell) -> NDArray[np.bool_]:
    """(L,): the labels that have pictures enough to be judged. Raises BadRequest where these are too few."""
    different = np.array(
        [len({identities[at] for at in np.flatnonzero(column > 0).tolist()}) for column in targets.T], dtype=np.int64
    )
    enough = different >= FOLDS
    few = [f"{label.label} ({n})" for label, n in zip(data.labels, different, strict=True) if 0 < n < FOLDS]
    if enough.sum() < (1 if data.task == "multi" else 2):
        needed = "a label" if data.task == "multi" else "each of two labels"
        raise BadRequest(
            f"{data.name}: to doubt labels takes {FOLDS} different pictures of {needed} or more; there are too few "
            f"({listed(few)})."
        )
    if few:
        tell(Said(f"Not judged, with fewer than {FOLDS} different pictures: {listed(few)}."))
    return enough


def see(data: Dataset, identities: Sequence[str], recipe: Recipe, tell: Tell) -> Floats:
    """(N, D): the mean of a picture's embeddings, by its middle square and by the whole of it, each mirrored too."""
    tell(Said(f"Looking at {len(data.items):,} pictures with {recipe.encoder} ..."))
    encoder = encoder_file(recipe)
    threads = recipe.threads or cores()
    views = []
    for number, crop in enumerate(CROPS):
        spec = Input(size=encoder.metadata.input.size, crop=crop)
        count = counting(tell, f"seen, {number + 1} of {len(CROPS)} times")
        views.append(embed(data, identities, encoder, spec, threads, True, count).mean(axis=1))
    return np.asarray(np.mean(views, axis=0), np.float32)


def cross_validated(
    rows: Floats, targets: Floats, task: Task, identities: Sequence[str], seed: int = 0, threads: int = 1
) -> NDArray[np.float64]:
    """Scores (N, L) of pictures from heads fitted without them, for embeddings (N, D) and targets (N, L).

    Pictures of one identity are always left out together. The order of the pictures changes nothing.
    """
    order = np.array(sorted(range(len(rows)), key=lambda at: (identities[at], np.nan_to_num(targets[at]).tolist())))
    rows, targets = rows[order], targets[order]
    parts = [folds(targets, [identities[at] for at in order], seed + repeat) for repeat in range(REPEATS)]
    with ThreadPoolExecutor(threads) as pool:
        fitting = _Fitting(rows, targets, task, pool)
        cost, first = fitting.chosen(parts[0])
        scores = _calibrated([first, *(fitting.held_out(part, cost) for part in parts[1:])], targets, task)
        calm = fitting.doubting(mistakes.doubts(scores, targets, task))
        scores = _calibrated([calm.held_out(part, cost) for part in parts], targets, task)
    found = np.empty_like(scores)
    found[order] = scores
    return found


def folds(targets: Floats, identities: Sequence[str], seed: int) -> NDArray[np.intp]:
    """(N,), 0..FOLDS - 1: as equal in size as can be, also in their share of each label.

    A picture stands with those of its rarest label, in an order that its identity and the seed decide.
    """
    counts = np.nansum(targets, axis=0)
    rarity = np.where(targets > 0, counts, np.inf)
    label = np.where((targets > 0).any(axis=1), rarity.argmin(axis=1), targets.shape[1])
    group: dict[str, int] = {}
    for identity, place in zip(identities, label.tolist(), strict=True):
        group[identity] = min(group.get(identity, place), place)
    hashed = {identity: hashlib.sha256(f"{seed} {identity}".encode()).digest() for identity in group}
    dealt = {
        identity: at % FOLDS for at, identity in enumerate(sorted(group, key=lambda one: (group[one], hashed[one])))
    }
    return np.array([dealt[identity] for identity in identities])


class _Fitting(NamedTuple):
    """Fits heads on all folds but one and asks them of that one."""

    rows: Floats
    targets: Floats
    task: Task
    pool: ThreadPoolExecutor
    weights: Floats | None = None

    def chosen(self, part: NDArray[np.intp]) -> tuple[float, Floats]:
        """The cost with the least log-loss on what was left out, and its logits (N, L)."""
        paths = [self._path(part != fold, logistic.COSTS) for fold in range(FOLDS)]
        best: tuple[float, float, Floats] | None = None
        for cost in logistic.COSTS:
            logits = self._asked(part, list(self.pool.map(next, paths)))
            scores = _calibrated([logits], self.targets, self.task)
            loss = calibration.negative_log_likelihood(scores, self.targets, self.task)
            if best and loss >= best[0]:
                break  # bolder ones only get worse
            best = loss, cost, logits
        assert best is not None
        return best[1], best[2]

    def held_out(self, part: NDArray[np.intp], cost: float) -> Floats:
        """(N, L): logits of each picture from the head of the other folds."""
        paths = [self._path(part != fold, [cost]) for fold in range(FOLDS)]
        return self._asked(part, list(self.pool.map(next, paths)))

    def doubting(self, doubt: NDArray[np.float64]) -> "_Fitting":
        """The same where a label teaches only as far as it is not doubted."""
        if self.task == "multi":
            return self._replace(targets=np.where(doubt > UNSURE, np.nan, self.targets).astype(np.float32))
        return self._replace(weights=(1 - doubt).astype(np.float32))

    def _path(self, use: NDArray[np.bool_], costs: Sequence[float]) -> Iterator[Linear]:
        weights = None if self.weights is None else self.weights[use]
        return logistic.path(self.rows[use], self.targets[use], self.task, costs, weights)

    def _asked(self, part: NDArray[np.intp], heads: Sequence[Linear]) -> Floats:
        logits = np.empty(self.targets.shape, np.float32)
        for fold, head in enumerate(heads):
            left_out = part == fold
            logits[left_out] = self.rows[left_out] @ head.weight.T + head.bias
        return logits


def _calibrated(logits: Sequence[Floats], targets: Floats, task: Task) -> NDArray[np.float64]:
    """Scores (N, L) of the mean of logits, at the temperature that explains the targets best."""
    mean = np.asarray(np.mean(logits, axis=0), np.float64)
    return calibration.activate(mean / calibration.fit_temperature(mean, targets, task), task)
