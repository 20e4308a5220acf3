"""Whatever is packed unpacks into the same bytes; sharing weights changes what it says it changes, and no more."""

import json

import numpy as np
import onnx
import pytest

from eyebright import modelfile, packed, selftest
from eyebright.compression import pack, share
from eyebright.errors import BadRequest
from eyebright.modelfile import Card, Figure, Promise, Selective, Sets
from small_network import network, sealed, weights

LABELS = 5
QUICK = ("squeezenet-1.1",)
RANDOM = np.random.default_rng(3)


@pytest.fixture(scope="module")
def file():
    figure = Figure(0.9, 0.8, 0.95, 100, "Wilson")
    return sealed(
        network(),
        20,
        16,
        thresholds={"l1": 0.7},
        promises={"l1": Promise("precision>=0.9", figure, figure)},
        selective=(Selective(0.9, 0.8, 0.5, 100),),
        sets=Sets(0.1, 1, (0.9,), (0.8,), 100),
        card=Card(metrics={"top1": figure}, per_class={"l1": {"recall": figure}}, lineage=("made",), parameters=7),
    )


# packing --------------------------------------------------------------------------------------------------------------


def test_unpacking_gives_the_same_bytes_and_packing_again_the_same_file(file):
    data = pack.pack(file)
    assert packed.unpack(data) == file.data
    assert pack.pack(file) == data == pack.pack(modelfile.from_bytes(data))
    assert len(data) < len(file.data)


def test_shared_weights_take_their_entropy(file):
    """And a codebook each: the others stay what they are."""
    small = share.with_shared_weights(file, 4)
    data = pack.pack(small)
    assert packed.unpack(data) == small.data
    found = pack.account(small, data)
    assert (found.tensors, found.weights) == (3, 64 * 32 * 9 + 64 * 20 + 32 * 27)
    indices = sum(
        pack.entropy_bits(np.unique(weights(onnx.load_from_string(small.data))[name], return_counts=True)[1])
        for name in ("body.weight", "head.weight")
    )
    assert 8 * len(packed.look(data).body) < 1.02 * indices + 8 * 32 * 27 * 4


def encoders():
    from eyebright.encoders import ENCODERS

    return ENCODERS


def exported(name):
    """The float and the int8 graph of an encoder with random weights, at a quarter of its width."""
    torch = pytest.importorskip("torch")
    from eyebright.classifier import Classifier
    from eyebright.classifier.heads import linear
    from eyebright.compression.quantize import quantize
    from eyebright.compression.ranges import measure_ranges
    from eyebright.export import parity
    from eyebright.export.onnx import to_onnx

    torch.manual_seed(0)
    encoder = encoders()[name](width=0.25, size=64)
    classifier = Classifier(encoder, linear(encoder, LABELS), "single", [127.0], [60.0])
    whole = to_onnx(classifier.eval(), 64)
    yield whole
    yield quantize(whole, measure_ranges(whole, [parity.pictures(64)]))


def names():
    pytest.importorskip("torch")
    return [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in encoders()]


@pytest.mark.parametrize("name", names())
def test_every_encoder_comes_back_bit_for_bit_float_and_int8(name):
    """As it is, and with shared weights."""
    for graph, precision in zip(exported(name), ("float32", "int8"), strict=True):
        file = sealed(graph, LABELS, 64, card=Card(precision=precision))
        data = pack.pack(file)
        assert packed.unpack(data) == file.data
        small = share.with_shared_weights(file, 4, 0.3)
        shared = pack.pack(small)
        assert packed.unpack(shared) == small.data
        assert len(shared) < len(data) < len(file.data)
        types = [(tensor.name, tensor.data_type, tensor.dims) for tensor in graph.graph.initializer]
        after = onnx.load_from_string(small.data).graph
        assert [(tensor.name, tensor.data_type, tensor.dims) for tensor in after.initializer] == types
        assert after.node == graph.graph.node
        selftest.open_tested(small)


# sharing --------------------------------------------------------------------------------------------------------------


def test_a_shared_weight_has_2_to_the_bits_values_and_all_else_stays(file):
    before, after = weights(network()), weights(share.share(network(), 3))
    for name, values in before.items():
        if name in ("body.weight", "head.weight"):
            assert 4 < len(np.unique(after[name])) <= 8
        else:
            assert np.array_equal(after[name], values)


def test_more_bits_are_nearer():
    before = weights(network())["body.weight"]
    errors = [
        np.square(weights(share.share(network(), bits))["body.weight"] - before).mean() for bits in (2, 3, 4, 5, 6, 8)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-3 * np.square(before).mean()


def test_each_tensor_may_have_bits_of_its_own():
    graph = share.share(network(), {"head.weight": 2})
    after = weights(graph)
    assert len(np.unique(after["head.weight"])) == 4
    assert np.array_equal(after["body.weight"], weights(network())["body.weight"])


def test_what_is_pruned_is_the_smallest_and_stays_zero():
    """Over all large weights together."""
    before, after = weights(network()), weights(share.share(network(), 4, 0.4))
    magnitude = np.concatenate([np.abs(before[name]).ravel() for name in ("body.weight", "head.weight")])
    zero = np.concatenate([after[name].ravel() == 0 for name in ("body.weight", "head.weight")])
    assert zero[magnitude < np.quantile(magnitude, 0.399)].all()
    assert 0.4 <= zero.mean() < 0.42, "some more, where a sum is kept by that"
    pruned = share.share(network(), None, 0.4)
    for name, values in weights(share.share(pruned, 4)).items():
        if name == "body.weight":
            assert (values[weights(pruned)[name] == 0] == 0).all()


def test_the_sums_of_kernels_and_outputs_are_kept():
    """Activations are positive on average: an error that adds up over a kernel moves all that comes after."""
    before = weights(network())["body.weight"]
    after = weights(share.share(network(), 3))["body.weight"]
    step = np.diff(np.unique(after)).min()
    error = np.abs((after - before).sum((1, 2, 3)))
    plain = share._prepared(network(), 3, 0.0)["body.weight"].shared(0.0)[0]
    assert error.mean() < 0.2 * np.abs((plain - before).sum((1, 2, 3))).mean()
    assert error.mean() < step


def test_a_price_on_bits_buys_a_smaller_file_for_less_error():
    """At the entropy of 3 bits, many values that are used rarely lie nearer than few that are used often."""

    def cost(graph):
        found = weights(graph)["body.weight"]
        entropy = pack.entropy_bits(np.unique(found, return_counts=True)[1]) / found.size
        return entropy, np.square(found - weights(network())["body.weight"]).mean()

    # 0.07: about the root mean square of the weights, of which the price is a multiple
    few_bits, few_error = cost(share.share(network(), {"body.weight": 3}))
    rated = [
        cost(share.share(network(), {"body.weight": 8}, price=few_error * factor / 0.07))
        for factor in (0.1, 0.3, 0.5, 1)
    ]
    assert rated == sorted(rated, key=lambda pair: -pair[0])
    assert any(bits < few_bits and error < few_error for bits, error in rated)


def test_a_size_is_met_and_hardly_undercut(file):
    whole = len(pack.pack(file))
    for share_of in (0.3, 0.15):
        small, data = share.within(file, round(whole * share_of))
        assert 0.95 * share_of * whole < len(data) <= share_of * whole
        assert packed.unpack(data) == small.data
    with pytest.raises(BadRequest, match="cannot be packed into 1,000 bytes"):
        share.within(file, 1000)


def test_of_k_means_no_center_is_off_the_mean_of_its_points():
    points = np.sort(RANDOM.normal(size=1000))
    centers, ends = share.k_means(points, np.ones(1000), 8)
    assert len(centers) == 8
    for center, first, last in zip(centers, ends, ends[1:], strict=False):
        assert center == pytest.approx(points[first:last].mean())
    limits = (centers[1:] + centers[:-1]) / 2
    assert (np.searchsorted(points, limits) == ends[1:-1]).all()


def test_the_card_says_what_was_done_and_no_more_what_is_no_longer_true(file):
    small = share.with_shared_weights(file, 4, 0.3)
    old, new = file.metadata, small.metadata
    assert new.card.lineage == ("made", "weights shared: 4 bits, 30% pruned")
    assert (new.card.metrics, new.card.per_class, new.promises, new.selective, new.sets) == ({}, {}, {}, (), None)
    assert new.card.calibration.startswith("not established")
    assert (new.thresholds, new.labels, new.card.parameters) == (old.thresholds, old.labels, 7)
    assert new.golden != old.golden
    selftest.open_tested(small)


@pytest.mark.parametrize(
    ("bits", "prune", "says"),
    [
        (1, 0, "2 to 8 bits; 1 is not"),
        (9, 0, "2 to 8 bits; 9 is not"),
        (4, 1, "a share of the weights, 0 to 1; 1 is not"),
        (4, -0.1, "a share of the weights"),
        (4, float("nan"), "a share of the weights"),
        ({"stem.bias": 4}, 0, "'stem.bias' is not the name of a large weight"),
        ({}, 0, "nothing to share"),
    ],
)
def test_what_cannot_be_meant_is_refused(bits, prune, says):
    with pytest.raises(BadRequest, match=says):
        share.share(network(), bits, prune)


# the verbs ------------------------------------------------------------------------------------------------------------


def test_a_packed_file_can_be_used_as_it_is(eyebright_process, tmp_path, file, cat):
    (tmp_path / "small.onnx").write_bytes(file.data)
    ended = eyebright_process(
        "pack", "small.onnx", "--bits", "4", "--prune", "0.3", "-o", "small.eyb", "--format", "json"
    )
    assert ended.returncode == 0, ended.stderr
    assert b"eyebright compare small.onnx small.eyb --data" in ended.stderr
    found = json.loads(ended.stdout)
    size = (tmp_path / "small.eyb").stat().st_size
    assert found["size_bytes"] == {"value": size}
    assert found["before"] == {"size_bytes": {"value": len(file.data)}, "sha256": file.sha256}
    assert 0.25 < found["zeros"] < 0.31
    ended = eyebright_process("predict", cat, "--model", "small.eyb", "--format", "json")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["labels"]
    ended = eyebright_process("unpack", "small.eyb", "-o", "back.onnx")
    assert ended.returncode == 0, ended.stderr
    assert modelfile.read(tmp_path / "back.onnx").data == modelfile.read(tmp_path / "small.eyb").data


def test_everywhere_the_size_is_that_of_the_packed_file(tmp_path, monkeypatch, capfd, file):
    """What is downloaded and stored counts; what it unpacks into is said where a card is read."""
    from eyebright.cli import run
    from eyebright.evaluation.compare.leaderboard import entry

    monkeypatch.chdir(tmp_path)
    data = pack.pack(share.with_shared_weights(file, 2))
    (tmp_path / "small.eyb").write_bytes(data)
    read = modelfile.read("small.eyb")
    assert (read.stored_bytes, file.stored_bytes) == (len(data), len(file.data))
    assert entry("small.eyb").size_bytes == len(data)
    assert run(["inspect", "small.eyb", "--format", "json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["size_bytes"], found["unpacked_bytes"]) == (len(data), len(read.data))
    assert run(["inspect", "small.eyb"]) == 0
    assert "0.01 MB packed, 0.09 MB unpacked" in capfd.readouterr().out
    assert run(["inspect", "small.eyb", "--card"]) == 0
    assert "size: 0.01 MB" in capfd.readouterr().out


def test_with_labeled_pictures_it_says_what_it_cost_or_refuses(tmp_path, patterns, capsys):
    """Two values a tensor leave nothing of what was learned."""
    pytest.importorskip("torch")
    from eyebright.cli import run
    from eyebright.data import Dataset
    from eyebright.training import Recipe, train

    keys = {"encoder": "resnet-8", "width": 0.5, "size": 32, "epochs": 6.0, "batch": 14, "threads": 1}
    model = train(Dataset.read(patterns), tmp_path / "run", Recipe.of("scratch", keys)).model
    started = ["pack", str(model), "--data", str(patterns), "--trust", "--format", "json", "-o"]
    good, bad = tmp_path / "good.eyb", tmp_path / "bad.eyb"
    assert run([*started, str(good), "--bits", "8", "--max-drop", "20", "--max-class-drop", "100"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["contract"]["verdict"] in ("proved", "not contradicted")
    assert (
        said["contract"]["comparison"]["b"]["size_bytes"]["value"] == good.stat().st_size == said["size_bytes"]["value"]
    )
    assert run([*started, str(bad), "--bits", "2", "--prune", "0.9"]) == 2
    told = capsys.readouterr()
    assert "Nothing is written. refused" in told.err
    assert json.loads(told.out)["model"] is None
    assert not bad.exists()
    assert run(["pack", str(model), "--strict", "-o", str(bad)]) == 2
    assert "with --data" in capsys.readouterr().err
    assert run(["pack", str(good), "--trust", "-o", str(bad)]) == 2
    assert "--max-size make it smaller" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ("pack", "small.onnx", "-o", "small.eyb", "--max-size", "tiny"),
            "--max-size is a number with a unit (b, kb, mb, gb), as 480kB",
        ),
        (("pack", "small.onnx", "-o", "small.eyb", "--max-size", "1kB"), "cannot be packed into 1,000 bytes"),
        (("pack", "small.onnx", "-o", "small.eyb", "--prune", "30"), "--prune takes a share of the weights"),
        (("pack", "small.onnx", "-o", "small.onnx"), "small.onnx exists"),
        (("pack", "notes.txt", "-o", "small.eyb"), "notes.txt: not an ONNX model."),
        (("unpack", "small.onnx", "-o", "back.onnx"), "small.onnx: not a packed model file"),
        (("unpack", "cut.eyb", "-o", "back.onnx"), "cut.eyb: a packed model file that is damaged or was cut short"),
        (("predict", "notes.txt", "--model", "cut.eyb"), "cut.eyb: a packed model file that is damaged"),
        (("unpack", "none.eyb", "-o", "back.onnx"), "no model file at none.eyb"),
    ],
)
def test_what_cannot_be_done_ends_with_2_and_a_sentence(tmp_path, monkeypatch, capfd, file, arguments, says):
    """Nothing half-written."""
    from eyebright.cli import run

    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.onnx").write_bytes(file.data)
    (tmp_path / "cut.eyb").write_bytes(pack.pack(file)[:-9])
    (tmp_path / "notes.txt").write_text("dear diary")
    before = sorted(tmp_path.iterdir())
    assert run([*arguments, *["--trust"] * (arguments[0] == "pack")]) == 2
    printed = capfd.readouterr()
    assert says in printed.err
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before
