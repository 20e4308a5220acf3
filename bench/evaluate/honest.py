"""Can scores be believed, and what is silence worth? Model files of clothes on their test split.

    EYEBRIGHT_DATA=FOLDER python bench/evaluate/honest.py HEAD/model.onnx FINE/model.onnx ...

For each file: negative log-likelihood and Brier score without and with its temperature, fitted on the validation split,
and the paired difference; the test of calibration; the share of test pictures that can be answered with 98% accuracy
(by looking) and what came of the file's promises; and for 20 random halvings of validation and test pictures together,
the coverage of label sets measured on one half and tried on the other, beside the band that holds 95% of such coverages
where no scores are equal. Where the best label alone is right more often than the coverage that is asked, sets have one
label and hold the right one more often: that is not outside, and is marked `more`. A minute a file.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1]))
from data import folder
from eyebright import modelfile
from eyebright.data import Dataset
from eyebright.evaluation import abstain, calibration, conformal, judgement
from eyebright.evaluation.answers import ask, in_terms_of
from eyebright.evaluation.intervals import paired_difference
from eyebright.evaluation.report.verdict import shown
from eyebright.recognize.silence import members
from eyebright.runtime import cores, open_runtime

SPLITS = 20
COVERAGES = (0.8, 0.9, 0.95)


def main() -> None:
    data = Dataset.read(folder() / "clothing.zip")
    gains: dict[str, list[np.ndarray]] = {"nll": [], "brier": []}
    for path in sys.argv[1:]:
        file = modelfile.read(path)
        runtime = open_runtime(file)
        told = in_terms_of(file.metadata, data).data
        parts = {}
        for split in ("validation", "test"):
            answers = ask(told.part(split), file, runtime, ["scores", "logits"], cores())
            parts[split] = answers.outputs["scores"], answers.targets, answers.outputs["logits"]
        scores, targets, logits = parts["test"]
        print(f"\n{path}: {file.metadata.card.calibration}, {len(targets)} test pictures")
        raw = calibration.activate(logits, "single")
        for name, each in (("nll", losses), ("brier", squares)):
            before, after = each(raw, targets), each(scores, targets)
            found = paired_difference(after, before)
            gains[name].append(after - before)
            print(f"  {name:6} {before.mean():.4f} without temperature, {after.mean():.4f} with: ", end="")
            print(f"{found.value:+.4f} ({found.low:+.4f} to {found.high:+.4f})")
        print(f"  calibration: p = {calibration.calibration_test(scores, targets, 'single'):.3f}")
        part = abstain.answerable(abstain.curve(scores, targets), 0.98)
        print(f"  answers {part:.1%} of the pictures with 98% right (by looking)")
        for accuracy, came in judgement.promised(scores, targets, file.metadata).items():
            print(f"  promised {accuracy:g}: {shown(came['accuracy'])} right, {shown(came['coverage'])} answered")
        conformal_splits(*(np.concatenate([parts[split][at] for split in parts]) for at in (0, 1)))
    if len(sys.argv) > 2:
        for name, each in gains.items():
            mean = np.mean(each, axis=0)
            found = paired_difference(mean, np.zeros_like(mean))
            print(f"\n{name}, mean over the files: {found.value:+.4f} ({found.low:+.4f} to {found.high:+.4f})")


def losses(scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return -np.log(np.maximum((scores * targets).sum(axis=1), 1e-12))


def squares(scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return ((scores - targets) ** 2).sum(axis=1)


def conformal_splits(scores: np.ndarray, targets: np.ndarray) -> None:
    n = len(scores) // 2
    for coverage in COVERAGES:
        low, high = conformal.band(n, len(scores) - n, coverage)
        held, sizes, more = [], [], 0
        for seed in range(SPLITS):
            order = np.random.default_rng(seed).permutation(len(scores))
            first, second = order[:n], order[n:]
            sets = conformal.measure(scores[first], targets[first])
            limit = sets.limits[sets.coverages.index(coverage)]
            inside = members(scores[second], sets, limit)
            held.append(float((inside * targets[second]).sum(axis=1).mean()))
            sizes.append(inside.sum(axis=1).mean())
            more += limit == 0
        inside = sum(low <= one <= high for one in held)
        below = sum(one < low for one in held)
        print(
            f"  sets of {coverage:g}: {np.mean(held):.3f} in the mean of {SPLITS} halvings "
            f"({min(held):.3f} to {max(held):.3f}), {np.mean(sizes):.2f} labels; "
            f"band {low:.3f} to {high:.3f}: {inside} inside, {below} below"
            + (f", {more} with the best label alone (more)" if more else "")
        )


if __name__ == "__main__":
    main()
