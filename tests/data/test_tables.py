"""Tables: what columns mean, how pictures are found, and what is said of rows that are wrong."""

import json

import pytest

from data.making import KINDS, folder, made, pictures, said
from eyebright.data import Dataset
from eyebright.errors import BadRequest

FOUR = pictures("a.png", "b.png", "deep/c.png", "deep/d.png")
GOOD = "file,labels,split\na.png,cat;sofa,train\nb.png,dog,train\ndeep/c.png,cat,test\ndeep/d.png,,test\n"


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_is_read_in_a_folder_and_in_an_archive(tmp_path, kind):
    """Labels of one picture stand in one cell; an empty cell is none of them."""
    dataset = Dataset.read(made(kind, tmp_path, {**FOUR, "labels.csv": GOOD}))
    assert (dataset.reader, dataset.task) == ("csv", "multi")
    found = said(dataset)
    assert found["a.png"][0] == ("cat", "sofa")
    assert found["deep/d.png"] == ((), "test")


def test_a_table_can_be_named_itself(tmp_path):
    """Pictures are looked for beside it."""
    root = folder(tmp_path / "set", {**FOUR, "labels.csv": GOOD})
    assert said(Dataset.read(root / "labels.csv")) == said(Dataset.read(root))


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffimage,class\na.png,cat\nb.png,dog\n",
        "PATH , Label\na.png,cat\nb.png,dog\n",
        "file\tlabel\na.png\tcat\nb.png\tdog\n",
        "file;label\na.png;cat\nb.png;dog\n",
        "filename,label,width\r\na.png,cat,8\r\nb.png,dog,8\r\n",
        'file,label\n"a.png"," cat "\n./b.png,dog\n',
    ],
)
def test_columns_are_known_by_several_names_and_marks(tmp_path, text):
    """Spreadsheets write tables in their own ways."""
    dataset = Dataset.read(folder(tmp_path / "set", {**FOUR, "labels.csv": text}))
    assert {name: labels for name, (labels, _) in said(dataset).items()} == {"a.png": ("cat",), "b.png": ("dog",)}


def test_lines_of_json_say_the_same_as_a_table(tmp_path):
    """Labels are a text, a number or a list."""
    rows = [
        {"file": "a.png", "labels": ["cat", "sofa"], "split": "train"},
        {"file": "b.png", "labels": "dog", "split": "train"},
        {"file": "deep/c.png", "labels": ["cat"], "split": "test"},
        {"file": "deep/d.png", "labels": [], "split": "test"},
    ]
    lines = "\n".join(map(json.dumps, rows))
    one = Dataset.read(folder(tmp_path / "one", {**FOUR, "labels.jsonl": lines}))
    other = Dataset.read(folder(tmp_path / "other", {**FOUR, "labels.csv": GOOD}))
    assert one.reader == "jsonl"
    assert one.content_hash == other.content_hash


def test_a_table_a_split_is_one_set(tmp_path):
    """train.csv and test.csv, as competitions hand them out."""
    tables = {"train.csv": "file,label\na.png,cat\nb.png,dog\n", "val.csv": "file,label\ndeep/c.png,cat\n"}
    dataset = Dataset.read(folder(tmp_path / "set", {**FOUR, **tables}))
    assert {name: split for name, (_, split) in said(dataset).items()} == {
        "a.png": "train",
        "b.png": "train",
        "deep/c.png": "validation",
    }


def test_numbers_as_labels_stand_in_their_order(tmp_path):
    """10 comes after 9."""
    text = "file,label\na.png,10\nb.png,9\ndeep/c.png,2\n"
    dataset = Dataset.read(folder(tmp_path / "set", {**FOUR, "labels.csv": text}))
    assert [label.label for label in dataset.labels] == ["2", "9", "10"]


def test_rows_of_one_picture_are_put_together(tmp_path):
    """Some tables have a row a label; the set says that it did so."""
    text = "file,label\na.png,cat\na.png,sofa\nb.png,cat\nb.png,cat\n"
    dataset = Dataset.read(folder(tmp_path / "set", {**FOUR, "labels.csv": text}))
    assert dataset.task == "multi"
    assert said(dataset)["a.png"][0] == ("cat", "sofa")
    assert "Rows that speak of a picture again, put together with the first: 2." in dataset.remarks


def test_a_picture_in_two_splits_is_refused(tmp_path):
    """What is trained on does not test."""
    text = "file,label,split\na.png,cat,train\nb.png,dog,train\na.png,cat,test\n"
    with pytest.raises(BadRequest, match=r"a.png is in two splits, train and test"):
        Dataset.read(folder(tmp_path / "set", {**FOUR, "labels.csv": text}))


def test_a_picture_is_found_by_the_end_of_its_path_where_that_is_sure(tmp_path):
    """Tables move away from their pictures; two that fit are a question, not a guess."""
    text = "file,label\nc.png,cat\nd.png,dog\n"
    dataset = Dataset.read(folder(tmp_path / "set", {**FOUR, "lists/labels.csv": text}))
    assert set(said(dataset)) == {"deep/c.png", "deep/d.png"}
    folder(tmp_path / "set", pictures("other/c.png"))
    with pytest.raises(BadRequest, match=r"c.png may be deep/c.png, other/c.png; give more of its path"):
        Dataset.read(tmp_path / "set")


def test_what_nobody_checked_is_unknown(tmp_path):
    """A column for it; neither loss nor metric looks there."""
    text = "file,labels,unknown\na.png,cat,dog\nb.png,dog,\ndeep/c.png,cat;dog,\n"
    dataset = Dataset.read(folder(tmp_path / "set", {**FOUR, "labels.csv": text}))
    assert str(dataset.targets().tolist()) == "[[1.0, nan], [0.0, 1.0], [1.0, 1.0]]"
    with pytest.raises(BadRequest, match=r"a.png has cat and labels that nobody checked; single takes one"):
        Dataset.read(tmp_path / "set", task="single")


def test_several_labels_are_not_one(tmp_path):
    """The picture is named, and the task that suits."""
    root = folder(tmp_path / "set", {**FOUR, "labels.csv": GOOD})
    with pytest.raises(BadRequest, match=r"a.png has cat, sofa; single takes one label each: try multi"):
        Dataset.read(root, task="single")
    assert [label.label for label in Dataset.read(root, task="binary", positive="dog").labels] == ["not dog", "dog"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("file,people\na.png,x\n", r"line 2: there is no column for labels \(label, .*\); there are: file, people"),
        ("picture,label\na.png,x\n", r"no column for a file \(file, path, .*\); there are: picture, label"),
        ("file,label\na.png,cat\nzebra.png,dog\n", r"labels.csv: 1 of the 2 pictures in it do not exist: zebra.png"),
        ("file,label\na.png,cat\n../b.png,dog\n", r"'../b.png' lies outside the data set"),
        ("file,label\na.png,cat\n/etc/passwd,dog\n", r"'/etc/passwd' lies outside the data set"),
        ("file,label\na.png,cat\n,dog\n", r"line 3: file is empty"),
        ("file,label,split\na.png,cat,train\nb.png,dog,often\n", r"line 3: 'often' is no split; write one of train"),
        ("file,label\na.png,cat,blue\n", r"line 2: more cells than columns"),
        ("file,label\na.png,cat\n", r"one class only \(cat\)"),
        ("file,label\na.png,\nb.png,\n", r"there are no labels"),
        ("file,label\n", r"there are no pictures with labels"),
        ("", r"there are no pictures with labels"),
        (b"file,label\n\xff\xfe.png,cat\n", r"no UTF-8 text \(byte 11\); save it as UTF-8"),
        ("file,label\na.png," + "x" * 501 + "\nb.png,y\n", r"is no name for a label; use up to 500 letters"),
        ("file,label\na.png," + "x" * 200_000 + "\n", r"line 2: not CSV \(field larger than"),
    ],
)
def test_a_table_that_is_wrong_says_where(tmp_path, text, sentence):
    """The line, the column, and what is there instead."""
    root = folder(tmp_path / "set", {**FOUR, "labels.csv": text})
    with pytest.raises(BadRequest, match=sentence) as caught:
        Dataset.read(root / "labels.csv")
    assert str(root / "labels.csv") in str(caught.value)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("{", r"line 1: not JSON"),
        ("[" * 100_000, r"line 1: not JSON"),
        ("[1]", r"line 1: an object was expected"),
        ('{"file": "a.png", "labels": [{}]}', r"line 1: a label is text or a number, not dict"),
        ('{"file": 1, "label": "cat"}', r"line 1: file is empty"),
        ('{"label": "cat"}', r"line 1: there is no column for a file"),
    ],
)
def test_a_line_of_json_that_is_wrong_says_where(tmp_path, line, sentence):
    """Lines have numbers."""
    root = folder(tmp_path / "set", {**FOUR, "labels.jsonl": line})
    with pytest.raises(BadRequest, match=sentence):
        Dataset.read(root / "labels.jsonl")


def test_two_tables_that_fit_are_a_question(tmp_path):
    """Eyebright does not pick one."""
    with pytest.raises(BadRequest, match=r"several tables fit \(new.csv, old.csv\); name the one"):
        Dataset.read(folder(tmp_path / "set", {**FOUR, "new.csv": GOOD, "old.csv": GOOD}))


def test_a_stray_table_leaves_folders_alone(tmp_path):
    """Notes about the pictures are no labels of them."""
    files = {**pictures("cat/1.png", "dog/1.png"), "notes.csv": "when,who\n1,2\n", "odd.csv": b"\xff\xfe"}
    assert Dataset.read(folder(tmp_path / "set", files)).reader == "folders"
