"""What computes: ONNX Runtime, and OpenVINO where it is installed."""

from importlib.util import find_spec

import numpy as np
import onnx
import pytest

from eyebright import models
from eyebright.errors import BadModelFile, BadRequest, MissingExtra
from eyebright.modelfile import from_bytes, read
from eyebright.runtime import cores, open_runtime
from pictures import color_model, noise


def changed(change):
    """The color model with something else in its graph, still sealed as it was."""
    model = onnx.load_from_string(color_model())
    change(model)
    return from_bytes(model.SerializeToString(), "changed.onnx")


def test_outputs_come_in_the_order_they_are_asked_for():
    """Only what is asked for is computed."""
    runtime = open_runtime(from_bytes(color_model()))
    pictures = np.stack([noise(8, 8, seed) for seed in range(3)])
    embedding, scores = runtime.run(pictures, ["embedding", "scores"])
    assert embedding.shape == (3, 3)
    assert scores.shape == (3, 3)
    assert scores.dtype == np.float32
    assert np.allclose(embedding, pictures.mean(axis=(1, 2)) / 255, atol=1e-6)
    assert np.allclose(scores.sum(axis=1), 1, atol=1e-6)


def test_an_unknown_provider_is_refused_with_those_there_are():
    """The list is what somebody needs who mistyped it."""
    with pytest.raises(BadRequest, match=r"no provider is called 'gpu'; there are cpu, cuda"):
        open_runtime(from_bytes(color_model()), "gpu")


def test_a_provider_that_this_build_lacks_is_refused():
    """ONNX Runtime alone would fall back to the processor without a word."""
    with pytest.raises(BadRequest, match=r"has no provider 'qnn'; it has cpu"):
        open_runtime(from_bytes(color_model()), "qnn")


def test_a_graph_that_gives_no_scores_is_refused():
    """What the names mean is the contract of a model file."""

    def rename(model):
        model.graph.node[-1].output[0] = model.graph.output[0].name = "probabilities"

    with pytest.raises(BadModelFile, match=r"changed.onnx: a model file takes `image` and gives `scores`; this"):
        open_runtime(changed(rename))


def test_a_graph_that_cannot_be_loaded_is_one_sentence():
    """ONNX Runtime's own words are many lines."""

    def cut(model):
        del model.graph.node[2]

    with pytest.raises(BadModelFile, match=r"changed.onnx: ONNX Runtime cannot use it: ") as caught:
        open_runtime(changed(cut))
    assert "\n" not in str(caught.value)


def test_a_picture_of_the_wrong_size_is_one_sentence():
    """An error while computing is an error of the file, not a traceback."""
    runtime = open_runtime(from_bytes(color_model()))
    with pytest.raises(BadModelFile, match=r"the model failed on \(1, 9, 9, 3\)") as caught:
        runtime.run(noise(9, 9)[None], ["scores"])
    assert "\n" not in str(caught.value)


def test_threads_of_the_session_change_nothing():
    """Law 3, one level down."""
    model = read(models.path())
    pictures = np.stack([noise(224, 224, seed) for seed in range(2)])
    one, two = (open_runtime(model, threads=threads).run(pictures, ["scores"])[0] for threads in (1, 2))
    assert np.array_equal(one, two)


def test_this_process_may_use_at_least_one_processor():
    """Containers and taskset allow fewer than the machine has."""
    assert cores() >= 1


@pytest.mark.skipif(find_spec("openvino") is not None, reason="openvino is installed here")
def test_openvino_without_its_extra_says_what_to_install():
    """A missing extra is one sentence."""
    with pytest.raises(MissingExtra, match=r"pip install 'eyebright\[openvino\]'"):
        open_runtime(from_bytes(color_model()), "openvino")


def test_openvino_gives_the_same_scores():
    """Law 4 for the second runtime; it would take bfloat16 by itself."""
    pytest.importorskip("openvino")
    model = from_bytes(color_model())
    pictures = np.stack([noise(8, 8, seed) for seed in range(3)])
    expected = open_runtime(model).run(pictures, ["scores"])[0]
    assert np.allclose(open_runtime(model, "openvino").run(pictures, ["scores"])[0], expected, atol=1e-4)
