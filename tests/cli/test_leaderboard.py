"""`eyebright leaderboard`: runs by what their cards say, and only like beside like."""

import csv
import io
import json

import msgspec
import pytest

from eyebright import modelfile, selftest
from eyebright.modelfile import Card, Figure, Latency
from pictures import color_model

DATA = "colors: 90 train, 20 validation, 40 test pictures; content 0123456789abcdef"


@pytest.fixture
def runs(tmp_path):
    """`runs("mine", top1=0.9)` makes a run folder whose card says so."""
    import onnx

    def make(name, data=DATA, split="test", n=40, task="single", **figures):
        folder = tmp_path / name
        folder.mkdir()
        made = color_model(task, labels=("red", "green") if task == "binary" else ("red", "green", "blue"))
        metrics = {key: Figure(value, 0.25, 0.99, n, f"{split} split; Wilson") for key, value in figures.items()}
        metadata = modelfile.from_bytes(made).metadata
        metadata = msgspec.structs.replace(metadata, card=Card(data=data, metrics=metrics, parameters=12))
        (folder / "model.onnx").write_bytes(selftest.seal(onnx.load_from_string(made), metadata))
        return folder

    return make


def test_the_best_stands_first(eyebright, runs):
    for name, value in (("fair", 0.7), ("good", 0.9), ("poor", 0.5)):
        runs(name, top1=value, ece=0.02)
    ended = eyebright("leaderboard", "fair", "good", "poor")
    assert (ended.code, ended.err) == (0, "")
    title, header, *rows = ended.out.splitlines()
    assert title == f"{DATA}, test split, 40 pictures:"
    assert header.split() == ["run", "top1", "ece", "MB", "parameters", "pixels", "kind"]
    assert [row.split()[0] for row in rows] == ["good", "fair", "poor"]
    assert "0.900 (0.250 to 0.990)  0.020  0.00          12       8  float32" in rows[0]


@pytest.mark.parametrize(
    "other",
    [{"data": "photos: 9 train"}, {"split": "validation"}, {"n": 39}, {"task": "multi", "map": 0.99}],
)
def test_figures_of_other_pictures_stand_apart_and_it_is_said(eyebright, runs, other):
    runs("ours", top1=0.7)
    runs("theirs", **{"top1": 0.99, **other})
    ended = eyebright("leaderboard", "ours", "theirs")
    assert ended.code == 0
    assert len(ended.out.split("\n\n")) == 2
    assert ended.out.index("ours") < ended.out.index("theirs")
    assert "The figures are of 2 different data sets, splits or tasks: compare within a group only" in ended.err
    assert ("take them for a little high" in ended.out) == (other.get("split") == "validation")


def test_cards_that_do_not_name_their_data_are_not_vouched_for(eyebright, runs):
    runs("one", data="", top1=0.7)
    runs("two", data="", top1=0.8)
    assert "do not say what data their figures are of" in eyebright("leaderboard", "one", "two").err


def test_what_is_no_run_is_named_and_the_others_are_shown(eyebright, runs, tmp_path):
    runs("good", top1=0.9)
    (tmp_path / "empty").mkdir()
    (tmp_path / "stopped").mkdir()
    (tmp_path / "stopped" / "recipe.toml").write_text("")
    (tmp_path / "notes.txt").write_text("dear diary")
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "model.onnx").write_bytes((tmp_path / "good" / "model.onnx").read_bytes()[:300])
    ended = eyebright("leaderboard", "empty", "stopped", "good", "notes.txt", "torn", "nowhere")
    assert ended.code == 1
    assert "good  0.900" in ended.out
    assert ended.err.splitlines() == [
        "empty: no run: there is no model.onnx in it.",
        "stopped: this run is not finished; go on with it: eyebright train --resume -o stopped",
        "notes.txt: not an ONNX model.",
        "torn/model.onnx: not an ONNX model, or one that was cut short.",
        "no model file at nowhere, and none that ships has this name (lite0).",
    ]
    ended = eyebright("leaderboard", "empty")
    assert (ended.code, ended.out) == (1, "")


def test_a_model_that_ships_and_one_without_figures_have_their_place(eyebright, runs):
    runs("bare")
    ended = eyebright("leaderboard", "bare", "lite0")
    assert ended.code == 0
    assert ended.out.index("lite0") < ended.out.index("No figures in the card") < ended.out.index("bare")


def test_as_json_and_csv(eyebright, runs, tmp_path):
    runs("good", top1=0.9)
    runs("other", data="photos: 9 train", top1=0.8)
    asked = ["leaderboard", "good", "other", "empty"]
    (tmp_path / "empty").mkdir()
    ended = eyebright(*asked, "--format", "json")
    good, other, failed = map(json.loads, ended.out.splitlines())
    assert good["top1"] == {"value": 0.9, "low": 0.25, "high": 0.99, "n": 40, "method": "test split; Wilson"}
    assert (good["group"], other["group"]) == (1, 2)
    assert good["size_bytes"]["value"] == (tmp_path / "good" / "model.onnx").stat().st_size
    assert failed["error"]["kind"] == "bad_request"
    assert eyebright(*asked, "-o", "runs.csv").code == 1
    rows = list(csv.DictReader(io.StringIO((tmp_path / "runs.csv").read_text())))
    assert [(row["run"], row["figure"], row["value"], row["n"]) for row in rows] == [
        ("good", "top1", "0.9", "40"),
        ("other", "top1", "0.8", "40"),
    ]
    ended = eyebright(*asked, "-o", "runs.csv")
    assert (ended.code, ended.out, ended.err) == (2, "", "eyebright: runs.csv exists; --force overwrites it.\n")
    assert eyebright(*asked, "-o", "runs.csv", "--force").code == 1


def test_times_are_shown_where_cards_have_them(eyebright, runs, tmp_path):
    import onnx

    path = runs("timed", top1=0.9) / "model.onnx"
    metadata = modelfile.read(path).metadata
    card = msgspec.structs.replace(metadata.card, latencies=(Latency(3.25, "a phone", 1, "onnxruntime"),))
    path.write_bytes(modelfile.attach(onnx.load(path), msgspec.structs.replace(metadata, card=card)))
    runs("untimed", top1=0.8)
    header, timed, untimed = eyebright("leaderboard", "timed", "untimed").out.splitlines()[1:]
    assert header.endswith("kind    ms")
    assert timed.endswith("float32  3.25")
    assert untimed.endswith("float32")
