"""`eyebright encoders`."""

import json
from importlib.util import find_spec

import pytest

needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")


@pytest.mark.skipif(find_spec("torch") is not None, reason="torch is installed")
def test_without_torch_it_is_one_line_that_installs_it(eyebright):
    for arguments in ((), ("show", "vgg-16")):
        ended = eyebright("encoders", *arguments)
        assert ended.code == 2
        assert "needs the package torch: pip install 'eyebright[train]'" in ended.err


@needs_torch
def test_the_list_has_what_was_published(eyebright):
    rows = {row["name"]: row for row in map(json.loads, eyebright("encoders", "--format", "json").out.splitlines())}
    assert len(rows) >= 29
    assert rows["resnet-50"] == {
        "name": "resnet-50",
        "paper": "He et al. 2015, arXiv:1512.03385",
        "num_parameters": 25_557_032,
        "num_macs": 4_089_184_256,
        "size_bytes": 102_228_128,
        "input_size": 224,
    }
    assert rows["resnet-8"]["input_size"] == 32


@needs_torch
def test_the_layers_add_up(eyebright):
    """Layer by layer as text and as JSON, the head of the paper at the end."""
    asked = ("encoders", "show", "squeezenet-1.1", "--width", "0.5", "--depth", "0.5", "--size", "64", "--colors", "1")
    rows = [json.loads(line) for line in eyebright(*asked, "--format", "json").out.splitlines()]
    assert rows[0]["name"] == "encoder.stem.conv"
    assert rows[0]["shape"] == [32, 62, 62]
    assert rows[0]["num_parameters"] == 32 * 9 + 32
    text = eyebright(*asked).out.splitlines()
    assert len(text) == len(rows) + 2
    assert text[0].split() == ["layer", "what", "it", "is", "leaves", "it", "parameters", "multiply-adds"]
    total = sum(row["num_parameters"] for row in rows), sum(row["num_macs"] for row in rows)
    assert text[-1].split() == ["all", *(f"{number:,}" for number in total)]
    assert len({len(line) for line in text}) == 1, "the columns are aligned"


@needs_torch
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["vgg16"], "There is no encoder 'vgg16'; did you mean vgg-16?"),
        (["zzz"], "There is no encoder 'zzz'; `eyebright encoders` lists them."),
        (["vgg-16", "--width", "0"], "The width of a network is over 0 and at most 4, not 0."),
        (["vgg-16", "--depth", "nan"], "The depth of a network is over 0 and at most 4, not nan."),
        (["vgg-16", "--size", "31"], "The size of an image is 32 to 1024 pixels a side, not 31."),
        (["vgg-16", "--colors", "0"], "An image has 1 to 16 colors, not 0."),
        (["vgg-16", "--width", "wide"], "'wide' is not a valid float"),
    ],
)
def test_what_cannot_be_built_is_one_sentence(eyebright, arguments, message):
    ended = eyebright("encoders", "show", *arguments)
    assert ended.code == 2
    assert message in ended.err
    assert ended.out == ""
