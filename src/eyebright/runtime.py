"""What computes a model file's graph: ONNX Runtime, or whatever else fits the one small protocol.

`run` takes (N, H, W, 3) uint8 and gives the named outputs as float32 arrays; it may be called from several threads.
"""

import os
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from eyebright.errors import BadModelFile, BadRequest, extra
from eyebright.modelfile import ModelFile
from eyebright.preprocessing import Pixels

Floats = npt.NDArray[np.float32]

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "migraphx": "MIGraphXExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
    "xnnpack": "XnnpackExecutionProvider",
    "qnn": "QNNExecutionProvider",
}
"""Names of --provider that ONNX Runtime serves; "openvino" is a runtime of its own."""


class Runtime(Protocol):
    """One loaded graph."""

    name: str
    outputs: tuple[str, ...]

    def run(self, images: Pixels, outputs: Sequence[str]) -> list[Floats]: ...


def open_runtime(model: ModelFile, provider: str = "cpu", threads: int = 1, exact: bool = False) -> Runtime:
    """The graph of a model file, ready to run on `threads` threads of the processor, or on another provider.

    `exact`: for x86 processors without VNNI, which add 8-bit products in 16 bits, where they overflow; ONNX Runtime
    then takes a way that is right on all of them, at the speed of float.
    """
    if provider == "openvino":
        return OpenVino(model, threads)
    if provider not in PROVIDERS:
        raise BadRequest(f"no provider is called {provider!r}; there are {', '.join([*PROVIDERS, 'openvino'])}.")
    return OnnxRuntime(model, provider, threads, exact)


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def session(graph: bytes, threads: int = 1) -> Any:
    """A bare session of ONNX Runtime for a graph that was made here: it may look at any tensor, and says nothing."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


class OnnxRuntime:
    """A session of ONNX Runtime (https://onnxruntime.ai)."""

    def __init__(self, model: ModelFile, provider: str = "cpu", threads: int = 1, exact: bool = False) -> None:
        import onnxruntime as ort

        if PROVIDERS[provider] not in ort.get_available_providers():
            here = ", ".join(name for name, known in PROVIDERS.items() if known in ort.get_available_providers())
            raise BadRequest(f"this build of onnxruntime has no provider {provider!r}; it has {here}.")
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # what goes wrong is raised; a remark on stderr would be a second voice
        if exact:
            options.add_session_config_entry("session.x64quantprecision", "1")
        providers = list(dict.fromkeys([PROVIDERS[provider], PROVIDERS["cpu"]]))
        try:
            self._session = ort.InferenceSession(model.data, options, providers=providers)
        except Exception as error:  # ONNX Runtime's own exceptions share no base
            raise BadModelFile(f"{model.path}: ONNX Runtime cannot use it: {first_line(error)}") from None
        if PROVIDERS[provider] not in self._session.get_providers():
            raise BadRequest(f"the provider {provider!r} did not start on this machine.")
        self._only_what_is_asked = ort.RunOptions()
        self._only_what_is_asked.only_execute_path_to_fetches = True
        self._only_what_is_asked.log_severity_level = 4
        self.name = f"onnxruntime {ort.__version__}, {provider}{', exact 8-bit products' if exact else ''}"
        self.outputs = tuple(output.name for output in self._session.get_outputs())
        _check_contract([value.name for value in self._session.get_inputs()], self.outputs, model.path)

    def run(self, images: Pixels, outputs: Sequence[str]) -> list[Floats]:
        try:
            results: list[Floats] = self._session.run(list(outputs), {"image": images}, self._only_what_is_asked)
        except Exception as error:
            raise BadModelFile(f"the model failed on {images.shape}: {first_line(error)}") from None
        return results


class OpenVino:
    """A compiled model of OpenVINO, told to compute in float32 where it would silently take bfloat16."""

    def __init__(self, model: ModelFile, threads: int = 1) -> None:
        with extra("openvino", "the provider openvino"):
            import openvino

        core = openvino.Core()
        settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
        try:
            self._compiled = core.compile_model(core.read_model(model.data, b""), "CPU", settings)
        except Exception as error:
            raise BadModelFile(f"{model.path}: OpenVINO cannot use it: {first_line(error)}") from None
        self.name = f"openvino {openvino.__version__.split('-')[0]}, f32"
        self.outputs = tuple(output.get_any_name() for output in self._compiled.outputs)
        _check_contract([value.get_any_name() for value in self._compiled.inputs], self.outputs, model.path)

    def run(self, images: Pixels, outputs: Sequence[str]) -> list[Floats]:
        request: Any = self._compiled.create_infer_request()  # one a call, so that threads do not share it
        try:
            results = request.infer({"image": np.ascontiguousarray(images)})
        except Exception as error:
            raise BadModelFile(f"the model failed on {images.shape}: {first_line(error)}") from None
        return [np.asarray(results[name]) for name in outputs]


def _check_contract(inputs: list[str], outputs: tuple[str, ...], path: str) -> None:
    if inputs != ["image"] or "scores" not in outputs:
        raise BadModelFile(
            f"{path}: a model file takes `image` and gives `scores`; this takes {inputs}, gives {outputs}."
        )


def first_line(error: BaseException) -> str:
    """What a library says of its own failure, in one line."""
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
