"""None of these: how well a model tells its own pictures from others, and from where on it should say so.

Several numbers can tell (recognize/silence.py); `compare` says how well each separates pictures that the model knows
from pictures that are none of its business. What was chosen on some pictures is reported on others.
"""

from collections.abc import Mapping
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from eyebright.evaluation.intervals import Interval, Weights, bootstrap, wilson
from eyebright.evaluation.metrics import area_under_roc
from eyebright.modelfile import Abstain, AbstainMethod
from eyebright.recognize.silence import NEEDS, fitting

Doubles = NDArray[np.float64]
Outputs = Mapping[str, NDArray[np.float32]]

REFUSED = 0.05
"""Share of its own pictures of which a model says none of these."""
METHODS: tuple[AbstainMethod, ...] = get_args(AbstainMethod)


def strangeness(method: AbstainMethod, outputs: Outputs) -> Doubles:
    """(N,): higher for pictures that fit less, from the outputs of a model."""
    value = fitting(method, outputs[NEEDS[method]])
    return value if method == "novelty" else -value


def separation(own: Doubles, others: Doubles) -> Interval:
    """How often a picture of others is stranger than one of its own (AUROC), 0..1; 0.5 is chance."""
    both = np.concatenate([own, others])
    truth = np.concatenate([np.zeros(len(own)), np.ones(len(others))])

    def statistic(weights: Weights) -> Doubles:
        return area_under_roc(both, truth, weights)

    return bootstrap(statistic, len(both))


def compare(own: Outputs, others: Outputs) -> dict[str, Interval]:
    """The separation of each method whose output is there; `max_score` is the plain way, beside which they stand."""
    found: dict[str, Interval] = {
        method: separation(strangeness(method, own), strangeness(method, others))
        for method in METHODS
        if NEEDS[method] in own
    }
    if "scores" in own:
        found["max_score"] = separation(-own["scores"].max(axis=1), -others["scores"].max(axis=1))
    return found


def refused(abstain: Abstain, outputs: Outputs) -> Interval:
    """The share of pictures of which the model says none of these."""
    value = fitting(abstain.method, outputs[NEEDS[abstain.method]])
    over = value > abstain.threshold if abstain.method == "novelty" else value < abstain.threshold
    return wilson(int(over.sum()), len(over))


def limit(method: AbstainMethod, own: Outputs, basis: str, share: float = REFUSED) -> Abstain:
    """The threshold beyond which a share of these pictures of its own lies, none of which it learned from."""
    value = fitting(method, own[NEEDS[method]])
    cut = float(np.quantile(value, 1 - share if method == "novelty" else share))
    found = Abstain(method, float(f"{cut:.6g}"))
    told = refused(found, own).value
    return Abstain(method, found.threshold, f"{told:.1%} of {len(value):,} {basis} are called none of these")
