"""`eyebright compare`: two model files on the same pictures, in text, as JSON, as a page."""

import json
import re
from html.parser import HTMLParser

import msgspec
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from eyebright import measure, modelfile, selftest
from eyebright.measure import Measured
from eyebright.modelfile import Label
from pictures import color_model, encoded, plain

COLORS = ("red", "green", "blue")


def altered(data, weight=None, **parts):
    """The bytes of a model file with another last layer (3, L), or with other metadata."""
    model = onnx.load_from_string(data)
    metadata = modelfile.from_bytes(data).metadata
    if weight is not None:
        weight = np.asarray(weight, np.float32)
        for tensor in model.graph.initializer:
            if tensor.name == "weight":
                tensor.CopyFrom(numpy_helper.from_array(weight, "weight"))
    return selftest.seal(model, msgspec.structs.replace(metadata, **parts))


@pytest.fixture
def sighted(tmp_path):
    path = tmp_path / "sighted.onnx"
    path.write_bytes(color_model(sharp=6))
    return path


@pytest.fixture
def blind(tmp_path):
    """It takes green for blue, and says all else."""
    path = tmp_path / "blind.onnx"
    path.write_bytes(altered(color_model(sharp=6), [[6, 0, 0], [0, 0, 6], [0, 0, 6]]))
    return path


@pytest.fixture
def data(tmp_path):
    for color in COLORS:
        place = tmp_path / "data" / "test" / color
        place.mkdir(parents=True)
        for number in range(10):
            (place / f"{number}.png").write_bytes(encoded(plain(color, 40 + number)))
    return tmp_path / "data"


@pytest.fixture
def timed(monkeypatch):
    """Figures of another day: no process is started."""
    day = [Measured((2.0, 4.0), 50_000_000, 1_000_000, "a runtime"), Measured((1.0, 2.0), None, None, "a runtime")]
    monkeypatch.setattr(measure, "in_turns", lambda *arguments, **how: day)


def test_one_that_is_blind_for_a_color_is_found_out(eyebright, sighted, blind, data, timed):
    ended = eyebright("compare", sighted, blind, "--data", data, "--trust")
    assert (ended.code, ended.err) == (0, "")
    assert "on 30 pictures of data, test split" in ended.out
    assert "A is better: top1 of A 1.000, B 0.667, difference -0.333 (-0.5" in ended.out
    assert re.search(r"^green +10  1.000  0.000  -1.000 \(-1.000 to -0.\d{3}\)  0.002  \*$", ended.out, re.M)
    assert "of 3, chance alone would mark about 0.2" in " ".join(ended.out.split())
    assert "these are left: green." in " ".join(ended.out.split())
    assert "B is 2.00 times as fast" in ended.out
    assert "B gets 0 pictures right that A gets wrong, and 10 wrong that A gets right." in ended.out


def test_as_json_with_the_pictures_that_flip(eyebright, sighted, blind, data, timed):
    found = json.loads(eyebright("compare", blind, sighted, "--data", data, "--trust", "--format", "json").out)
    assert found["a"]["top1"] == {**found["a"]["top1"], "value": pytest.approx(2 / 3), "n": 30, "method": "Wilson"}
    assert found["a"]["size_bytes"] == {"value": blind.stat().st_size}
    assert found["a"]["macs"] == {"value": 1_000_000}
    assert "macs" not in found["b"]
    assert found["b"]["latency_ms_p50"]["value"] == 1.5
    assert found["speedup"]["value"] == 2
    assert found["difference"]["top1"]["value"] == pytest.approx(1 / 3)
    assert found["difference"]["top1"]["p"] == 2 / 2**10
    assert found["per_class"]["c-green"]["recall"]["difference"]["value"] == 1
    assert found["flips"]["lost"] == []
    assert [flip["label"] for flip in found["flips"]["gained"]] == ["c-green"] * 10
    flip = found["flips"]["gained"][0]
    assert (flip["file"], flip["a"]["label"], flip["b"]["label"]) == ("test/green/0.png", "c-blue", "c-green")
    assert 1 / 3 < flip["b"]["score"] <= 1


def test_swapped_it_says_the_same_the_other_way_around(eyebright, sighted, blind, data, timed):
    one, other = (
        json.loads(eyebright("compare", *pair, "--data", data, "--trust", "--format", "json").out)
        for pair in ((sighted, blind), (blind, sighted))
    )
    for name, difference in one["difference"].items():
        assert difference["value"] == pytest.approx(-other["difference"][name]["value"])
        assert difference["p"] == other["difference"][name]["p"]
    assert len(one["flips"]["lost"]) == len(other["flips"]["gained"]) == 10


def test_the_same_labels_in_another_order_are_the_same(eyebright, sighted, data, tmp_path, timed):
    metadata = modelfile.read(sighted).metadata
    turned = tmp_path / "turned.onnx"
    weight = np.eye(3, dtype=np.float32)[:, [2, 0, 1]] * 6
    turned.write_bytes(altered(sighted.read_bytes(), weight, labels=tuple(metadata.labels[at] for at in (2, 0, 1))))
    found = json.loads(eyebright("compare", sighted, turned, "--data", data, "--trust", "--format", "json").out)
    assert found["b"]["top1"]["value"] == 1
    assert found["difference"]["nll"]["value"] == pytest.approx(0, abs=1e-6)
    assert found["agreement"]["value"] == 1


def test_many_labels_are_compared_by_average_precision(eyebright, data, tmp_path, timed):
    one, other = tmp_path / "many.onnx", tmp_path / "less.onnx"
    one.write_bytes(color_model("multi", sharp=6, thresholds={"c-red": 0.5, "c-green": 0.5, "c-blue": 0.5}))
    other.write_bytes(altered(one.read_bytes(), [[6, 0, 0], [0, 0, 6], [0, 0, 6]]))
    found = json.loads(eyebright("compare", one, other, "--data", data, "--trust", "--format", "json").out)
    assert found["difference"]["map"]["value"] < 0
    assert found["per_class"]["c-green"]["ap"]["difference"]["value"] < 0
    assert {(flip["label"], flip["holds"]) for flip in found["flips"]["lost"]} == {("c-green", True), ("c-blue", False)}
    flip = next(flip for flip in found["flips"]["lost"] if flip["holds"])
    assert flip["a"]["on"] is True
    assert flip["b"]["on"] is False
    ended = eyebright("compare", one, other, "--data", data, "--trust", "--html", "flips.html")
    assert "known answers" in ended.out
    page = (tmp_path / "flips.html").read_text()
    assert "<b>green</b><br>A: green, " in page
    assert "<br>B: not green, " in page


class Elements(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def test_the_page_shows_what_flips_and_needs_nothing_else(eyebright, sighted, blind, data, tmp_path, timed):
    ended = eyebright("compare", sighted, blind, "--data", data, "--trust", "--html", "flips.html")
    assert ended.code == 0
    text = (tmp_path / "flips.html").read_text()
    page = Elements()
    page.feed(text)
    pictures = [attributes for tag, attributes in page.found if tag == "img"]
    assert len(pictures) == 10
    assert all(picture["src"].startswith("data:") for picture in pictures)
    assert re.fullmatch(r"test/green/\d.png, green; A said green 0.\d\d, B said blue 0.\d\d", pictures[0]["alt"])
    assert "A is better" in text
    assert "http" not in text.replace("http-equiv", "")
    assert "A gets right, B wrong: 10" in text
    assert "B gets right, A wrong: none" in text


def test_a_page_that_exists_is_not_overwritten_unasked(eyebright, sighted, blind, data, tmp_path, timed):
    (tmp_path / "mine.html").write_text("mine")
    ask = ["compare", sighted, blind, "--data", data, "--trust", "--html", "mine.html"]
    ended = eyebright(*ask)
    assert (ended.code, ended.out, ended.err) == (2, "", "eyebright: mine.html exists; --force overwrites it.\n")
    assert (tmp_path / "mine.html").read_text() == "mine"
    assert eyebright(*ask, "--force").code == 0
    assert "A is better" in (tmp_path / "mine.html").read_text()


def test_a_label_cannot_write_into_the_page(eyebright, sighted, data, tmp_path, timed):
    said = tuple(Label(color, f"<b>{color}") for color in COLORS)
    for name, weight in (("odd", None), ("odder", [[6, 0, 0], [0, 0, 6], [0, 0, 6]])):
        made = altered(sighted.read_bytes(), weight, name="<script>alert(1)</script>", labels=said, hierarchy=())
        (tmp_path / f"{name}.onnx").write_bytes(made)
    ended = eyebright("compare", "odd.onnx", "odder.onnx", "--data", data, "--trust", "--html", "odd.html")
    assert ended.code == 0, ended.err
    text = (tmp_path / "odd.html").read_text()
    assert "<script>" not in text
    assert "<b>green" not in text
    assert "&lt;b&gt;green" in text


def test_a_picture_that_cannot_be_read_is_named_and_left_out(eyebright, sighted, blind, data, timed):
    (data / "test" / "red" / "torn.png").write_bytes(encoded(plain("red"))[:40])
    ended = eyebright("compare", sighted, blind, "--data", data, "--trust")
    assert ended.code == 1
    assert "on 30 pictures" in ended.out
    assert ended.err.count("torn.png") == 1


def test_both_are_measured_in_processes_of_their_own(eyebright, sighted, blind, data):
    found = json.loads(
        eyebright("compare", sighted, blind, "--data", data, "--trust", "--no-latency", "--format", "json").out
    )
    assert found["a"]["macs"] == found["b"]["macs"] == {"value": 9}
    assert "speedup" not in found
    assert "latency_ms_p50" not in found["a"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["sighted.onnx", "other.onnx", "--data", "data"], "only A knows blue; only B knows brown."),
        (["sighted.onnx", "warm.onnx", "--data", "data"], "A is a model of task single and B of task binary"),
        (["sighted.onnx", "blind.onnx", "--data", "single"], "1 picture cannot tell two models apart"),
        (["sighted.onnx", "blind.onnx", "--data", "nowhere"], "nowhere"),
        (["sighted.onnx", "none.onnx", "--data", "data"], "no model file at none.onnx"),
        (["sighted.onnx", "page.html", "--data", "data"], "page.html: not an ONNX model."),
        (["sighted.onnx", "blind.onnx", "--data", "data", "--html", "no/such.html"], "make it first."),
        (["sighted.onnx", "blind.onnx", "--data", "data", "--split", "train"], "data has no train split"),
        (["sighted.onnx", "blind.onnx"], "Missing option '--data'"),
        (["sighted.onnx", "--data", "data"], "Missing argument 'B'"),
    ],
)
def test_what_cannot_be_compared_ends_with_2_and_a_sentence(
    eyebright, sighted, blind, data, tmp_path, arguments, sentence
):
    """Nothing was measured, nothing is left behind."""
    labels = modelfile.read(sighted).metadata.labels
    brown = msgspec.structs.replace(labels[2], id="c-brown", label="brown")
    (tmp_path / "other.onnx").write_bytes(altered(sighted.read_bytes(), labels=(*labels[:2], brown)))
    (tmp_path / "warm.onnx").write_bytes(color_model("binary", labels=("red", "green")))
    (tmp_path / "page.html").write_text("<html>404</html>")
    for name, split in (("red", "test"), ("green", "train"), ("blue", "train")):
        for part in {split, "train"}:
            place = tmp_path / "single" / part / name
            place.mkdir(parents=True)
            (place / "1.png").write_bytes(encoded(plain(name)))
    before = sorted(tmp_path.rglob("*"))
    ended = eyebright("compare", *arguments, *(["--trust"] if "page.html" not in arguments else []))
    assert ended.code == 2
    assert ended.out == ""
    assert sentence in ended.err
    assert ended.err.splitlines()[-1].startswith("eyebright: ")
    assert sorted(tmp_path.rglob("*")) == before
