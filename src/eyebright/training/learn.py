"""Fine-tuning and learning from nothing: devices, pictures, the loop, and a checkpoint now and then.

Several processes (`torchrun`) share each batch; the first of them speaks, writes and decides.
"""

import logging
import os
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functional_call

from eyebright.classifier import Classifier
from eyebright.classifier.fitted import Linear
from eyebright.data import Dataset
from eyebright.errors import BadRequest
from eyebright.evaluation import calibration, metrics
from eyebright.export import parity
from eyebright.export.onnx import to_onnx
from eyebright.export.sides import with_free_sides
from eyebright.modelfile import Card, Input, Task
from eyebright.preprocessing import Pixels
from eyebright.runtime import cores
from eyebright.training import checkpoint, plan
from eyebright.training.batches import Batches
from eyebright.training.distill import Joined, Teacher, imitation, unlabeled
from eyebright.training.events import MEASURES, Enough, Judged, Said, Tell, counting
from eyebright.training.finish import Finished, finish
from eyebright.training.loop import Learner, make_loss, train
from eyebright.training.memory import keep_freed
from eyebright.training.network import brings_head, classifier_of, input_size, weights_of
from eyebright.training.pixels import for_judging, for_learning, kept_side
from eyebright.training.precision import computes_bf16, keep_in_float32
from eyebright.training.recipe import Recipe
from eyebright.training.transfer import best_logistic, see

TOGETHER = 64  # pictures that are judged at once
FINISH_S = 30.0
"""Kept of a promised time for what comes after the last step: export, checks, figures."""


class Place(NamedTuple):
    """Where a run keeps what it needs while it learns."""

    checkpoints: Path
    pixels: Path
    recipe_hash: str
    steps: int | None
    """As planned by an earlier start of this run."""
    planned: Callable[[int], None]
    """Told how many steps there will be, as soon as that is known."""
    apart: Collection[str] = ()
    """Identities of pictures that teach nothing, not even without labels."""


def by_learning(
    data: Dataset, identities: Sequence[str], recipe: Recipe, about: Card, place: Place, began: float, tell: Tell
) -> Finished:
    """Modes `finetune` and `scratch`, from data to model file; `began` is when the promised time began to run."""
    head = None
    brought = brings_head(recipe, [label.id for label in data.labels])
    if recipe.mode == "finetune" and recipe.head != "paper" and not brought:
        head, _ = best_logistic(see(data, identities, recipe, tell), data.task)
    classifier, logits = learn(data, recipe, head, place, began + recipe.minutes * 60, tell)
    tell(Said("Writing the model file and trying it ..."))
    size = input_size(recipe)
    graph = to_onnx(classifier, size)
    parity.check(classifier, graph, parity.pictures(size))
    graph, sizes = with_free_sides(classifier, graph, size)
    spec = Input(size=size, sizes=sizes, crop=recipe.crop)
    return finish(graph, data, {"validation": logits}, spec, about)


def learn(
    data: Dataset, recipe: Recipe, first_head: Linear | None, place: Place, deadline: float, tell: Tell
) -> tuple[Classifier, NDArray[np.float32]]:
    """The classifier with the weights that did best on validation, and its logits (N, L) there.

    `first_head` is what the head begins with; `deadline` (of time.monotonic) counts where the recipe promises a time.
    """
    threads = recipe.threads or cores()
    torch.set_num_threads(threads)
    keep_freed()
    fabric = start(recipe)
    first = fabric.global_rank == 0
    told: Tell = tell if first else lambda event: None
    task: Task = data.task
    training, validation = data.part("train"), data.part("validation")

    size = input_size(recipe)
    classifier = classifier_of(recipe, len(data.labels), task)
    if first_head is not None and isinstance(classifier.head, torch.nn.Linear):
        with torch.no_grad():
            classifier.head.weight.copy_(torch.from_numpy(first_head.weight))
            classifier.head.bias.copy_(torch.from_numpy(first_head.bias))
    if fabric.device.type == "cpu" and bf16(recipe, fabric.device):
        keep_in_float32(classifier)

    place.pixels.mkdir(parents=True, exist_ok=True)
    here = place.pixels / f"{fabric.global_rank}"
    decoded = counting(told, "decoded")
    side = kept_side(training, size)
    pictures = for_learning(training, side, here.with_suffix(".train"), recipe.cache_mb, threads, decoded)
    spec = Input(size=size, crop=recipe.crop)
    pixels = for_judging(validation, spec, size, here.with_suffix(".validation"), threads, decoded)
    targets, truth = training.targets(), validation.targets()
    teacher = Teacher(recipe.teacher, data.labels, task) if recipe.teacher else None
    if recipe.unlabeled:
        more = unlabeled(recipe.unlabeled, data, told, place.apart)
        others = for_learning(more, side, here.with_suffix(".unlabeled"), recipe.cache_mb, threads, decoded)
        pictures = Joined(pictures, others, len(targets))
        targets = np.concatenate([targets, more.targets()])

    learner = Learner(classifier, recipe, fabric.device)
    loss_of = make_loss(task, recipe, targets)

    taught = all_taught(teacher, pixels) if teacher else None

    def judge(weights: dict[str, Tensor]) -> Judged:
        return judged(logits_of(classifier, weights, pixels, fabric.device), truth, task, taught, recipe.distill)

    def batches_of(steps: int) -> Batches:
        return Batches(pictures, targets, recipe, size, steps, fabric.global_rank, fabric.world_size, teacher)

    a_pass = plan.by_epochs(1, len(targets), recipe.batch)
    planned = fabric.broadcast(place.steps)  # what the first process knows: others may have looked too early
    steps = planned or plan.by_epochs(recipe.epochs, len(targets), recipe.batch)
    if recipe.minutes and not planned:
        told(Said("Taking a few steps to see how many fit in the time ..."))
        step_s = plan.seconds_a_step(learner, batches_of(steps), fabric, loss_of)
        began = time.monotonic()
        judge(learner.weights())
        judge_s = time.monotonic() - began
        left_s = deadline - time.monotonic() - FINISH_S
        steps = int(fabric.broadcast(plan.by_time(left_s, step_s, judge_s, a_pass, 1000 * a_pass)))
        if steps < a_pass:
            told(Said(f"The time is short: {steps:,} steps fit, and a pass over the pictures takes {a_pass:,}."))
    if first:
        place.planned(steps)
    every = plan.judged_every(steps, a_pass)
    if checkpoint.load(learner, place.checkpoints, place.recipe_hash):
        told(Said(f"Going on from step {learner.step:,} of {steps:,}."))
    elif first_head is not None or brings_head(recipe, [label.id for label in data.labels]):
        alone = fabric.broadcast(judge(learner.weights()))
        learner.compare(alone)
        what = "As it came" if first_head is None else "The head alone"
        told(Said(f"{what}, on validation: {MEASURES[task]} {alone.value:.3f}, loss {alone.loss:.3f}."))

    saved = time.monotonic()
    with closing(train(learner, batches_of(steps), judge, every, fabric, loss_of)) as going:
        for progress in going:
            ended = progress.step == steps or learner.stops_early
            if first and (ended or time.monotonic() - saved >= recipe.save_s):
                learner.check()
                checkpoint.save(learner, place.checkpoints, place.recipe_hash)
                saved = time.monotonic()
            try:
                told(progress)
            except Enough:
                if first:
                    learner.check()
                    checkpoint.save(learner, place.checkpoints, place.recipe_hash)
                told(Said(f"Stopped at step {learner.step:,}, with the best so far."))
                break
    if learner.stops_early:
        told(Said(f"No better for {learner.worse} judgements: stopped at step {learner.step:,}."))
    fabric.barrier()
    best = checkpoint.best_weights(place.checkpoints) or learner.result()
    classifier.load_state_dict(best)
    return classifier.cpu().eval(), logits_of(classifier, dict(classifier.state_dict()), pixels, torch.device("cpu"))


def possible(recipe: Recipe) -> None:
    """Raise BadRequest, before a picture is read, where a recipe asks for what is not here."""
    input_size(recipe)
    device_of(recipe)
    if recipe.mode == "finetune":
        weights_of(recipe)


def start(recipe: Recipe) -> Fabric:
    """Devices, precision and the other processes, by Lightning Fabric."""
    device = device_of(recipe)
    world = torch.distributed.is_torchelastic_launched()
    devices = int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if world else recipe.devices
    nodes = int(os.environ.get("GROUP_WORLD_SIZE", "1")) if world else 1
    total = devices * nodes
    if recipe.batch % total or (total > 1 and recipe.batch // total % 2):
        raise BadRequest(f"A batch of {recipe.batch} cannot be shared evenly, in pairs, by {total} processes.")
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it tells of choices that are ours
    fabric = Fabric(
        accelerator=device.type,
        devices=devices,
        num_nodes=nodes,
        strategy="ddp" if total > 1 else "auto",
        precision="bf16-mixed" if bf16(recipe, device) else "32-true",
    )
    fabric.launch()
    return fabric


def device_of(recipe: Recipe) -> torch.device:
    """The kind of device that a recipe asks for; `auto` is the fastest that is here."""
    here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if recipe.device == "auto":
        return torch.device(next(kind for kind, there in here.items() if there))
    if not here[recipe.device]:
        raise BadRequest(f"There is no device {recipe.device} here, or this torch cannot use it; --device cpu works.")
    return torch.device(recipe.device)


def bf16(recipe: Recipe, device: torch.device) -> bool:
    """Whether to compute in bf16 where that is safe."""
    if recipe.precision != "auto":
        return recipe.precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return device.type == "cpu" and computes_bf16()


def logits_of(
    classifier: Classifier, weights: dict[str, Tensor], pixels: Pixels, device: torch.device
) -> NDArray[np.float32]:
    """(N, L) of pictures (N, H, W, 3), with these weights, in float32."""
    was = classifier.training
    classifier.eval()
    found = []
    with torch.inference_mode():
        for start in range(0, len(pixels), TOGETHER):
            some = torch.from_numpy(np.ascontiguousarray(pixels[start : start + TOGETHER])).to(device)
            found.append(functional_call(classifier, weights, (some,)).logits.float().cpu().numpy())
    classifier.train(was)
    return np.concatenate(found)


def all_taught(teacher: Teacher, pixels: Pixels) -> Tensor:
    """(N, L): what a teacher says of pictures (N, H, W, 3)."""
    parts = range(0, len(pixels), TOGETHER)
    return torch.cat([teacher(torch.from_numpy(pixels[at : at + TOGETHER]).float()) for at in parts])


def judged(
    logits: NDArray[np.float32],
    truth: NDArray[np.float32],
    task: Task,
    taught: Tensor | None = None,
    share: float = 0.0,
) -> Judged:
    """The one number of a task, and the loss; beside what a teacher says (N, L), imitation has its share of the loss.

    Of a few hundred pictures a teacher's scores tell sooner than their labels who comes nearer to it.
    """
    logits = logits / calibration.fit_temperature(logits, truth, task)
    scores = calibration.activate(logits, task)
    loss = calibration.negative_log_likelihood(scores, truth, task)
    if taught is not None:
        loss += share * (float(imitation(torch.from_numpy(logits), taught, task, 1.0).mean()) - loss)
    if task == "single":
        return Judged(float(metrics.hits(scores, truth).mean()), loss)
    if task == "binary":
        return Judged(float(metrics.average_precision(scores[:, 1], truth[:, 1])[0]), loss)
    return Judged(float(metrics.mean_average_precision(scores, truth)[0]), loss)
