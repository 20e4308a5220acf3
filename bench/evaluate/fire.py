"""Not enough data is an answer: a precision of 0.95 asked of 108 photos of fire, half of which choose and half prove.

    EYEBRIGHT_DATA=FOLDER python bench/evaluate/fire.py [--draws 200]

Scores are out of five folds over all 528 photos (mode `head`'s logistic regression on EfficientNet-Lite0), so that
each was given to a photo that was not learned from. Halves are drawn anew, with 54 photos of fire in each. Needs the
extra `train`. Half a minute.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1]))
from data import folder
from eyebright.classifier import logistic
from eyebright.data import Dataset
from eyebright.evaluation.goals import Goal, Promise, aim
from eyebright.modelfile import Input
from eyebright.training.embeddings import embed, encoder_file
from eyebright.training.recipe import Recipe

FOLDS = 5
COST = 0.01
GOALS = (
    Goal("precision", 0.95),
    Goal("precision", 0.9),
    Goal("precision", 0.8),
    Goal("recall", 0.95),
    Goal("recall", 0.8),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=200)
    draws = parser.parse_args().draws
    data = Dataset.read(folder() / "fire.zip")
    recipe = Recipe.of("head", {}).settled("binary")
    encoder = encoder_file(recipe)
    spec = Input(size=encoder.metadata.input.size, crop=recipe.crop)
    identities = [data.identity(item) for item in data.items]
    rows = embed(data, identities, encoder, spec, 1, False, lambda done, total: None)
    targets = data.targets()
    fold = np.random.default_rng(0).permutation(len(rows)) % FOLDS
    scores = np.zeros(len(rows))
    for number in range(FOLDS):
        head = next(logistic.path(rows[fold != number], targets[fold != number], "binary", [COST]))
        logits = rows[fold == number] @ head.weight.T + head.bias
        scores[fold == number] = 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))
    truth = targets[:, 1].astype(float)
    yes, no = np.flatnonzero(truth == 1), np.flatnonzero(truth == 0)
    print(f"{len(truth)} photos, {len(yes)} of fire; {draws} halvings")
    for goal in GOALS:
        said: Counter[str] = Counter()
        for seed in range(draws):
            random = np.random.default_rng(seed)
            first = np.zeros(len(truth), bool)
            for part in (yes, no):
                first[random.permutation(part)[: len(part) // 2]] = True
            found = aim(goal, scores[first], truth[first], scores[~first], truth[~first])
            said["promised" if isinstance(found, Promise) else found.sentence.partition(";")[0]] += 1
        print(f"{goal}: " + "; ".join(f"{count} times {what}" for what, count in said.most_common()), flush=True)


if __name__ == "__main__":
    main()
