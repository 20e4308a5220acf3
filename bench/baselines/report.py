"""What every baseline takes and leaves behind: the same options, one .npz of scores, one line of JSON.

The test split stays closed without `--test`: rates are chosen on validation, and the chosen one is run with it.
"""

import argparse
import json
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

BEGAN = time.perf_counter()


def parser(description: str | None) -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--test", action="store_true", help="open the test split too, at the end")
    options.add_argument("--output", metavar="FILE.npz", help="where scores, targets and names go")
    return options


def top1(scores: NDArray[np.floating], targets: NDArray[np.int64]) -> float:
    return float((scores.argmax(1) == targets).mean())


def finish(options: argparse.Namespace, summary: dict[str, Any], arrays: dict[str, Any]) -> None:
    """Arrays go to the file under their names (`test_scores`, ...); the summary, options and times to stdout."""
    if options.output:
        np.savez_compressed(options.output, **arrays)
    chosen = {name: value for name, value in vars(options).items() if name not in ("output", "test")}
    times = {"wall_s": round(time.perf_counter() - BEGAN, 1), "cpu_s": round(time.process_time(), 1)}
    print(json.dumps({**chosen, **summary, **times}))
