"""A head is exchanged in seconds, without torch, in the models that ship and in those that torch exported."""

import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest

from eyebright import models
from eyebright.errors import BadModelFile
from eyebright.evaluation.calibration import activate
from eyebright.export.head import with_head

WITHOUT_TORCH = """
import sys
sys.modules.update(torch=None, sklearn=None, scipy=None)
import eyebright.export.head, eyebright.classifier.traditional
"""


def run(model, images, *outputs):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(list(outputs), {"image": images})


def random_head(labels, width):
    random = np.random.default_rng(0)
    return random.normal(size=(labels, width)) / 10, random.normal(size=labels)


def test_exchanging_a_head_needs_neither_torch_nor_scikit_learn():
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("task", "labels"), [("binary", 2), ("single", 7), ("multi", 3)])
def test_the_model_that_ships_learns_other_labels(task, labels):
    """It is an int8 model; its embedding is what it was, its old head is gone."""
    before = onnx.load(models.path("lite0"))
    images = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    weight, bias = random_head(labels, 1280)
    after = with_head(before, weight, bias, task, 1.5)
    scores, logits, embedding = run(after, images, "scores", "logits", "embedding")
    assert np.array_equal(embedding, run(before, images, "embedding")[0])
    assert logits == pytest.approx(embedding @ weight.T + bias, abs=1e-3)
    assert scores == pytest.approx(activate(logits / 1.5, task), abs=1e-6)
    assert len(after.SerializeToString()) < len(before.SerializeToString()) - 1_000_000
    assert not after.metadata_props


def test_an_export_with_another_head_is_the_export_of_the_other_classifier():
    torch = pytest.importorskip("torch")
    from eyebright.classifier import Classifier
    from eyebright.classifier.heads import linear
    from eyebright.encoders import ENCODERS
    from eyebright.export.onnx import to_onnx

    torch.manual_seed(0)
    encoder = ENCODERS["resnet-8"](width=0.25, size=32)
    one, other = (Classifier(encoder, linear(encoder, count), "single", [127.0], [60.0]).eval() for count in (3, 6))
    other.temperature.fill_(2.0)
    weight, bias = (tensor.detach().numpy() for tensor in other.head.parameters())
    exchanged, exported = with_head(to_onnx(one, 32), weight, bias, "single", 2.0), to_onnx(other, 32)

    def parts(model):
        graph = model.graph
        constants = {tensor.name: onnx.numpy_helper.to_array(tensor).tolist() for tensor in graph.initializer}
        return (
            [node.op_type for node in graph.node],
            constants,
            {output.name: output.type.SerializeToString() for output in graph.output},
        )

    assert parts(exchanged) == parts(exported)
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    assert np.array_equal(run(exchanged, images, "scores"), run(exported, images, "scores"))


def test_a_paper_head_gives_way_too():
    torch = pytest.importorskip("torch")
    from eyebright.classifier import Classifier
    from eyebright.classifier.heads import paper_head
    from eyebright.encoders import ENCODERS
    from eyebright.export.onnx import to_onnx

    torch.manual_seed(0)
    encoder = ENCODERS["resnet-8"](width=0.25, size=32)
    head = paper_head("squeezenet-1.1", encoder, 4)
    model = to_onnx(Classifier(encoder, head, "single", [127.0], [60.0]), 32)
    weight, bias = random_head(3, encoder.num_features)
    changed = with_head(model, weight, bias, "multi")
    names = {tensor.name for tensor in changed.graph.initializer}
    assert not any(name.startswith("head.output") for name in names)
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    logits, embedding = run(changed, images, "logits", "embedding")
    assert logits == pytest.approx(embedding @ weight.T + bias, abs=1e-4)


def test_an_old_operator_set_takes_no_head():
    """Its operators mean something else by the same names."""
    model = onnx.load(models.path("lite0"))
    model.opset_import[0].version = 13
    with pytest.raises(BadModelFile, match="operator set 13"):
        with_head(model, *random_head(2, 1280), "binary")
