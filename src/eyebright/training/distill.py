"""A teacher: a model file whose scores a network learns to imitate (Hinton et al. 2015, arXiv:1503.02531).

Teacher and learner look at the same crop, so that the answer is about what the learner sees (Beyer et al. 2021,
arXiv:2106.05237); and a picture that nobody labeled teaches as well as any other.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from eyebright import models, selftest, trial
from eyebright.data import Dataset, Item
from eyebright.data.detect import pictures_in
from eyebright.errors import BadPicture, BadRequest
from eyebright.evaluation.answers import named
from eyebright.modelfile import Label, Task, read
from eyebright.training.events import Said, Tell
from eyebright.training.pixels import Pictures, Stretched

NOTHING = 1e-7
"""The least score, whose logarithm would else be infinite."""


class Teacher:
    """Pixels (B, H, W, 3) of any size, 0..255 -> what a model file says of them, (B, L) in the order of `labels`.

    Raises BadModelFile; BadRequest where its task or its labels are others.
    """

    def __init__(self, path: str, labels: Sequence[Label], task: Task) -> None:
        file = read(models.path(path))
        if file.sha256 not in models.SHIPPED.values():
            trial.prove(file)
        self.columns = columns(file.metadata.labels, labels, path)
        if (file.metadata.task == "multi") != (task == "multi"):
            raise BadRequest(f"The teacher {path} is a model of task {file.metadata.task}, and the data are {task}.")
        self.sha256 = file.sha256
        self.runtime = selftest.open_tested(file, threads=1)
        self.size = file.metadata.input.size

    def __call__(self, images: Tensor) -> Tensor:
        if images.shape[1:3] != (self.size, self.size):
            planes = images.permute(0, 3, 1, 2)
            smaller = images.shape[1] > self.size
            images = F.interpolate(planes, (self.size, self.size), mode="bilinear", antialias=smaller)
            images = images.permute(0, 2, 3, 1)
        pixels = images.clamp(0, 255).round().to(torch.uint8).contiguous().numpy()
        found = [self.runtime.run(pixels[at : at + 1], ["scores"])[0] for at in range(len(pixels))]
        return torch.from_numpy(np.concatenate(found)[:, self.columns])


def columns(theirs: Sequence[Label], ours: Sequence[Label], path: str) -> list[int]:
    """The teacher's column for each of our labels, by id or else by name. Raises BadRequest where one is missing."""
    ids = {label.id: at for at, label in enumerate(theirs)}
    names = {label.label.casefold(): at for at, label in enumerate(theirs)}
    found = [ids.get(label.id, names.get(label.label.casefold(), -1)) for label in ours]
    missing = [label.label for label, at in zip(ours, found, strict=True) if at < 0]
    if missing:
        raise BadRequest(f"The teacher {path} does not know {named(missing)}; it must know every label of the data.")
    return found


def imitation(logits: Tensor, taught: Tensor, task: Task, soften: float) -> Tensor:
    """(B, L) logits beside a teacher's scores (B, L): what imitating costs, a number a picture, (B,).

    Both are softened by the temperature `soften`; its square keeps gradients as large as those of labels.
    """
    scores = taught.clamp(NOTHING, 1 - NOTHING)
    if task == "multi":
        soft = torch.sigmoid(torch.logit(scores) / soften)
        each = F.binary_cross_entropy_with_logits(logits / soften, soft, reduction="none").mean(1)
    else:
        soft = torch.softmax(scores.log() / soften, 1)
        each = -(soft * F.log_softmax(logits / soften, 1)).sum(1)
    return each * soften**2


def unlabeled(path: str, like: Dataset | None, tell: Tell, apart: Collection[str] = ()) -> Dataset:
    """The pictures of a folder or archive, whatever its folders are called, that are not in `like` and can be read.

    None of those whose identity is in `apart` is among them.
    """
    store, names = pictures_in(Path(path))
    like = like or Dataset("", (), (), "single", store)
    nobody = tuple(range(len(like.labels)))
    data = replace(
        like, name=Path(path).name, store=store, items=tuple(Item(name, (), "train", nobody) for name in names)
    )
    known = {like.identity(item) for item in like.items} | set(apart)
    good, copies, broken = [], 0, 0
    for item in data.items:
        try:
            if data.identity(item) in known:
                copies += 1
                continue
            data.picture(item, 32)
            good.append(item)
        except BadPicture:
            broken += 1
    if not good:
        raise BadRequest(f"{path}: none of its {len(names):,} pictures can be learned from.")
    out = [f"{copies:,} are labeled already" if copies else "", f"{broken:,} cannot be read" if broken else ""]
    rest = f" ({'; '.join(filter(None, out))})" if any(out) else ""
    tell(Said(f"{len(good):,} pictures without labels teach too{rest}."))
    return data.only(good)


class Joined:
    """Two rows of pictures as one."""

    def __init__(self, first: Pictures, second: Pictures, count: int) -> None:
        self.first, self.second = first, second
        self.count = count
        """Pictures in the first."""
        self.side = first.side

    def take(self, places: NDArray[np.int64]) -> Stretched:
        """Pictures by their place, those of the second after those of the first."""
        here = places < self.count
        parts = [(here, self.first, 0), (~here, self.second, self.count)]
        pixels = np.empty((len(places), self.side, self.side, 3), np.uint8)
        shapes = np.ones(len(places), np.float32)
        for some, pictures, offset in parts:
            if some.any():
                taken = pictures.take(places[some] - offset)
                pixels[some], shapes[some] = taken
        return Stretched(pixels, shapes)
