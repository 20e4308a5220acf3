"""Mode `head` on clothing beside a plain script's logistic regression, in repeated 5-fold over all photos.

    python bench/learn/head.py PLAIN.npz

PLAIN.npz is what `bench/baselines/clothing_head.py clothing --folds 5 --test --output PLAIN.npz` wrote: its answers to
each photo while it was left out, and the folds. Here Eyebright learns the same folds, on the plain script's embeddings
and on its own. Of a fold's training part 20% are its validation split, as of any data without one, and `refit` then
learns from both; the plain script chooses by folds inside and then learns from all. Three minutes of one core.
"""

import sys

import numpy as np
from numpy.typing import NDArray

from eyebright.data import Dataset
from eyebright.data.split import place
from eyebright.evaluation.intervals import mcnemar, paired_difference, wilson
from eyebright.modelfile import Input
from eyebright.training.embeddings import embed, encoder_file
from eyebright.training.recipe import Recipe
from eyebright.training.transfer import Embedded, best_logistic, refit

sys.path.append(__file__.rsplit("/", 2)[0])
from data import folder

Array = NDArray[np.generic]
PARTS = ("train", "validation", "test")


def main() -> None:
    plain = np.load(sys.argv[1])
    recipe = Recipe.of("head", {}).settled("single")
    data = Dataset.read(folder() / "clothing.zip")
    order = {item.name: at for at, item in enumerate(data.items)}
    names = [str(name).removeprefix("clothing/") for name in plain["folds_names"]]
    data = data.only([data.items[order[name]] for name in names])  # as the plain script has them
    encoder = encoder_file(recipe)
    spec = Input(size=encoder.metadata.input.size, crop=recipe.crop)
    both = embed(data, [data.identity(item) for item in data.items], encoder, spec, 2, True, lambda done, total: None)
    theirs = np.concatenate([plain[f"{part}_features"] for part in PARTS])
    targets = data.targets()
    ways = (("the plain script's", theirs[:, None], False), ("the plain script's", theirs[:, None], True))
    for what, rows, again in (*ways, ("its own", both, False), ("its own", both, True)):
        hits, other = [], []
        for fold, scores in zip(plain["folds_fold"], plain["folds_scores"], strict=True):
            said = np.zeros(len(names), np.int64)
            for number in range(5):
                held_out = np.array([place(name) < 0.2 for name in names])
                use = {"train": (fold != number) & ~held_out, "validation": (fold != number) & held_out}
                said[fold == number] = answers(rows, targets, {**use, "test": fold == number}, again)
            hits.append(said == targets.argmax(1))
            other.append(scores.argmax(1) == plain["folds_targets"])
        ours, baseline = np.mean(hits, 0), np.mean(other, 0)  # of each photo, over the repeats
        found = paired_difference(ours, baseline)
        how = ", refit" if again else ""
        print(f"5-fold on {what} embeddings{how}: {ours.mean():.4f}, plain {baseline.mean():.4f}, difference", end=" ")
        print(f"{found.value:+.4f} ({found.low:+.4f} to {found.high:+.4f}), {len(hits)} repeats", flush=True)
    splits = {part: np.array([item.split == part for item in data.items]) for part in PARTS}
    ours = answers(both, targets, splits, False) == targets[splits["test"]].argmax(1)
    plain_hits = plain["test_scores"].argmax(1) == plain["test_targets"]
    for what, right in (("Eyebright", ours), ("plain", plain_hits)):
        found = wilson(int(right.sum()), len(right))
        print(f"test top-1, {what}: {found.value:.4f} ({found.low:.4f} to {found.high:.4f}) of {len(right)}")
    print(f"test, exact McNemar's p: {mcnemar(ours, plain_hits):.3f}")


def answers(rows: Array, targets: Array, use: dict[str, Array], again: bool) -> NDArray[np.int64]:
    """Labels of the test part, by the head that Eyebright fits; rows (N, views, D), the second view mirrored."""
    own = {part: rows[places, 0] for part, places in use.items()}
    mirrored = {part: rows[places, 1:].reshape(-1, rows.shape[2]) for part, places in use.items()}
    seen = Embedded(None, own, mirrored, {part: targets[places] for part, places in use.items()})
    head, cost = best_logistic(seen, "single")
    if again:
        head = refit(seen, Recipe(), "single", cost)
    return (own["test"] @ head.weight.T + head.bias).argmax(1)


if __name__ == "__main__":
    main()
