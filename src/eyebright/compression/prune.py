"""A run with less in its network: channels or blocks are taken out, and what is left learns from what it was.

a run -> its best weights -> norms settled -> in rounds: rank, take out, measure anew -> the genotype and its weights
-> fine-tuned, with the run's model file as teacher -> another run -> judged beside the first, on the test split

What is aimed at is the measured latency of the exported graph, the bytes that a model file will have, or multiply-adds.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import torch
from safetensors.torch import save

from eyebright import modelfile
from eyebright.classifier import Classifier
from eyebright.compression.channels import IMPORTANCES, Importance
from eyebright.compression.contract import Judged, judge
from eyebright.compression.goal import Goal, Scale
from eyebright.compression.parent import Parent, look, read_parent
from eyebright.compression.parts import parts
from eyebright.compression.rounds import By, slimmer
from eyebright.data import Dataset
from eyebright.encoders import slim
from eyebright.encoders.slim import Slim
from eyebright.errors import BadRequest, CannotWrite, Refused
from eyebright.evaluation.drop import Allowed
from eyebright.modelfile import Figure
from eyebright.runtime import cores
from eyebright.training import Recipe, Result, train
from eyebright.training.events import Tell
from eyebright.training.run import MODEL, PARTS, Run, may_open

WAYS: tuple[By, ...] = ("channels", "blocks")
PARENT = "pruned_from"
"""In a run's notes: of which run its network is a part."""
RATE, MIXUP = 1.2e-4, 0.4
"""Of the fine-tuning, at the full size of pictures. Lite0 down to half its weights on clothing, one seed, the loss on
validation, nine tenths of it nearness to the teacher: 0.2658 after eight passes at a rate of 3e-4 and 0.86 of the
size, 0.2644 with this mixup (with 1 it rose), 0.2631 at this rate, and 0.2604 after six passes at the full size."""
SHAPE = ("encoder", "weights", "width", "depth", "colors", "size", "head")
"""Keys that say which network it is: a child has its own."""
KEPT = (
    "head", "crop", "flip", "seed", "balance", "smoothing", "area", "shift", "color", "operations", "magnitude",
    "erase", "device", "precision", "threads", "cache_mb",
)  # fmt: skip
"""Keys of the parent's recipe that its child learns by, too."""


class Pruned(NamedTuple):
    """What pruning ends with."""

    run: Path
    model: Path
    """Absent where `judged` is refused."""
    shape: Slim
    figures: dict[str, Figure]
    split: str
    judged: Judged | None
    """The child beside its parent."""
    steps: tuple[str, ...]
    """What was done, a sentence each."""

    def must_hold(self, strict: bool = False) -> None:
        """Raise Refused where the contract does not hold; `strict`: where it is not proved."""
        if self.judged:
            self.judged.must_hold(strict, f"{self.run} stays without {self.model.name}")


def prune(
    run: str | Path,
    output: str | Path,
    goal: Goal,
    data: Dataset,
    *,
    by: By = "channels",
    importance: Importance = "taylor",
    rounds: int = 3,
    minutes: float = 0.0,
    allowed: Allowed | None = Allowed(),  # noqa: B008
    strict: bool = False,
    keys: dict[str, Any] | None = None,
    force: bool = False,
    source: dict[str, Any] | None = None,
    tell: Tell = lambda event: None,
) -> Pruned:
    """Prune the network of the folder `run` and fine-tune it on `data` into the folder `output`.

    `minutes` is the time of the fine-tuning, `keys` are keys of its recipe. The child is judged beside its parent on
    the test split, or on half of the validation pictures, which it then does not see; where it loses more than is
    `allowed`, or with `strict` where that is not proved, its folder has no model file and `Pruned.must_hold` raises
    Refused. Without `allowed` nobody judges. Raises BadRequest where the run cannot be pruned or the goal cannot be
    reached, and then nothing is written; CannotWrite.
    """
    if by not in WAYS or importance not in IMPORTANCES:
        raise BadRequest(f"by is one of {', '.join(WAYS)}, and importance one of {', '.join(IMPORTANCES)}.")
    if not 1 <= rounds <= 100:
        raise BadRequest(f"rounds is a number from 1 to 100; {rounds} is not.")
    parent = read_parent(Path(run))
    labels = [label.id for label in parent.file.metadata.labels]
    if [label.id for label in data.labels] != labels or data.task != parent.classifier.task:
        raise BadRequest(f"{data.name} has other labels than {run} was trained for; give the data of that run.")
    may_open(Run(Path(output)), "", False, force)
    halved = allowed is not None and not any(item.split == "test" for item in data.items)
    if allowed is not None:
        data = parts(data)
    torch.set_num_threads(parent.recipe.threads or cores())
    seen = look(parent, data, tell)
    scale = Scale(goal, parent.file, parent.classifier)
    small = slimmer(parent, seen, scale, by, importance, rounds, tell)
    with somewhere() as folder:
        begun = Run(folder)
        begun.write(PARTS[0], small.shape.write())
        begun.write(PARTS[1], weights_of(small.classifier, parent.recipe.head, labels))
        recipe = child_recipe(parent, folder, minutes, keys or {})
        source = {**(source or {}), **({"halved": True} if halved else {}), PARENT: str(parent.run.absolute())}
        result = train(data, output, recipe, force=force, anyway=True, tell=tell, source=source)
    return ended(parent, result, data, small.shape, small.steps, allowed, strict, tell)


def resumed(
    run: str | Path,
    output: str | Path,
    data: Dataset,
    *,
    allowed: Allowed = Allowed(),  # noqa: B008
    strict: bool = False,
    tell: Tell = lambda event: None,
) -> Pruned:
    """Go on with a pruning of `run` into `output` that was stopped while its network learned, and judge it.

    `data` as `output` was begun with. Raises BadRequest where there is nothing of this run to go on with.
    """
    parent = read_parent(Path(run))
    about = Run(Path(output)).about().get("data")
    if not isinstance(about, dict) or about.get(PARENT) != str(parent.run.absolute()):
        raise BadRequest(f"{output} holds no pruning of {run} to go on with; leave out --resume to begin one.")
    result = train(data, output, resume=True, tell=tell)
    shape = slim.read(Path(output) / PARTS[0])
    return ended(parent, result, data, shape, ("gone on with after a stop",), allowed, strict, tell)


def ended(
    parent: Parent,
    result: Result,
    data: Dataset,
    shape: Slim,
    steps: tuple[str, ...],
    allowed: Allowed | None,
    strict: bool,
    tell: Tell,
) -> Pruned:
    """The child judged beside its parent, if it is to be judged; refused, it stays without a model file."""
    steps = (*steps, f"learned from {parent.run / MODEL}")
    if allowed is None:
        return Pruned(result.run, result.model, shape, result.figures, result.split, None, steps)
    child = modelfile.read(result.model)
    result.model.unlink()  # until it is judged
    judged = judge(parent.file, child, data.part("test"), allowed, tell)
    pruned = Pruned(result.run, result.model, shape, result.figures, result.split, judged, steps)
    with suppress(Refused):
        pruned.must_hold(strict)
        Run(result.run).write(MODEL, child.data)
    return pruned


@contextmanager
def somewhere() -> Iterator[Path]:
    """A folder for a while."""
    try:
        folder = TemporaryDirectory()
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise CannotWrite(f"The folder for temporary files has no room for a network's weights: {why}.") from None
    with folder as name:
        yield Path(name)


def weights_of(classifier: Classifier, head: str, labels: Sequence[str]) -> bytes:
    """A .safetensors file that says of which kind and of which labels its head is."""
    tensors = {name: value.contiguous() for name, value in classifier.state_dict().items()}
    return save(tensors, {"head": head, "labels": json.dumps(labels)})


def child_recipe(parent: Parent, parts: Path, minutes: float, keys: dict[str, Any]) -> Recipe:
    """How a slimmed network learns: from its parent's model file, all layers at once."""
    given: dict[str, Any] = {key: getattr(parent.recipe, key) for key in KEPT}
    given |= {"encoder": str(parts / PARTS[0]), "weights": str(parts / PARTS[1]), "size": parent.shape.size}
    given |= {"minutes": minutes, "unfreeze": 0.0, "layer_decay": 1.0, "learn_scale": 1.0, "rate": RATE}
    if int(keys.get("batch", 0)) % 2 == 0:  # pictures are blended in pairs
        given["mixup"] = MIXUP
    given["teacher"] = str((parent.run / MODEL).absolute())
    return Recipe.of("finetune", {**given, **{key: value for key, value in keys.items() if key not in SHAPE}})
