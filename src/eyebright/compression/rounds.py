"""A network with less in it, in rounds: rank, take out, measure anew, learn a little from what it was."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any, Literal, NamedTuple, TypeVar

import torch
from torch import Tensor

from eyebright.classifier import Classifier
from eyebright.compression import blocks, channels
from eyebright.compression.blocks import divergence
from eyebright.compression.channels import AT_ONCE, BATCH, Importance
from eyebright.compression.goal import Scale
from eyebright.compression.norms import recalibrate, settle, show
from eyebright.compression.parent import Parent, Seen
from eyebright.encoders.slim import Slim
from eyebright.errors import BadRequest
from eyebright.training.batches import Order
from eyebright.training.distill import imitation
from eyebright.training.events import Said, Tell, counting
from eyebright.training.loop import make_loss

By = Literal["channels", "blocks"]
T = TypeVar("T")
CLOSE, CLOSE_IN_TIME = 0.003, 0.03
"""A network that is at most so much smaller than was asked for is near enough; a clock tells no better."""
RECOVERY = 24
"""Steps between two rounds, in which the network imitates what it was."""
RECOVERY_RATE = 3e-4


class Slimmed(NamedTuple):
    """A network with less in it."""

    classifier: Classifier
    shape: Slim
    value: float
    """Of what was aimed at."""
    steps: tuple[str, ...]
    """How, a sentence for each round."""


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
