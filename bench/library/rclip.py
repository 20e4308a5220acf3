"""A library beside rclip, the nearest cousin: indexing, a query, memory; whole processes in turns.

    python bench/library/rclip.py FOLDER --rclip RCLIP [--photos 10000]

RCLIP is its command in an environment of its own (pip install rclip). Its model is downloaded and may not be here, so a
stand-in is made: ViT-B/32 at 256 pixels with random weights, float32, which takes the time and the memory of the real
one and finds nothing sensible. So only time and memory are compared, not what is found. Queries are pictures.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

sys.path.append(__file__.rsplit("/", 2)[0])
import measure
from data import in_a_process

QUERIES = 9


class Vision(nn.Module):
    """The image encoder of CLIP ViT-B/32 (Radford et al. 2021), at 256 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 768, 32, 32, bias=False)
        self.first = nn.Parameter(torch.randn(1, 1, 768))
        self.places = nn.Parameter(torch.randn(1, 65, 768))
        self.before, self.after = nn.LayerNorm(768), nn.LayerNorm(768)
        layer = nn.TransformerEncoderLayer(768, 12, 3072, 0.0, "gelu", batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 12, enable_nested_tensor=False)
        self.project = nn.Linear(768, 512, bias=False)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        patches = self.patches(input).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.first.expand(patches.shape[0], -1, -1), patches], 1) + self.places
        return self.project(self.after(self.layers(self.before(tokens))[:, 0]))


class Spent(NamedTuple):
    """What one process took."""

    cpu_s: float
    wall_s: float
    peak_mib: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rclip", required=True)
    parser.add_argument("--photos", type=int, default=10_000)
    given = parser.parse_args()
    print(measure.processor())
    photos = in_a_process("different_photos", given.folder / "photos", given.photos)
    theirs, ours = given.folder / "rclip", given.folder / "library"
    subprocess.run([sys.executable, __file__, "--stand-in", str(theirs)], check=True)
    os.environ["RCLIP_DATADIR"] = str(theirs)
    query = str(next((photos / "imagenet-sample").rglob("*.JPEG")))
    eyebright = [sys.executable, "-m", "eyebright"]
    shutil.rmtree(ours, ignore_errors=True)
    for old in theirs.glob("db.sqlite3*"):
        old.unlink()
    indexing = {
        "eyebright": spent([*eyebright, "index", str(photos), "--library", str(ours)], photos),
        "rclip": spent([given.rclip, "--filepath-only", query], photos),
    }
    for name, one in indexing.items():
        print(f"{name}: {given.photos / one.wall_s:.1f} photos a second, peak {one.peak_mib:.0f} MiB", flush=True)
    asked = {name: [] for name in indexing}
    for _ in range(QUERIES):
        asked["eyebright"].append(spent([*eyebright, "search", "--image", query, "--library", str(ours)], photos))
        asked["rclip"].append(spent([given.rclip, "--no-indexing", "--filepath-only", query], photos))
    for name, some in asked.items():
        wall, peak = (statistics.median(values) for values in zip(*(one[1:] for one in some), strict=True))
        print(f"{name}: a query, process and all, {wall:.2f} s, peak {peak:.0f} MiB")
    stored = (
        sum(path.stat().st_size for path in ours.iterdir()),
        sum(p.stat().st_size for p in theirs.glob("db.sqlite3*")),
    )
    print(f"on the disk: eyebright {stored[0] / 1e6:.0f} MB, rclip {stored[1] / 1e6:.0f} MB without its model")


def spent(command: list[str], folder: Path) -> Spent:
    """One process from its start to its end, in a folder."""
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        sys.exit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return Spent(used.ru_utime + used.ru_stime, time.monotonic() - began, used.ru_maxrss / 1024)


def stand_in(folder: Path) -> None:
    """The files that rclip would download, the image encoder with random weights."""
    model = folder / "ViT-B-32-256-datacomp_s34b_b86k"
    if (model / "visual.onnx").exists():
        return
    model.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer").mkdir(exist_ok=True)
    torch.manual_seed(0)
    torch.backends.mha.set_fastpath_enabled(False)  # it cannot be exported
    torch.onnx.export(
        Vision().eval(), (torch.zeros(2, 3, 256, 256),), str(model / "visual.onnx"), input_names=["input"],
        output_names=["output"], dynamic_axes={"input": {0: "N"}, "output": {0: "N"}}, dynamo=False,
    )  # fmt: skip
    for name in (model / "textual.onnx", folder / "tokenizer" / "bpe_simple_vocab_16e6.txt.gz"):
        name.write_bytes(b"")  # no query here is a text


if __name__ == "__main__":
    if sys.argv[1] == "--stand-in":
        stand_in(Path(sys.argv[2]))
    else:
        main()
