"""Planted wrong labels, and who finds them: `eyebright data doubt` beside cleanlab, on the same pictures in one run.

    python -m venv cleanlab && cleanlab/bin/pip install cleanlab==2.9.0 scikit-learn numpy pandas
    EYEBRIGHT_DATA=FOLDER taskset -c 0 python bench/doubt.py --cleanlab cleanlab/bin/python

5% of the labels of clothing's train split are replaced: by any other label alike, or (second part) by the label that
the picture is most like. cleanlab gets out-of-fold probabilities (5 folds) of scikit-learn's logistic regression on
standardized embeddings, once of the middle square as a plain script has them and once of the four views that Eyebright
sees; C is 0.003, or 1 as by default. Printed are the average precision of the ranking, what each flags by itself, and
Eyebright's precision where it has found as many wrong labels as cleanlab flags. Without --cleanlab its rows are left
out. cleanlab stays out of Eyebright's dependencies: it is here to compare with only. Two minutes of one core.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eyebright.data import Dataset
from eyebright.evaluation.mistakes import suspects
from eyebright.modelfile import Input
from eyebright.training.doubt import cross_validated, see
from eyebright.training.embeddings import embed, encoder_file
from eyebright.training.recipe import Recipe

sys.path.append(__file__.rsplit("/", 1)[0])
from data import folder

Array = NDArray[np.generic]
SHARE = 0.05
THEIRS = """
import sys, numpy as np
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

given = np.load(sys.argv[1])
head = make_pipeline(StandardScaler(), LogisticRegression(C=float(sys.argv[3]), max_iter=2000))
folds = StratifiedKFold(5, shuffle=True, random_state=int(sys.argv[4]))
p = cross_val_predict(head, given["rows"], given["labels"], cv=folds, method="predict_proba")
flags = {by: find_label_issues(given["labels"], p, filter_by=by, n_jobs=1) for by in ("prune_by_noise_rate", "both")}
np.savez(sys.argv[2], doubt=1 - get_label_quality_scores(given["labels"], p), **flags)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cleanlab", metavar="PYTHON", help="the interpreter of an environment that has cleanlab")
    parser.add_argument("--seeds", default="0,1,2")
    given = parser.parse_args()
    if not given.cleanlab:
        print("Without --cleanlab PYTHON there is nothing to compare with; see the top of this file.")
    data = Dataset.read(folder() / "clothing.zip").part("train")
    identities = [data.identity(item) for item in data.items]
    recipe = Recipe.of("head", {"threads": 1}).settled("single")
    rows = see(data, identities, recipe, lambda event: None)
    encoder = encoder_file(recipe)
    spec = Input(size=encoder.metadata.input.size, crop=1.0)
    plain = embed(data, identities, encoder, spec, 1, False, lambda done, total: None)
    truth = data.targets().argmax(1)
    for noise, wrong in (("any other label", anywhere), ("the label it is most like", alike(rows, truth, identities))):
        print(f"\n{len(truth):,} pictures, {SHARE:.0%} of the labels replaced by {noise}")
        found: dict[str, list[tuple[float, ...]]] = {}
        for seed in map(int, given.seeds.split(",")):
            labels = wrong(truth, seed)
            bad = labels != truth
            targets = np.eye(len(data.labels), dtype=np.float32)[labels]
            ours = suspects(cross_validated(rows, targets, "single", identities), targets, "single")
            doubt, flagged = np.empty(len(truth)), np.empty(len(truth), bool)
            doubt[ours.picture], flagged[ours.picture] = ours.doubt, ours.flagged
            found.setdefault("Eyebright", []).append(figures(doubt, flagged, bad, doubt))
            for views, seen in (("1 view", plain), ("4 views", rows)) if given.cleanlab else ():
                for cost in ("0.003", "1"):
                    theirs = cleanlab(given.cleanlab, seen, labels, cost, seed)
                    for by in ("prune_by_noise_rate", "both"):
                        name = f"cleanlab, {views}, C={cost}, {by}"
                        found.setdefault(name, []).append(figures(theirs["doubt"], theirs[by], bad, doubt))
            print(f"  seed {seed}: {bad.sum()} wrong", flush=True)
        tell(found)


def anywhere(truth: Array, seed: int) -> Array:
    """Labels of which some are any other one."""
    random = np.random.default_rng(seed)
    places = random.choice(len(truth), round(SHARE * len(truth)), replace=False)
    labels = truth.copy()
    count = int(truth.max()) + 1
    labels[places] = (truth[places] + random.integers(1, count, len(places))) % count
    return labels


def alike(rows: Array, truth: Array, identities: list[str]):
    """The same, where a wrong label is the likeliest of the others for heads that were fitted to the true ones."""
    targets = np.eye(int(truth.max()) + 1, dtype=np.float32)[truth]
    scores = cross_validated(rows, targets, "single", identities, seed=100)
    second = np.where(targets > 0, -1, scores).argmax(1)

    def wrong(truth: Array, seed: int) -> Array:
        places = np.random.default_rng(seed).choice(len(truth), round(SHARE * len(truth)), replace=False)
        labels = truth.copy()
        labels[places] = second[places]
        return labels

    return wrong


def cleanlab(python: str, rows: Array, labels: Array, cost: str, seed: int) -> dict[str, Array]:
    """What cleanlab says, in an environment of its own."""
    with tempfile.TemporaryDirectory() as place:
        given, said = Path(place) / "given.npz", Path(place) / "said.npz"
        np.savez(given, rows=rows, labels=labels)
        ended = subprocess.run(
            [python, "-W", "ignore", "-c", THEIRS, str(given), str(said), cost, str(seed)],
            capture_output=True,
            text=True,
        )
        if ended.returncode:
            sys.exit(f"{python} did not run cleanlab:\n{ended.stderr}")
        return dict(np.load(said))


def figures(doubt: Array, flagged: Array, bad: Array, ours: Array) -> tuple[float, ...]:
    """Average precision; flagged, their precision and recall; Eyebright's precision at this recall."""
    found = int((flagged & bad).sum())
    return (
        average_precision(doubt, bad),
        int(flagged.sum()),
        found / max(int(flagged.sum()), 1),
        found / int(bad.sum()),
        precision_at(ours, bad, found),
    )


def average_precision(doubt: Array, bad: Array) -> float:
    right = bad[np.argsort(-doubt, kind="stable")]
    return float((np.cumsum(right) / np.arange(1, len(right) + 1))[right].mean())


def precision_at(doubt: Array, bad: Array, found: int) -> float:
    """Of the most doubtful ones, taken until so many wrong labels are among them."""
    right = np.cumsum(bad[np.argsort(-doubt, kind="stable")])
    taken = int(np.argmax(right >= found)) + 1
    return float(right[taken - 1] / taken)


def tell(found: dict[str, list[tuple[float, ...]]]) -> None:
    print(f"  {'':<48} {'AP':>6}  {'by seed':<20} flagged  precision  recall  Eyebright's precision there")
    for name, seeds in found.items():
        ap, flagged, precision, recall, ours = np.mean(seeds, 0)
        each = " ".join(f"{seed[0]:.3f}" for seed in seeds)
        beside = " ".join(f"{seed[4]:.3f}" for seed in seeds)
        print(
            f"  {name:<48} {ap:6.3f}  {each:<20} {flagged:7.0f} {precision:10.3f} {recall:7.3f}  {ours:.3f} ({beside})"
        )


if __name__ == "__main__":
    main()
