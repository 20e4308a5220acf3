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
def test_the_list_has_what_was_published(eyebright, monkeypatch):
    """Two networks of all, since counting takes a while; what the others count is tested beside them."""
    from eyebright import encoders
    from eyebright.encoders import catalog  # its own ENCODERS must be all of them, whichever test comes first

    assert len(catalog.ENCODERS) > 2
    some = {name: encoders.ENCODERS[name] for name in ("squeezenet-1.1", "resnet-8")}
    monkeypatch.setattr(encoders, "ENCODERS", some)
    squeezenet, resnet = map(json.loads, eyebright("encoders", "--format", "json").out.splitlines())
    assert squeezenet == {
        "name": "squeezenet-1.1",
        "paper": "Iandola et al. 2016, arXiv:1602.07360",
        "num_parameters": 1_235_496,
        "num_macs": 349_151_936,
        "size_bytes": 4_941_984,
        "input_size": 224,
    }
    assert resnet["input_size"] == 32
    header, *lines = eyebright("encoders").out.splitlines()
    assert header.split() == ["name", "parameters", "multiply-adds", "MB", "px", "paper"]
    assert lines[0].split()[:5] == ["squeezenet-1.1", "1,235,496", "349,151,936", "4.94", "224"]


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
