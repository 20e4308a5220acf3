"""How many times as fast an int8 file is as the float file that it was made from, on this machine.

    python bench/fit/int8_speed.py FLOAT.onnx INT8.onnx [FLOAT.onnx INT8.onnx ...] [--rounds 5]     (a minute a pair)

One picture at a time, one thread, ONNX Runtime; the two take turns, each in a process of its own. The ratio is the
median of paired turns over all rounds, with its quartiles; a round starts both anew. Run it on a quiet machine.
"""

import argparse
from pathlib import Path

import numpy as np

from eyebright.measure import Measured, in_turns, latency, machine, speedup
from eyebright.modelfile import read


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    if len(asked.models) % 2:
        parser.error("files come in pairs: the float one, then the int8 one.")
    print(machine())
    print("float ms | int8 ms | times as fast (quartiles) | by round | share of multiply-adds in int8 | file")
    for full, small in zip(asked.models[::2], asked.models[1::2], strict=True):
        rounds = [in_turns([read(full), read(small)]) for _ in range(asked.rounds)]
        print(f"{small}: {told(rounds)} | {small.stat().st_size / full.stat().st_size:.3f}", flush=True)


def told(rounds: list[list[Measured]]) -> str:
    whole = [joined([one[at] for one in rounds]) for at in (0, 1)]
    ratio = speedup(*whole)
    each = " ".join(f"{speedup(*one).value:.2f}" for one in rounds)
    full, small = (latency(one).value for one in whole)
    macs, int8 = whole[1].macs, whole[1].int8_macs
    share = f"{int8 / macs:.3f}" if macs and int8 is not None else "not known"
    return f"{full:.2f} | {small:.2f} | {ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f}) | {each} | {share}"


def joined(rounds: list[Measured]) -> Measured:
    """All turns of a file as if they had been one round."""
    return rounds[0]._replace(
        turns_ms=tuple(np.concatenate([one.turns_ms for one in rounds]).tolist()),
        cpu_ms=tuple(np.concatenate([one.cpu_ms for one in rounds]).tolist()),
    )


if __name__ == "__main__":
    main()
