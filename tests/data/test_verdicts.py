"""What a person said of labels is kept at once, read as it was meant, and changes no file but the new list."""

import os
import signal
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.making import folder, pictures
from eyebright.data import Dataset, Item, clean, verdicts
from eyebright.data.verdicts import Question
from eyebright.errors import BadRequest
from eyebright.modelfile import Label

NAMES = [f"{label}/{at}.png" for label in ("hat", "dress", "skirt") for at in range(3)]


def dataset(task="single", labels=("dress", "hat", "skirt")):
    known = tuple(Label(name, name) for name in labels)
    items = tuple(Item(name, (labels.index(name.split("/")[0]),), "train") for name in NAMES)
    return Dataset("clothes", items, known, task, store=None)


def labels_of(data):
    return {item.name: tuple(data.labels[at].id for at in item.labels) for item in data.items}


def answered(path, *rows):
    path.write_text("file,given,proposed,doubt,verdict\n" + "".join(f"{row}\n" for row in rows))
    return path


def test_verdicts_become_labels(tmp_path):
    path = answered(
        tmp_path / "v.csv",
        "hat/0.png,hat,dress,0.9,yes",
        "hat/1.png,hat,dress,0.9, NO ",
        "hat/2.png,hat,dress,0.8,Skirt",
        "dress/0.png,dress,hat,0.7,drop",
        "dress/1.png,dress,hat,0.7,",
    )
    data = dataset()
    new = labels_of(verdicts.corrected(data, verdicts.read(path, data)))
    assert new["hat/0.png"] == ("dress",)
    assert new["hat/1.png"] == ("hat",)
    assert new["hat/2.png"] == ("skirt",)
    assert "dress/0.png" not in new
    assert new["dress/1.png"] == ("dress",)
    assert len(new) == 8


def test_of_many_labels_one_is_added_or_taken_away(tmp_path):
    """A label that a person was sure of is no longer one that nobody checked; the others stay."""
    path = answered(
        tmp_path / "v.csv",
        "hat/0.png,,dress,0.9,yes",
        "hat/0.png,hat,,0.9,yes",
        "hat/1.png,,skirt,0.9,y",
        "hat/2.png,,dress,0.9,n",
    )
    data = dataset("multi")
    new = labels_of(verdicts.corrected(data, verdicts.read(path, data)))
    assert new["hat/0.png"] == ("dress",)
    assert new["hat/1.png"] == ("hat", "skirt")
    assert new["hat/2.png"] == ("hat",)


def test_the_last_answer_counts(tmp_path):
    """A person may think again; a row without an answer takes none back."""
    path = answered(
        tmp_path / "v.csv",
        *(f"hat/0.png,hat,{label},0.9,{word}" for label, word in (("dress", "yes"), ("skirt", "no"))),
    )
    verdicts.add(path, Question("hat/1.png", "hat", "dress"), 0.5, "drop")
    with open(path, "a") as file:
        file.write("hat/1.png,hat,dress,0.5,\n")
    found = verdicts.read(path, dataset())
    assert found == {Question("hat/0.png", "hat", "skirt"): "no", Question("hat/1.png", "hat", "dress"): "drop"}


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)


@given(name=st.one_of(TEXT, st.binary(min_size=1, max_size=9).map(os.fsdecode)), label=TEXT)
def test_any_name_survives_the_table(name, label, tmp_path_factory):
    """Commas, quotes, line breaks in file names are no trap; surrogates stand for bytes that are no text."""
    path = tmp_path_factory.mktemp("any") / "v.csv"
    asked = Question(name, label, "b")
    data = Dataset("any", (Item(name, (0,), "train"),), (Label(label, label), Label("b", "b")), "single", store=None)
    path.write_bytes(verdicts.table([(asked, 0.5)]).encode("utf-8", "surrogateescape"))
    verdicts.add(path, asked, 0.5, "yes")
    assert list(verdicts.read(path, data).values()) == ["yes"]


def test_a_table_from_a_spreadsheet_is_read_and_gone_on_with(tmp_path):
    """With its byte order mark, semicolons, columns moved, and no line break at the end."""
    path = tmp_path / "v.csv"
    path.write_bytes("\ufeffverdict;file;given;proposed;doubt;note\r\nyes;hat/0.png;hat;dress;0,9;sure".encode())
    verdicts.add(path, Question("hat/1.png", "hat", "dress"), 0.5, "no")
    assert list(verdicts.read(path, dataset()).values()) == ["yes", "no"]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
def test_an_answer_survives_kill_9(tmp_path):
    """The moment it is acknowledged."""
    program = (
        "import os; from pathlib import Path; from eyebright.data.verdicts import Question, add; "
        "add(Path('v.csv'), Question('hat/0.png', 'hat', 'dress'), 0.9, 'yes'); os.kill(os.getpid(), 9)"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=False)
    assert ended.returncode == -9
    assert list(verdicts.read(tmp_path / "v.csv", dataset()).values()) == ["yes"]


def test_labels_of_one_name_go_by_their_ids():
    labels = (Label("n1", "crane"), Label("n2", "crane"), Label("n3", "cat"))
    assert verdicts.names(Dataset("x", (), labels, "single", store=None)) == ["n1", "n2", "cat"]


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("cap/0.png,hat,dress,0.9,yes", "v.csv, line 2: clothes has no picture 'cap/0.png'"),
        ("hat/0.png,hat,dress,0.9,trousers", "'trousers' is no verdict: yes, no, drop, or a label (dress, hat, skirt)"),
        ("hat/0.png,hat,dress,0.9,yes,really", "line 2: more cells than columns"),
        ("hat/0.png,dress,hat,0.9,yes", "was dress when it was doubted and is hat now"),
        ("hat/0.png,hat,cape,0.9,yes", "'cape', which hat/0.png stands with in the table, is no label of clothes"),
    ],
)
def test_a_bad_row_is_one_sentence(tmp_path, row, sentence):
    path = answered(tmp_path / "v.csv", row)
    with pytest.raises(BadRequest, match=r"^[^\n]*$") as raised:
        verdicts.corrected(dataset(), verdicts.read(path, dataset()))
    assert sentence in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"file,verdict\n", b"\xff\xfe\0\0", b'file,given\n"', bytes(range(256))])
def test_what_is_no_table_is_one_sentence(tmp_path, content):
    (tmp_path / "v.csv").write_bytes(content)
    with pytest.raises(BadRequest, match=r"there is no column|not CSV"):
        verdicts.read(tmp_path / "v.csv", dataset())


def test_a_missing_table_is_one_sentence(tmp_path):
    with pytest.raises(BadRequest, match="cannot be read"):
        verdicts.read(tmp_path / "none.csv", dataset())


def test_another_label_is_no_answer_where_labels_are_many(tmp_path):
    path = answered(tmp_path / "v.csv", "hat/0.png,,dress,0.9,skirt")
    with pytest.raises(BadRequest, match="a verdict is yes, no or drop"):
        verdicts.read(path, dataset("multi"))


def test_the_corrected_list_is_read_again(tmp_path):
    """And the folder is what it was, to the byte."""
    root = folder(tmp_path / "clothes", pictures(*NAMES))
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    data = Dataset.read(root)
    asked = Question("hat/0.png", "hat", "dress")
    new = verdicts.corrected(data, {asked: "yes", Question("skirt/1.png", "skirt", "hat"): "drop"})
    path = tmp_path / "corrected.csv"
    path.write_text(clean.listed(new, path))
    again = labels_of(Dataset.read(path))
    assert again["clothes/hat/0.png"] == ("dress",)
    assert len(again) == 8
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
