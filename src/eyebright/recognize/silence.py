"""When not to name one label: "none of these", "unsure", or a set that holds the right label as often as was asked.

What a model file says of this was measured on pictures with known labels (evaluation/abstain.py, conformal.py).
"""

import numpy as np
import numpy.typing as npt

from eyebright.errors import BadRequest
from eyebright.modelfile import Abstain, AbstainMethod, Metadata, Selective, Sets
from eyebright.runtime import Floats

Doubles = npt.NDArray[np.float64]

NEEDS: dict[AbstainMethod, str] = {"max_logit": "logits", "energy": "logits", "novelty": "novelty"}
"""The output that tells how well a picture fits what a model knows."""


def fitting(method: AbstainMethod, output: Floats) -> Doubles:
    """(N,): the number of each picture that `Abstain.threshold` is compared with, from the output that it needs.

    max_logit: the largest logit (Hendrycks et al. 2019, arXiv:1911.11132); energy: the logarithm of the sum of their
    exponentials (Liu et al. 2020, arXiv:2010.03759), both higher for what is known; novelty: higher for what is not.
    """
    if method == "novelty":
        return np.asarray(output, np.float64).reshape(len(output))
    largest = output.max(axis=1).astype(np.float64)
    if method == "max_logit":
        return np.asarray(largest)
    return np.asarray(largest + np.log(np.exp(output - largest[:, None]).sum(axis=1)))


def is_none(abstain: Abstain, value: float) -> bool:
    """Whether a picture fits none of the labels."""
    return value > abstain.threshold if abstain.method == "novelty" else value < abstain.threshold


def threshold_for(metadata: Metadata, accuracy: float) -> Selective:
    """The model file's own promise that reaches an accuracy, 0..1, with the least threshold. Raises BadRequest."""
    if not 0 < accuracy < 1:
        raise BadRequest(
            f"--abstain takes the share of answers that must be right, such as 0.95; {accuracy:g} is none."
        )
    enough = [promise for promise in metadata.selective if promise.accuracy >= accuracy - 1e-9]
    if enough:
        return min(enough, key=lambda promise: promise.threshold)
    _one_label(metadata, "--abstain")
    if not metadata.selective:
        raise BadRequest(
            f"{metadata.name} does not know how sure it must be to be right in {accuracy:g} of its answers; "
            "`eyebright tune` measures that on labeled pictures."
        )
    best = max(promise.accuracy for promise in metadata.selective)
    raise BadRequest(
        f"{metadata.name} can promise to be right in {best:g} of its answers, not in {accuracy:g}: more labeled "
        "pictures or a better model would promise more."
    )


def limit_for(metadata: Metadata, coverage: float) -> float:
    """Up to which nonconformity a label is in the set, for sets that hold the right one with this chance, 0..1."""
    if not 0 < coverage < 1:
        raise BadRequest(f"--set-coverage takes a share between 0 and 1, such as 0.9; {coverage:g} is none.")
    _one_label(metadata, "--set-coverage")
    if metadata.sets is None:
        raise BadRequest(
            f"{metadata.name} cannot give sets of labels with a stated coverage yet; `eyebright tune` measures it."
        )
    enough = [
        limit
        for known, limit in zip(metadata.sets.coverages, metadata.sets.limits, strict=True)
        if known >= coverage - 1e-9
    ]
    if not enough:
        raise BadRequest(
            f"{metadata.name} was measured on {metadata.sets.n:,} pictures, which is enough for a coverage of "
            f"{metadata.sets.coverages[-1]:g}, not of {coverage:g}."
        )
    return min(enough)


def _one_label(metadata: Metadata, option: str) -> None:
    if metadata.task == "multi":
        raise BadRequest(
            f"{option} is for models that give one label; {metadata.name} gives many, by their thresholds."
        )


def nonconformity(scores: npt.NDArray[np.floating], sets: Sets) -> Doubles:
    """(N, L): how little each label suits: the mass of the labels before it, and a penalty for those far behind.

    Regularized adaptive prediction sets (Angelopoulos et al. 2020, arXiv:2009.14193), without their lots: the best
    label is in every set, and the same picture always gets the same one.
    """
    order = np.argsort(-scores, axis=1, kind="stable")
    falling = np.take_along_axis(np.asarray(scores, np.float64), order, axis=1)
    before = np.cumsum(falling, axis=1) - falling
    behind = np.maximum(np.arange(1, scores.shape[1] + 1) - sets.free, 0)
    found = np.empty_like(before)
    np.put_along_axis(found, order, before + sets.penalty * behind, axis=1)
    return found


def members(scores: npt.NDArray[np.floating], sets: Sets, limit: float) -> npt.NDArray[np.bool_]:
    """(N, L): which labels are in each picture's set."""
    return np.asarray(nonconformity(scores, sets) <= limit)
