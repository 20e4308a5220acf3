"""Do 95% intervals hold the truth in 95% of cases? Simulations of accuracy, average precision and calibration error.

    python bench/evaluate/intervals.py [--draws 1000]

Accuracy: answers that are right with a known chance. Average precision: normal scores of positives and negatives, the
truth from two million draws. Calibration error: scores of ten labels that are known to be too sure by a known factor
(1: they mean what they say), the truth from two million pictures. Five minutes of one core.
"""

import argparse

import numpy as np

from eyebright.evaluation.calibration import activate, expected_calibration_error
from eyebright.evaluation.intervals import on_logit, wilson
from eyebright.evaluation.metrics import average_precision, average_precision_influence

MANY = 2_000_000
LOW, HIGH = 0.93, 0.97


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=1000)
    draws = parser.parse_args().draws
    outside = 0
    for n in (100, 1000):
        for share in (0.6, 0.75, 0.9, 0.95):
            right = np.random.default_rng(0).binomial(n, share, draws)
            held = np.mean([low <= share <= high for _, low, high, _ in (wilson(int(k), n) for k in right)])
            outside += told(f"accuracy {share}", n, held)
    for n in (100, 1000):
        for prevalence in (0.1, 0.3, 0.5):
            for apart in (1.0, 2.0, 3.0):
                scores, truth = ranking(np.random.default_rng(12345), MANY, prevalence, apart)
                value = float(average_precision(scores, truth)[0])
                held = np.mean([covered(n, prevalence, apart, value, seed) for seed in range(draws)])
                outside += told(f"average precision {value:.3f} at {prevalence:.0%} positives", n, held)
    for n in (1000, 4000):
        for sure in (1.0, 1.15, 1.5):
            scores, targets = pictures(np.random.default_rng(1), MANY // 4, sure)
            value = root_mean_square(scores, targets)
            held = np.mean([calibration(n, sure, value, seed) for seed in range(draws)])
            outside += told(f"calibration error {value:.4f}", n, held)
    print(f"outside {LOW} to {HIGH}: {outside}")


def told(what: str, n: int, held: float) -> bool:
    inside = LOW <= held <= HIGH
    print(f"{what:48} n = {n:5}: holds the truth in {held:.3f}{'' if inside else '  *'}", flush=True)
    return not inside


def ranking(random: np.random.Generator, n: int, prevalence: float, apart: float) -> tuple[np.ndarray, np.ndarray]:
    truth = (random.random(n) < prevalence).astype(float)
    return random.normal(size=n) + apart * truth, truth


def covered(n: int, prevalence: float, apart: float, value: float, seed: int) -> bool:
    scores, truth = ranking(np.random.default_rng(seed), n, prevalence, apart)
    found = on_logit(
        float(average_precision(scores, truth)[0]), average_precision_influence(scores, truth), int(truth.sum())
    )
    return found.low <= value <= found.high


def pictures(random: np.random.Generator, n: int, sure: float) -> tuple[np.ndarray, np.ndarray]:
    """Scores (n, 10) of a model that is too sure by a factor on the logits, and what is true."""
    logits = 1.5 * random.normal(size=(n, 10))
    truth = (random.random((n, 1)) < np.cumsum(activate(logits, "single"), axis=1)).argmax(axis=1)
    return activate(sure * logits, "single"), np.eye(10)[truth]


def root_mean_square(scores: np.ndarray, targets: np.ndarray) -> float:
    """The calibration error without noise, in bins as of the estimate."""
    confidence, right = scores.max(axis=1), targets[np.arange(len(scores)), scores.argmax(axis=1)]
    order = np.argsort(confidence)
    gaps = [(confidence[part] - right[part]).mean() for part in np.array_split(order, 15)]
    return float(np.sqrt(np.mean(np.square(gaps))))


def calibration(n: int, sure: float, value: float, seed: int) -> bool:
    scores, targets = pictures(np.random.default_rng(1000 + seed), n, sure)
    found = expected_calibration_error(scores, targets, "single")
    return found.low <= value <= found.high


if __name__ == "__main__":
    main()
