"""`eyebright explain`: said in words, drawn, as JSON; and what cannot be explained."""

import hashlib
import json

import numpy as np
import pytest
from PIL import Image

from evidence_models import BRIGHT, colors, planted
from pictures import color_model, encoded, video


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "evidence.onnx"
    path.write_bytes(colors().data)
    return path


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(encoded(planted("red", 72, 0)))
    return path


@pytest.fixture
def known(tmp_path):
    """Four pictures of each color in train, one in test."""
    for split, count in (("train", 4), ("test", 1)):
        for color in BRIGHT:
            place = tmp_path / "known" / split / color
            place.mkdir(parents=True)
            for number in range(count):
                (place / f"{color}-{number}.png").write_bytes(encoded(planted(color, 10 * number, 40)))
    return tmp_path / "known"


def test_where_the_evidence_lies_is_said_in_words(eyebright, model, photo):
    """For whoever cannot see a map, and without one."""
    ended = eyebright("explain", model, photo, "--trust")
    assert ended.code == 0, ended.err
    first, second, third = ended.out.splitlines()
    assert first.startswith("red 0.")
    assert "by what is in the upper right (" in first
    assert second.startswith(
        "Class activation map, exact: the mean of its 8 x 8 places and the bias add up to the logit,"
    )
    assert third == "The model saw all of it."
    assert ended.err == ""


def test_the_picture_carries_the_words(eyebright, model, photo, tmp_path):
    ended = eyebright("explain", model, photo, "-o", "why.png", "--trust")
    assert ended.code == 0, ended.err
    with Image.open(tmp_path / "why.png") as page:
        assert page.format == "PNG"
        assert page.text["Description"] == " ".join(ended.out.splitlines())
        assert page.width > 800


def test_the_map_as_json(eyebright, model, photo):
    found = json.loads(eyebright("explain", model, photo, "--beside", "blue", "--format", "json", "--trust").out)
    assert found["size"] == [96, 96]
    assert found["box"] == [0, 0, 96, 96]
    assert "nearest" not in found
    (evidence,) = found["evidence"]
    assert (evidence["label"], evidence["id"]) == ("red", "e-red")
    assert evidence["against"] == {"label": "blue", "id": "e-blue"}
    assert evidence["method"] == "class activation map"
    assert evidence["exact"] is True
    assert np.mean(evidence["map"]) + evidence["bias"] == pytest.approx(evidence["logit"], abs=1e-4)
    assert np.shape(evidence["map"]) == (8, 8)
    assert evidence["places"][0]["place"] == "upper right"
    assert evidence["sentence"].startswith("red ")


def test_occlusion_says_that_it_is(eyebright, photo, tmp_path):
    (tmp_path / "other.onnx").write_bytes(color_model(size=32, sharp=40))
    ended = eyebright("explain", tmp_path / "other.onnx", photo, "-o", "why.png", "--trust")
    assert ended.code == 0, ended.err
    assert "by what is in the upper right (" in ended.out
    assert "\nOcclusion: of 14 x 14 places, hiding one takes at most" in ended.out


def test_the_nearest_pictures_are_named_with_their_labels(eyebright, model, photo, known):
    ended = eyebright("explain", model, photo, "--data", known, "-o", "why.png", "--trust")
    assert ended.code == 0, ended.err
    *_, title, first, second, third, fourth, fifth = ended.out.splitlines()
    assert title == "Nearest pictures of known, train split:"
    for line in (first, second, third, fourth):
        assert line.startswith("  1.00  train/red/red-")
        assert line.endswith(".png  red")
    assert not fifth.endswith("red")
    found = json.loads(
        eyebright("explain", model, photo, "--data", known, "--split", "test", "--format", "json", "--trust").out
    )
    assert len(found["nearest"]) == 3
    assert found["nearest"][0] == {"source": "test/red/red-0.png", "labels": ["red"], "similarity": pytest.approx(1)}


def test_a_picture_of_the_data_that_cannot_be_read_is_named(eyebright, model, photo, known):
    (known / "train" / "red" / "torn.png").write_bytes(encoded(planted("red"))[:60])
    ended = eyebright("explain", model, photo, "--data", known, "--trust")
    assert ended.code == 1
    assert "torn.png" in ended.err
    assert ended.out.count(".png  red") == 4


def test_several_labels_stand_side_by_side(eyebright, model, photo, tmp_path):
    for number, labels in enumerate((["red"], ["red", "blue", "green"])):
        options = [part for label in labels for part in ("--label", label)]
        ended = eyebright("explain", model, photo, *options, "-o", f"{number}.png", "--trust")
        assert ended.out.count("Class activation map, exact") == len(labels)
    with Image.open(tmp_path / "0.png") as one, Image.open(tmp_path / "1.png") as three:
        assert three.width > 1.8 * one.width


def test_the_photo_is_never_touched(eyebright, model, photo, tmp_path):
    """Neither by its own name nor by a link, whatever is forced."""
    before = hashlib.sha256(photo.read_bytes()).digest()
    (tmp_path / "link.png").symlink_to(photo)
    assert eyebright("explain", model, photo, "-o", "why.png", "--trust").code == 0
    for name in ("photo.png", "link.png"):
        ended = eyebright("explain", model, photo, "-o", name, "--force", "--trust")
        assert ended.code == 2
        assert (
            ended.err
            == f"eyebright: {name} is the photo itself, and originals are never written; choose another name.\n"
        )
    assert hashlib.sha256(photo.read_bytes()).digest() == before


def test_a_file_that_exists_is_overwritten_only_when_that_is_said(eyebright, model, photo, tmp_path):
    (tmp_path / "why.png").write_text("mine")
    ended = eyebright("explain", model, photo, "-o", "why.png", "--trust")
    assert ended.code == 2
    assert ended.err == "eyebright: why.png exists; --force overwrites it.\n"
    assert (tmp_path / "why.png").read_text() == "mine"
    assert eyebright("explain", model, photo, "-o", "why.png", "--force", "--trust").code == 0
    assert (tmp_path / "why.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["missing.jpg"], 2, "no such file or folder: missing.jpg"),
        (["diary.jpg"], 1, "diary.jpg: not a picture in a format that Eyebright reads"),
        (["known"], 2, "known is not one picture; explain takes one at a time."),
        (["photo.png", "--label", "purple"], 2, "evidence has no label 'purple'."),
        (["photo.png", "--label", "grene"], 2, "evidence has no label 'grene'; did you mean 'green'?"),
        (["photo.png", "--label", "red", "--beside", "red"], 2, "'red' stands on both sides of the comparison"),
        (["photo.png", "-o", "why.jpg"], 2, "why.jpg: explanations are drawn as PNG; choose a name that ends in .png."),
        (["photo.png", "-o", "no/why.png"], 2, "make it first."),
        (["photo.png", "--data", "nowhere"], 2, "nowhere"),
        (["photo.png", "--data", "held"], 2, "held has no train split; it has"),
    ],
)
def test_what_cannot_be_explained_ends_in_one_sentence(
    eyebright, model, photo, known, tmp_path, arguments, code, sentence
):
    (tmp_path / "diary.jpg").write_text("dear diary")
    (tmp_path / "held").mkdir()
    (tmp_path / "held" / "labels.csv").write_text("file,label,split\na.png,red,test\nb.png,blue,test\n")
    for name in ("a.png", "b.png"):
        (tmp_path / "held" / name).write_bytes(photo.read_bytes())
    before = sorted(tmp_path.rglob("*"))
    ended = eyebright("explain", model, *arguments, "--trust")
    assert ended.code == code
    assert ended.out == ""
    assert sentence in ended.err
    assert ended.err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_model_without_an_embedding_has_no_nearest_pictures(eyebright, photo, known, tmp_path):
    (tmp_path / "other.onnx").write_bytes(color_model(embedding=False))
    ended = eyebright("explain", tmp_path / "other.onnx", photo, "--data", known, "--trust")
    assert ended.code == 2
    assert ended.err == "eyebright: colors gives no embedding to compare pictures by; leave --data out.\n"


def test_a_video_ends_in_one_sentence(eyebright, model, tmp_path):
    pytest.importorskip("av")
    video(tmp_path / "film.mp4", "red")
    ended = eyebright("explain", model, "film.mp4", "--trust")
    assert ended.code == 2
    assert ended.err == (
        "eyebright: film.mp4: this is a video; one picture at a time is explained: save a frame of it first.\n"
    )
