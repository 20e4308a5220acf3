"""The training loop: a generator that takes a step, now and then judges, and says how far it is.

Whoever calls it prints, logs, stops between two steps, or saves: `Learner` is all that must be saved to continue.
"""

import math
import time
from collections.abc import Callable, Generator
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from eyebright.classifier import Classifier
from eyebright.errors import EyebrightError
from eyebright.modelfile import Task
from eyebright.training.batches import Batch, Batches
from eyebright.training.distill import imitation
from eyebright.training.events import Judged, Progress
from eyebright.training.precision import take_places_first
from eyebright.training.recipe import Recipe

WHAT_TO_DO = "the last good checkpoint, if there is one, is kept; a lower rate or a `clip` starts anew."
AUXILIARY = 0.3  # weight of an auxiliary head's loss (Szegedy et al. 2014, arXiv:1409.4842)


class Loss(Protocol):
    """Logits (B, L), targets (B, L) and perhaps a teacher's scores (B, L) -> the mean loss."""

    def __call__(self, logits: Tensor, targets: Tensor, taught: Tensor | None = None) -> Tensor: ...


class Diverged(EyebrightError):
    """The loss is no number any more."""

    kind = "diverged"


class Learner:
    """A classifier on its way: weights, their moving average, the optimizer, how far it is, the best so far."""

    def __init__(self, classifier: Classifier, recipe: Recipe, device: torch.device | str = "cpu") -> None:
        self.classifier = classifier.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if torch.device(device).type == "cpu":
            take_places_first(classifier)
        self.recipe = recipe
        self.stages = list(classifier.encoder.stages().values())
        self.optimizer = make_optimizer(classifier, self.stages, recipe)
        self.average = {name: tensor.clone() for name, tensor in self.weights().items()} if recipe.ema else {}
        self.step = 0
        self.best: Judged | None = None
        self.worse = 0
        """Judgements since the best one."""
        self.best_weights: dict[str, Tensor] = {}

    @property
    def stops_early(self) -> bool:
        """Whether so many judgements brought nothing better that the recipe wants no more."""
        return bool(self.recipe.patience) and self.worse >= self.recipe.patience

    def weights(self) -> dict[str, Tensor]:
        """What the classifier is made of, by name; the tensors themselves."""
        return dict(self.classifier.state_dict())

    def result(self) -> dict[str, Tensor]:
        """The weights that count at this moment: the average, or the last."""
        return self.average or self.weights()

    def compare(self, judged: Judged) -> bool:
        """Whether the weights of this moment are the best so far; then they are kept."""
        best = judged.better_than(self.best, self.classifier.task)
        self.worse = 0 if best else self.worse + 1
        if best:
            self.best = judged
            self.best_weights = {name: tensor.clone() for name, tensor in self.result().items()}
        return best

    def check(self) -> None:
        """Raise Diverged where a weight is no number, before anybody relies on it."""
        for name, tensor in self.weights().items():
            if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
                raise Diverged(f"At step {self.step:,} {name} is no number any more: {WHAT_TO_DO}")

    def open_stages(self, progress: float) -> None:
        """Which stages learn at this share of the way; the others stand still, their batch statistics too."""
        recipe, count = self.recipe, len(self.stages)
        still = min(int(recipe.frozen * count), count - 1)
        self.classifier.train()
        for number, stage in enumerate(self.stages):
            from_top = count - 1 - number
            open_at = recipe.unfreeze * from_top / max(count - 1, 1)
            learns = number >= still and (from_top == 0 or progress >= open_at)
            stage.requires_grad_(learns)
            stage.train(learns)
        if recipe.freeze_norms:
            for layer in self.classifier.encoder.modules():
                if isinstance(layer, nn.BatchNorm2d):
                    layer.eval()

    def remember(self) -> None:
        """Move the average towards the weights; early on it follows faster, since there is little to remember."""
        if not self.average:
            return
        keep = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
        old, new = [], []
        for name, tensor in self.weights().items():
            if tensor.is_floating_point():
                old.append(self.average[name])
                new.append(tensor)
            else:
                self.average[name].copy_(tensor)
        with torch.no_grad():
            torch._foreach_lerp_(old, new, 1 - keep)


def train(
    learner: Learner,
    batches: Batches,
    judge: Callable[[dict[str, Tensor]], Judged],
    every: int,
    fabric: Any,
    loss_of: Loss,
) -> Generator[Progress]:
    """Take the steps that are left. Raises Diverged where the loss is no number.

    `judge` is asked after each `every` steps and after the last; `fabric` (Lightning's) knows the device, the
    precision and the other processes; `loss_of` compares logits (B, L) with targets.
    """
    recipe, classifier, steps = learner.recipe, learner.classifier, batches.steps
    began, done = time.monotonic(), 0
    for batch in batches.since(learner.step):
        if learner.stops_early:
            return
        progress = learner.step / steps
        rate = set_rate(learner.optimizer, recipe, progress)
        learner.open_stages(progress)
        torch.manual_seed(a_seed(recipe.seed, learner.step, fabric.global_rank))  # for dropout
        loss = learn_from(batch, classifier, learner.optimizer, recipe, fabric, loss_of)
        if not math.isfinite(loss):
            raise Diverged(
                f"The loss is {loss} at step {learner.step:,}: the rate ({rate:.2g}) is too high for these pictures, "
                f"or their targets are broken; {WHAT_TO_DO}"
            )
        learner.step += 1
        learner.remember()
        done += len(batch.images) * fabric.world_size
        judged, best = None, False
        if learner.step % every == 0 or learner.step == steps:
            share_buffers(classifier, fabric)
            judged = fabric.broadcast(judge(learner.result()))  # batch statistics differ a little between processes
            if not math.isfinite(judged.loss):
                raise Diverged(
                    f"The loss on the validation split is {judged.loss} after step {learner.step:,}: {WHAT_TO_DO}"
                )
            best = learner.compare(judged)
        spent = time.monotonic() - began
        left_s = (steps - learner.step) * spent * recipe.batch / done
        epoch = learner.step * recipe.batch / len(batches.targets)
        yield Progress(learner.step, steps, epoch, loss, rate, done / spent, left_s, judged, best)


def a_seed(*numbers: int) -> int:
    """One number from several, far from that of their neighbors."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


def learn_from(
    batch: Batch,
    classifier: Classifier,
    optimizer: torch.optim.Optimizer,
    recipe: Recipe,
    fabric: Any,
    loss_of: Loss,
) -> float:
    """One step; the loss over all processes."""
    images, targets = batch.images.to(fabric.device), batch.targets.to(fabric.device)
    taught = None if batch.taught is None else batch.taught.to(fabric.device)
    with fabric.autocast():
        logits, auxiliary = classifier.training_logits(images)
        loss = loss_of(logits.float(), targets, taught)
        for more in auxiliary:
            loss = loss + AUXILIARY * loss_of(more.float(), targets, taught)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    parameters = [parameter for parameter in classifier.parameters() if parameter.grad is not None]
    loss = loss.detach()
    if fabric.world_size > 1:
        share_gradients(parameters, fabric)
        loss = fabric.all_reduce(loss, reduce_op="mean")
    if recipe.clip:
        nn.utils.clip_grad_norm_(parameters, recipe.clip)
    if math.isfinite(value := float(loss)):
        optimizer.step()
    return value


def share_gradients(parameters: list[nn.Parameter], fabric: Any) -> None:
    """Every process gets the mean of all. By hand, since stages that stand still come and go."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = fabric.all_reduce(torch.cat([gradient.reshape(-1) for gradient in gradients]), reduce_op="mean")
    for gradient, part in zip(gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def share_buffers(classifier: Classifier, fabric: Any) -> None:
    """Batch statistics differ between processes; from here on all have their mean."""
    if fabric.world_size > 1:
        for buffer in classifier.buffers():
            if buffer.is_floating_point():
                buffer.copy_(fabric.all_reduce(buffer, reduce_op="mean"))


def make_optimizer(classifier: Classifier, stages: list[nn.Module], recipe: Recipe) -> torch.optim.Optimizer:
    """Groups by stage and by whether their weights are pulled to zero; `scale` multiplies a group's rate."""
    groups: list[dict[str, Any]] = []
    tops = [module for name, module in classifier.named_children() if name != "encoder"]
    for from_top, modules in enumerate([tops, *([stage] for stage in reversed(stages))]):
        parameters = [parameter for module in modules for parameter in module.parameters()]
        for pulled in (True, False):
            chosen = [parameter for parameter in parameters if (parameter.ndim > 1) == pulled]
            if chosen:
                scale = recipe.layer_decay**from_top
                decay = recipe.weight_decay if pulled else 0.0
                groups.append({"params": chosen, "scale": scale, "weight_decay": decay})
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.rate, betas=(recipe.momentum, 0.999))
    return torch.optim.SGD(groups, lr=recipe.rate, momentum=recipe.momentum, nesterov=recipe.momentum > 0)


def set_rate(optimizer: torch.optim.Optimizer, recipe: Recipe, progress: float) -> float:
    """A climb, then half a cosine down to zero; the rate of the head."""
    if progress < recipe.warmup:
        share = (progress + 1e-3) / recipe.warmup
    else:
        share = 0.5 + 0.5 * math.cos(math.pi * (progress - recipe.warmup) / max(1 - recipe.warmup, 1e-9))
    rate = recipe.rate * min(share, 1.0)
    for group in optimizer.param_groups:
        group["lr"] = rate * group["scale"]
    return rate


def make_loss(task: Task, recipe: Recipe, targets: NDArray[np.float32]) -> Loss:
    """The loss of a task; targets that are NaN do not count, and a teacher's scores have the recipe's share.

    Every picture weighs the same, however many of its labels were checked, so that parts of a batch add up. Where
    nobody labeled a picture, the teacher has all of the share.
    """
    weights = label_weights(targets) if recipe.balance == "weights" else np.ones(targets.shape[1], np.float32)
    common = torch.from_numpy(frequency(targets))

    def single(logits: Tensor, targets: Tensor) -> Tensor:
        soft = targets * (1 - recipe.smoothing) + recipe.smoothing / targets.shape[1]
        scaled = soft * torch.from_numpy(weights).to(logits.device)
        return -(scaled * F.log_softmax(logits, 1)).sum(1)

    def multi(logits: Tensor, targets: Tensor) -> Tensor:
        known = ~targets.isnan()
        soft = targets.nan_to_num().lerp(common.to(logits.device), recipe.smoothing)
        each = F.binary_cross_entropy_with_logits(
            logits, soft, pos_weight=torch.from_numpy(weights).to(logits.device), reduction="none"
        )
        return (each * known).sum(1) / known.sum(1).clamp(min=1)

    by_labels = multi if task == "multi" else single

    def loss(logits: Tensor, targets: Tensor, taught: Tensor | None = None) -> Tensor:
        if taught is None:
            return by_labels(logits, targets).mean()
        labeled = ~targets.isnan().all(1)
        known = targets if task == "multi" else targets.nan_to_num()  # a NaN would spoil the gradient of all
        share = torch.where(labeled, recipe.distill, 1.0)
        return by_labels(logits, known).lerp(imitation(logits, taught, task, recipe.soften), share).mean()

    return loss


def frequency(targets: NDArray[np.float32]) -> NDArray[np.float32]:
    """(L,): the share of pictures that have a label, of those that were checked for it; 1/2 where none was."""
    known = ~np.isnan(targets)
    positive = (np.nan_to_num(targets) > 0).sum(0)
    return np.where(known.any(0), positive / np.maximum(known.sum(0), 1), 0.5).astype(np.float32)


def label_weights(targets: NDArray[np.float32]) -> NDArray[np.float32]:
    """(L,): the square root of how rare a label is, with a mean of 1 over pictures."""
    positive = np.maximum((np.nan_to_num(targets) > 0).sum(0), 1)
    weights = np.sqrt(positive.mean() / positive)
    return np.asarray(weights * positive.sum() / (weights * positive).sum(), np.float32)
