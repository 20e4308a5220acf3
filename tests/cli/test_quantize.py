"""`eyebright quantize`: a smaller file with its verdict, or one sentence and nothing."""

import errno
import json
import os
import shutil

import pytest

pytest.importorskip("torch")

from eyebright import measure, modelfile
from eyebright.compression import int8
from eyebright.data import Dataset
from eyebright.measure import Measured
from eyebright.training import Recipe, train
from models import sealed
from pictures import color_model, write_patterns

KEYS = {"encoder": "resnet-8", "width": 0.5, "size": 32, "epochs": 6.0, "batch": 14, "threads": 1, "save_s": 0.0}
GENEROUS = ("--max-drop", "100", "--max-class-drop", "100", "--trust", "--plain")


@pytest.fixture(scope="module")
def model(patterns, tmp_path_factory):
    run = tmp_path_factory.mktemp("quantize") / "run"
    return train(Dataset.read(patterns), run, Recipe.of("scratch", KEYS)).model


@pytest.fixture(autouse=True)
def timed(monkeypatch):
    """Figures of another day: no process is started."""
    day = [Measured((2.0, 4.0), 50_000_000, 1_000_000, "a runtime"), Measured((1.0, 2.0), None, None, "a runtime")]
    monkeypatch.setattr(measure, "in_turns", lambda *arguments, **how: day)


@pytest.fixture
def quantize(eyebright):
    return lambda *arguments: eyebright("quantize", *arguments, "-o", "small.onnx", *GENEROUS)


def refused(ended, tmp_path, *words):
    """One sentence that says these words, and nothing new in the folder but what was made before."""
    assert ended.code == 2
    *_, last = ended.err.splitlines()
    for word in words:
        assert word in last
    assert not (tmp_path / "small.onnx").exists()
    assert not list(tmp_path.glob("*.partial"))


def test_it_writes_the_file_with_its_verdict(quantize, eyebright, model, patterns, tmp_path):
    before = model.read_bytes()
    ended = quantize(model, "--calibrate", patterns)
    assert ended.code == 0, ended.err
    assert "on 24 pictures of patterns that had no say in making it" in ended.out
    assert "- calibrated with 42 training pictures" in ended.out
    assert "proved: top1" in ended.out
    assert "B is 2.00 times as fast" in ended.out
    assert ended.out.splitlines()[-1].startswith("small.onnx: 0.0")
    small = modelfile.read(tmp_path / "small.onnx")
    assert small.metadata.card.precision == "int8"
    assert model.read_bytes() == before
    assert eyebright("verify", "small.onnx").code == 0


def test_as_json(quantize, model, patterns, tmp_path):
    ended = quantize(model, "--calibrate", patterns, "--format", "json")
    found = json.loads(ended.out)
    assert (found["model"], found["verdict"], found["measure"]) == ("small.onnx", "proved", "top1")
    assert found["drop"]["n"] == 24
    assert found["drop"]["bound"] <= found["drop"]["difference"]["value"]
    assert found["sentence"].startswith("proved: ")
    assert found["labels"] == {}
    assert found["not_judged"] == ["blobs", "checks", "stripes"]
    assert found["steps"][0] == "calibrated with 42 training pictures"
    comparison = found["comparison"]
    assert comparison["b"]["size_bytes"]["value"] == (tmp_path / "small.onnx").stat().st_size
    assert comparison["speedup"]["value"] == 2
    assert {"flips", "agreement", "per_class"} <= comparison.keys()


def test_a_page_shows_the_pictures_that_flip(quantize, model, patterns, tmp_path):
    assert quantize(model, "--calibrate", patterns, "--html", "report.html").code == 0
    page = (tmp_path / "report.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "24 pictures of patterns that had no say in making it" in page


def test_strict_takes_only_what_is_proved(eyebright, model, patterns, tmp_path):
    ended = eyebright(
        "quantize", model, "--calibrate", patterns, "-o", "small.onnx", "--strict", "--trust", "--max-drop", "20"
    )
    if ended.code == 0:  # 24 pictures prove no more than that a fifth is not lost
        assert "proved" in ended.out
    ended = eyebright(
        "quantize", model, "--calibrate", patterns, "-o", "smaller.onnx", "--strict", "--half", "--trust", "--plain"
    )
    assert ended.code == 2
    assert "since --strict takes only what is proved. not contradicted: top1" in ended.err
    assert not (tmp_path / "smaller.onnx").exists()


def test_what_is_refused_is_still_told(eyebright, model, patterns, monkeypatch, tmp_path):
    """The table and the JSON say what came nearest; no file is written."""
    arguments = (
        "quantize",
        model,
        "--calibrate",
        patterns,
        "-o",
        "small.onnx",
        "--strict",
        "--half",
        "--trust",
        "--plain",
    )
    assert "- weights stored in 16 bits" in eyebright(*arguments).out
    found = json.loads(eyebright(*arguments, "--format", "json").out)
    assert found["model"] is None
    assert found["verdict"] == "not contradicted"
    real = int8.way_of
    monkeypatch.setattr(int8, "way_of", lambda case, graph: real(case, graph)._replace(lost=0.25))
    ended = eyebright("quantize", model, "--calibrate", patterns, "-o", "small.onnx", "--trust", "--plain")
    refused(ended, tmp_path, "Nothing is written: in 8 bits it loses 25.00 points")


@pytest.mark.parametrize(("option", "said"), [("--half", "stored in 16 bits"), ("--weights-only", "stored in 8 bits")])
def test_weights_alone_in_fewer_bits(quantize, model, patterns, tmp_path, option, said):
    ended = quantize(model, "--calibrate", patterns, option)
    assert ended.code == 0, ended.err
    assert f"- weights {said}, computed in float32" in ended.out
    assert (tmp_path / "small.onnx").stat().st_size < model.stat().st_size


def test_other_data_report(quantize, model, patterns, tmp_path):
    others = write_patterns(tmp_path / "others", (("test", 5),), seed=3)
    ended = quantize(model, "--calibrate", patterns, "--report", others)
    assert ended.code == 0, ended.err
    assert "on 15 pictures of patterns and others that had no say in making it" in ended.out
    shutil.rmtree(others / "test" / "blobs")
    (others / "test" / "stripes").rename(others / "test" / "STRIPES")
    ended = quantize(model, "--calibrate", patterns, "--report", others, "--force")
    assert ended.code == 0, "labels are the model's, whatever their case; one may be missing"


def test_pictures_that_calibrate_do_not_report_too(quantize, model, patterns, tmp_path):
    ended = quantize(model, "--calibrate", patterns, "--report", patterns)
    refused(ended, tmp_path, "66 pictures would calibrate or choose and report too", "take them out of one of the sets")


def test_a_broken_picture_is_named_and_left_out(quantize, model, patterns, tmp_path):
    shutil.copytree(patterns, tmp_path / "photos")
    (tmp_path / "photos" / "train" / "blobs" / "torn.jpg").write_text("dear diary")
    ended = quantize(model, "--calibrate", tmp_path / "photos")
    assert ended.code == 0
    assert "Left out: train/blobs/torn.jpg: " in ended.err
    assert "- calibrated with 42 training pictures" in ended.out


def test_a_file_that_exists_stays(quantize, model, patterns, tmp_path):
    (tmp_path / "small.onnx").write_text("mine")
    ended = quantize(model, "--calibrate", patterns)
    assert (ended.code, ended.err) == (2, "eyebright: small.onnx exists; --force overwrites it.\n")
    assert (tmp_path / "small.onnx").read_text() == "mine"
    assert quantize(model, "--calibrate", patterns, "--force").code == 0


def test_the_model_itself_is_never_replaced(eyebright, model, patterns):
    before = model.read_bytes()
    ended = eyebright("quantize", model, "--calibrate", patterns, "-o", model, "--force", *GENEROUS)
    assert ended.code == 2
    assert "-o names the model itself" in ended.err
    assert model.read_bytes() == before


@pytest.mark.parametrize("step", ["replace", "write"])
def test_a_full_disk_leaves_nothing(quantize, model, patterns, tmp_path, monkeypatch, step):
    def full(*arguments, **how):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(*((os, "replace") if step == "replace" else ("pathlib.Path.write_bytes",)), full)
    ended = quantize(model, "--calibrate", patterns)
    monkeypatch.undo()
    refused(ended, tmp_path, "small.onnx cannot be written: no space left on device")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--max-drop", "200"), "--max-drop is in percentage points, 0 to 100; 200 is not."),
        (("--max-drop", "nan"), "--max-drop is in percentage points"),
        (("--max-drop", "abc"), "'abc' is not a valid float"),
        (("--max-class-drop", "-1"), "--max-class-drop is in percentage points"),
        (("--learn", "soon"), "--learn is a number with a unit, as 90s, 10m or 2h; got 'soon'."),
        (("--learn", "1m", "--half"), "--learn is for int8"),
        (("-o", "nowhere/small.onnx"), "there is no folder"),
        (("--report", "nowhere"), "nowhere"),
        (("--reader", "nonsense"), "nonsense"),
    ],
)
def test_bad_options_are_one_sentence(eyebright, model, patterns, tmp_path, options, words):
    refused(
        eyebright("quantize", model, "--calibrate", patterns, "-o", "small.onnx", "--trust", *options), tmp_path, words
    )


def test_data_of_another_task(quantize, patterns, tmp_path):
    (tmp_path / "many.onnx").write_bytes(color_model("multi", labels=("blobs", "checks", "stripes")))
    refused(
        quantize(tmp_path / "many.onnx", "--calibrate", patterns), tmp_path, "is labeled for task single", "task multi"
    )


def test_data_of_other_labels(quantize, model, patterns, tmp_path):
    (tmp_path / "colors.onnx").write_bytes(color_model())
    ended = quantize(tmp_path / "colors.onnx", "--calibrate", patterns)
    refused(ended, tmp_path, "knows none of the labels", "blobs", "red")


def test_too_few_pictures(quantize, model, tmp_path):
    few = write_patterns(tmp_path / "few", (("train", 3), ("validation", 2), ("test", 2)))
    refused(quantize(model, "--calibrate", few), tmp_path, "9 pictures are too few to calibrate with; give 16 at least")


def test_an_int8_model(quantize, eyebright, model, patterns, tmp_path):
    quantize(model, "--calibrate", patterns)
    for option in ((), ("--half",), ("--weights-only",)):
        ended = eyebright("quantize", "small.onnx", "--calibrate", patterns, "-o", "again.onnx", *option, *GENEROUS)
        assert ended.code == 2
        assert "small.onnx is int8 already; give the float model file" in ended.err
        assert not (tmp_path / "again.onnx").exists()


def test_a_model_that_does_no_work_in_convolutions(quantize, patterns, tmp_path):
    (tmp_path / "product.onnx").write_bytes(color_model(labels=("blobs", "checks", "stripes")))
    ended = quantize(tmp_path / "product.onnx", "--calibrate", patterns)
    refused(ended, tmp_path, "product.onnx: MatMul (product) cannot be computed in 8 bits here")


def test_no_model_file_at_all(quantize, patterns, tmp_path):
    refused(quantize("nothing.onnx", "--calibrate", patterns), tmp_path, "no model file at nothing.onnx")
    (tmp_path / "text.onnx").write_text("dear diary")
    refused(quantize("text.onnx", "--calibrate", patterns), tmp_path, "text.onnx")
    (tmp_path / "tiny.onnx").write_bytes(sealed().data)
    refused(quantize("tiny.onnx", "--calibrate", tmp_path / "nowhere"), tmp_path, "nowhere")
