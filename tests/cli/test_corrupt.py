"""`eyebright corrupt`: the table under noise, blur and bad light, page and sheet; and how steadily a video is seen."""

import json

import pytest

from pictures import color_model, encoded, opened, plain, video

COLORS = ("red", "green", "blue")
ALL = 14  # corruptions


@pytest.fixture
def photos_of_colors(tmp_path):
    """Four pictures of each color, in folders, as a test split; a blue one lies among the reds."""
    for color in COLORS:
        place = tmp_path / "data" / "test" / color
        place.mkdir(parents=True)
        for number in range(4):
            (place / f"{number}.png").write_bytes(encoded(plain(color, 40 + number)))
    (tmp_path / "data" / "test" / "red" / "0.png").write_bytes(encoded(plain("blue")))
    return tmp_path / "data"


def test_a_table_of_all_corruptions(eyebright, colors, photos_of_colors):
    ended = eyebright("corrupt", colors, photos_of_colors, "--trust")
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert lines[0] == "colors, on 12 pictures of data, test split:"
    assert lines[1].startswith("  top1 of clean pictures 0.917 (0.646 to 0.985)")
    assert lines[3].split() == ["severity", "1", "2", "3", "4", "5", "mean", "drop"]
    assert len(lines) == 4 + ALL + 1 + 2
    assert lines[-1].startswith("top1 is 0.917 on clean pictures and ")
    assert ended.err == ""


def test_a_model_of_colors_cares_for_color_alone(eyebright, colors, photos_of_colors):
    """Blur and turning leave the mean color of a plain picture as it is; without color there is nothing to tell."""
    found = json.loads(eyebright("corrupt", colors, photos_of_colors, "--trust", "--format", "json").out)
    each = found["corruptions"]
    for name in ("gaussian_blur", "motion_blur", "rotation", "low_resolution"):
        assert each[name]["drop"]["value"] == 0, name
    assert each["desaturation"]["severities"]["5"]["value"] == pytest.approx(1 / 3, abs=0.1)
    assert found["worst"] == "desaturation"
    assert found["drop"]["value"] == pytest.approx(found["clean"]["value"] - found["mean"]["value"])


@pytest.mark.parametrize(
    ("task", "labels", "measure"),
    [("single", COLORS, "top1"), ("binary", ("red", "green"), "ap"), ("multi", COLORS, "map")],
)
def test_the_clean_figure_is_that_of_evaluate(eyebright, tmp_path, photos_of_colors, task, labels, measure):
    model = tmp_path / "model.onnx"
    model.write_bytes(color_model(task, labels=labels))
    one = [model, photos_of_colors, "--trust", "--format", "json"]
    found = json.loads(eyebright("corrupt", *one, "--only", "jpeg", "--severities", "1").out)
    assert found["measure"] == measure
    assert found["clean"] == json.loads(eyebright("evaluate", *one).out)[measure]


def test_some_corruptions_and_severities(eyebright, colors, photos_of_colors):
    ended = eyebright("corrupt", colors, photos_of_colors, "--trust", "--only", "light, jpeg", "--severities", "5,1,5")
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert lines[3].split()[:3] == ["severity", "1", "5"]
    assert [line.split()[0] for line in lines[4:9]] == ["brightness", "darkness", "contrast", "jpeg", "all"]


def test_the_same_call_prints_the_same(eyebright, colors, photos_of_colors):
    one = ["corrupt", colors, photos_of_colors, "--trust", "--only", "noise,color", "--format", "json"]
    assert eyebright(*one, "--threads", "1").out == eyebright(*one, "--threads", "3").out


def test_a_page_and_a_sheet(eyebright, colors, photos_of_colors, tmp_path):
    options = ["--trust", "--only", "darkness", "--severities", "2,4", "--html", "page.html", "--sheet", "sheet.png"]
    assert eyebright("corrupt", colors, photos_of_colors, *options).code == 0
    page = (tmp_path / "page.html").read_text()
    assert "On 12 pictures of data, test split; the model file is colors.onnx." in page
    assert opened(tmp_path / "sheet.png").height < opened(tmp_path / "sheet.png").width
    refused = eyebright("corrupt", colors, photos_of_colors, *options)
    assert refused.code == 2
    assert "page.html exists; --force overwrites it." in refused.err
    assert eyebright("corrupt", colors, photos_of_colors, *options, "--force").code == 0


def test_a_picture_that_cannot_be_read_is_named_and_left_out(eyebright, colors, photos_of_colors):
    (photos_of_colors / "test" / "red" / "torn.png").write_bytes(encoded(plain("red"))[:40])
    ended = eyebright("corrupt", colors, photos_of_colors, "--trust", "--only", "jpeg", "--html", "page.html")
    assert ended.code == 1
    assert "on 12 pictures" in ended.out
    assert "torn.png" in ended.err


def test_one_picture(eyebright, colors, tmp_path):
    place = tmp_path / "one" / "test" / "red"
    place.mkdir(parents=True)
    (place / "a.png").write_bytes(encoded(plain("red")))
    for color in ("red", "blue"):
        (tmp_path / "one" / "train" / color).mkdir(parents=True)
        (tmp_path / "one" / "train" / color / "b.png").write_bytes(encoded(plain(color)))
    ended = eyebright("corrupt", colors, tmp_path / "one", "--trust", "--only", "rotation")
    assert ended.code == 0, ended.err
    assert "on 1 picture of one, test split:" in ended.out
    assert "0.207 to 1.000" in ended.out


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--only", "snow"], "no corruption is called 'snow'; there are noise, blur,"),
        (["--only", "gaussian"], "no corruption is called 'gaussian'; did you mean gaussian_"),
        (["--only", ""], "no corruption is called ''; there are"),
        (["--severities", "0"], "--severities takes numbers from 1 to 5 with commas between, as 1,3,5; '0' is none."),
        (["--severities", "1,,2"], "'' is none."),
        (["--split", "train"], "data has no train split; it has test, and --split all takes every picture."),
        (["--html", "no/page.html"], "no/page.html cannot be written: there is no folder"),
        (["--html", "one", "--sheet", "one"], "--html and --sheet name the same file; give each its own."),
    ],
)
def test_what_cannot_be_meant_ends_with_2_and_a_sentence(eyebright, colors, photos_of_colors, options, sentence):
    ended = eyebright("corrupt", colors, photos_of_colors, "--trust", *options)
    assert ended.code == 2
    assert sentence in ended.err
    assert ended.out == ""


def test_labels_that_the_model_does_not_know(eyebright, colors, tmp_path):
    for animal in ("cat", "dog"):
        place = tmp_path / "pets" / "test" / animal
        place.mkdir(parents=True)
        (place / "0.png").write_bytes(encoded(plain("red")))
    ended = eyebright("corrupt", colors, tmp_path / "pets", "--trust", "--html", "page.html")
    assert ended.code == 2
    assert "The model knows none of the labels of pets (cat, dog)" in ended.err
    assert not list(tmp_path.glob("page.html*"))


@pytest.fixture
def film(tmp_path):
    pytest.importorskip("av")
    return video(tmp_path / "film.mp4", "red", "green", "red", seconds_each=2)


def test_of_a_video_how_often_the_model_changes_its_mind(eyebright, colors, film):
    ended = eyebright("corrupt", colors, film, "--trust")
    assert ended.code == 0, ended.err
    lines = [line.split() for line in ended.out.splitlines()]
    assert ended.out.startswith("colors, on 6 frames of film.mp4:\n")
    assert lines[1:3] == [["same_label", "0.600"], ["same_statement", "0.600"]]
    assert lines[-2:] == [["0:02.0", "red", "green"], ["0:04.0", "green", "red"]]


def test_a_video_as_json(eyebright, colors, film):
    found = json.loads(eyebright("corrupt", colors, film, "--trust", "--every", "500ms", "--format", "json").out)
    assert found["frames"] == 12
    assert found["same_label"]["value"] == pytest.approx(9 / 11)
    assert found["same_label"]["n"] == 11
    assert found["flips"][0] == {"time_s": 2.0, "before": "red", "after": "green"}


def test_a_video_of_one_color_is_steady(eyebright, colors, tmp_path):
    pytest.importorskip("av")
    ended = eyebright("corrupt", colors, video(tmp_path / "calm.mp4", "blue", seconds_each=3), "--trust")
    assert "same_label       1.000" in ended.out
    assert "before" not in ended.out


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--only", "noise"], "--only is for labeled pictures;"),
        (["--html", "page.html"], "--html is for labeled pictures;"),
        (["--every", "1min"], "One frame has no neighbor to compare it with; look more often, as with --every 0.2s."),
        (["--every", "often"], "--every takes a time"),
    ],
)
def test_what_a_video_cannot_be_asked(eyebright, colors, film, options, sentence):
    ended = eyebright("corrupt", colors, film, "--trust", *options)
    assert ended.code == 2
    assert sentence in ended.err
    assert ended.out == ""


def test_a_video_that_is_cut_short(eyebright, colors, film):
    film.write_bytes(film.read_bytes()[:200])
    ended = eyebright("corrupt", colors, film, "--trust")
    assert ended.code == 1
    assert "film.mp4: " in ended.err
    assert ended.out == ""
