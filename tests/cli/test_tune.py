"""`eyebright tune`: what can be promised is written, what cannot is said."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from eyebright import modelfile
from eyebright.runtime import open_runtime
from pictures import color_model, encoded


@pytest.fixture(scope="module")
def shades(tmp_path_factory):
    """Reds, greens and blues, some of them so gray that the model is unsure, a few of them in the wrong folder."""
    random = np.random.default_rng(0)
    root = tmp_path_factory.mktemp("data") / "shades"
    for split, count in (("train", 30), ("validation", 60), ("test", 60)):
        for at, label in enumerate(("red", "green", "blue")):
            place = root / split / label
            place.mkdir(parents=True)
            for number in range(count):
                pixel = random.integers(90, 130, 3)
                pixel[at if number % 12 else (at + 1) % 3] += random.integers(0, 120)
                Image.fromarray(np.full((8, 8, 3), pixel, np.uint8)).save(place / f"{number}.png")
    return root


def test_a_threshold_from_a_goal_is_written_with_its_proof(eyebright, colors, shades, tmp_path):
    ended = eyebright("tune", colors, shades, "--goal", "precision>=0.8", "-o", tmp_path / "new.onnx", "--trust")
    assert ended.code == 0, ended.err
    assert "Chosen on 180 pictures (validation), proved on 180 pictures (test)." in ended.out
    metadata = modelfile.read(tmp_path / "new.onnx").metadata
    assert metadata.promises
    for id, promise in metadata.promises.items():
        assert promise.goal == "precision>=0.8"
        assert promise.reached.low >= 0.8
        assert "180 pictures of test" in promise.reached.method
        assert 0 < metadata.thresholds[id] < 1


def test_the_new_file_says_the_same_scores(eyebright, colors, shades, tmp_path):
    eyebright("tune", colors, shades, "--goal", "f1", "-o", tmp_path / "new.onnx", "--trust")
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3)).astype(np.uint8)
    before, after = (
        open_runtime(modelfile.read(path)).run(images, ["scores"])[0] for path in (colors, tmp_path / "new.onnx")
    )
    np.testing.assert_array_equal(before, after)


def test_what_cannot_be_promised_is_said_and_nothing_is_written(eyebright, colors, shades, tmp_path):
    ended = eyebright("tune", colors, shades, "--goal", "precision>=0.999", "-o", tmp_path / "new.onnx", "--trust")
    assert ended.code == 2
    assert "no label can be promised precision>=0.999" in ended.err
    assert "red: " in ended.err
    assert not (tmp_path / "new.onnx").exists()


def test_one_label_alone(eyebright, colors, shades, tmp_path):
    ended = eyebright(
        "tune",
        colors,
        shades,
        "--goal",
        "f1",
        "--label",
        "Red",
        "-o",
        tmp_path / "new.onnx",
        "--trust",
        "--format",
        "json",
    )
    assert list(json.loads(ended.out)["labels"]) == ["c-red"]


def test_silence_is_taught_without_a_goal(eyebright, colors, shades, tmp_path):
    ended = eyebright("tune", colors, shades, "-o", tmp_path / "new.onnx", "--trust")
    assert ended.code == 0, ended.err
    metadata = modelfile.read(tmp_path / "new.onnx").metadata
    assert metadata.sets.n == 180
    assert metadata.selective
    picture = tmp_path / "red.png"
    picture.write_bytes(encoded(Image.new("RGB", (8, 8), (250, 0, 0))))
    for option in ("--abstain=0.8", "--set-coverage=0.9"):
        said = eyebright("predict", picture, "--model", tmp_path / "new.onnx", "--trust", option)
        assert "red" in said.out


def test_a_temperature_is_fitted_and_the_self_test_made_anew(eyebright, colors, shades, tmp_path):
    """The model of the tests is far too sure."""
    ended = eyebright("tune", colors, shades, "--calibrate", "-o", tmp_path / "new.onnx", "--trust", "--format", "json")
    found = json.loads(ended.out)["calibration"]
    assert found["temperature"] > 1
    assert found["nll"]["after"] < found["nll"]["before"]
    assert eyebright("verify", tmp_path / "new.onnx").code == 0


def test_pictures_of_other_things_teach_none_of_these(eyebright, colors, shades, tmp_path):
    """Grays are no color: novelty, from the training split, is added to the graph."""
    others = tmp_path / "others"
    others.mkdir()
    for number in range(40):
        Image.new("RGB", (8, 8), (number * 6,) * 3).save(others / f"{number}.png")
    ended = eyebright("tune", colors, shades, "--outside", others, "-o", tmp_path / "new.onnx", "--trust")
    assert ended.code == 0, ended.err
    assert "novelty" in ended.out
    file = modelfile.read(tmp_path / "new.onnx")
    assert file.metadata.abstain.method in ended.out
    assert "novelty" in open_runtime(file).outputs
    assert eyebright("predict", others, "--model", tmp_path / "new.onnx", "--trust", "--none-of-these").code == 0


def test_a_part_is_halved_when_asked_or_when_there_is_no_other(eyebright, colors, shades, tmp_path):
    ended = eyebright("tune", colors, shades, "--split", "test", "-o", tmp_path / "new.onnx", "--trust")
    assert "half of test" in ended.out
    only = tmp_path / "only"
    shutil.copytree(shades / "test", only / "test")
    ended = eyebright("tune", colors, only, "-o", tmp_path / "again.onnx", "--trust")
    assert ended.code == 0, ended.err
    assert "(half of test)" in ended.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--goal", "beauty>=1"], "A goal is written"),
        (["--goal", "f1", "--label", "purple"], "has no label purple"),
        (["--label", "red"], "--label says whose threshold"),
        (["--outside", "nowhere"], "no such file or folder"),
        (["--split", "validation", "--goal", "precision>=0"], "between 0 and 1"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(eyebright, colors, shades, tmp_path, options, said):
    ended = eyebright("tune", colors, shades, *options, "-o", tmp_path / "new.onnx", "--trust")
    assert ended.code == 2
    assert said in ended.err
    assert ended.err.count("\n") == 1
    assert not (tmp_path / "new.onnx").exists()


def test_a_file_that_exists_stays_unless_forced(eyebright, colors, shades, tmp_path):
    (tmp_path / "new.onnx").write_bytes(b"mine")
    assert eyebright("tune", colors, shades, "-o", tmp_path / "new.onnx", "--trust").code == 2
    assert (tmp_path / "new.onnx").read_bytes() == b"mine"
    assert eyebright("tune", colors, shades, "-o", tmp_path / "new.onnx", "--trust", "--force").code == 0


def test_another_temperature_leaves_decisions_as_they_were(eyebright, tmp_path):
    """Thresholds of many labels move with the scores."""
    before = tmp_path / "before.onnx"
    before.write_bytes(color_model("multi", thresholds={"c-red": 0.97, "c-green": 0.2}))
    random = np.random.default_rng(0)
    rows = []
    for number in range(120):
        pixel = random.integers(60, 200, 3)
        Image.fromarray(np.full((8, 8, 3), pixel, np.uint8)).save(tmp_path / f"{number}.png")
        said = [
            name
            for name, part in zip(("red", "green", "blue"), pixel, strict=True)
            if part + random.normal(0, 60) > 128
        ]
        rows.append(f"{number}.png,{';'.join(said)},{'test' if number % 2 else 'validation'}")
    (tmp_path / "labels.csv").write_text("\n".join(["file,labels,split", *rows]))
    ended = eyebright("tune", before, tmp_path / "labels.csv", "--calibrate", "-o", tmp_path / "after.onnx", "--trust")
    assert ended.code == 0, ended.err
    old, new = modelfile.read(before), modelfile.read(tmp_path / "after.onnx")
    assert new.metadata.thresholds != old.metadata.thresholds
    images = random.integers(0, 256, (200, 1, 1, 3)).astype(np.uint8).repeat(8, 1).repeat(8, 2)
    for at, id in enumerate(("c-red", "c-green")):
        said = [
            open_runtime(file).run(images, ["scores"])[0][:, at] >= file.metadata.thresholds[id] for file in (old, new)
        ]
        np.testing.assert_array_equal(*said)


def test_of_yes_or_no_only_the_yes_has_a_threshold(eyebright, tmp_path, shades):
    (tmp_path / "two.onnx").write_bytes(color_model("binary", labels=("red", "green")))
    ended = eyebright(
        "tune", tmp_path / "two.onnx", shades, "--goal", "f1", "--label", "red", "-o", tmp_path / "n.onnx", "--trust"
    )
    assert ended.code == 2
    assert "only green has a threshold" in ended.err
