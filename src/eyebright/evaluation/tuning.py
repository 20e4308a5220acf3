"""What a model file can be taught from labeled pictures without learning anew: when to speak, and when to stay silent.

One part of the pictures chooses, another, which had no say, proves; nothing is written that could not be proved.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from eyebright.evaluation import abstain, calibration, conformal, outside
from eyebright.evaluation.calibration import Floats
from eyebright.evaluation.goals import Goal, Promise, Refusal, aim
from eyebright.evaluation.intervals import Interval
from eyebright.modelfile import Abstain, Figure, Metadata
from eyebright.modelfile import Promise as Kept

OF_SCORES = ("nll", "brier", "ece", "calibration_p")
"""Figures that change with the temperature."""
Outputs = Mapping[str, NDArray[np.float32]]


class Part(NamedTuple):
    """Pictures with known labels, and what the model says of them."""

    outputs: Outputs
    targets: Floats  # (N, L)


def thresholds(
    metadata: Metadata, goal: Goal, labels: Collection[str], choose: Part, prove: Part
) -> dict[str, Promise | Refusal]:
    """For each label id of `labels`, or of all that a threshold has a meaning for: a promise, or why there is none."""
    alone = range(1, 2) if metadata.task == "binary" else range(len(metadata.labels))
    return {
        metadata.labels[at].id: aim(goal, *answers(metadata, choose, at), *answers(metadata, prove, at))
        for at in alone
        if not labels or metadata.labels[at].id in labels
    }


def answers(metadata: Metadata, part: Part, at: int) -> tuple[Floats, Floats]:
    """(N,), (N,): scores and truth of one label; where one label is given to a picture, only the best one can be."""
    scores = part.outputs["scores"][:, at]
    if metadata.task == "single":
        scores = np.where(part.outputs["scores"].argmax(axis=1) == at, scores, -1)
    return scores, part.targets[:, at]


def with_thresholds(metadata: Metadata, goal: Goal, found: Mapping[str, Promise | Refusal], on: str) -> Metadata:
    """The metadata with what could be promised; other labels keep what they had. `on` says which pictures proved it."""
    kept = {id: promise for id, promise in found.items() if isinstance(promise, Promise)}
    return msgspec.structs.replace(
        metadata,
        thresholds={**metadata.thresholds, **{id: round(promise.threshold, 6) for id, promise in kept.items()}},
        promises={
            **metadata.promises,
            **{
                id: Kept(str(goal), figure(promise.reached, promise.n, on), figure(promise.caught, None, on))
                for id, promise in kept.items()
            },
        },
    )


def with_silences(metadata: Metadata, choose: Part, prove: Part) -> Metadata:
    """The metadata with promises of accuracy and limits of label sets, where a picture has one label."""
    if metadata.task == "multi":
        return metadata
    return msgspec.structs.replace(
        metadata,
        selective=abstain.promises(choose.outputs["scores"], choose.targets, prove.outputs["scores"], prove.targets),
        sets=conformal.measure(choose.outputs["scores"], choose.targets),
    )


class Calibrated(NamedTuple):
    """What a new temperature did on the proving pictures: the negative log-likelihood before and after, in nats."""

    temperature: float
    before: float
    after: float


def calibrated(metadata: Metadata, choose: Part, prove: Part) -> Calibrated:
    """The temperature that suits the choosing pictures best; parts must have `logits`."""
    temperature = calibration.fit_temperature(choose.outputs["logits"], choose.targets, metadata.task)
    after = calibration.activate(prove.outputs["logits"] / temperature, metadata.task)
    losses = [
        calibration.negative_log_likelihood(scores, prove.targets, metadata.task)
        for scores in (prove.outputs["scores"], after)
    ]
    return Calibrated(temperature, losses[0], losses[1])


def recalibrated(metadata: Metadata, cooled: Calibrated, before: float) -> Metadata:
    """The metadata for another temperature than `before`: what was said of scores as they were is moved, or left out.

    Thresholds of `binary` and `multi` move with the scores, so that they decide as before. Where one label of many is
    given there is no such place: those thresholds and their promises are dropped.
    """
    moved: dict[str, float] = {}
    if metadata.task != "single":
        for id, threshold in metadata.thresholds.items():
            inside = min(max(threshold, 1e-9), 1 - 1e-9)
            z = np.log(inside / (1 - inside)) * before / cooled.temperature
            moved[id] = float(round(1 / (1 + np.exp(-z)), 6))
    card = msgspec.structs.replace(
        metadata.card,
        calibration=f"temperature {cooled.temperature:.3g}, fitted by tune",
        metrics={name: one for name, one in metadata.card.metrics.items() if name not in OF_SCORES},
    )
    promises = metadata.promises if moved else {}
    return msgspec.structs.replace(metadata, thresholds=moved, promises=promises, card=card)


class NoneOfThese(NamedTuple):
    """How well each method separates, where it was chosen and where it was not, AUROC; and what was chosen."""

    chosen_on: dict[str, Interval]
    reported_on: dict[str, Interval]
    method: str
    caught: Interval
    """Share of the other pictures, of those that had no say, of which it says none of these."""


def figure(interval: Interval, n: int | None, on: str) -> Figure:
    """As it stands in the model file."""
    return Figure(
        round(interval.value, 5), round(interval.low, 5), round(interval.high, 5), n, f"{on}; {interval.method}"
    )


def none_of_these(
    choose: Outputs, prove: Outputs, others: Outputs, other_proof: Outputs, basis: str
) -> tuple[Abstain, NoneOfThese]:
    """The method that separates best on the choosing pictures, and how well all of them do on the proving ones."""
    chosen_on = outside.compare(choose, others)
    methods = [method for method in outside.METHODS if method in chosen_on]
    best = max(methods, key=lambda method: chosen_on[method].value)
    limit = outside.limit(best, choose, basis)
    caught = outside.refused(limit, other_proof)
    return limit, NoneOfThese(chosen_on, outside.compare(prove, other_proof), best, caught)
