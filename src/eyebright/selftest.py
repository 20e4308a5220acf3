"""The golden self-test: a model file carries a few tiny pictures and the scores that it gave for them.

A file that says something else on this machine is refused: a wrong build, a processor whose int8 saturates, a cut or
altered file. A file from elsewhere takes the test first in a child process under a time limit and, on Linux and
macOS, a memory limit, so that a graph built to exhaust this machine ends there.
"""

import base64
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from eyebright.errors import BadModelFile
from eyebright.modelfile import MAX_GOLDEN_BYTES, Golden, GoldenPicture, Metadata, ModelFile, attach, from_bytes
from eyebright.preprocessing import Pixels
from eyebright.runtime import Floats, Runtime, open_runtime

if TYPE_CHECKING:
    import onnx

MEMORY_BYTES = 384 << 20
"""What a model from elsewhere may take for one picture, beside three times its own size."""
TIME_S = 30
CANDIDATES = 96
PICTURES = 3
_REFUSED = 3
_CHILD = """
import sys
sys.path[:] = sys.argv[3:]
from eyebright import selftest
sys.exit(selftest._child(sys.argv[1], int(sys.argv[2])))
"""


@dataclass(frozen=True)
class Outcome:
    """How one golden picture came out."""

    passed: bool
    difference: float
    """The largest difference of a score from what the file says, 0..1."""
    expected: str
    got: str
    """Ids of the best label in the file and here."""


def check(model: ModelFile, runtime: Runtime) -> list[Outcome]:
    """Take the self-test; one outcome a golden picture."""
    golden = model.metadata.golden
    ids = [label.id for label in model.metadata.labels]
    outcomes = []
    for picture in golden.pictures:
        expected = np.array(picture.scores, np.float32)
        try:
            (scores,) = runtime.run(pixels(picture)[None], ["scores"])
        except BadModelFile as error:
            raise BadModelFile(f"{model.path}: {error}") from None
        if scores.shape != (1, len(ids)):
            raise BadModelFile(f"{model.path}: it gives scores of shape {scores.shape} for {len(ids)} labels.")
        difference = float(np.abs(scores[0] - expected).max())
        same = not golden.same_top or int(scores[0].argmax()) == int(expected.argmax())
        passed = bool(np.isfinite(scores).all()) and difference <= golden.tolerance and same
        outcomes.append(Outcome(passed, difference, ids[int(expected.argmax())], ids[int(scores[0].argmax())]))
    return outcomes


def must_pass(model: ModelFile, runtime: Runtime) -> None:
    """Raise BadModelFile where the self-test fails."""
    failed = [outcome for outcome in check(model, runtime) if not outcome.passed]
    if failed:
        worst = max(outcome.difference for outcome in failed)
        if not np.isfinite(worst):
            raise BadModelFile(f"{model.path}: its self-test failed on this machine (its scores are not numbers).")
        raise BadModelFile(
            f"{model.path}: its self-test failed on this machine (a score is off by {worst:.4f}, "
            f"{model.metadata.golden.tolerance:g} is allowed), so its answers cannot be trusted."
        )


def pixels(picture: GoldenPicture) -> Pixels:
    """The input that a golden picture stands for, (height * repeat, width * repeat, 3) uint8."""
    try:
        seed = np.frombuffer(base64.b64decode(picture.seed, validate=True), np.uint8)
        seed = seed.reshape(picture.height, picture.width, 3)
    except ValueError:
        raise BadModelFile("a golden picture in the model file is not of the size that it says.") from None
    return seed.repeat(picture.repeat, 0).repeat(picture.repeat, 1)


def make(runtime: Runtime, size: int, tolerance: float, same_top: bool, seed: int = 0) -> Golden:
    """Golden pictures for a graph: of many generated ones, those that it is surest of, each of another label.

    Sure ones, since a best label that wins narrowly may lose on a processor that rounds otherwise.
    """
    side = max(side for side in range(1, 11) if size % side == 0)
    candidates = _blots(np.random.default_rng(seed), side)
    images = candidates.repeat(size // side, 1).repeat(size // side, 2)
    scores = np.concatenate([runtime.run(image[None], ["scores"])[0] for image in images])
    return Golden(
        tolerance=tolerance,
        same_top=same_top,
        pictures=tuple(
            GoldenPicture(
                seed=base64.b64encode(candidates[at].tobytes()).decode(),
                height=side,
                width=side,
                repeat=size // side,
                scores=tuple(round(float(score), 6) for score in scores[at]),
            )
            for at in _surest(scores)[: MAX_GOLDEN_BYTES // (side * side * 3)]
        ),
    )


def seal(graph: "onnx.ModelProto", metadata: Metadata, path: str = "model") -> bytes:
    """A model file from a graph and its metadata, with golden pictures made by running it here.

    Their tolerance is 1e-4 for float; int8 is allowed 0.05 and held to the same best label.
    """
    runtime = open_runtime(from_bytes(attach(graph, metadata), path))
    int8 = metadata.card.precision == "int8"
    golden = make(runtime, metadata.input.size, 0.05 if int8 else 1e-4, same_top=int8)
    return attach(graph, msgspec.structs.replace(metadata, golden=golden))


def placeholder(size: int, count: int) -> Golden:
    """A golden picture that says nothing, for a graph of `count` scores that was not run yet."""
    nothing = GoldenPicture(seed="AAAA", height=1, width=1, repeat=size, scores=(0.0,) * count)
    return Golden(tolerance=0.05, same_top=False, pictures=(nothing,))


def prove_in_child(model: ModelFile) -> None:
    """Run the self-test of a file from elsewhere in a child process that may fail in any way it likes."""
    _in_child(model, "check")


def probe_in_child(model: ModelFile) -> int:
    """How many scores a graph from elsewhere gives, found in a child process.

    Raises BadModelFile also where two pictures at once do not get the scores that each gets alone.
    """
    return int(_in_child(model, "probe"))


def _in_child(model: ModelFile, task: str) -> str:
    limit = MEMORY_BYTES + 3 * len(model.data)
    if not sys.executable or getattr(sys, "frozen", False):  # inside another program, which would start itself
        raise BadModelFile(f"{model.path}: there is no Python here to try it in safely; load it with trust=True.")
    # -I: nothing from the current folder or the environment; the packages are where they are for this process
    command = [sys.executable, "-I", "-c", _CHILD, task, str(limit), *filter(None, sys.path)]
    try:
        child = subprocess.run(
            command,
            input=model.data,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=TIME_S,
            check=False,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # Windows: no console appears
        )
    except subprocess.TimeoutExpired:
        raise BadModelFile(f"{model.path}: one picture took over {TIME_S} s, so it is not used.") from None
    except OSError as error:
        raise BadModelFile(f"{model.path}: no process could be started to try it in ({error.strerror}).") from None
    said = child.stdout.decode("utf-8", "replace")
    if child.returncode == _REFUSED:
        raise BadModelFile(said.replace("model:", f"{model.path}:", 1))
    if child.returncode != 0:
        raise BadModelFile(
            f"{model.path}: trying it in a safe place failed (over {limit >> 20} MiB, or a crash); it is not used."
        )
    return said


def _surest(scores: Floats) -> list[int]:
    """Rows by the lead of their best score, the first of each best label first."""
    two = np.sort(scores, axis=1)[:, -2:]
    order = np.argsort(two[:, 0] - two[:, -1] if scores.shape[1] > 1 else -two[:, -1], kind="stable")
    seen: set[int] = set()
    fresh: list[int] = []
    others: list[int] = []
    for row in order.tolist():
        (others if int(scores[row].argmax()) in seen else fresh).append(row)
        seen.add(int(scores[row].argmax()))
    return [*fresh, *others][:PICTURES]


def _blots(random: np.random.Generator, side: int) -> Pixels:
    """Soft colored blots and stripes, (CANDIDATES, side, side, 3): of some of them a network is sure."""
    y, x = np.mgrid[0:side, 0:side] / max(side - 1, 1)
    pictures = []
    for _ in range(CANDIDATES):
        picture = np.broadcast_to(random.uniform(0, 255, 3), (side, side, 3)).copy()
        for _ in range(int(random.integers(1, 4))):
            cx, cy, wx, wy = random.uniform(0, 1, 2).tolist() + random.uniform(0.1, 0.6, 2).tolist()
            weight = np.exp(-(((x - cx) / wx) ** 2) - ((y - cy) / wy) ** 2)[..., None]
            picture = picture * (1 - weight) + random.uniform(0, 255, 3) * weight
        if random.uniform() < 0.5:
            stripes = np.sin(2 * np.pi * (random.uniform(-4, 4) * x + random.uniform(-4, 4) * y))[..., None]
            picture = picture + stripes * random.uniform(0, 90)
        pictures.append(np.clip(picture, 0, 255).astype(np.uint8))
    return np.stack(pictures)


def _child(task: str, more_bytes: int) -> int:
    """The other side of `_in_child`: the model on standard input, an answer or a sentence on standard output."""
    data = sys.stdin.buffer.read()
    _limit_memory(more_bytes)
    try:
        model = from_bytes(data)
        runtime = open_runtime(model)
        if task == "check":
            must_pass(model, runtime)
        else:
            _say(str(_probe(model, runtime)))
    except BadModelFile as error:
        _say(str(error))
        return _REFUSED
    return 0


def _probe(model: ModelFile, runtime: Runtime) -> int:
    size = model.metadata.input.size
    pictures = np.random.default_rng(0).integers(0, 256, (2, size, size, 3)).astype(np.uint8)
    singles = np.concatenate([runtime.run(picture[None], ["scores"])[0] for picture in pictures])
    (both,) = runtime.run(pictures, ["scores"])
    if singles.ndim != 2 or both.shape != singles.shape or not np.allclose(both, singles, atol=1e-3):
        raise BadModelFile(f"{model.path}: it does not score pictures one by one; export it with a free batch size.")
    if not np.isfinite(singles).all():
        raise BadModelFile(f"{model.path}: its scores are not numbers.")
    return int(singles.shape[1])


def _say(text: str) -> None:
    sys.stdout.buffer.write(text.encode("utf-8", "replace"))


def _limit_memory(more_bytes: int) -> None:
    """From now on this process may take that much more memory; Windows sets no such limit."""
    import onnxruntime  # noqa: F401  its own memory is not the model's

    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    used_bytes = _data_bytes()
    if used_bytes is None:  # macOS does not hold a process to its limit: watch it
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        unit = 1 if sys.platform == "darwin" else 1024
        threading.Thread(target=_end_beyond, args=(peak * unit + more_bytes, unit), daemon=True).start()
        return
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    limit = used_bytes + more_bytes
    limit = limit if most == resource.RLIM_INFINITY else min(limit, most)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _data_bytes() -> int | None:
    """What Linux counts against RLIMIT_DATA; None elsewhere."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData")), None)


def _end_beyond(limit_bytes: int, unit: int) -> None:
    """End this process when its peak is over the limit; ONNX Runtime lets other threads run while it works."""
    import resource

    while resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit <= limit_bytes:
        time.sleep(0.002)
    os._exit(1)
