"""Names for people: a hierarchy over a model's labels, and the most specific statement that is sure enough.

For `single` and `binary` a parent's score is the sum of its children's, for `multi` their maximum, so a cat photo
split between tabby, tiger cat and Egyptian cat says cat.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from eyebright.modelfile import Label, Metadata, Task

SURE = 0.6
"""The score from which on a statement is made, where the model file sets no threshold."""
_NEGATIVE = re.compile(r"(no|not|non|normal|other|negative|background|0)(\W|_|$)", re.IGNORECASE)
_DENIED = re.compile(r"(?:not|non|no)[\W_]*(.+)", re.IGNORECASE)


def imagenet() -> tuple[tuple[Label, ...], tuple[Label, ...]]:
    """The 1000 labels of ImageNet-1k in their usual order, and the hierarchy above them (from WordNet)."""
    text = (Path(__file__).parent / "models" / "imagenet.json").read_bytes()
    found = msgspec.json.decode(text, type=_ImageNet)
    return found.labels, found.hierarchy


class _ImageNet(msgspec.Struct):
    labels: tuple[Label, ...]
    hierarchy: tuple[Label, ...]


def negative_of(first: str, second: str) -> int | None:
    """Which of two labels, 0 or 1, says that the other is not there; None where neither or both do.

    >>> negative_of("normal", "fire"), negative_of("fire", "not-fire"), negative_of("fire", "nofire")
    (0, 1, 1)
    >>> negative_of("noodles", "rice") is negative_of("no", "0") is None
    True
    """
    denies = _denies(first, second), _denies(second, first)
    return None if denies[0] == denies[1] else denies.index(True)


def _denies(label: str, other: str) -> bool:
    denied = _DENIED.fullmatch(label)
    return bool(_NEGATIVE.match(label) or (denied and denied[1].lower() == other.lower()))


class Statement(NamedTuple):
    """What may be said of a picture: `node` indexes labels, then hierarchy."""

    node: int
    score: float
    threshold: float


class Hierarchy:
    """The labels of one model and all that stands above them."""

    def __init__(self, labels: Sequence[Label], hierarchy: Sequence[Label] = (), task: Task = "single") -> None:
        self.nodes: tuple[Label, ...] = (*labels, *hierarchy)
        self.num_labels = len(labels)
        self.task = task
        at = {node.id: index for index, node in enumerate(self.nodes)}
        self._parent = [-1 if node.parent is None else at[node.parent] for node in self.nodes]
        leaves: list[list[int]] = [[len(labels)] for _ in hierarchy]  # one past the labels stands for nothing
        for leaf in range(len(labels)):
            for ancestor in self.ancestors(leaf):
                leaves[ancestor - len(labels)].append(leaf)
        self._leaves = np.array([leaf for below in leaves for leaf in below], np.intp)
        self._begins = np.cumsum([0, *(len(below) for below in leaves)])[:-1]
        self._breadth = np.array([1] * len(labels) + [len(below) - 1 for below in leaves])

    @classmethod
    def of(cls, metadata: Metadata) -> "Hierarchy":
        return cls(metadata.labels, metadata.hierarchy, metadata.task)

    def ancestors(self, node: int) -> list[int]:
        """Nodes above one, nearest first."""
        above = []
        while (node := self._parent[node]) >= 0:
            above.append(node)
        return above

    def all_scores(self, scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Scores of labels (L,) -> scores of labels and inner nodes (L + P,), 0..1."""
        leaf = scores.astype(np.float64)
        if not len(self._leaves):
            return leaf
        gather = np.maximum if self.task == "multi" else np.add
        inner = gather.reduceat(np.append(leaf, 0.0)[self._leaves], self._begins)
        return np.concatenate([leaf, np.minimum(inner, 1.0)])

    def needed(self, sure: float = SURE, thresholds: Mapping[str, float] | None = None) -> npt.NDArray[np.float64]:
        """The score that each label and inner node must reach, (L + P,): its own threshold, or `sure`."""
        own = thresholds or {}
        return np.array([own.get(node.id, sure) for node in self.nodes])

    def most_specific(
        self, all_scores: npt.NDArray[np.float64], needed: float | npt.NDArray[np.float64] = SURE
    ) -> Statement | None:
        """The statement with the fewest labels under it that reaches what it needs; the higher score where two tie.

        Where one label is true, of labels only the best may be said, whatever others need.

        >>> cats = [Label("t", "tabby", "c"), Label("s", "Siamese cat", "c"), Label("h", "husky")]
        >>> hierarchy = Hierarchy(cats, [Label("c", "cat")])
        >>> said = hierarchy.most_specific(hierarchy.all_scores(np.array([0.5, 0.42, 0.08], np.float32)), 0.9)
        >>> hierarchy.nodes[said.node].label, round(said.score, 2)
        ('cat', 0.92)
        """
        needed = np.broadcast_to(needed, len(self.nodes))
        able = all_scores >= needed
        if self.task == "single":
            best = int(np.argmax(all_scores[: self.num_labels]))
            able[: self.num_labels] &= np.arange(self.num_labels) == best
        reached = np.flatnonzero(able)
        if not len(reached):
            return None
        if self.task == "binary" and 1 in reached:
            best = 1  # the second label is the one that is looked for; its own threshold decides
        else:
            best = min(reached.tolist(), key=lambda node: (self._breadth[node], -all_scores[node]))
        return Statement(best, float(all_scores[best]), float(needed[best]))
