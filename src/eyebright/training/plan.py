"""How many steps a run takes: so many passes, or what fits in the time that was promised.

A promise is turned into a number of steps once, after a warm-up that is thrown away; the number is written down and
kept, also when the run is interrupted.
"""

import math
import time
from copy import deepcopy
from dataclasses import replace
from typing import Any

from eyebright.training.batches import Batches
from eyebright.training.loop import Learner, Loss, learn_from

SHARES = (0.125, 0.375, 0.625, 0.875)
"""Of the way, at which a step is timed, the middles of four quarters: pictures grow and stages join in."""
JUDGEMENTS = 30
"""Of the validation split, at most."""


def by_epochs(epochs: float, pictures: int, batch: int) -> int:
    return max(math.ceil(epochs * pictures / batch), 1)


def by_time(left_s: float, step_s: float, judge_s: float, a_pass: int, most: int) -> int:
    """Steps that fit into the seconds that are left, with a judgement after each pass, or JUDGEMENTS in all.

    >>> by_time(100, 1, 10, 10, 1000), by_time(1000, 1, 10, 10, 10_000), by_time(-5, 1, 10, 10, 1000)
    (50, 700, 1)
    """
    steps = max(left_s / (step_s + judge_s / a_pass), (left_s - JUDGEMENTS * judge_s) / step_s)
    return max(min(int(steps), most), 1)


def seconds_a_step(learner: Learner, batches: Batches, fabric: Any, loss_of: Loss) -> float:
    """The mean over the way, measured on a copy of the learner."""
    trial = Learner(deepcopy(learner.classifier), learner.recipe, fabric.device)
    recipe = replace(learner.recipe, clip=1.0)
    spent = []
    for share in SHARES:
        trial.open_stages(share)
        step = min(int(share * batches.steps), batches.steps - 1)
        for attempt in range(3):
            began = time.monotonic()
            batch = batches.batch(step)
            learn_from(batch, trial.classifier, trial.optimizer, recipe, fabric, loss_of)
            if attempt:  # the first makes room and chooses algorithms
                spent.append(time.monotonic() - began)
    return sum(spent) / len(spent)


def judged_every(steps: int, a_pass: int) -> int:
    """After how many steps the validation split is looked at: each pass, but no more than JUDGEMENTS times."""
    return max(a_pass, math.ceil(steps / JUDGEMENTS))
