"""Are promises kept? Thresholds from a goal on simulated scores of known truth.

    python bench/evaluate/goals.py [--draws 1000] [--n 2000]

Scores of positives and negatives are normal numbers so far apart that a perfect cut errs in a few percent; so the true
precision and recall of every threshold are known. Of n pictures, half choose and half prove. A goal can be promised
where somebody who knew the truth, and so the best threshold for being proved, would be proved on such a half in 95% of
draws. Shown: how often a promise was made and broken (of all draws), where it can be promised how often it was, and
what it catches, as a share of what the best threshold of the truth catches. 5 minutes of one core.
"""

import argparse
import math

import numpy as np

from eyebright.evaluation.goals import Goal, Promise, aim, needed

APART = (2.0, 3.0)
PREVALENCES = (0.02, 0.05, 0.2, 0.5)
GOALS = (Goal("precision", 0.8), Goal("precision", 0.95), Goal("recall", 0.8), Goal("recall", 0.95))
GRID = np.linspace(-3, 8, 1101)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--n", type=int, default=2000)
    given = parser.parse_args()
    print(f"{'goal':16} apart  positives  can be  promised  broken  catches")
    worst, least = 0.0, 1.0
    for apart in APART:
        for prevalence in PREVALENCES:
            for goal in GOALS:
                can = possible(goal, apart, prevalence, given.n // 2)
                promised, broken, caught = simulated(goal, apart, prevalence, given.n, given.draws)
                worst = max(worst, broken)
                least = min(least, promised) if can >= 0.95 else least
                row = f"{goal!s:16} {apart:5.0f} {prevalence:10.2f} {can:7.3f} {promised:9.3f}"
                print(f"{row} {broken:7.3f} {caught:8.2f}", flush=True)
    print(f"broken at most {worst:.3f} (bar 0.05), promised where it can be at least {least:.3f} (bar 0.8)")


def tail(x: float | np.ndarray) -> np.ndarray:
    return np.vectorize(lambda one: 0.5 * math.erfc(one / math.sqrt(2)))(x)


def truth_of(goal: Goal, apart: float, prevalence: float, threshold: float | np.ndarray) -> np.ndarray:
    """The precision or recall of a threshold on the normal scale."""
    right, wrong = prevalence * tail(threshold - apart), (1 - prevalence) * tail(threshold)
    return right / np.maximum(right + wrong, 1e-300) if goal.kind == "precision" else right / prevalence


def possible(goal: Goal, apart: float, prevalence: float, n: int) -> float:
    """The chance of a proof on n pictures for the threshold that has the best."""
    random = np.random.default_rng(1)
    best = 0.0
    for threshold in GRID[::10]:
        share = float(truth_of(goal, apart, prevalence, threshold))
        of = prevalence
        if goal.kind == "precision":
            of = float(prevalence * tail(threshold - apart) + (1 - prevalence) * tail(threshold))
        tries = random.binomial(n, of, 500)
        right = random.binomial(tries, share)
        best = max(best, float(np.mean([r >= needed(int(m), goal.least) for r, m in zip(right, tries, strict=True)])))
    return best


def simulated(goal: Goal, apart: float, prevalence: float, n: int, draws: int) -> tuple[float, float, float]:
    promised = broken = 0
    caught = []
    kept = truth_of(goal, apart, prevalence, GRID) >= goal.least
    recall = truth_of(Goal("recall"), apart, prevalence, GRID)
    precision = truth_of(Goal("precision"), apart, prevalence, GRID)
    best = float((recall if goal.kind == "precision" else precision)[kept].max())
    for seed in range(draws):
        random = np.random.default_rng(seed)
        truth = (random.random(n) < prevalence).astype(float)
        z = random.normal(size=n) + apart * truth
        scores = 1 / (1 + np.exp(-z))
        found = aim(goal, scores[: n // 2], truth[: n // 2], scores[n // 2 :], truth[n // 2 :])
        if isinstance(found, Promise):
            promised += 1
            at = math.log(found.threshold / (1 - found.threshold))
            broken += truth_of(goal, apart, prevalence, at) < goal.least
            other = Goal("recall" if goal.kind == "precision" else "precision")
            caught.append(float(truth_of(other, apart, prevalence, at)) / best)
    return promised / draws, broken / draws, float(np.mean(caught)) if caught else math.nan


if __name__ == "__main__":
    main()
