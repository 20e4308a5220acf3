"""Photos by free text, with a model of two encoders: `import --two-tower`, `index`, `search --text`."""

import json

import pytest

import two_towers
from eyebright import modelfile, texttower, trial
from eyebright.runtime import open_runtime


@pytest.fixture
def towers(eyebright, holiday, monkeypatch, tmp_path):
    """`eyebright` where clip.onnx has seen the folder `holiday`."""
    monkeypatch.setenv("EYEBRIGHT_LIBRARY", str(tmp_path / "library"))
    monkeypatch.setattr(trial, "probe", lambda model: trial._probe(model, open_runtime(model)))
    monkeypatch.setattr(trial, "prove_text", texttower.open_tested)
    imported(eyebright, tmp_path, "clip")
    assert eyebright("index", holiday, "--model", "clip.onnx", "--trust").code == 1  # one file is torn
    return eyebright


def imported(eyebright, folder, name, **other):
    two_towers.write(folder / name, **other)
    (folder / "labels.txt").write_text("red\ngreen\n")
    ended = eyebright("import", "--two-tower", name, "--labels", "labels.txt", "-o", f"{name}.onnx")
    assert ended.code == 0, ended.err
    assert f'eyebright search "a dog catching a frisbee" --text {name}-text.onnx' in ended.err


def found(eyebright, *arguments):
    ended = eyebright("search", "--format", "json", *arguments)
    assert ended.code == 0, ended.err
    hits = [json.loads(line) for line in ended.out.splitlines()]
    return [hit["source"].rpartition("/")[2].removesuffix(".png") for hit in hits]


TEXT = ("--text", "clip-text.onnx")


def test_free_text_finds_pictures_that_no_label_names(towers):
    """Nothing in the library is called blue: its labels are red and green."""
    towers_blue = found(towers, "something", "BLUE", *TEXT)
    assert towers_blue[0] == "blue"
    assert sorted(towers_blue) == ["blue", "green", "red"]
    assert found(towers, "a green picture", "--top", "1", *TEXT) == ["green"]


def test_a_text_and_a_picture_are_looked_for_together(towers):
    assert found(towers, "red", "--like", "holiday/blue.png", *TEXT) == ["red", "green"]
    assert found(towers, "red", "--image", "holiday/blue.png", "--model", "clip.onnx", "--trust", *TEXT)[2] == "green"
    assert found(towers, "red green", "--unlike", "holiday/red.png", *TEXT)[0] == "green"


def test_a_model_file_that_was_rewritten_is_still_of_the_family(towers, tmp_path):
    """Thresholds and the like do not change what pictures are compared by."""
    before = modelfile.read("clip.onnx")
    (tmp_path / "tuned.onnx").write_bytes(modelfile.rewritten(before, thresholds={"red": 0.9}))
    assert modelfile.read("tuned.onnx").sha256 != before.sha256
    other = ("--library", "another")
    assert towers("index", "holiday", "--model", "tuned.onnx", "--trust", *other).code == 1
    assert found(towers, "blue", "--top", "1", *TEXT, *other) == ["blue"]


def test_the_text_file_of_another_model_finds_nothing_here(towers, tmp_path):
    graph = two_towers.vision()
    graph.producer_name = "another"
    imported(towers, tmp_path, "other", vision_model=graph)
    ended = towers("search", "blue", "--text", "other-text.onnx")
    assert ended.code == 2
    assert "The image encoder that belongs to other-text.onnx has not seen this library" in ended.err
    assert "eyebright index FOLDER --model MODEL" in ended.err
    mixed = ("search", "blue", "--text", "clip-text.onnx", "--model", "other.onnx", "--trust")
    assert "has not seen this library" in towers(*mixed).err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (TEXT, "say some"),
        (("red", "--text", "none.onnx"), "no such file"),
        (("red", "--text", "clip.onnx"), "a model file, which sees pictures"),
        (("red", "--text", "labels.txt"), "not an ONNX model"),
        (("red", "--crop", "0,0,1,1", *TEXT), "--crop is a part of --image"),
    ],
)
def test_a_search_that_cannot_be_meant(towers, arguments, sentence):
    ended = towers("search", *arguments)
    assert ended.code == 2
    assert sentence in ended.err
    assert ended.err.count("\n") == 1


def test_a_picture_beside_free_text_needs_the_model_file(towers):
    """The model that ships saw nothing here, and nobody asked for it."""
    for more in (("--image", "holiday/red.png"), ("--explain",)):
        ended = towers("search", "red", *more, *TEXT)
        assert ended.code == 2
        assert f"{more[0]} beside --text needs the model file that was imported with clip-text.onnx" in ended.err
    assert "gives no features" in towers("search", "red", "--explain", "--model", "clip.onnx", "--trust", *TEXT).err


def test_a_text_file_is_no_model_file(towers):
    ended = towers("predict", "holiday/red.png", "--model", "clip-text.onnx")
    assert ended.code == 2
    assert "reads texts" in ended.err
