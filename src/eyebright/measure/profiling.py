"""Makes the profile of this device: layers are timed as chains, the long one less the short one.

What a chain costs at its ends (the picture comes in, a map is laid out otherwise) is in both and goes away. All chains
are run in rounds, so that each meets the caches as a layer of a network does, full of what others left there, and so
that a busy moment is shared by all.
"""

import datetime
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from eyebright.measure.device import Device, Row, as_layer, layer_ms
from eyebright.measure.layers import Kind, Layer, Precision
from eyebright.measure.machine import processor
from eyebright.measure.worker import FINE_S

if TYPE_CHECKING:
    import onnx

ROUNDS, QUICK_ROUNDS = 60, 20
LONGEST_S, QUICK_LONGEST_S, FEWEST = 120.0, 15.0, 8
"""No round begins after so long, but for the first few."""
LEAST_MS = 1e-4
OPSET = 20
OVER_MAPS: tuple[Kind, ...] = ("pool", "activation", "pass")
THIN: tuple[Kind, ...] = ("pointwise", "depthwise")
PRECISIONS: tuple[Precision, ...] = ("float32", "int8")


class Block(NamedTuple):
    """A layer to be timed."""

    kind: Kind
    c_in: int
    c_out: int
    kernel: int
    stride: int
    side: int


def blocks(quick: bool = False) -> list[Block]:
    """The layers of a profile: what networks for pictures are made of, from a few channels to many."""
    few, some, many = [(16, 16), (16, 96), (32, 32)], [(32, 192), (64, 64), (64, 384)], [(128, 128), (160, 960)]
    most = [(256, 256), (512, 512)]
    pointwise = [
        Block("pointwise", c_in, c_out, 1, 1, side)
        for side, pairs in (
            (112, few),
            (56, [*few, *some]),
            (28, [(24, 144), (32, 32), *some, *many]),
            (14, [(32, 32), *some, *many, *most]),
            (7, [(64, 384), *many, *most, (320, 1280)]),
        )
        for c_in, c_out in pairs
    ]
    convolution = [
        Block("convolution", c_in, c_out, 3, 1, side)
        for side, pairs in (
            (56, [(16, 16), (16, 64), (64, 64)]),
            (28, [(32, 32), (64, 64), (32, 128), (128, 128)]),
            (14, [(64, 64), (64, 256), (256, 256)]),
            (7, [(128, 128), (512, 512)]),
        )
        for c_in, c_out in pairs
    ]
    depthwise = [
        Block("depthwise", channels, channels, kernel, 1, side)
        for kernel in (3, 5)
        for side, counts in ((112, [32]), (56, [96]), (28, [32, 144, 384]), (14, [96, 384, 576]), (7, [192, 960]))
        for channels in counts
    ]
    stem = [
        Block("stem", 3, channels, kernel, 2, side)
        for channels, kernel, side in ((32, 3, 112), (16, 3, 64), (64, 3, 112), (64, 7, 112))
    ]
    product = [
        Block("product", c_in, c_out, 1, 1, 1) for c_in, c_out in ((64, 10), (1280, 10), (512, 1000), (1280, 1000))
    ]
    over_maps: tuple[tuple[Kind, int], ...] = (("pool", 3), ("activation", 1), ("pass", 1))
    over = [
        Block(kind, channels, channels, kernel, 1, side)
        for kind, kernel in over_maps
        for channels, side in ((16, 112), (64, 56), (24, 28), (256, 14), (960, 7))
    ]
    found = [*pointwise, *convolution, *depthwise, *stem, *product, *over]
    return found[::2] if quick else found


def profile(
    name: str = "",
    threads: int = 1,
    quick: bool = False,
    told: Callable[[int, int], None] = lambda done, total: None,
) -> Device:
    """Measure this device with ONNX Runtime: a minute or less, `quick` some 15 s at most. `told` hears of rounds.

    A thin layer takes longer in a network than in a chain of its like, where code and memory are at hand: so a small
    network is timed, too, and thin layers are told as they were in it. Wider convolutions compute for so long that it
    makes no difference.
    """
    wanted = [(block, precision) for block in blocks(quick) for precision in PRECISIONS]
    runs = [_Run(_runner(_chain(*one, count), threads)) for one in wanted for count in (1, 3)]
    runs += [_Run(_runner(_network(precision), threads), again=True) for precision in PRECISIONS]
    most, longest_s = (QUICK_ROUNDS, QUICK_LONGEST_S) if quick else (ROUNDS, LONGEST_S)
    medians = _in_rounds(runs, _clock(threads), most, longest_s, told)
    short, long, whole = medians[: -len(PRECISIONS) : 2], medians[1 : -len(PRECISIONS) : 2], medians[-len(PRECISIONS) :]
    rows = []
    for (block, precision), one, three in zip(wanted, short, long, strict=True):
        ms = (three - one) / (4 if _there_and_back(block) else 2)
        if ms > LEAST_MS:  # else the machine was too busy to tell
            rows.append(Row(precision=precision, ms=ms, **block._asdict()))
    made = _device(name, threads, rows)
    factors = {
        precision: _factor(made, _network_layers(precision), ms)
        for precision, ms in zip(PRECISIONS, whole, strict=True)
    }
    told_as = (replace(row, ms=row.ms * factors[row.precision]) if row.kind in THIN else row for row in rows)
    return replace(made, layers=tuple(told_as))


def _factor(device: Device, layers: list[Layer], network_ms: float) -> float:
    """How many times as long thin layers take in a network, for which it takes what it took."""
    thin = sum(layer_ms(device, layer) for layer in layers if layer.kind in THIN)
    others = sum(layer_ms(device, layer) for layer in layers if layer.kind not in THIN)
    return max((network_ms - device.overhead_ms - others) / thin, 0.5)


def _device(name: str, threads: int, rows: list[Row]) -> Device:
    import onnxruntime as ort

    return Device(
        name=name or platform.node()[:500] or "this device",
        processor=processor()[:500],
        runtime=f"onnxruntime {ort.__version__}, cpu",
        threads=threads,
        date=datetime.date.today().isoformat(),
        overhead_ms=_overhead_ms(threads),
        layers=tuple(rows),
    )


class _Run(NamedTuple):
    run: Callable[[], Any]
    again: bool = False
    """Its second run counts: the caches are its own, as those of a network that sees one picture after the other."""


def _in_rounds(
    runs: list[_Run],
    clock: Callable[[], float],
    rounds: int,
    longest_s: float,
    told: Callable[[int, int], None],
) -> list[float]:
    """Milliseconds of each: the median over rounds, every other one backwards."""
    began = time.perf_counter()
    found: list[list[float]] = [[] for _ in runs]
    for done in range(rounds):
        if done >= FEWEST and time.perf_counter() - began > longest_s:
            break
        pairs = list(zip(runs, found, strict=True))
        for (run, again), times in pairs if done % 2 else reversed(pairs):
            if again:
                run()
            starts = clock()
            run()
            times.append(1000 * (clock() - starts))
        told(done + 1, rounds)
    told(rounds, rounds)
    return [statistics.median(times) for times in found]


def _clock(threads: int) -> Callable[[], float]:
    """The processor's time where one thread does all the work, else the wall's."""
    fine = time.get_clock_info("process_time").resolution <= FINE_S
    return time.process_time if threads == 1 and fine else time.perf_counter


def _overhead_ms(threads: int) -> float:
    """Of a session that has next to nothing to do."""
    run = _runner(_chain(Block("pass", 1, 1, 1, 1, 2), "float32", 1), threads)
    clock = _clock(threads)
    found = []
    for _ in range(200):
        starts = clock()
        run()
        found.append(1000 * (clock() - starts))
    return statistics.median(found)


def _runner(graph: "onnx.ModelProto", threads: int) -> Callable[[], Any]:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = ort.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    (value,) = session.get_inputs()
    random = np.random.default_rng(0)
    if value.type == "tensor(uint8)":
        given = random.integers(0, 256, value.shape).astype(np.uint8)
    else:
        given = random.normal(0, 1, value.shape).astype(np.float32)
    names = [output.name for output in session.get_outputs()]

    def run() -> Any:
        return session.run(names, {value.name: given})

    for _ in range(2):
        run()
    return run


def _there_and_back(block: Block) -> bool:
    return block.c_in != block.c_out and block.kind in ("pointwise", "convolution")


def _chain(block: Block, precision: Precision, count: int) -> "onnx.ModelProto":
    """So many layers (pairs of layers, there and back) one after the other; those that see a picture side by side."""
    made = _Made(precision == "int8", np.random.default_rng(0))
    side = block.side * block.stride
    shape = [1, block.c_in] if block.kind == "product" else [1, block.c_in, side, side]
    outputs = []
    if block.kind in ("stem", "product"):
        for _ in range(count):
            last = made.layer("x", block)
            # a network goes on with a stem's map: it must not be laid out for the outside
            outputs.append(made.mean(last) if block.kind == "stem" else last)
    else:
        # what passes over a map does so in the layout of the convolutions around it
        around = block._replace(kind="pointwise", kernel=1) if block.kind in OVER_MAPS else None
        last = made.layer("x", around) if around else "x"
        for _ in range(count):
            last = made.layer(last, block)
            if _there_and_back(block):
                last = made.layer(last, block._replace(c_in=block.c_out, c_out=block.c_in))
        outputs.append(made.layer(last, around) if around else last)
    return made.graph(shape, outputs)


NETWORK = (
    Block("stem", 3, 32, 3, 2, 80),
    Block("depthwise", 32, 32, 3, 1, 80),
    Block("pointwise", 32, 16, 1, 1, 80),
    Block("pointwise", 16, 96, 1, 1, 80),
    Block("depthwise", 96, 96, 3, 2, 40),
    Block("pointwise", 96, 24, 1, 1, 40),
    Block("pointwise", 24, 144, 1, 1, 40),
    Block("depthwise", 144, 144, 5, 2, 20),
    Block("pointwise", 144, 40, 1, 1, 20),
    Block("pointwise", 40, 240, 1, 1, 20),
    Block("depthwise", 240, 240, 3, 2, 10),
    Block("pointwise", 240, 80, 1, 1, 10),
    Block("pointwise", 80, 480, 1, 1, 10),
    Block("depthwise", 480, 480, 5, 2, 5),
    Block("pointwise", 480, 192, 1, 1, 5),
    Block("pointwise", 192, 640, 1, 1, 5),
)
"""A network of thin layers, by which such are held to what they take together."""


def _network(precision: Precision) -> "onnx.ModelProto":
    made = _Made(precision == "int8", np.random.default_rng(0))
    last = "x"
    for block in NETWORK:
        last = made.layer(last, block)
    side = NETWORK[0].side * NETWORK[0].stride
    return made.graph([1, NETWORK[0].c_in, side, side], [made.mean(last)])


def _network_layers(precision: Precision) -> list[Layer]:
    return [as_layer(Row(precision=precision, ms=1.0, **block._asdict())) for block in NETWORK]


class _Made:
    """Nodes and constants of a chain; in 8 bits, maps between layers are uint8, weights int8 with a scale a channel."""

    STEP = 0.02
    """Of activations in 8 bits."""

    def __init__(self, int8: bool, random: np.random.Generator) -> None:
        self.int8, self.random = int8, random
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def graph(self, shape: list[int], outputs: list[str]) -> "onnx.ModelProto":
        from onnx import TensorProto, helper

        elements = TensorProto.UINT8 if self.int8 else TensorProto.FLOAT
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            self.nodes,
            "chain",
            [value("x", elements, shape)],
            [value(name, elements, None) for name in outputs],
            self.constants,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)

    def mean(self, x: str) -> str:
        return self.rounded(self.node("GlobalAveragePool", [self.read(x)]))

    def layer(self, x: str, block: Block) -> str:
        x, c_in, c_out = self.read(x), block.c_in, block.c_out
        if block.kind == "pass":
            shape = (1, c_in, block.side, block.side)
            return self.rounded(self.node("Add", [x, self.read(self.activations(shape))]))
        if block.kind == "activation":
            return self.rounded(self.node("HardSwish", [x]))
        pads = {"pads": [block.kernel // 2] * 4, "strides": [block.stride] * 2, "kernel_shape": [block.kernel] * 2}
        if block.kind == "pool":
            return self.rounded(self.node("MaxPool", [x], **pads))
        if block.kind == "product":
            return self.rounded(self.node("Gemm", [x, *self.weights((c_out, c_in), c_in)], transB=1))
        depthwise = block.kind == "depthwise"
        inner = 1 if depthwise else c_in
        weights = self.weights((c_out, inner, block.kernel, block.kernel), inner * block.kernel**2)
        made = self.node("Conv", [x, *weights], group=c_in if depthwise else 1, **pads)
        return self.rounded(self.node("Relu", [made]))

    def node(self, operator: str, inputs: list[str], **how: Any) -> str:
        from onnx import helper

        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **how))
        return name

    def constant(self, array: Any) -> str:
        from onnx import numpy_helper

        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def read(self, x: str) -> str:
        """A tensor between layers as float."""
        return self.node("DequantizeLinear", [x, *self.steps()]) if self.int8 else x

    def rounded(self, x: str) -> str:
        return self.node("QuantizeLinear", [x, *self.steps()]) if self.int8 else x

    def steps(self) -> Iterator[str]:
        yield self.constant(np.float32(self.STEP) * np.ones((), np.float32))
        yield self.constant(np.zeros((), np.uint8))

    def activations(self, shape: tuple[int, ...]) -> str:
        if self.int8:
            return self.constant(self.random.integers(0, 256, shape).astype(np.uint8))
        return self.constant(self.random.normal(0, 1, shape).astype(np.float32))

    def weights(self, shape: tuple[int, ...], adds: int) -> list[str]:
        """Weights and bias such that numbers stay as large as they are."""
        values = self.random.normal(0, (2 / adds) ** 0.5, shape).astype(np.float32)
        if not self.int8:
            return [self.constant(values), self.constant(np.zeros(shape[0], np.float32))]
        scales = np.full(shape[0], np.abs(values).max() / 127, np.float32)
        scale = self.constant(scales)
        rounded = self.constant(np.round(values / scales[0]).astype(np.int8))
        bias = [self.constant(np.zeros(shape[0], np.int32)), self.constant(scales * np.float32(self.STEP))]
        return [
            self.node("DequantizeLinear", [rounded, scale], axis=0),
            self.node("DequantizeLinear", bias, axis=0),
        ]
