"""The width multiplier: MobileNet-v1 and v2 at 1, .75, .5 and .25, what each is worth and how large it is.

    python bench/fit/widths.py OUT [--time 1h] [--teacher run/model.onnx] [--sets clothing.zip:128,cifar10.tar.xz:64]

OUT gets a frontier for each data set (NAME:SIZE), each with this time; what is there is gone on with. Every network
learns to its end. A teacher knows the labels of one set only, so it is used with a single one. Printed is the curve:
width, MB in float and in int8, ms, top-1 on the test split with its interval, and how much of it at full width is left.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

sys.path.append(__file__.rsplit("/", 2)[0])
from data import folder

ENCODERS = "mobilenet-v1,mobilenet-v2"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sets", default="clothing.zip:128,cifar10.tar.xz:64")
    parser.add_argument("--widths", default="1,.75,.5,.25")
    parser.add_argument("--time", default="1h")
    parser.add_argument("--teacher", default="")
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--set", action="append", default=[])
    asked = parser.parse_args()
    for text in asked.sets.split(","):
        name, _, size = text.partition(":")
        out = asked.out / name.partition(".")[0]
        command = [sys.executable, "-m", "eyebright", "frontier", "-o", str(out), "--plain"]
        if (out / "frontier.json").exists():
            command.append("--resume")
        else:
            command += [str(folder() / name), "--encoders", ENCODERS, "--widths", asked.widths, "--sizes", size]
            command += ["--time", asked.time, "--seeds", asked.seeds, "--whole", "--anyway"]
            command += [part for key in asked.set for part in ("--set", key)]
            command += ["--teacher", asked.teacher] if asked.teacher else []
        subprocess.run(command, check=True)
        curve(name, json.loads((out / "frontier.json").read_bytes()))


def curve(name: str, known: dict) -> None:
    """A line for each width, the widest first."""
    print(f"\n{name}: {known['epochs']:g} passes each, {known['machine']}")
    print("network             width  float MB  int8 MB     ms  top-1 (95%)              of full width")
    points = {(one["encoder"], one["width"], one["bits"]): one for one in known["points"]}
    for encoder in known["asked"]["encoders"]:
        full = None
        for width in sorted(known["asked"]["widths"], reverse=True):
            one, small = points.get((encoder, width, 32)), points.get((encoder, width, 8))
            if one is None:
                continue
            figure = one["top1"][0]
            full = full or figure["value"]
            int8_mb = f"{small['size_bytes']['value'] / 1e6:.2f}" if small else ""
            print(
                f"{encoder:<18}  {width:5g}  {one['size_bytes']['value'] / 1e6:8.2f}  {int8_mb:>7}  "
                f"{one['latency_ms_p50']['value']:5.2f}  {figure['value']:.3f} ({figure['low']:.3f} to "
                f"{figure['high']:.3f})  {figure['value'] / max(full, 1e-9):7.0%}"
            )


if __name__ == "__main__":
    main()
