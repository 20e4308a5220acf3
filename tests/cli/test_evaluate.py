"""`eyebright evaluate`: figures of a model by pictures whose labels are known, and what cannot be judged."""

import json

import msgspec
import pytest

from eyebright import modelfile
from eyebright.data import Dataset
from eyebright.evaluation.report import card
from pictures import color_model, encoded, plain

COLORS = ("red", "green", "blue")


def painted(folder, said, split="test", count=4):
    """Pictures of one color in the folder of a label; `said` is label -> color."""
    for label, color in said.items():
        place = folder / split / label
        place.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            (place / f"{number}.png").write_bytes(encoded(plain(color, 40 + number)))
    return folder


@pytest.fixture
def right(tmp_path):
    return painted(tmp_path / "right", {color: color for color in COLORS})


def test_a_model_that_is_always_right(eyebright, colors, right):
    ended = eyebright("evaluate", colors, right, "--trust")
    assert ended.code == 0, ended.err
    assert "colors, on 12 pictures of right, test split:" in ended.out
    assert "top1               1.000 (0.758 to 1.000)" in ended.out  # Wilson's of 12 of 12
    assert ended.err == ""


def test_the_figures_as_json(eyebright, colors, tmp_path):
    """Four red pictures are called green: of eight that were named red four are, of eight greens none is missed."""
    data = painted(tmp_path / "data", {"red": "red", "green": "red", "blue": "blue"})
    found = json.loads(eyebright("evaluate", colors, data, "--trust", "--format", "json").out)
    assert found["top1"]["value"] == pytest.approx(8 / 12)
    assert found["top1"]["n"] == 12
    each = found["per_class"]
    assert each["c-red"]["precision"]["value"] == 0.5
    assert each["c-red"]["recall"] == {**each["c-red"]["recall"], "value": 1.0, "n": 4}
    assert each["c-red"]["f1"]["value"] == pytest.approx(2 / 3)
    assert each["c-red"]["f1"]["low"] < 2 / 3 < each["c-red"]["f1"]["high"]
    assert "precision" not in each["c-green"]  # it was never said
    assert each["c-green"]["recall"]["value"] == 0


def test_another_split_or_all(eyebright, colors, right):
    painted(right, {color: color for color in COLORS}, "validation", 2)
    for split, count in (("validation", 6), ("all", 18)):
        found = json.loads(eyebright("evaluate", colors, right, "--trust", "--split", split, "--format", "json").out)
        assert found["top1"]["n"] == count


def test_a_picture_that_cannot_be_read_is_named_and_left_out(eyebright, colors, right):
    (right / "test" / "red" / "torn.png").write_bytes(encoded(plain("red"))[:40])
    ended = eyebright("evaluate", colors, right, "--trust")
    assert ended.code == 1
    assert "on 12 pictures" in ended.out
    assert "torn.png" in ended.err


def test_what_the_model_does_not_know_is_left_out_and_said(eyebright, colors, right):
    painted(right, {"purple": "blue"})
    ended = eyebright("evaluate", colors, right, "--trust")
    assert ended.code == 0
    assert "The model does not know purple; their 4 pictures are left out." in ended.err
    assert "on 12 pictures" in ended.out


def test_labels_without_a_picture_are_said(eyebright, colors, tmp_path):
    ended = eyebright("evaluate", colors, painted(tmp_path / "two", {"red": "red", "green": "green"}), "--trust")
    assert ended.code == 0
    assert "No picture of blue in two." in ended.err


def test_one_picture(eyebright, colors, tmp_path):
    data = painted(tmp_path / "one", {"red": "red", "green": "green"}, "train")
    painted(data, {"red": "red"}, count=1)
    found = json.loads(eyebright("evaluate", colors, data, "--trust", "--format", "json").out)
    assert found["top1"] == {
        "value": 1.0,
        "low": pytest.approx(0.207, abs=1e-3),
        "high": 1.0,
        "n": 1,
        "method": "Wilson",
    }


def test_yes_or_no_against_several_labels(eyebright, tmp_path):
    """The label that the model looks for is the yes, all others are the no."""
    model = tmp_path / "warm.onnx"
    model.write_bytes(color_model("binary", labels=("red", "green")))
    data = painted(tmp_path / "data", {"green": "green", "red": "red", "blue": "red"})
    ended = eyebright("evaluate", model, data, "--trust", "--format", "json")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert found["ap"]["value"] == 1
    assert found["per_class"]["c-green"]["auroc"]["value"] == 1


def test_many_labels_have_thresholds_of_their_own(eyebright, tmp_path):
    model = tmp_path / "many.onnx"
    model.write_bytes(color_model("multi", thresholds={"c-red": 0.9, "c-green": 0.9, "c-blue": 0.9}))
    painted(tmp_path, {"red": "red", "yellow": "yellow", "blue": "blue"})
    rows = [
        f"test/{color}/{number}.png,{said},test"
        for color, said in (("red", "red"), ("yellow", "red;green"), ("blue", "blue"))
        for number in range(4)
    ]
    (tmp_path / "labels.csv").write_text("\n".join(["file,labels,split", *rows]))
    ended = eyebright("evaluate", model, tmp_path / "labels.csv", "--trust", "--format", "json")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert found["map"]["value"] == 1
    assert found["per_class"]["c-red"]["recall"]["n"] == 8


@pytest.mark.parametrize(
    ("said", "split", "sentence"),
    [
        ({"cat": "red", "dog": "blue"}, "test", "The model knows none of the labels of data (cat, dog); it knows red,"),
        ({"red": "red", "blue": "blue"}, "train", "data has no test split; it has train, validation, and --split all"),
    ],
)
def test_what_cannot_be_judged_ends_with_2_and_a_sentence(eyebright, colors, tmp_path, said, split, sentence):
    ended = eyebright("evaluate", colors, painted(tmp_path / "data", said, split), "--trust")
    assert ended.code == 2
    assert sentence in ended.err
    assert ended.out == ""


def test_pictures_of_many_labels_and_a_model_that_gives_one(eyebright, colors, tmp_path):
    painted(tmp_path, {"red": "red", "blue": "blue"})
    rows = ["test/red/0.png,red;blue,test", "test/blue/0.png,blue,test"]
    (tmp_path / "labels.csv").write_text("\n".join(["file,labels,split", *rows]))
    ended = eyebright("evaluate", colors, tmp_path / "labels.csv", "--trust")
    assert ended.code == 2
    assert "has many labels a picture and the model names one" in ended.err


def test_who_judges_by_what_was_learned_from_is_told(eyebright, colors, right, tmp_path):
    file = modelfile.read(colors)
    told = f"right: 12 pictures; content {Dataset.read(right).content_hash[:16]}"
    card = msgspec.structs.replace(file.metadata.card, data=told)
    (tmp_path / "learned.onnx").write_bytes(modelfile.rewritten(file, card=card))
    for split, warned in (("all", True), ("test", False)):
        ended = eyebright("evaluate", tmp_path / "learned.onnx", right, "--trust", "--split", split)
        assert ("proves nothing" in ended.err) == warned


def test_a_report_is_a_page_and_its_numbers(eyebright, colors, right, tmp_path):
    ended = eyebright("evaluate", colors, right, "--trust", "--report", tmp_path / "report", "--format", "json")
    assert ended.code == 0, ended.err
    page = (tmp_path / "report" / "report.html").read_text()
    assert "12 pictures" in page
    assert json.loads((tmp_path / "report" / "report.json").read_text()) == json.loads(ended.out)


def test_a_report_that_exists_stays_unless_forced(eyebright, colors, right, tmp_path):
    place = tmp_path / "report"
    place.mkdir()
    (place / "report.html").write_text("mine")
    ended = eyebright("evaluate", colors, right, "--trust", "--report", place)
    assert ended.code == 2
    assert "--force replaces it" in ended.err
    assert (place / "report.html").read_text() == "mine"
    assert eyebright("evaluate", colors, right, "--trust", "--report", place, "--force").code == 0
    assert (place / "report.html").read_text() != "mine"


def test_a_report_in_place_of_a_file_or_in_no_folder(eyebright, colors, right, tmp_path):
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path / "file", tmp_path / "nowhere" / "report"):
        ended = eyebright("evaluate", colors, right, "--trust", "--report", place)
        assert ended.code == 2
        assert ended.err.count("\n") == 1
    assert (tmp_path / "file").read_text() == "mine"


def test_slices_say_where_it_fails(eyebright, colors, tmp_path):
    data = painted(tmp_path / "data", {color: color for color in COLORS}, count=12)
    painted(data, {"red": "green"}, count=6)
    table = tmp_path / "light.csv"
    rows = [f"test/{color}/{number}.png,{'night' if number < 6 else 'day'}" for color in COLORS for number in range(12)]
    table.write_text("\n".join(["file,light", *rows]))
    found = json.loads(eyebright("evaluate", colors, data, "--trust", "--slices", table, "--format", "json").out)
    worst, best = found["slices"]
    assert (worst["value"], worst["figure"]["value"], best["value"]) == ("night", pytest.approx(2 / 3), "day")
    assert worst["less_the_rest"]["high"] < 0
    assert "It is worse where light is night" in eyebright("evaluate", colors, data, "--trust", "--slices", table).out


def test_the_levels_of_the_hierarchy_are_told(eyebright, colors, tmp_path):
    """Red for green is wrong, and still warm."""
    data = painted(tmp_path / "data", {"red": "green", "green": "green", "blue": "blue"})
    found = json.loads(eyebright("evaluate", colors, data, "--trust", "--format", "json").out)
    assert [level["top1"]["value"] for level in found["levels"]] == [1.0]
    assert found["confused"] == [{"label": "c-red", "taken_for": "c-green", "times": 4, "of": 4}]


def test_a_model_card_in_markdown(eyebright, colors):
    ended = eyebright("inspect", colors, "--card")
    assert ended.code == 0
    assert ended.out.startswith("# colors\n")
    assert "out of 3: red, green, blue." in ended.out
    assert "The file does not say." in ended.out


def test_words_of_a_model_file_cannot_become_markup():
    assert card.text("a|b\n# <script>[x](y)") == "a\\|b \\# \\<script\\>\\[x\\](y)"
