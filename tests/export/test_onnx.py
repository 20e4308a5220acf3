"""What is exported is the network, in the contract of a model file."""

import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
import pytest

torch = pytest.importorskip("torch")

from eyebright.classifier import Classifier  # noqa: E402
from eyebright.encoders import Encoder  # noqa: E402
from eyebright.encoders.layers import same_conv  # noqa: E402
from eyebright.errors import BadModelFile  # noqa: E402
from eyebright.export import parity  # noqa: E402
from eyebright.export.onnx import to_onnx  # noqa: E402


def tiny(task="single", labels=3, mean=(127.0,), std=(128.0,)):
    """A classifier of one convolution, with norms that have seen something."""
    torch.manual_seed(0)
    conv = same_conv(3, 8, 3, 2, act=torch.nn.ReLU6)
    torch.nn.init.uniform_(conv.norm.running_mean, -1, 1)
    torch.nn.init.uniform_(conv.norm.running_var, 0.5, 2)
    return Classifier(Encoder({"stem": conv}, 8, 2), torch.nn.Linear(8, labels), task, mean, std).eval()


def run(model, images):
    """Scores, logits, embedding and features."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["scores", "logits", "embedding", "features"], {"image": images})


def initializers(model):
    return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


@pytest.fixture(scope="module")
def exported(lite0):
    return to_onnx(lite0, 224)


def test_the_export_equals_the_network_in_every_output(lite0, exported):
    images = parity.pictures(224)
    with torch.inference_mode():
        network = lite0(torch.from_numpy(images))
    for name, expected, found in zip(network._fields, network, run(exported, images), strict=True):
        assert np.abs(found - expected.numpy()).max() < (1e-4 if name == "scores" else 1e-3), name
    assert parity.check(lite0, exported, images) < 1e-4


def test_an_export_that_differs_is_refused(lite0, exported):
    other = onnx.ModelProto()
    other.CopyFrom(exported)
    bias = next(tensor for tensor in other.graph.initializer if tensor.name == "head.bias")
    bias.CopyFrom(onnx.numpy_helper.from_array(np.arange(1000, dtype=np.float32) / 1000, "head.bias"))
    with pytest.raises(BadModelFile, match="off by"):
        parity.check(lite0, other, parity.pictures(224))


def test_a_batch_equals_its_singles(exported):
    images = parity.pictures(224)
    alone = np.concatenate([run(exported, image[None])[0] for image in images])
    assert np.abs(run(exported, images)[0] - alone).max() < 1e-4


def test_the_file_keeps_the_contract(exported):
    assert [(entry.domain, entry.version) for entry in exported.opset_import] == [("", 20)]
    assert exported.ir_version == 10
    assert not exported.functions
    types = {value.name: value.type.tensor_type for value in (*exported.graph.input, *exported.graph.output)}
    shapes = {name: [size.dim_param or size.dim_value for size in kind.shape.dim] for name, kind in types.items()}
    assert shapes == {
        "image": ["N", 224, 224, 3],
        "scores": ["N", 1000],
        "logits": ["N", 1000],
        "embedding": ["N", 1280],
        "features": ["N", 1280, 7, 7],
    }
    assert types.pop("image").elem_type == onnx.TensorProto.UINT8
    assert {kind.elem_type for kind in types.values()} == {onnx.TensorProto.FLOAT}


def test_norms_and_padding_are_inside_the_convolutions(exported):
    operators = [node.op_type for node in exported.graph.node]
    assert operators.count("Conv") == 49
    assert not {"BatchNormalization", "Pad"} & set(operators)
    stem = next(node for node in exported.graph.node if node.name == "encoder.stem.conv")
    assert next(list(item.ints) for item in stem.attribute if item.name == "pads") == [0, 0, 1, 1]


def test_nothing_of_this_machine_is_in_the_file(exported):
    text = exported.SerializeToString()
    for trace in (sys.prefix, tempfile.gettempdir(), os.path.expanduser("~"), "site-packages", ".py", "aten"):
        assert trace.encode() not in text


def test_the_same_network_gives_the_same_bytes():
    assert to_onnx(tiny(), 32).SerializeToString() == to_onnx(tiny(), 32).SerializeToString()


def test_exporting_leaves_the_classifier_as_it_is():
    classifier = tiny()
    before = {name: weight.clone() for name, weight in classifier.state_dict().items()}
    to_onnx(classifier, 32)
    assert all(torch.equal(weight, before[name]) for name, weight in classifier.state_dict().items())
    assert classifier.state_dict().keys() == before.keys()


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_the_temperature_and_the_head_stand_under_their_names(temperature):
    classifier = tiny()
    classifier.temperature.fill_(temperature)
    model = to_onnx(classifier, 32)
    found = initializers(model)
    assert found["temperature"] == pytest.approx(temperature)
    assert np.array_equal(found["head.weight"], classifier.head.weight.detach())
    assert np.array_equal(found["head.bias"], classifier.head.bias.detach())
    scores, logits, *_ = run(model, parity.pictures(32))
    assert torch.softmax(torch.tensor(logits) / temperature, 1).numpy() == pytest.approx(scores, abs=1e-6)


@pytest.mark.parametrize(("task", "labels"), [("single", 3), ("binary", 2), ("multi", 3)])
def test_scores_are_what_the_task_says(task, labels):
    classifier = tiny(task, labels, mean=(123.7, 116.3, 103.5), std=(58.4, 57.1, 57.4))
    model = to_onnx(classifier, 33)
    scores, logits, *_ = run(model, parity.pictures(33))
    assert parity.check(classifier, model, parity.pictures(33)) < 1e-4
    if task == "multi":
        assert scores == pytest.approx(1 / (1 + np.exp(-logits)), abs=1e-6)
    else:
        assert scores.sum(1) == pytest.approx(np.ones(4), abs=1e-6)


WITHOUT_TORCH = """
import importlib, pkgutil, sys
sys.modules.update(torch=None, onnxscript=None, safetensors=None)
workshop = tuple(f"eyebright.{name}" for name in ("encoders", "classifier", "training", "export", "compression"))
import eyebright
for module in pkgutil.walk_packages(eyebright.__path__, "eyebright.", onerror=lambda name: None):
    if not module.name.startswith((*workshop, "eyebright.__main__")):
        importlib.import_module(module.name)
"""


def test_nothing_outside_the_workshop_needs_torch():
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
