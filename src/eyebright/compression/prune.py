"""A run with less in its network: channels or blocks are taken out, and what is left learns from what it was.

a run -> its best weights -> norms settled -> in rounds: rank, take out, measure anew -> the genotype and its weights
-> fine-tuned, with the run's model file as teacher -> another run -> judged beside the first, on the test split

What is aimed at is the measured latency of the exported graph, the bytes that a model file will have, or multiply-adds.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from eyebright import modelfile
from eyebright.classifier import Classifier
from eyebright.compression import blocks, channels
from eyebright.compression.blocks import divergence
from eyebright.compression.channels import AT_ONCE, BATCH, IMPORTANCES, Importance
from eyebright.compression.contract import Judged, judge
from eyebright.compression.goal import Goal, Scale
from eyebright.compression.norms import recalibrate, settle, show
from eyebright.compression.parts import parts
from eyebright.data import Dataset
from eyebright.encoders import slim
from eyebright.encoders.slim import Slim
from eyebright.errors import BadPicture, BadRequest, CannotWrite, Refused
from eyebright.evaluation.drop import Allowed
from eyebright.modelfile import Figure, ModelFile
from eyebright.preprocessing import fit, shorter_side
from eyebright.runtime import cores
from eyebright.training import Recipe, Result, checkpoint, train
from eyebright.training.batches import Order
from eyebright.training.distill import imitation
from eyebright.training.events import Said, Tell, counting
from eyebright.training.loop import make_loss
from eyebright.training.network import drawn, input_size
from eyebright.training.run import MODEL, PARTS, Run, may_open

By = Literal["channels", "blocks"]
T = TypeVar("T")
WAYS: tuple[By, ...] = ("channels", "blocks")
PICTURES = 256
"""Of the training split, by which channels and blocks are ranked and norms measured."""
CLOSE, CLOSE_IN_TIME = 0.003, 0.03
"""A network that is at most so much smaller than was asked for is near enough; a clock tells no better."""
PARENT = "pruned_from"
"""In a run's notes: of which run its network is a part."""
RECOVERY = 24
"""Steps between two rounds, in which the network imitates what it was."""
RECOVERY_RATE = 3e-4
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


class Parent(NamedTuple):
    """A run that can be pruned."""

    run: Path
    recipe: Recipe
    shape: Slim
    classifier: Classifier
    file: ModelFile


class Slimmed(NamedTuple):
    """A network with less in it."""

    classifier: Classifier
    shape: Slim
    value: float
    """Of what was aimed at."""
    steps: tuple[str, ...]
    """How, a sentence for each round."""


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
    count = min(PICTURES, sum(item.split == "train" for item in data.items))
    tell(Said(f"Looking at {count} training pictures ..."))
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


def read_parent(run: Path) -> Parent:
    """The network of a run, with its best weights. Raises BadRequest where it has none that can be pruned."""
    folder = Run(run)
    if not (run / "recipe.toml").is_file():
        raise BadRequest(f"{run} is no run: name a folder that `eyebright train` filled.")
    recipe = folder.recipe()
    if recipe.mode == "head":
        raise BadRequest(
            f"{run} is of mode head: nothing in its encoder is its own. Train with --mode finetune, and prune that."
        )
    weights = checkpoint.best_weights(run / "checkpoints")
    if weights is None or not (run / MODEL).is_file():
        raise BadRequest(f"{run} has no best checkpoint or no {MODEL}; finish it: eyebright train --resume -o {run}")
    file = modelfile.read(run / MODEL)
    size = input_size(recipe)
    shape = slim.asked(recipe.encoder, recipe.width, recipe.depth, recipe.colors, size)
    classifier = drawn(shape, recipe.head, len(file.metadata.labels), file.metadata.task)
    own = {name: value for name, value in weights.items() if not name.startswith("auxiliaries.")}
    try:
        classifier.load_state_dict(own)
    except RuntimeError:
        raise BadRequest(f"{run}: its checkpoint is of another network than its recipe says.") from None
    return Parent(run, recipe, shape, classifier, file)


class Seen(NamedTuple):
    """Some training pictures."""

    pixels: Tensor  # (B, H, W, 3), 0..255
    targets: Tensor  # (B, L)


def look(parent: Parent, data: Dataset, tell: Tell) -> Seen:
    """Pictures of the training split, as the model file sees them; which, follows from the seed."""
    training = data.part("train")
    order = Order(parent.recipe.seed, None, len(training.items)).places(0, min(PICTURES, len(training.items)))
    spec = parent.file.metadata.input
    shorter = shorter_side(spec)
    told = counting(tell, "decoded")
    pixels, kept = [], []
    for at in order:
        try:
            pixels.append(fit(training.picture(training.items[at], shorter), spec))
        except BadPicture:
            continue  # learning leaves it out as well, and says so
        kept.append(at)
        told(len(kept), len(order))
    if not kept:
        raise BadRequest(f"None of {len(order):,} training pictures of {data.name} can be read.")
    return Seen(torch.from_numpy(np.stack(pixels)).float(), torch.from_numpy(training.targets()[kept]))


def slimmer(
    parent: Parent, seen: Seen, scale: Scale, by: By, importance: Importance, rounds: int, tell: Tell
) -> Slimmed:
    """The parent's network, with so little taken out that the goal is met; its norms fit what is left.

    Raises BadRequest where the goal is met already, or cannot be met.
    """
    goal = scale.goal
    if goal.value >= scale.start and not goal.keep == 1:
        raise BadRequest(f"{parent.run} has {goal.words(scale.start)}; {goal.words(goal.value)} needs no pruning.")
    classifier, shape = deepcopy(parent.classifier), parent.shape
    settle(classifier, seen.pixels)
    loss = make_loss(classifier.task, parent.recipe, seen.targets.numpy())
    wanted = show_without_gradient(classifier, seen.pixels)

    def ranked(network: Classifier) -> Sequence[Any]:
        if by == "blocks":
            return blocks.choices(network, seen.pixels, counting(tell, "blocks left out"), goal.unit)
        return channels.choices(network, seen.pixels, seen.targets, loss, importance, unit=goal.unit)

    def less(gone: Sequence[Any]) -> tuple[Classifier, Slim]:
        if by == "blocks":
            return blocks.without(classifier, shape, gone)
        return channels.without(classifier, shape, gone)

    def sized(gone: Sequence[Any]) -> float:
        found = scale.of(less(gone)[0])
        if goal.timed:
            tell(Said(f"Measured without {len(gone):,} {units(by)}: {goal.words(found)}."))
        return found

    plan = ranked(classifier)
    least = scale.of(less(plan)[0]) if goal.value < scale.start else scale.start
    if least > goal.value:
        other = "channels" if by == "blocks" else "blocks"
        raise BadRequest(
            f"{parent.run} cannot come down to {goal.words(goal.value)} by {by}: the least is {goal.words(least)}"
            f"{f' with {AT_ONCE} channels a layer' if by == 'channels' else ''}; take more, or try --by {other}."
        )
    share = goal.value / scale.start
    value = scale.start
    steps = []
    for number in range(1, rounds + 1):
        last = number == rounds
        if number > 1:
            plan = ranked(classifier)
        part = share ** (number / rounds)
        if last or not goal.timed:
            close = CLOSE_IN_TIME if goal.timed else CLOSE
            gone, value = fewest(plan, goal.value if last else part * scale.start, sized, close)
        else:
            gone, _ = fewest(plan, part, lambda some: scale.share(less(some)[0]))
            gone, value = not_below(gone, part * scale.start, sized)
        classifier, shape = less(gone)
        recalibrate(classifier, seen.pixels)
        if not last and gone:
            recover(classifier, seen.pixels, wanted, parent.recipe.seed + number)
        moved = divergence(wanted, show_without_gradient(classifier, seen.pixels), classifier.task)
        steps.append(f"round {number} of {rounds}: {len(gone):,} {units(by)} out, {goal.words(value)}")
        tell(Said(f"{steps[-1].capitalize()}; its answers moved {moved:.3f}."))
    return Slimmed(classifier, shape, value, tuple(steps))


def units(by: By) -> str:
    return "blocks" if by == "blocks" else "groups of channels"


def fewest(
    plan: Sequence[Any], limit: float, value: Callable[[Sequence[Any]], float], close: float = CLOSE
) -> tuple[Sequence[Any], float]:
    """The shortest beginning of a plan with which `value` is at most `limit`, or a little below, and its value.

    >>> fewest("abcdefgh", 5.0, lambda gone: 8.0 - len(gone))
    ('abc', 5.0)
    """
    low, high = 0, len(plan)
    best = value(plan[:0]), 0
    if best[0] <= limit:
        return plan[:0], best[0]
    best = value(plan), len(plan)
    while high - low > 1:
        middle = (low + high) // 2
        found = value(plan[:middle])
        if found <= limit:
            high, best = middle, (found, middle)
            if found >= limit * (1 - close):
                break
        else:
            low = middle
    return plan[: best[1]], best[0]


def not_below(gone: Sequence[T], limit: float, value: Callable[[Sequence[T]], float]) -> tuple[Sequence[T], float]:
    """As much of the beginning of what shall go as leaves `value` at `limit` at least, and its value.

    >>> not_below("abcdefgh", 5.0, lambda gone: 8.0 - len(gone))
    ('abc', 5.0)
    """
    while (found := value(gone)) < limit and gone:
        gone = gone[: len(gone) * 3 // 4]
    return gone, found


@torch.no_grad()
def show_without_gradient(classifier: Classifier, pixels: Tensor) -> Tensor:
    """Logits (B, L)."""
    return show(classifier.eval(), pixels)


def recover(classifier: Classifier, pixels: Tensor, wanted: Tensor, seed: int, steps: int = RECOVERY) -> None:
    """A few steps in which the network learns to give the logits (B, L) that it gave when it was whole."""
    optimizer = torch.optim.AdamW(classifier.parameters(), RECOVERY_RATE, weight_decay=0.0)
    order = Order(seed, None, len(pixels))
    batch = min(BATCH, len(pixels))
    for step in range(steps):
        places = torch.from_numpy(order.places(step, batch))
        images = pixels[places]
        images = images.flip(2) if step % 2 else images
        said, meant = logits_of(classifier, images), wanted[places]
        loss = imitation(said, classifier.scores(meant), classifier.task, 1.0).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(classifier.parameters(), 1.0)
        optimizer.step()


def logits_of(classifier: Classifier, pixels: Tensor) -> Tensor:
    """(B, H, W, 3) -> (B, L), in a way that gradients can go back."""
    features = classifier.encoder.features(classifier.normalize(pixels).contiguous())
    logits: Tensor = classifier.head(features if getattr(classifier.head, "spatial", False) else features.mean((2, 3)))
    return logits


def child_recipe(parent: Parent, parts: Path, minutes: float, keys: dict[str, Any]) -> Recipe:
    """How a slimmed network learns: from its parent's model file, all layers at once."""
    given: dict[str, Any] = {key: getattr(parent.recipe, key) for key in KEPT}
    given |= {"encoder": str(parts / PARTS[0]), "weights": str(parts / PARTS[1]), "size": parent.shape.size}
    given |= {"minutes": minutes, "unfreeze": 0.0, "layer_decay": 1.0, "learn_scale": 1.0, "rate": RATE}
    if int(keys.get("batch", 0)) % 2 == 0:  # pictures are blended in pairs
        given["mixup"] = MIXUP
    given["teacher"] = str((parent.run / MODEL).absolute())
    return Recipe.of("finetune", {**given, **{key: value for key, value in keys.items() if key not in SHAPE}})
