"""The golden self-test: a model file carries a few tiny pictures and the scores that it gave for them.

A file that says something else on this machine is refused: a wrong build, a processor whose int8 saturates, a cut or
altered file.
"""

import base64
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from eyebright.errors import BadModelFile
from eyebright.modelfile import MAX_GOLDEN_BYTES, Golden, GoldenPicture, Metadata, ModelFile, attach, from_bytes
from eyebright.preprocessing import Pixels
from eyebright.runtime import Floats, Runtime, open_runtime

if TYPE_CHECKING:
    import onnx

CANDIDATES = 96
PICTURES = 3
CLOSE = 1e-3
"""Where processors agree in int8, scores differ by less."""


class Outcome(NamedTuple):
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


def open_tested(model: ModelFile, provider: str = "cpu", threads: int = 1) -> Runtime:
    """The runtime of a model file that passed its self-test here; BadModelFile where none does.

    An int8 model whose scores come out otherwise than where it was made, be it within the tolerance, is opened in the
    exact way as well, and the better of the two is taken.
    """
    runtime, outcomes = open_and_check(model, provider, threads)
    failed = [outcome for outcome in outcomes if not outcome.passed]
    if failed:
        worst = max(outcome.difference for outcome in failed)
        if not np.isfinite(worst):
            raise BadModelFile(f"{model.path}: its self-test failed on this machine (its scores are not numbers).")
        raise BadModelFile(
            f"{model.path}: its self-test failed on this machine (a score is off by {worst:.4f}, "
            f"{model.metadata.golden.tolerance:g} is allowed), so its answers cannot be trusted."
        )
    return runtime


def open_and_check(model: ModelFile, provider: str = "cpu", threads: int = 1) -> tuple[Runtime, list[Outcome]]:
    """As `open_tested`, with how the test came out instead of an error."""
    runtime = open_runtime(model, provider, threads)
    outcomes = check(model, runtime)
    if provider == "cpu" and in_integers(model) and _worst(outcomes) > CLOSE:
        exact = open_runtime(model, provider, threads, exact=True)
        exact_outcomes = check(model, exact)
        if _worst(exact_outcomes) < _worst(outcomes):
            return exact, exact_outcomes
    return runtime, outcomes


def in_integers(model: ModelFile) -> bool:
    """Whether some of it is computed in 8 bits, where processors differ."""
    return model.metadata.card.precision == "int8" or model.contents.operators["QuantizeLinear"] > 0


def _worst(outcomes: list[Outcome]) -> float:
    return max(outcome.difference for outcome in outcomes)


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

    Their tolerance is 1e-4 for float; int8, in all layers or some, is allowed 0.05 and held to the same best label.
    """
    file = from_bytes(attach(graph, metadata), path)
    runtime = open_runtime(file)
    int8 = in_integers(file)
    golden = make(runtime, metadata.input.size, 0.05 if int8 else 1e-4, same_top=int8)
    return attach(graph, msgspec.structs.replace(metadata, golden=golden))


def placeholder(size: int, count: int) -> Golden:
    """A golden picture that says nothing, for a graph of `count` scores that was not run yet."""
    nothing = GoldenPicture(seed="AAAA", height=1, width=1, repeat=size, scores=(0.0,) * count)
    return Golden(tolerance=0.05, same_top=False, pictures=(nothing,))


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


def _blots(random: "np.random.Generator", side: int) -> Pixels:
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
