"""A process that holds one model file, runs it when it is asked, and else is still.

The bytes of the file go to its standard input, then questions; a line of JSON answers each. Where the system can fork,
each turn is that of a fresh process: how fast a network is depends by some percent on where its memory happens to lie,
and one process would keep its luck for all of its turns.
"""

import contextlib
import itertools
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any

import numpy as np

from eyebright import selftest
from eyebright.errors import BadModelFile, BadRequest, EyebrightError
from eyebright.measure.machine import peak_bytes
from eyebright.measure.macs import count_int8_macs, count_macs
from eyebright.modelfile import ModelFile, from_bytes
from eyebright.runtime import Runtime, open_runtime

TURN_S = 0.05
"""A turn is so long at least, and one picture at least."""
MOST_PICTURES = 500
"""In a turn."""
WARM, WARM_MS = 3, 300.0
"""Pictures before those that count: so many, but no longer than this after the first."""
TIME_S = 60  # for one answer of a process
SPIN_S = 0.05
"""Threads of a runtime look out for more work for a while; others begin only after that."""
FINE_S = 1e-5
"""A clock of the processor's time that steps in more than this tells nothing of a picture."""
_CHILD = """
import sys
sys.path[:] = sys.argv[4:]
from eyebright.measure import worker
worker._child(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
"""


class Worker:
    """The near side of such a process; a context that ends it."""

    def __init__(self, model: ModelFile, provider: str = "cpu", threads: int = 1, size: int | None = None) -> None:
        if not sys.executable or getattr(sys, "frozen", False):  # inside another program, which would start itself
            raise BadRequest("There is no Python here to measure model files in; leave out the measuring.")
        self._path = model.path
        size = size or model.metadata.input.size
        # -I: nothing from the current folder or the environment; the packages are where they are for this process
        command = [sys.executable, "-I", "-c", _CHILD, provider, str(threads), str(size), *filter(None, sys.path)]
        self._child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # those that it makes end with it
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # Windows: no console appears
        )
        try:
            self._send(len(model.data).to_bytes(8, "big") + model.data)
            ready = self._answer()
        except BaseException:
            self._end()
            raise
        self.turn_s: float = max(ready["turn_s"], TURN_S)
        self.runtime: str = ready["runtime"]
        self._exact = int("exact" in self.runtime)
        self.first_s: float = ready["first_s"]
        self.memory_bytes: int | None = ready["memory_bytes"]
        self._pictures = min(max(math.ceil(TURN_S * 1000 / ready["ms"]), 1), MOST_PICTURES)

    def __enter__(self) -> "Worker":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def turn(self) -> tuple[list[float], list[float]]:
        """Milliseconds of each picture of a turn: by the clock, and of the processor (none if that is no measure)."""
        answer = self._asked(f"run {self._exact} {self._pictures}")
        return answer["wall_ms"], answer["cpu_ms"]

    def macs(self) -> tuple[int | None, int | None]:
        """All multiply-adds, and those in 8 bits. The last question: the process may end over it."""
        try:
            answer = self._asked(f"macs {self._exact} 0")
        except BadModelFile:
            return None, None
        return answer["macs"], answer["int8"]

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
        late = threading.Timer(TIME_S, self._kill)
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

    def _kill(self) -> None:
        if sys.platform == "win32":
            self._child.kill()
        else:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)

    def _end(self) -> None:
        self._kill()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()
        self._child.wait()


def _child(provider: str, threads: int, size: int) -> None:
    """The far side of `Worker`: opens nothing itself where each question has a process of its own."""
    source = sys.stdin.buffer
    try:
        model = from_bytes(source.read(int.from_bytes(source.read(8), "big")))
        _import(provider)
        far = _Far(model, provider, threads, size)
        ask = _forked if sys.platform == "linux" and provider == "cpu" else _here
        ask(far.ready)
        for line in source:
            question, exact, pictures = line.decode().split()
            if question == "run":
                ask(partial(far.run, exact == "1", int(pictures)))
            else:
                ask(partial(far.counts, exact == "1"))
    except EyebrightError as error:
        _say({"error": str(error)})


def _here(answer: Callable[[], dict[str, Any]]) -> None:
    _say(answer())


def _forked(answer: Callable[[], dict[str, Any]]) -> None:
    """The answer of a process that is made for it and ends with it."""
    child = os.fork()
    if not child:
        try:
            _say(answer())
        except EyebrightError as error:
            _say({"error": str(error)})
        except BaseException:
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit(1)


class _Far:
    """A model file and its runtime, which is opened when it is first needed in a process."""

    def __init__(self, model: ModelFile, provider: str, threads: int, size: int) -> None:
        self.model, self.provider, self.threads, self.size = model, provider, threads, size
        self.picture = np.random.default_rng(0).integers(0, 256, (1, size, size, 3)).astype(np.uint8)
        fine = time.get_clock_info("process_time").resolution <= FINE_S
        self.tells_cpu = fine and threads == 1 and provider in ("cpu", "openvino")
        self.runtime: Runtime | None = None

    def ready(self) -> dict[str, Any]:
        """What the first run tells, and how long a turn will take at least."""
        began = time.perf_counter()
        runtime = open_runtime(self.model, self.provider, self.threads)
        self.runtime = runtime
        self._once()
        found = {"first_s": time.perf_counter() - began, "memory_bytes": peak_bytes()}
        if max(outcome.difference for outcome in selftest.check(self.model, runtime)) > selftest.CLOSE:
            runtime, _ = selftest.open_and_check(self.model, self.provider, self.threads)
        self.runtime = runtime
        warm = self._pictures(WARM)
        times = warm["cpu_ms"] or warm["wall_ms"]
        turn_s = found["first_s"] + 2 * min(warm["wall_ms"]) / 1000
        return {**found, "ms": min(times), "turn_s": turn_s, "runtime": runtime.name}

    def run(self, exact: bool, pictures: int) -> dict[str, Any]:
        if not self.runtime:
            self.runtime = open_runtime(self.model, self.provider, self.threads, exact)
            first = self._pictures(1)["wall_ms"][0]
            self._pictures(min(WARM, int(WARM_MS / first)))
        found = self._pictures(pictures)
        if self.threads > 1:
            time.sleep(SPIN_S)
        return found

    def counts(self, exact: bool) -> dict[str, int | None]:
        """Multiply-adds, and those in 8 bits."""
        import onnx

        macs = int8 = None
        with contextlib.suppress(Exception):  # shape inference has errors of its own for graphs that the runtime takes
            graph = onnx.load_from_string(self.model.data)
            macs = count_macs(graph, self.size)
            if self.provider == "cpu" and macs is not None:
                int8 = count_int8_macs(graph, self.size, exact)
        return {"macs": macs, "int8": int8}

    def _once(self) -> None:
        assert self.runtime
        try:
            self.runtime.run(self.picture, ["scores"])
        except BadModelFile as error:
            raise BadModelFile(f"{self.model.path}: {error}") from None

    def _pictures(self, count: int) -> dict[str, Any]:
        wall, cpu = [time.perf_counter()], [time.process_time()]
        for _ in range(count):
            self._once()
            cpu.append(time.process_time())
            wall.append(time.perf_counter())
        return {"wall_ms": _steps_ms(wall), "cpu_ms": _steps_ms(cpu) if self.tells_cpu else []}


def _steps_ms(clock: list[float]) -> list[float]:
    return [round(1000 * (after - before), 6) for before, after in itertools.pairwise(clock)]


def _import(provider: str) -> None:
    """The runtime's package: reading it from the disk is no cost of a model."""
    with contextlib.suppress(ImportError):  # the error that a user sees comes when it is opened
        if provider == "openvino":
            import openvino  # noqa: F401
        else:
            import onnxruntime  # noqa: F401


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
    sys.stdout.buffer.flush()
