"""Checkpoints: all that a run needs to go on as if it had never stopped, in safetensors and JSON, never a pickle.

    checkpoints/step-00001200.safetensors   weights, moving average, optimizer; how far it is, in the file's own JSON
    checkpoints/best.safetensors            the weights that were judged best so far

A file is written beside its place and renamed, so that it is whole or absent; the last two are kept, in case the disk
lost the newest. What was judged best is written before the checkpoint that speaks of it.
"""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from eyebright.errors import BadRequest, CannotWrite
from eyebright.training.events import Judged
from eyebright.training.loop import Learner

KEEP = 2
BEST = "best.safetensors"


def save(learner: Learner, folder: Path, recipe_hash: str) -> None:
    """Write where the learner stands. Raises CannotWrite; what was there before stays."""
    best = learner.best
    if best and learner.best_weights:
        _write(folder / BEST, learner.best_weights, {"value": best.value, "loss": best.loss})
        learner.best_weights = {}
    tensors = {f"weights.{name}": tensor for name, tensor in learner.weights().items()}
    tensors |= {f"average.{name}": tensor for name, tensor in learner.average.items()}
    numbers: dict[str, float] = {}
    for at, state in learner.optimizer.state_dict()["state"].items():
        for key, value in state.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{at}.{key}"] = value
            elif value is not None:
                numbers[f"{at}.{key}"] = value
    said = {
        "recipe": recipe_hash,
        "step": learner.step,
        "worse": learner.worse,
        "best": [best.value, best.loss] if best else None,
        "optimizer": numbers,
    }
    _write(folder / f"step-{learner.step:08}.safetensors", tensors, said)
    for old in steps(folder)[:-KEEP]:
        old.unlink(missing_ok=True)


def load(learner: Learner, folder: Path, recipe_hash: str) -> bool:
    """Bring the learner where the newest whole checkpoint left it; False when there is none.

    Raises BadRequest where a checkpoint is of another recipe.
    """
    for file in reversed(steps(folder)):
        found = _read(file)
        if found is None:
            continue  # cut short by a dying disk; the one before it is whole
        tensors, said = found
        if said.get("recipe") != recipe_hash:
            raise BadRequest(f"{file} is of another recipe or other pictures; take another run folder, or --force.")
        _restore(learner, tensors, said)
        return True
    return False


def best_weights(folder: Path) -> dict[str, Tensor] | None:
    """The weights that were judged best."""
    found = _read(folder / BEST)
    return None if found is None else found[0]


def steps(folder: Path) -> list[Path]:
    """The checkpoints of a folder, oldest first."""
    return sorted(folder.glob("step-*.safetensors"))


def _restore(learner: Learner, tensors: dict[str, Tensor], said: dict[str, Any]) -> None:
    parts: dict[str, dict[str, Tensor]] = {"weights": {}, "average": {}, "optimizer": {}}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = tensor
    with torch.no_grad():
        for held, saved in ((learner.weights(), parts["weights"]), (learner.average, parts["average"])):
            for name, tensor in held.items():
                tensor.copy_(saved[name])  # in place: the optimizer and the memory's order stay
    state = learner.optimizer.state_dict()
    state["state"] = {}
    for name, value in [*parts["optimizer"].items(), *said["optimizer"].items()]:
        at, _, key = name.partition(".")
        state["state"].setdefault(int(at), {})[key] = value
    learner.optimizer.load_state_dict(state)
    learner.step, learner.worse = said["step"], said["worse"]
    learner.best = Judged(*said["best"]) if said["best"] else None


def _write(file: Path, tensors: dict[str, Tensor], said: dict[str, Any]) -> None:
    partial = file.with_name(file.name + ".partial")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, partial,
                  {"eyebright": json.dumps(said)})  # fmt: skip
        with open(partial, "rb+") as written:
            os.fsync(written.fileno())
        os.replace(partial, file)
    except (OSError, SafetensorError) as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        why = (getattr(error, "strerror", None) or str(error)).lower()
        raise CannotWrite(f"{file} cannot be written: {why}; make room and go on with --resume.") from None


def _read(file: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    try:
        with safe_open(file, "pt") as opened:
            said = json.loads((opened.metadata() or {})["eyebright"])
            return {name: opened.get_tensor(name) for name in opened.keys()}, said  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
