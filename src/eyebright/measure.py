"""What model files cost on this machine: time, memory, multiply-adds.

Each file runs in a process of its own, a picture at a time on one thread, and the processes take turns: a machine that
grows slow, by heat or by others' work, is slow for all of them, and a ratio of two turns that follow one another stays.
"""

import contextlib
import json
import math
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from eyebright.errors import BadModelFile, BadRequest, EyebrightError
from eyebright.modelfile import Figure, ModelFile, from_bytes
from eyebright.runtime import cores
from eyebright.selftest import open_and_check

if TYPE_CHECKING:
    import onnx

TURNS = 21
TURN_S = 0.05
"""A turn is so long at least, and one picture at least."""
FEWEST, LONGEST_S = 5, 30.0
"""Turns of a slow model: fewer, so that it takes no longer than this, but never less than that."""
WARM = 3  # pictures before the first turn
TIME_S = 60  # for one answer of a process
_CHILD = """
import sys
sys.path[:] = sys.argv[2:]
from eyebright import measure
measure._child(sys.argv[1])
"""


class Measured(NamedTuple):
    """One model file on this machine."""

    turns_ms: tuple[float, ...]
    """Milliseconds a picture, network alone, in each turn."""
    memory_bytes: int | None
    """The most that its process took, Python and the runtime with it; None where the system does not say."""
    macs: int | None
    """Multiply-adds for a picture, of convolutions and matrix products; None where the graph does not tell them."""
    runtime: str


def in_turns(
    models: Sequence[ModelFile],
    provider: str = "cpu",
    turns: int = TURNS,
    told: Callable[[int, int], None] = lambda done, total: None,
) -> list[Measured]:
    """Measure model files against each other; `turns` 0 leaves out the time. `told` hears how many turns are done."""
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(_Worker(model, provider)) for model in models]
        slowest_ms = max(worker.first_ms for worker in workers)
        turns = min(turns, max(int(LONGEST_S * 1000 / max(slowest_ms, TURN_S * 1000)), FEWEST))
        found: list[list[float]] = [[] for _ in workers]
        for turn in range(turns):
            order = [(turn + at) % len(workers) for at in range(len(workers))]
            for at in order:
                found[at].append(workers[at].turn())
            told(turn + 1, turns)
        return [
            Measured(tuple(times), worker.memory_bytes(), worker.macs(), worker.runtime)
            for times, worker in zip(found, workers, strict=True)
        ]


def machine() -> str:
    """This machine in words: how many cores of which processor, and the system."""
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    count = cores()
    return f"{count} {'core' if count == 1 else 'cores'} of {name}, {platform.system()}"


def latency(measured: Measured) -> Figure:
    """Milliseconds a picture: median and quartiles of the turns."""
    method = f"median and quartiles of turns, one thread, {measured.runtime}"
    return _middle(measured.turns_ms, method)


def speedup(a: Measured, b: Measured) -> Figure:
    """How many times as fast as A B is: median and quartiles of the ratios of turns that followed one another."""
    ratios = [first / second for first, second in zip(a.turns_ms, b.turns_ms, strict=True)]
    return _middle(ratios, "median and quartiles of paired turns, A / B")


def count_macs(graph: "onnx.ModelProto", size: int) -> int | None:
    """Multiply-adds for one picture of `size` pixels, of convolutions and matrix products, as papers count them.

    None where the graph does not tell its shapes, or does its work by other operators.
    """
    shapes = _shapes(graph, size)
    total = 0
    for node in graph.graph.node:
        if node.op_type in _UNCOUNTED:
            return None
        if node.op_type not in _PER_OUTPUT:
            continue
        over = node.input[0] if node.op_type == "ConvTranspose" else node.output[0]
        operand, each = _PER_OUTPUT[node.op_type]
        places, other = shapes.get(over), shapes.get(node.input[operand])
        if places is None or other is None:
            return None
        total += math.prod(places) * each(other, node)
    return total or None


def _inner(shape: Sequence[int], node: "onnx.NodeProto") -> int:
    """The side over which a matrix product adds; shape: of the first matrix."""
    turned = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
    return shape[0] if turned else shape[-1]


def _window(shape: Sequence[int], node: "onnx.NodeProto") -> int:
    """Products in a place of a convolution; shape: of its weights."""
    return math.prod(shape[1:])


_PER_OUTPUT: dict[str, tuple[int, Callable[[Sequence[int], "onnx.NodeProto"], int]]] = {
    "Conv": (1, _window),
    "ConvInteger": (1, _window),
    "QLinearConv": (3, _window),
    "ConvTranspose": (1, _window),
    "MatMul": (0, _inner),
    "MatMulInteger": (0, _inner),
    "QLinearMatMul": (0, _inner),
    "Gemm": (0, _inner),
}
"""Which input tells how many products are added for a number that leaves, and how."""
_UNCOUNTED = {"Einsum", "LSTM", "GRU", "RNN", "Attention", "DeformConv"}


def _shapes(graph: "onnx.ModelProto", size: int) -> dict[str, list[int]]:
    """The shape of each tensor that has one, for a single picture."""
    import onnx

    model = onnx.ModelProto()
    model.CopyFrom(graph)
    for dimension, value in zip(model.graph.input[0].type.tensor_type.shape.dim, (1, size, size, 3), strict=True):
        dimension.dim_value = value
    del model.graph.value_info[:]  # they may speak of any number of pictures
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    found = {tensor.name: list(tensor.dims) for tensor in inferred.initializer}
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        sides = value.type.tensor_type.shape.dim
        if value.type.tensor_type.HasField("shape") and all(side.HasField("dim_value") for side in sides):
            found[value.name] = [side.dim_value for side in sides]
    return found


def _middle(numbers: Sequence[float], method: str) -> Figure:
    low, middle, high = np.percentile(numbers, [25, 50, 75]).tolist()
    return Figure(middle, low, high, len(numbers), method)


class _Worker:
    """A process that holds one model file and answers when it is asked, and else is still."""

    def __init__(self, model: ModelFile, provider: str) -> None:
        if not sys.executable or getattr(sys, "frozen", False):  # inside another program, which would start itself
            raise BadRequest("There is no Python here to measure model files in; leave out the measuring.")
        self._path = model.path
        # -I: nothing from the current folder or the environment; the packages are where they are for this process
        command = [sys.executable, "-I", "-c", _CHILD, provider, *filter(None, sys.path)]
        self._child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # Windows: no console appears
        )
        try:
            self._send(len(model.data).to_bytes(8, "big") + model.data)
            ready = self._answer()
        except BaseException:
            self._end()
            raise
        self.first_ms: float = ready["ms"]
        self.runtime: str = ready["runtime"]
        self._pictures = max(math.ceil(TURN_S * 1000 / self.first_ms), 1)

    def __enter__(self) -> "_Worker":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def turn(self) -> float:
        """Milliseconds a picture."""
        return float(self._asked(f"run {self._pictures}")["ms"])

    def memory_bytes(self) -> int | None:
        found = self._asked("memory")["bytes"]
        return None if found is None else int(found)

    def macs(self) -> int | None:
        """The last question: the process may end over it, and then there is no number."""
        try:
            found = self._asked("macs")["macs"]
        except BadModelFile:
            return None
        return None if found is None else int(found)

    def _asked(self, question: str) -> dict[str, Any]:
        self._send(question.encode() + b"\n")
        return self._answer()

    def _send(self, data: bytes) -> None:
        assert self._child.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # its answer will say why, or that there is none
            self._child.stdin.write(data)
            self._child.stdin.flush()

    def _answer(self) -> dict[str, Any]:
        assert self._child.stdout is not None
        late = threading.Timer(TIME_S, self._child.kill)
        late.start()
        try:
            line = self._child.stdout.readline()
        finally:
            late.cancel()
        if not line:
            raise BadModelFile(f"{self._path}: its process ended while it was measured (a crash, or over {TIME_S} s).")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise BadModelFile(answer["error"].replace("model:", f"{self._path}:", 1))
        return answer

    def _end(self) -> None:
        self._child.kill()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()
        self._child.wait()


def _child(provider: str) -> None:
    """The other side of `_Worker`: a model file on standard input, then questions, a line of JSON for each."""
    source = sys.stdin.buffer
    try:
        model = from_bytes(source.read(int.from_bytes(source.read(8), "big")))
        runtime, _ = open_and_check(model, provider)
        size = model.metadata.input.size
        picture = np.random.default_rng(0).integers(0, 256, (1, size, size, 3)).astype(np.uint8)

        def run(pictures: int) -> float:
            began = time.perf_counter()
            for _ in range(pictures):
                runtime.run(picture, ["scores"])
            return (time.perf_counter() - began) * 1000 / pictures

        run(WARM)
        _say({"ms": run(1), "runtime": runtime.name})
        for line in source:
            question, _, number = line.decode().partition(" ")
            if question == "run":
                _say({"ms": run(int(number))})
            elif question.strip() == "memory":
                _say({"bytes": _peak_bytes()})
            else:
                _say({"macs": _count(model)})
    except EyebrightError as error:
        _say({"error": str(error)})


def _count(model: ModelFile) -> int | None:
    import onnx

    try:
        return count_macs(onnx.load_from_string(model.data), model.metadata.input.size)
    except Exception:  # shape inference has errors of its own for graphs that the runtime takes
        return None


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
    sys.stdout.buffer.flush()


def _peak_bytes() -> int | None:
    """The most memory that this process has had at once."""
    with contextlib.suppress(OSError):  # Linux: of this program alone, not of what the process was before
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
