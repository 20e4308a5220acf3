"""A graph as a torch module says what the network says that it was exported from, and what ONNX Runtime says of it."""

from functools import lru_cache

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

torch = pytest.importorskip("torch")

from eyebright.classifier import Classifier  # noqa: E402
from eyebright.classifier.heads import linear, paper_head  # noqa: E402
from eyebright.compression.quantize import quantize, with_even_pixels  # noqa: E402
from eyebright.compression.ranges import measure_ranges  # noqa: E402
from eyebright.encoders import ENCODERS  # noqa: E402
from eyebright.errors import BadModelFile  # noqa: E402
from eyebright.export import parity  # noqa: E402
from eyebright.export.network import Network  # noqa: E402
from eyebright.export.onnx import to_onnx  # noqa: E402
from models import graph  # noqa: E402

QUICK = ("mobilenet-v3-small", "resnet-8", "squeezenet-1.1")
"""Gates and hard activations, sums, branches and pools that round up."""
SIDE = 64


def with_slow(quick, names):
    return [name if name in quick else pytest.param(name, marks=pytest.mark.slow) for name in names]


@lru_cache(maxsize=len(QUICK))
def exported(name, paper=False):
    """A classifier that has seen pictures, its graph, and these."""
    torch.manual_seed(0)
    size = 96 if name == "inception-v3" else SIDE
    encoder = ENCODERS[name](width=0.25, size=size)
    head = paper_head(name, encoder, 5, 0.25) if paper else linear(encoder, 5)
    found = Classifier(encoder, head, "single", (123.7, 116.3, 103.5), (58.4, 57.1, 57.4))
    pictures = torch.from_numpy(parity.pictures(size))
    for layer in found.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    with torch.inference_mode():
        found.train()(pictures)
    return found.eval(), to_onnx(found, size), pictures


def runtimes(model, pictures):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in model.graph.output]
    return dict(zip(names, session.run(names, {"image": pictures.numpy()}), strict=True))


@pytest.mark.parametrize("paper", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", with_slow(QUICK, ENCODERS))
def test_the_way_back_leads_to_what_was_exported(name, paper):
    network, model, pictures = exported(name, paper)
    with torch.inference_mode():
        expected = network(pictures)
        found = Network(model)(pictures)
    for output in ("scores", "logits", "embedding", "features"):
        theirs = getattr(expected, output)
        assert found[output].shape == theirs.shape
        close = (1e-4 if output == "scores" else 1e-3) * max(float(theirs.abs().max()), 1)
        assert (found[output] - theirs).abs().max() <= close, output


@pytest.mark.parametrize("name", with_slow(QUICK, ENCODERS))
def test_what_is_rounded_is_rounded_as_the_runtime_does(name):
    """Each step from what the runtime has before it: only what lies halfway may round to the other side.

    The mean of four whole numbers often does, and a sum in another order comes close. Over all steps such differences
    grow without end in a deep network that has learned nothing.
    """
    _, model, pictures = exported(name)
    full = with_even_pixels(model)
    small = quantize(full, measure_ranges(full, [pictures.numpy()]))
    rounded = [node for node in small.graph.node if node.op_type == "QuantizeLinear"]
    seen = onnx.ModelProto()
    seen.CopyFrom(small)
    seen.graph.output.extend(onnx.ValueInfoProto(name=node.output[0]) for node in rounded)
    theirs = runtimes(seen, pictures)
    network = Network(small)
    known = {"image": pictures, **network.constants}
    scales = {}
    for node in rounded:
        scale, zero = (network.constants[part].float() for part in node.input[1:3])
        theirs[node.output[0]] = (torch.from_numpy(theirs[node.output[0]]).float() - zero) * scale
        scales[node.output[0]] = float(scale)
    with torch.inference_mode():
        for step in network.steps:
            name = step.node.output[0]
            ours = step.compute(*(known[part] if part else None for part in step.node.input))
            if name in scales:
                apart = ((ours - theirs[name]).abs() / scales[name]).round()
                assert apart.max() <= 1, name
                before = known[step.node.input[0]] / scales[name]
                halfway = (before - before.floor() - 0.5).abs()
                assert (halfway[apart > 0] < 1e-3).all(), name
            known[name] = theirs[name] if name in scales else ours
    logits = torch.from_numpy(theirs["logits"])
    assert (known["logits"] - logits).abs().max() <= 1e-3 * max(float(logits.abs().max()), 1)


def test_weights_that_are_put_in_learn_through_all_that_is_rounded():
    _, full, pictures = exported("resnet-8")
    small = quantize(full, measure_ranges(full, [pictures.numpy()]))
    module = Network(small)
    put = {
        name: value.float().requires_grad_() for name, value in module.constants.items() if value.dtype == torch.int8
    }
    put = {name: value for name, value in put.items() if name.endswith("weight_quantized")}
    torch.testing.assert_close(module(pictures, put)["logits"], module(pictures)["logits"])
    module(pictures, put)["logits"][:, 0].sum().backward()
    assert len(put) > 7
    for name, value in put.items():
        assert bool(value.grad.isfinite().all()), name
        assert value.grad.abs().max() > 0, name


def test_what_the_range_cuts_off_learns_nothing_and_what_it_keeps_does():
    """The straight-through estimator."""
    nodes = [
        helper.make_node("QuantizeLinear", ["image", "scale", "zero"], ["small"]),
        helper.make_node("DequantizeLinear", ["small", "scale", "zero"], ["scores"]),
    ]
    made = helper.make_graph(
        nodes,
        "rounding",
        [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, ["N"])],
        [helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, ["N"])],
        [
            onnx.numpy_helper.from_array(np.array(0.1, np.float32), "scale"),
            onnx.numpy_helper.from_array(np.array(10, np.uint8), "zero"),
        ],
    )
    values = torch.tensor([-3.0, -0.52, 0.04, 20.0, 40.0], requires_grad=True)
    found = Network(helper.make_model(made))(values)["scores"]
    torch.testing.assert_close(found, torch.tensor([-1.0, -0.5, 0.0, 20.0, 24.5]))
    found.sum().backward()
    assert values.grad.tolist() == pytest.approx([0, 1, 1, 1, 0])


def test_an_operator_that_no_network_of_ours_has_is_named():
    extra = helper.make_node("Erf", ["first"], ["bent"], "the bend")
    with pytest.raises(BadModelFile, match="The operator Erf of the bend cannot be learned through"):
        Network(graph(extra=[extra], top="bent"))


def test_nothing_is_held_longer_than_it_is_read():
    """A network of a hundred layers would otherwise keep all of its maps."""
    module = Network(exported("resnet-8")[1])
    freed = [name for names in module.done for name in names]
    assert len(freed) == len(set(freed))
    made = {output for step in module.steps for output in step.node.output}
    assert made - set(freed) == set(module.outputs)
