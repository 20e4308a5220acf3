"""Shared weights that learn come nearer to the model that they were made from, and take no more room."""

import json

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch")

from eyebright import modelfile, packed  # noqa: E402
from eyebright.compression import books, centers, compensate, share  # noqa: E402
from eyebright.compression.pack import entropy_bits, pack  # noqa: E402
from eyebright.data import Dataset  # noqa: E402
from eyebright.errors import BadRequest  # noqa: E402
from eyebright.training.distill import unlabeled  # noqa: E402
from pictures import write_patterns  # noqa: E402
from small_network import network, sealed, weights  # noqa: E402

RANDOM = np.random.default_rng(5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_patterns(tmp_path_factory.mktemp("patterns"), (("a", 14),))


@pytest.fixture(scope="module")
def pictures(folder):
    return unlabeled(str(folder), None, lambda event: None)


@pytest.fixture(scope="module")
def file():
    return sealed(network(), 20, 16)


def book(rows, bits):
    """A matrix (outputs, inputs) whose weights share values."""
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)],
        "one",
        [],
        [],
        [onnx.numpy_helper.from_array(rows, "w")],
    )
    before = onnx.helper.make_model(graph)
    return books.books_of(share.share(before, bits), before)["w"]


def test_without_labels_there_are_none(pictures):
    assert isinstance(pictures, Dataset)
    assert (len(pictures.items), pictures.labels) == (42, ())


def test_other_weights_make_up_for_an_error():
    """Where inputs go together, what one weight adds too much another can take away; outputs are what counts."""
    mixed = RANDOM.normal(size=(500, 16)) @ RANDOM.normal(size=(16, 64)) + 1
    rows = RANDOM.normal(size=(40, 64)).astype(np.float32)
    first = book(rows, 3)
    inputs = torch.from_numpy(mixed.astype(np.float32))
    after = compensate.compensated(first, compensate.Layer("x", 0), (inputs.T @ inputs / 500)[None], 0.0)
    errors = [float(((one.held() - torch.from_numpy(rows)) @ inputs.T).square().mean()) for one in (first, after)]
    assert errors[1] < 0.5 * errors[0]
    assert set(np.unique(after.held())) <= set(np.unique(first.held()))


def test_inputs_that_have_nothing_in_common_change_nothing():
    """Then the nearest center is the best."""
    rows = RANDOM.normal(size=(40, 64)).astype(np.float32)
    after = compensate.compensated(book(rows, 4), compensate.Layer("x", 0), torch.eye(64)[None], 0.0)
    values = np.unique(after.held())
    nearest = values[np.abs(rows[..., None] - values).argmin(-1)]
    assert np.array_equal(after.held().numpy(), nearest)


def test_a_price_keeps_indices_short():
    rows = RANDOM.normal(size=(40, 64)).astype(np.float32)
    first = book(rows, 5)
    bits = [entropy_bits(np.bincount(books.Choice(first, price)(rows).ravel())) for price in (0.0, 0.03, 0.1, 0.3, 1.0)]
    assert bits == sorted(bits, reverse=True)
    assert bits[-1] < 0.8 * bits[0]


def test_what_an_output_is_made_of_is_what_its_convolution_sees():
    """Rows of inputs times the weights are the outputs, at some of their places."""
    x = torch.from_numpy(RANDOM.normal(size=(1, 3, 9, 9)).astype(np.float32))
    kernel = torch.from_numpy(RANDOM.normal(size=(5, 3, 3, 3)).astype(np.float32))
    layer = compensate.Layer("x", 0, (3, 3), 1, {"strides": [2, 2], "pads": [1, 1, 1, 1]})
    rows = compensate.inputs(x, layer, np.random.default_rng(0))[0] @ kernel.flatten(1).T
    outputs = torch.nn.functional.conv2d(x, kernel, stride=2, padding=1).flatten(2)[0].T
    assert sorted(map(tuple, rows.round(decimals=3).tolist())) == sorted(map(tuple, outputs.round(decimals=3).tolist()))


def test_of_a_depthwise_convolution_each_channel_has_inputs_of_its_own():
    x = torch.from_numpy(RANDOM.normal(size=(1, 4, 5, 5)).astype(np.float32))
    kernel = torch.from_numpy(RANDOM.normal(size=(4, 1, 3, 3)).astype(np.float32))
    rows = compensate.inputs(x, compensate.Layer("x", 0, (3, 3), 4), np.random.default_rng(0))
    outputs = torch.nn.functional.conv2d(x, kernel, groups=4).flatten(2)[0]
    found = (rows @ kernel.flatten(1)[:, :, None])[..., 0]
    assert torch.allclose(found.sort(1).values, outputs.sort(1).values, atol=1e-5)


def test_a_center_moves_by_the_sum_of_its_weights_and_zero_stays():
    one = book(np.array([[0.0, 1, 1, 2] * 512], np.float32), 3)
    centers.pass_on(one, torch.arange(2048.0).reshape(1, 2048) % 4 + 1)
    assert one.centers.grad.tolist() == [0, 512 * 5, 512 * 4]


def test_learning_comes_nearer_and_the_size_is_met(file, pictures):
    most_bytes = round(0.15 * len(file.data))
    small, _ = share.within(file, round(centers.LEANER * most_bytes))
    said = []
    after = centers.taught(file, small, [pictures], 2.0, said.append, most_bytes)
    assert len(pack(after)) <= most_bytes
    assert packed.unpack(pack(after)) == after.data
    assert after.metadata.card.lineage[-1] == "shared weights learned from 38 unlabeled pictures for 2 s"
    (first, *_) = [event.text for event in said if getattr(event, "text", "").startswith("On 4 other pictures")]
    assert "; so it stays" not in first


def test_learned_weights_still_share_2_to_the_bits_values(file, pictures):
    small = share.with_shared_weights(file, 3)
    after = weights(onnx.load_from_string(centers.taught(file, small, [pictures], 1.0, lambda e: None).data))
    assert len(np.unique(after["body.weight"])) <= 8
    assert len(np.unique(after["head.weight"])) <= 8
    assert np.array_equal(after["sides"], weights(network())["sides"])
    assert after["temperature"] == np.float32(1.5)


def test_int8_weights_learn_as_whole_numbers(pictures):
    from eyebright.compression.quantize import quantize
    from eyebright.compression.ranges import measure_ranges

    graph = network()
    for node in graph.graph.node:
        node.name = node.output[0]
    noise = RANDOM.integers(0, 256, (8, 16, 16, 3)).astype(np.uint8)
    file = sealed(quantize(graph, measure_ranges(graph, [noise])), 20, 16)
    small = share.with_shared_weights(file, 3)
    after = centers.taught(file, small, [pictures], 1.0, lambda e: None)
    before, learned = (onnx.load_from_string(one.data).graph for one in (small, after))
    kinds = [[(tensor.name, tensor.data_type) for tensor in each.initializer] for each in (before, learned)]
    assert kinds[0] == kinds[1]
    assert len(np.unique(weights(onnx.load_from_string(after.data))["body.weight_quantized"])) <= 8


def test_a_few_pictures_are_too_few(file, pictures):
    small = share.with_shared_weights(file, 3)
    with pytest.raises(BadRequest, match="3 pictures are too few to learn from; give 16"):
        centers.taught(file, small, [pictures.only(pictures.items[:3])], 1.0, lambda e: None)


def test_packing_learns_from_a_folder(eyebright_process, tmp_path, file, folder):
    (tmp_path / "model.onnx").write_bytes(file.data)
    ended = eyebright_process(
        "pack", "model.onnx", "--max-size", "14kB", "--unlabeled", folder, "--time", "1s", "-o", "small.eyb",
        "--format", "json", "--plain",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert b"nats from the teacher" in ended.stderr
    size = (tmp_path / "small.eyb").stat().st_size
    assert json.loads(ended.stdout)["size_bytes"] == {"value": size}
    assert size <= 14_000
    modelfile.read(tmp_path / "small.eyb")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--unlabeled", "."), "--unlabeled teaches weights that are shared: give --bits or --max-size too."),
        (("--bits", "4", "--time", "1m"), "--time is how long shared weights learn: say from which pictures"),
        (("--bits", "4", "--unlabeled", ".", "--time", "soon"), "--time is a number with a unit"),
        (("--bits", "4", "--unlabeled", "nowhere"), "no such file or folder: nowhere"),
    ],
)
def test_what_cannot_be_learned_ends_with_2_and_a_sentence(tmp_path, monkeypatch, capfd, file, arguments, says):
    from eyebright.cli import run

    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.onnx").write_bytes(file.data)
    assert run(["pack", "model.onnx", "-o", "small.eyb", "--trust", *arguments]) == 2
    printed = capfd.readouterr()
    assert says in printed.err
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert not (tmp_path / "small.eyb").exists()
