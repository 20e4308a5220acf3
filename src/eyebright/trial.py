"""A model file from elsewhere is tried in a child process that may fail in any way it likes.

No look at a graph tells what it will take when it runs. The child has a time limit and, on Linux and macOS, a memory
limit, so that a graph built to exhaust this machine, or to crash the runtime, ends there.
"""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

from eyebright import textfile, texttower
from eyebright.errors import BadModelFile
from eyebright.modelfile import ModelFile, from_bytes
from eyebright.runtime import Runtime, open_runtime
from eyebright.selftest import open_tested
from eyebright.textfile import TextFile

MEMORY_BYTES = 384 << 20
"""What a model from elsewhere may take for one picture, beside three times its own size."""
TIME_S = 30
_REFUSED = 3
_CHILD = """
import sys
sys.path[:] = sys.argv[3:]
from eyebright import trial
sys.exit(trial._child(sys.argv[1], int(sys.argv[2])))
"""


def prove(model: ModelFile) -> None:
    """Run the self-test of a file from elsewhere in a child process that may fail in any way it likes."""
    _in_child(model, "check")


def probe(model: ModelFile) -> int:
    """How many scores a graph from elsewhere gives, found in a child process.

    Raises BadModelFile also where two pictures at once do not get the scores that each gets alone.
    """
    return int(_in_child(model, "probe"))


def prove_text(file: TextFile) -> None:
    """The same for a text file: its tokenizer reads and its graph runs in a child process first."""
    texttower.tokenizers()  # what is missing here is no fault of the file
    _in_child(file, "text")


def _in_child(model: ModelFile | TextFile, task: str) -> str:
    what = "text" if task == "text" else "picture"
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
        raise BadModelFile(f"{model.path}: one {what} took over {TIME_S} s, so it is not used.") from None
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


def _child(task: str, more_bytes: int) -> int:
    """The other side of `_in_child`: the model on standard input, an answer or a sentence on standard output."""
    data = sys.stdin.buffer.read()
    _limit_memory(more_bytes)
    try:
        if task == "text":
            texttower.open_tested(textfile.from_bytes(data, "model"))
            return 0
        model = from_bytes(data)
        if task == "check":
            open_tested(model)
        else:
            _say(str(_probe(model, open_runtime(model))))
    except BadModelFile as error:
        _say(str(error))
        return _REFUSED
    return 0


def _probe(model: ModelFile, runtime: Runtime) -> int:
    size = model.metadata.input.size
    pictures = np.random.default_rng(0).integers(0, 256, (2, size, size, 3)).astype(np.uint8)
    singles = np.concatenate([runtime.run(picture[None], ["scores"])[0] for picture in pictures])
    (both,) = runtime.run(pictures, ["scores"])
    if not np.isfinite(singles).all():
        raise BadModelFile(f"{model.path}: its scores are not numbers.")
    if singles.ndim != 2 or both.shape != singles.shape or not np.allclose(both, singles, atol=1e-3):
        raise BadModelFile(f"{model.path}: it does not score pictures one by one; export it with a free batch size.")
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
