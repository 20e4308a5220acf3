"""Whatever network a classifier is made of, its model file says what the network says."""

import pytest

torch = pytest.importorskip("torch")

from eyebright import selftest  # noqa: E402
from eyebright.classifier import Classifier  # noqa: E402
from eyebright.classifier.heads import linear, paper_head  # noqa: E402
from eyebright.classifier.pixel_features import NORMALIZATION, pixel_features  # noqa: E402
from eyebright.encoders import ENCODERS  # noqa: E402
from eyebright.export import parity  # noqa: E402
from eyebright.export.onnx import OPSET, to_onnx  # noqa: E402
from eyebright.modelfile import Head, Input, Label, Metadata, from_bytes  # noqa: E402

LABELS = 5
QUICK = ("alexnet", "mobilenet-v3-small", "resnet-8", "squeezenet-1.1")
"""What exporters stumble over: pooling to a fixed map, pools that round up, branches, hard activations."""


def with_slow(quick, names):
    return [name if name in quick else pytest.param(name, marks=pytest.mark.slow) for name in names]


def alive(classifier, size):
    """The same, with batch statistics of real inputs and logits that differ from picture to picture."""
    pictures = torch.from_numpy(parity.pictures(size))
    for layer in classifier.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    classifier.train()
    with torch.inference_mode():
        classifier(pictures)
        classifier.eval()
        last = getattr(classifier.head, "output", classifier.head)
        if isinstance(last, torch.nn.Linear):  # or one label wins by its bias, whatever the picture
            last.bias -= classifier(pictures).logits.mean(0)
        # after a hundred layers that learned nothing pictures hardly differ, and rounding would be blown up with them
        deep = sum(isinstance(layer, torch.nn.Conv2d) for layer in classifier.modules()) > 100
        classifier.temperature.copy_((8 if deep else 2) * classifier(pictures).logits.std(0).mean())
        assert classifier(pictures).scores.std(0).max() > (0.01 if deep else 0.05)
    return classifier


def check(classifier, size):
    """Export, compare all outputs, for several pictures and for one, and take the self-test of the file."""
    model = to_onnx(classifier, size)
    pictures = parity.pictures(size)
    assert parity.check(classifier, model, pictures) < 1e-4
    assert parity.check(classifier, model, pictures[:1]) < 1e-4
    operators = {node.op_type for node in model.graph.node}
    assert not operators & {"If", "Loop", "Scan", "Shape", "Dropout"}
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", OPSET)]
    metadata = Metadata(
        format=1,
        name="a test",
        task=classifier.task,
        labels=tuple(Label(f"l{number}", f"l{number}") for number in range(LABELS)),
        input=Input(size=size),
        temperature="temperature",
        head=Head(*classifier.head_names),
        golden=selftest.placeholder(size, LABELS),
    )
    file = from_bytes(selftest.seal(model, metadata))
    selftest.open_tested(file)
    assert {*classifier.head_names, "temperature"} <= {tensor.name for tensor in model.graph.initializer}
    return model


@pytest.mark.parametrize("name", with_slow(QUICK, ENCODERS))
def test_every_encoder_with_its_papers_head_becomes_a_model_file(name):
    torch.manual_seed(0)
    encoder = ENCODERS[name](width=0.25, size=64)
    classifier = Classifier(encoder, paper_head(name, encoder, LABELS, 0.25), "single", [127.0], [60.0])
    model = check(alive(classifier, 64), 64)
    kept = [node.name for node in model.graph.node if node.op_type == "BatchNormalization"]
    assert all("norm" in node for node in kept)
    if not name.startswith("nasnet"):
        assert not kept


@pytest.mark.slow
@pytest.mark.parametrize("name", ENCODERS)
def test_every_encoder_at_full_width_becomes_a_model_file(name):
    torch.manual_seed(0)
    encoder = ENCODERS[name](size=96)
    check(alive(Classifier(encoder, linear(encoder, LABELS), "multi", [127.0], [60.0]), 96), 96)


def test_an_encoder_of_one_color_takes_the_same_pictures():
    torch.manual_seed(0)
    encoder = ENCODERS["resnet-8"](width=0.25, colors=1, size=32)
    means, deviations = [120.0, 115.0, 105.0], [60.0, 60.0, 60.0]
    check(alive(Classifier(encoder, linear(encoder, LABELS), "single", means, deviations), 32), 32)


def test_plain_features_of_pixels_become_a_model_file():
    torch.manual_seed(0)
    encoder = pixel_features(96)
    head = linear(encoder, LABELS)
    torch.nn.init.normal_(head.weight)
    torch.nn.init.zeros_(head.bias)
    check(alive(Classifier(encoder, head, "single", *NORMALIZATION), 96), 96)
