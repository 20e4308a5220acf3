"""`eyebright models trim`: fewer labels, in a file of their own."""

import json

import pytest

from evidence_models import colors as evidence
from eyebright import modelfile


@pytest.fixture
def model(tmp_path):
    (tmp_path / "model.onnx").write_bytes(evidence().data)
    return tmp_path / "model.onnx"


def test_it_writes_the_file_and_says_how_much_was_saved(eyebright, model, tmp_path):
    ended = eyebright("models", "trim", model, "--labels", "RED,blue", "-o", "small.onnx", "--trust")
    assert ended.code == 0, ended.err
    assert "2 of 3 labels" in ended.out
    assert [label.label for label in modelfile.read(tmp_path / "small.onnx").metadata.labels] == ["red", "blue"]
    assert eyebright("verify", "small.onnx").code == 0
    assert eyebright("models", "trim", model, "--labels", "red,blue", "-o", "small.onnx", "--trust").code == 2


def test_labels_from_a_file_and_json(eyebright, model, tmp_path):
    (tmp_path / "labels.txt").write_text("red\ngreen\n")
    ended = eyebright(
        "models", "trim", model, "--labels", "labels.txt", "-o", "small.onnx", "--trust", "--format", "json"
    )
    found = json.loads(ended.out)
    assert found["labels"] == ["e-red", "e-green"]
    assert found["size_bytes"]["after"] == (tmp_path / "small.onnx").stat().st_size


@pytest.mark.parametrize("labels", ["rde,blue", "red", "red,green,blue", "nowhere.txt", ","])
def test_bad_requests_are_one_sentence_and_write_nothing(eyebright, model, tmp_path, labels):
    ended = eyebright("models", "trim", model, "--labels", labels, "-o", "small.onnx", "--trust")
    assert ended.code == 2
    assert ended.err.count("\n") == 1
    assert not (tmp_path / "small.onnx").exists()


def test_the_trimmed_model_is_judged_and_explained_like_any_other(eyebright, model, tmp_path, cat):
    eyebright("models", "trim", model, "--labels", "red,blue", "-o", "small.onnx", "--trust")
    assert eyebright("explain", "small.onnx", cat, "--trust", "-o", "why.png").code == 0
    assert eyebright("predict", cat, "--model", "small.onnx", "--trust").code == 0
    assert "trimmed to 2" in eyebright("inspect", "small.onnx").out
