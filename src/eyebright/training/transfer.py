"""Transfer by the head alone: the encoder runs once over the pictures, then a head is fitted in a second.

Nothing here imports torch; it is needed once, to export the encoder.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray

from eyebright.classifier import logistic
from eyebright.classifier.fitted import Head, Linear
from eyebright.data import Dataset
from eyebright.data.dataset import SPLITS, Split
from eyebright.evaluation import calibration
from eyebright.export.head import logits_of, with_fitted
from eyebright.modelfile import Card, Input, ModelFile, Task
from eyebright.runtime import cores
from eyebright.training.embeddings import embed, encoder_file
from eyebright.training.events import Said, Tell, counting
from eyebright.training.finish import Finished, finish
from eyebright.training.recipe import Recipe

Floats = NDArray[np.float32]


class Embedded(NamedTuple):
    """What an encoder sees in a data set."""

    encoder: ModelFile
    rows: dict[Split, Floats]  # (N, D)
    mirrored: dict[Split, Floats]  # (N, D); empty where pictures are not mirrored
    targets: dict[Split, Floats]  # (N, L)


def by_head(data: Dataset, identities: Sequence[str], recipe: Recipe, about: Card, tell: Tell) -> Finished:
    """Mode `head`, from data to model file; `identities` has a hash of each item's picture."""
    seen = see(data, identities, recipe, tell)
    head, cost = fit_head(seen, recipe, data.task, tell)
    logits = say(head, seen, data.task)
    again = None
    if recipe.refit:
        head = refit(seen, recipe, data.task, cost)
        again = say(head, seen, data.task)
        logits = {**again, "validation": logits["validation"]}
    graph = with_fitted(onnx.load_from_string(seen.encoder.data), head, data.task)
    takes = seen.encoder.metadata.input
    spec = Input(size=takes.size, sizes=takes.sizes, crop=recipe.crop)
    tell(Said("Writing the model file and trying it ..."))
    return finish(graph, data, logits, spec, about, again["validation"] if again else None, seen.rows)


def see(data: Dataset, identities: Sequence[str], recipe: Recipe, tell: Tell) -> Embedded:
    """Embeddings of every split."""
    tell(Said(f"Looking at {len(data.items):,} pictures with {Path(recipe.encoder).name} ..."))
    encoder = encoder_file(recipe)
    spec = Input(size=encoder.metadata.input.size, crop=recipe.crop)
    threads = recipe.threads or cores()
    both = embed(data, identities, encoder, spec, threads, recipe.flip, counting(tell, "seen"))
    views = both if recipe.flip else both[:, None]
    places = {split: [at for at, item in enumerate(data.items) if item.split == split] for split in SPLITS}
    return Embedded(
        encoder,
        {split: views[at, 0] for split, at in places.items()},
        {split: views[at, 1:].reshape(-1, views.shape[2]) for split, at in places.items()},
        {split: data.part(split).targets() for split in SPLITS},
    )


def best_logistic(seen: Embedded, task: Task) -> tuple[Linear, float]:
    """The head whose cost explains the validation split best, and that cost."""
    rows, targets, weights = examples(seen, ["train"])
    best: tuple[float, Linear, float] | None = None
    worse = 0
    for cost, head in zip(logistic.COSTS, logistic.path(rows, targets, task, weights=weights), strict=False):
        logits = seen.rows["validation"] @ head.weight.T + head.bias
        temperature = calibration.fit_temperature(logits, seen.targets["validation"], task)
        scores = calibration.activate(logits / temperature, task)
        loss = calibration.negative_log_likelihood(scores, seen.targets["validation"], task)
        worse = worse + 1 if best and loss >= best[0] else 0
        if not best or loss < best[0]:
            best = loss, head, cost
        if worse == 2:
            break  # bolder ones only get worse
    assert best is not None
    return best[1], best[2]


def examples(seen: Embedded, splits: Sequence[Split]) -> tuple[Floats, Floats, Floats]:
    """(N, D), (N, L), (N,): embeddings, targets and weights; a picture and its mirror image weigh one half each."""
    rows = [part[split] for part in (seen.rows, seen.mirrored) for split in splits if len(part[split])]
    targets = [seen.targets[split] for part in (seen.rows, seen.mirrored) for split in splits if len(part[split])]
    count = sum(len(part) for part in rows)
    share = sum(len(seen.rows[split]) for split in splits) / count
    return np.concatenate(rows), np.concatenate(targets), np.full(count, share, np.float32)


def refit(seen: Embedded, recipe: Recipe, task: Task, cost: float) -> Head:
    """The same head from the training and validation pictures together."""
    rows, targets, weights = examples(seen, ["train", "validation"])
    if recipe.head == "logistic":
        return next(logistic.path(rows, targets, task, [cost], weights))
    from eyebright.classifier.traditional import fit

    return fit(recipe.head, rows, targets, task)


def fit_head(seen: Embedded, recipe: Recipe, task: Task, tell: Tell) -> tuple[Head, float]:
    """The head that the recipe names, and the cost that was chosen, if it has one."""
    if recipe.head == "logistic":
        head, cost = best_logistic(seen, task)
        tell(Said(f"Fitted logistic regression; of {len(logistic.COSTS)} costs {cost:g} suits the validation split."))
        return head, cost
    from eyebright.classifier.traditional import fit

    return fit(recipe.head, seen.rows["train"], seen.targets["train"], task), 0.0


def say(head: Head, seen: Embedded, task: Task) -> dict[Split, Floats]:
    """Logits (N, L) of each split that has pictures."""
    return {split: logits_of(head, rows, task) for split, rows in seen.rows.items() if len(rows)}
