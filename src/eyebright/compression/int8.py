"""A float model file becomes an int8 one that answers as it does: ranges, layers back to float, learned rounding.

Three sets of pictures that have none in common: the training split calibrates, the validation split chooses and fits
temperature and thresholds again, the test split reports. Nearness to the float model is the mean divergence of its
scores from the small model's (Kullback and Leibler), which needs no labels and sees more than a changed best label.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto

from eyebright import measure
from eyebright.compression import ranges
from eyebright.compression.contract import Judged, judge
from eyebright.compression.lighter import How, lightened
from eyebright.compression.parts import parts, readable
from eyebright.compression.quantize import quantize, with_even_pixels, with_float_biases
from eyebright.compression.ranges import Ranges
from eyebright.compression.stem import with_wide_stem
from eyebright.data import Dataset
from eyebright.data.dataset import Split
from eyebright.errors import BadRequest, Refused
from eyebright.evaluation import calibration, drop
from eyebright.evaluation.answers import in_terms_of
from eyebright.evaluation.drop import Allowed
from eyebright.modelfile import Card, Input, ModelFile, Task, from_bytes
from eyebright.preprocessing import Pixels, fit, shorter_side
from eyebright.runtime import cores, session
from eyebright.training.events import Said, Tell, counting
from eyebright.training.finish import finish

PICTURES = 200
"""That calibrate; more change nothing."""
FEWEST = 16
CHOOSING = 1000
"""Pictures that choose, at most."""
RANKING = 64
"""Of these, how many tell the effect of a single layer."""
AT_ONCE = 4
MOST_BACK = 0.5
"""Share of the layers that may go back to float: beyond it, int8 is not worth its name."""
LAYERS = ("Conv", "Gemm", "MatMul")
NAMED = 3
Floats = NDArray[np.float32]


class Made(NamedTuple):
    """An int8 model file and how it came about."""

    file: ModelFile
    judged: Judged
    back: tuple[str, ...]
    """Layers that went back to float."""
    steps: tuple[str, ...]
    """What was done, a sentence each."""


class Case(NamedTuple):
    """All that the search looks at."""

    graph: ModelProto
    calibrating: Pixels
    choosing: Pixels
    logits: Floats
    """(N, L) of the float model on the choosing pictures."""
    targets: Floats
    task: Task
    allowed: Allowed


class Way(NamedTuple):
    """One int8 form of the model."""

    graph: ModelProto
    far: float
    """From the float model, in nats a picture."""
    lost: float
    """Of the main figure on the choosing pictures, as a share."""


def to_int8(
    file: ModelFile,
    data: Dataset,
    allowed: Allowed,
    tell: Tell,
    learn_s: float = 0.0,
    pictures: int = PICTURES,
    turns: int = measure.TURNS,
) -> Made:
    """Quantize a float model file, with the splits of `data` for calibrating, choosing and reporting.

    `learn_s`: seconds in which the rounding may learn, where nothing else keeps the loss within what is allowed.
    Raises BadRequest where the model is int8 already or the pictures do not do; Refused where no way keeps it, naming
    the layers and labels that lose.
    """
    data = parts(readable(in_terms_of(file.metadata, data).data, tell))
    made, back, steps = converted(file, data, allowed, tell, learn_s, pictures)
    judged = judge(file, from_bytes(made, "int8"), data.part("test"), allowed, tell, turns=turns)
    return Made(judged.after.file, judged, back, steps)


def converted(
    file: ModelFile, data: Dataset, allowed: Allowed, tell: Tell, learn_s: float = 0.0, pictures: int = PICTURES
) -> tuple[bytes, tuple[str, ...], tuple[str, ...]]:
    """The int8 model file, the layers that went back to float, and what was done; no picture of test had a say."""
    case = prepared(file, data, allowed, pictures, tell)
    steps = [f"calibrated with {len(case.calibrating):,} training pictures"]
    found = histograms_of(case, tell)
    ways = {"of least error": ranges.of_least_error(found), "of all values": ranges.of_all_values(found)}
    tried = {name: way(case, some) for name, some in ways.items()}
    best = min(tried, key=lambda name: tried[name].far)
    chosen, limits = tried[best], ways[best]
    steps.append(f"ranges {best}, {chosen.far:.2g} nats from float ({others(tried, best)})")
    tell(Said(f"In 8 bits: {told(chosen, allowed)}"))
    back: tuple[str, ...] = ()
    if chosen.lost > allowed.whole:
        chosen, back = restored(case, limits, chosen, tell)
        steps += [f"back in float: {', '.join(back)}"] if back else []
    if chosen.lost > allowed.whole and learn_s:
        from eyebright.compression.rounding import learned

        after = way_of(case, learned(case.graph, chosen.graph, case.calibrating, case.task, learn_s, tell))
        steps.append(f"rounding learned in {learn_s:.0f} s: {told(after, allowed)}")
        chosen = min(chosen, after, key=lambda one: one.lost)
    if chosen.lost > allowed.whole:
        raise Refused(too_far(case, chosen, back, file, learn_s))
    return sealed(file, data, case, chosen.graph, back, steps, tell), back, tuple(steps)


def lighter(file: ModelFile, data: Dataset, allowed: Allowed, how: How, tell: Tell, turns: int = measure.TURNS) -> Made:
    """Weights stored in 16 ("half") or 8 ("int8") bits and computed in float: smaller, not faster, next to no loss."""
    if file.contents.operators["DequantizeLinear"]:
        raise BadRequest(f"{file.path} is int8 already; give the float model file that it was made from.")
    data = parts(readable(in_terms_of(file.metadata, data).data, tell), needed=("test",))
    made = from_bytes(lightened(file, how), f"{how} weights")
    judged = judge(file, made, data.part("test"), allowed, tell, turns=turns)
    return Made(made, judged, (), (f"weights stored in {16 if how == 'half' else 8} bits, computed in float32",))


def prepared(file: ModelFile, data: Dataset, allowed: Allowed, pictures: int, tell: Tell) -> Case:
    """The graph and the pictures, checked; `data` is in the words of the model."""
    graph = onnx.load_from_string(file.data)
    if not any(output.name == "logits" for output in graph.graph.output):
        raise BadRequest(f"{file.path} gives no logits, which tell how near an int8 form of it is.")
    if file.contents.operators["DequantizeLinear"]:
        raise BadRequest(f"{file.path} is int8 already; give the float model file that it was made from.")
    held = {tensor.name for tensor in graph.graph.initializer}
    if any(node.op_type == "Conv" and node.input[1] not in held for node in graph.graph.node):
        raise BadRequest(f"{file.path} holds its weights in fewer bits already; give the model file it was made from.")
    if not any(node.op_type in ranges.INTEGER and node.op_type in LAYERS for node in graph.graph.node):
        raise BadRequest(nothing_to_do(file, graph))
    spec = file.metadata.input
    calibrating = drawn(data.part("train"), pictures)
    if len(calibrating.items) < FEWEST:
        raise BadRequest(
            f"{len(calibrating.items)} pictures are too few to calibrate with; give {FEWEST} at least, or {PICTURES}."
        )
    choosing = drawn(data.part("validation"), CHOOSING)
    first, second = (seen(some, spec, tell) for some in (calibrating, choosing))
    logits = run(graph, second)
    return Case(with_even_pixels(graph), first, second, logits, choosing.targets(), file.metadata.task, allowed)


def seen(data: Dataset, spec: Input, tell: Tell) -> Pixels:
    """(N, size, size, 3): the pictures as the model sees them."""
    count, shorter = counting(tell, "pictures decoded"), shorter_side(spec)
    pixels = []
    for item in data.items:
        pixels.append(fit(data.picture(item, shorter), spec))
        count(len(pixels), len(data.items))
    return np.stack(pixels)


def nothing_to_do(file: ModelFile, graph: ModelProto) -> str:
    """A sentence that names the operator that does the work, and the layer."""
    work = next((node for node in graph.graph.node if node.op_type in ("MatMul", "ConvTranspose", "Einsum")), None)
    named = f"{work.op_type} ({work.name or work.output[0]})" if work else "its operators"
    return f"{file.path}: {named} cannot be computed in 8 bits here, so there is nothing to quantize."


def drawn(data: Dataset, count: int) -> Dataset:
    """So many of the pictures, always the same ones."""
    order = np.random.default_rng(0).permutation(len(data.items))
    return data.only([data.items[at] for at in sorted(order[:count].tolist())])


def histograms_of(case: Case, tell: Tell) -> dict[str, ranges.Histogram]:
    batches = [case.calibrating[at : at + AT_ONCE] for at in range(0, len(case.calibrating), AT_ONCE)]
    return ranges.histograms(case.graph, batches, counting(tell, "batches calibrated"))


def way(case: Case, limits: Ranges, back: Sequence[str] = ()) -> Way:
    return way_of(case, quantize(case.graph, limits, back))


def way_of(case: Case, graph: ModelProto) -> Way:
    logits = run(graph, case.choosing)
    a, b = (calibration.activate(some, case.task) for some in (case.logits, logits))
    found = drop.verdict(a, b, case.targets, case.task, case.allowed).whole
    return Way(graph, divergence(a, b, case.task), -found.change.value)


def run(graph: ModelProto, pixels: Pixels) -> Floats:
    """(N, L): logits, with all cores."""
    ready = session(graph.SerializeToString(), cores())
    few = (pixels[at : at + AT_ONCE] for at in range(0, len(pixels), AT_ONCE))
    return np.concatenate([ready.run(["logits"], {"image": some})[0] for some in few])


def divergence(a: NDArray[np.float64], b: NDArray[np.float64], task: Task) -> float:
    """Of scores b (N, L) from a, in nats a picture."""

    def from_to(p: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((p * (np.log(p + 1e-12) - np.log(q + 1e-12))).sum(axis=1))

    both = from_to(a, b) + (from_to(1 - a, 1 - b) if task == "multi" else 0)
    return float(both.mean())


def restored(case: Case, limits: Ranges, start: Way, tell: Tell) -> tuple[Way, tuple[str, ...]]:
    """Layers go back to float, those first that bring the scores nearest, and no more than it takes."""
    order, allowed = ranked(case, limits, tell), case.allowed
    tried: dict[int, Way] = {0: start}

    def enough(count: int) -> bool:
        names = order[:count]
        found = tried[count] = way(case, limits, names)
        tell(Said(f"With {names[0]}{f' and {count - 1} more' if count > 1 else ''} in float: {told(found, allowed)}"))
        return found.lost <= allowed.whole

    most = max(int(len(order) * MOST_BACK), 1)
    count, less = 1, 0
    while not enough(count):
        if count == most:
            least = min(tried, key=lambda some: (tried[some].lost, tried[some].far))
            return tried[least], tuple(order[:least])
        count, less = min(2 * count, most), count
    while count - less > 1:
        middle = (less + count) // 2
        count, less = (middle, less) if enough(middle) else (count, middle)
    return tried[count], tuple(order[:count])


def ranked(case: Case, limits: Ranges, tell: Tell) -> list[str]:
    """Names of layers, by how near the scores come when each alone stays in float."""
    wanted = calibration.activate(case.logits[:RANKING], case.task)
    layers = [node.name for node in case.graph.graph.node if node.op_type in LAYERS and node.op_type in ranges.INTEGER]
    count = counting(tell, "layers tried in float")
    effect = {}
    for done, name in enumerate(layers, 1):
        logits = run(quantize(case.graph, limits, [name]), case.choosing[:RANKING])
        effect[name] = divergence(wanted, calibration.activate(logits, case.task), case.task)
        count(done, len(layers))
    return sorted(layers, key=lambda name: effect[name])


def sealed(
    file: ModelFile,
    data: Dataset,
    case: Case,
    graph: ModelProto,
    back: Sequence[str],
    steps: Sequence[str],
    tell: Tell,
) -> bytes:
    """The model file, temperature and thresholds fitted again."""
    tell(Said("Fitting temperature and thresholds again, and writing the model file ..."))
    old = file.metadata.card
    card = Card(
        description=old.description,
        licence=old.licence,
        data=old.data,
        precision="mixed" if back else "int8",
        parameters=old.parameters,
        lineage=(*old.lineage, f"quantized to int8, statically, per channel: {'; '.join(steps)}"),
    )
    chosen = drawn(data.part("validation"), CHOOSING).items
    kept = data.only([*data.part("train").items, *chosen, *data.part("test").items])
    logits: dict[Split, Floats] = {"validation": run(graph, case.choosing)}
    spec = file.metadata.input
    small = with_float_biases(with_wide_stem(graph, spec.sizes or [spec.size]))
    return finish(small, kept, logits, spec, card, like=file.metadata).data


def told(found: Way, allowed: Allowed) -> str:
    lost = f"{drop.points(-found.lost)} points on the validation split" if found.lost else "nothing lost there"
    return f"{found.far:.2g} nats from float, {lost} ({drop.points(-allowed.whole)} allowed)."


def others(tried: dict[str, Way], best: str) -> str:
    return ", ".join(f"{name}: {one.far:.2g}" for name, one in tried.items() if name != best)


def too_far(case: Case, nearest: Way, back: Sequence[str], file: ModelFile, learn_s: float) -> str:
    """Why nothing is written: what came nearest, which layers and labels lose most, what can be done."""
    before, after = (said(some, case.task) for some in (case.logits, run(nearest.graph, case.choosing)))
    on = case.targets == 1
    lost = [
        (float((before & ~after)[on[:, at], at].mean()), label.label)
        for at, label in enumerate(file.metadata.labels)
        if on[:, at].any()
    ]
    worst = ", ".join(name for share, name in sorted(lost, reverse=True)[:NAMED] if share)
    layers = f", even with {', '.join(back[:NAMED])}{' ...' if len(back) > NAMED else ''} in float" if back else ""
    what = (
        "allow more (--max-drop)." if learn_s else "let the rounding learn (--learn 10m), or allow more (--max-drop)."
    )
    return (
        f"Nothing is written: in 8 bits it loses {100 * nearest.lost:.2f} points on the validation split and "
        f"{100 * case.allowed.whole:g} are allowed{layers}{f'; most is lost of {worst}' if worst else ''}; {what}"
    )


def said(logits: Floats, task: Task) -> NDArray[np.bool_]:
    """(N, L): the labels that logits give."""
    return logits > 0 if task == "multi" else logits == logits.max(axis=1, keepdims=True)
