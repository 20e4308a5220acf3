"""EfficientNet-Lite0's features of each photo, and a logistic regression on them: the least that training must beat.

    EYEBRIGHT_DATA=FOLDER python bench/baselines/clothing_head.py clothing --folds 5 --test --output FILE.npz
    EYEBRIGHT_DATA=FOLDER python bench/baselines/clothing_head.py street-fashion --test --output FILE.npz
    EYEBRIGHT_DATA=FOLDER python bench/baselines/clothing_head.py fire --test --output FILE.npz

Published weights, frozen; 256 pixels, center crop 224, global average pool, StandardScaler, LogisticRegression. C is
one of 0.00003, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, chosen on the validation split by top-1
(clothing) or mean average precision (street-fashion: one regression a label; fire, which has no validation split: out
of 5 folds of its train).
`--folds N` also repeats a stratified 5-fold N times (seeds 0 to N-1) over all of clothing's photos, C chosen by 3 folds
inside each training part, and saves what each photo scored while it was left out. A minute each; 6 with 5 repeats.
"""

import warnings

import numpy as np
import report
import sets
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from eyebright.encoders.weights import pretrained

GRID = (0.00003, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
Floats = NDArray[np.float32]


def main() -> None:
    options = report.parser(__doc__)
    options.add_argument("data", choices=("clothing", "street-fashion", "fire"))
    options.add_argument("--rate", type=float, help="C; without it, the best of the grid on validation")
    options.add_argument("--folds", type=int, default=0, help="repeats of the 5-fold over all of clothing")
    options = options.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("error", ConvergenceWarning)  # a regression that did not finish is no baseline
    several = options.data == "street-fashion"
    read = {"clothing": sets.clothing, "street-fashion": sets.street_fashion, "fire": sets.fire}[options.data]
    metric = report.top1 if options.data == "clothing" else average_precision

    train, labels = read("train")
    features = embed(train)
    arrays = {"labels": labels, "train_names": train.names, "train_features": features, "train_targets": train.targets}
    tried = {}
    if options.data == "fire":
        folds = StratifiedKFold(5, shuffle=True, random_state=options.seed)
        for c in [options.rate] if options.rate else GRID:
            scores = cross_val_predict(
                regression(c, several), features, train.targets, cv=folds, method="predict_proba"
            )
            tried[c] = metric(scores, train.targets), scores
        arrays |= {"validation_names": train.names, "validation_targets": train.targets}
    else:
        validation, _ = read("val" if several else "validation")
        seen = embed(validation)
        for c in [options.rate] if options.rate else GRID:
            scores = regression(c, several).fit(features, train.targets).predict_proba(seen)
            tried[c] = metric(scores, validation.targets), scores
        arrays |= {"validation_names": validation.names, "validation_targets": validation.targets}
        arrays |= {"validation_features": seen}
    best = max(tried, key=lambda c: tried[c][0])
    arrays["validation_scores"] = tried[best][1]
    summary = {"tried": {c: round(value, 4) for c, (value, _) in tried.items()}, "c": best}
    summary["validation"] = round(tried[best][0], 4)
    if options.test:
        test, _ = read("test")
        seen = embed(test)
        scores = regression(best, several).fit(features, train.targets).predict_proba(seen)
        summary["test"] = round(metric(scores, test.targets), 4)
        arrays |= {"test_names": test.names, "test_features": seen, "test_scores": scores, "test_targets": test.targets}
    if options.folds and options.test:
        parts = ("train", "validation", "test")
        arrays |= repeated(
            np.concatenate([arrays[f"{part}_features"] for part in parts]),
            np.concatenate([arrays[f"{part}_targets"] for part in parts]),
            options.folds,
        )
        arrays["folds_names"] = np.concatenate([arrays[f"{part}_names"] for part in parts])
        right = arrays["folds_scores"].argmax(2) == arrays["folds_targets"]
        summary |= {"folds_top1": right.mean(1).round(4).tolist(), "folds_c": arrays["folds_c"].tolist()}
    report.finish(options, summary, arrays)


def embed(split: sets.Split) -> Floats:
    """(N, 1280)"""
    encoder, _ = pretrained("efficientnet-lite0")
    rows = []
    with torch.inference_mode():
        for at in range(0, len(split.names), 16):
            pixels = np.stack([center(picture) for picture in split.pictures[at : at + 16]])
            images = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() - 127) / 128
            rows.append(encoder.features(images.contiguous(memory_format=torch.channels_last)).mean((2, 3)).numpy())
    return np.concatenate(rows)


def center(picture: Image.Image, size: int = 224, side: int = 256) -> NDArray[np.uint8]:
    """Shorter side to `side`, then the middle `size` x `size`."""
    scale = side / min(picture.size)
    picture = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.BICUBIC)
    left, top = (picture.width - size) // 2, (picture.height - size) // 2
    return np.asarray(picture.crop((left, top, left + size, top + size)))


def regression(c: float, several: bool = False) -> OneVsRestClassifier | LogisticRegression:
    one = LogisticRegression(C=c, max_iter=2000)
    return make_pipeline(StandardScaler(), OneVsRestClassifier(one) if several else one)


def average_precision(scores: Floats, targets: NDArray[np.int64]) -> float:
    """Of fire (two columns), or the mean over the labels."""
    return float(average_precision_score(targets, scores[:, 1] if targets.ndim == 1 else scores, average="macro"))


def repeated(features: Floats, targets: NDArray[np.int64], repeats: int) -> dict[str, NDArray[np.generic]]:
    """`folds_scores` (R, N, L) of each photo while it was left out, its fold (R, N), and the C of each fold (R, 5)."""
    scores = np.zeros((repeats, len(targets), targets.max() + 1), np.float32)
    fold = np.zeros((repeats, len(targets)), np.int8)
    chosen = np.zeros((repeats, 5))
    for seed in range(repeats):
        outer = StratifiedKFold(5, shuffle=True, random_state=seed)
        for number, (seen, left_out) in enumerate(outer.split(features, targets)):
            inner = StratifiedKFold(3, shuffle=True, random_state=seed)
            x, y = features[seen], targets[seen]
            value = {
                c: report.top1(cross_val_predict(regression(c), x, y, cv=inner, method="predict_proba"), y)
                for c in GRID
            }
            chosen[seed, number] = max(GRID, key=lambda c, value=value: value[c])
            scores[seed, left_out] = regression(chosen[seed, number]).fit(x, y).predict_proba(features[left_out])
            fold[seed, left_out] = number
    return {"folds_scores": scores, "folds_fold": fold, "folds_c": chosen, "folds_targets": targets}


if __name__ == "__main__":
    main()
