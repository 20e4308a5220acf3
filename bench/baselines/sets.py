"""Data sets of the baselines, straight from the archives under EYEBRIGHT_DATA, in the order of the files' names.

A split is (names, pictures, targets): N names, N RGB pictures or an (N, H, W[, 3]) uint8 array, and (N,) class
numbers, or (N, L) of 0 and 1 where a picture has several labels. Sets without a validation split of their own get one
that anybody can make again: `every_tenth` of each class of the training split.
"""

import csv
import io
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

import data

FASHION = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")


class Split(NamedTuple):
    names: list[str]
    pictures: list[Image.Image] | NDArray[np.uint8]
    targets: NDArray[np.int64]


def clothing(split: str) -> tuple[Split, list[str]]:
    """`train`, `validation` or `test`, and the labels."""
    with zipfile.ZipFile(data.folder() / "clothing.zip") as archive:
        files = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        labels = sorted({name.split("/")[2] for name in files})
        names = [name for name in files if name.split("/")[1] == split]
        targets = np.array([labels.index(name.split("/")[2]) for name in names])
        return Split(names, [picture(archive.read(name)) for name in names], targets), labels


def street_fashion(split: str) -> tuple[Split, list[str]]:
    """`train`, `val` or `test`; targets (N, 42)."""
    with zipfile.ZipFile(data.folder() / "street-fashion.zip") as archive:
        rows = list(csv.DictReader(io.TextIOWrapper(archive.open("street-fashion/labels.csv"), "utf-8")))
        labels = sorted({label for row in rows for label in row["labels"].split(";")})
        rows = sorted((row for row in rows if row["split"] == split), key=lambda row: row["file"])
        pictures = [picture(archive.read(f"street-fashion/{row['file']}")) for row in rows]
        targets = np.array([[label in row["labels"].split(";") for label in labels] for row in rows], np.int64)
        return Split([row["file"] for row in rows], pictures, targets), labels


def fire(split: str) -> tuple[Split, list[str]]:
    """`train` or `test`; 1 is fire."""
    with zipfile.ZipFile(data.folder() / "fire.zip") as archive:
        names = sorted(n for n in archive.namelist() if n.split("/")[1] == split and n.endswith(".jpg"))
        targets = np.array([int(name.split("/")[2] == "fire") for name in names])
        return Split(names, [picture(archive.read(name)) for name in names], targets), ["normal", "fire"]


def fashion_mnist(split: str) -> Split:
    """`train` (20,000) or `t10k` (5,000): (N, 28, 28)."""
    with zipfile.ZipFile(data.folder() / "fashion-mnist.zip") as archive:
        pictures = np.frombuffer(archive.read(f"{split}-images-idx3-ubyte"), np.uint8, offset=16).reshape(-1, 28, 28)
        targets = np.frombuffer(archive.read(f"{split}-labels-idx1-ubyte"), np.uint8, offset=8)
    return Split([f"{split}/{at:05}" for at in range(len(targets))], pictures, targets.astype(np.int64))


def cifar10(split: str) -> tuple[Split, list[str]]:
    """`train` (25,000) or `test` (5,000): (N, 32, 32, 3)."""
    found: dict[str, NDArray[np.uint8]] = {}
    labels = set()
    with tarfile.open(data.folder() / "cifar10.tar.xz") as archive:
        for member in archive:
            if member.name.endswith(".jpg") and (file := archive.extractfile(member)):
                labels.add(member.name.split("/")[2])
                if member.name.split("/")[1] == split:
                    found[member.name] = np.asarray(picture(file.read()))
    order, names = sorted(labels), sorted(found)
    targets = np.array([order.index(name.split("/")[2]) for name in names])
    return Split(names, np.stack([found[name] for name in names]), targets), order


def every_tenth(split: Split) -> tuple[Split, Split]:
    """The rest, and every tenth picture of each class (the 1st, the 11th, ...), in the order of the split."""
    held = np.zeros(len(split.targets), bool)
    for target in np.unique(split.targets):
        held[np.flatnonzero(split.targets == target)[::10]] = True
    return part(split, np.flatnonzero(~held)), part(split, np.flatnonzero(held))


def part(split: Split, places: NDArray[np.int64]) -> Split:
    return Split([split.names[at] for at in places], np.asarray(split.pictures)[places], split.targets[places])


def picture(file: bytes) -> Image.Image:
    return Image.open(io.BytesIO(file)).convert("RGB")
