"""Other sizes of the input: `evaluate --sizes`, `predict --size`, `embed --size`."""

import json

import msgspec
import numpy as np
import pytest
from PIL import Image

from evidence_models import LABELS, graph, metadata
from eyebright import modelfile, selftest
from eyebright.modelfile import Input
from pictures import encoded

BRIGHT = 240


@pytest.fixture
def model(tmp_path):
    """It takes 32 and 16 pixels a side: what it looks at is the mean of the colors."""
    made = graph(np.eye(3) * 40, np.full(3, -2.0), places=32)
    for output, sides in ((made.graph.input[0], (1, 2)), (made.graph.output[3], (2, 3))):
        for side, name in zip(sides, "HW", strict=True):
            output.type.tensor_type.shape.dim[side].dim_param = name
    said = msgspec.structs.replace(
        metadata(), input=Input(size=32, sizes=(16, 32), interpolation="nearest"), golden=selftest.placeholder(32, 3)
    )
    (tmp_path / "model.onnx").write_bytes(selftest.seal(made, said))
    return tmp_path / "model.onnx"


@pytest.fixture
def data(tmp_path):
    """Pictures of 32 x 32: every second pixel has the label's color, those between, which 16 pixels see, another's."""
    for at, label in enumerate(LABELS):
        place = tmp_path / "data" / "test" / label
        place.mkdir(parents=True)
        for number in range(8):
            pixels = np.zeros((32, 32, 3), np.uint8)
            pixels[..., at] = BRIGHT
            if number < 3:  # and these only are told otherwise at 16
                pixels[1::2, 1::2] = np.roll((BRIGHT, 0, 0), at + 1)
            (place / f"{number}.png").write_bytes(encoded(Image.fromarray(pixels)))
    return tmp_path / "data"


def test_a_smaller_input_is_set_against_the_first(eyebright, model, data):
    ended = eyebright("evaluate", model, data, "--sizes", "32,16", "--no-latency", "--trust", "--format", "json")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    first, second = found["sizes"]
    assert found["pictures"] == 24
    assert (first["size"], second["size"]) == (32, 16)
    assert "difference" not in first
    assert first["top1"]["value"] == 1
    assert second["top1"]["value"] == pytest.approx(15 / 24)
    against = second["difference"]["top1"]
    assert against["value"] == pytest.approx(-9 / 24)
    assert against["low"] < against["value"] < against["high"] < 0
    assert against["p"] == pytest.approx(2 / 2**9)
    assert second["macs"]["value"] > 0


def test_the_table(eyebright, model, data):
    ended = eyebright("evaluate", model, data, "--sizes", "16,32", "--trust")
    assert ended.code == 0, ended.err
    assert "less that at 16" in ended.out
    assert "+0.375" in ended.out
    assert "times as fast as 16" in ended.out


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--sizes", "32,24"], "takes pictures of side 16, 32; 24 is not among them"),
        (["--sizes", "32"], "two or more sizes"),
        (["--sizes", "32,32"], "two or more sizes"),
        (["--sizes", "32;16"], "whole numbers with commas"),
        (["--sizes", "32,16", "--report", "report"], "leave out --report"),
    ],
)
def test_sizes_that_cannot_be_meant(eyebright, model, data, asked, said):
    ended = eyebright("evaluate", model, data, *asked, "--trust")
    assert ended.code == 2
    assert said in ended.err
    assert ended.err.count("\n") == 1


def test_predict_and_embed_take_a_size_that_the_file_lists(eyebright, model, data, tmp_path):
    picture = data / "test" / "red" / "0.png"
    said = [
        json.loads(eyebright("predict", picture, "--model", model, "--size", size, "--trust", "--format", "json").out)[
            "labels"
        ][0]["label"]
        for size in (32, 16)
    ]
    assert said == ["red", "green"]
    for size in (32, 16):
        ended = eyebright("embed", picture, "--model", model, "--size", size, "--trust", "-o", f"{size}.npz")
        assert ended.code == 0, ended.err
    (wide,), (narrow,) = (np.load(tmp_path / f"{size}.npz")["embedding"] for size in (32, 16))
    assert wide.shape == narrow.shape
    assert not np.allclose(wide, narrow)
    for verb in (("predict",), ("embed", "-o", "x.npz")):
        ended = eyebright(verb[0], picture, "--model", model, "--size", "24", "--trust", *verb[1:])
        assert ended.code == 2
        assert "24 is not among them" in ended.err


def test_the_file_at_another_size_is_the_same_file(model):
    from eyebright.evaluation.sizes import at_size

    file = modelfile.read(model)
    small = at_size(file, 16)
    assert small.metadata.input.size == 16
    assert at_size(small, 32).metadata == file.metadata
    selftest.open_tested(small)
