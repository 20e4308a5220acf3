"""`eyebright frontier`: what is wrong is one sentence and leaves nothing; what it found is a table."""

import json

import pytest

pytest.importorskip("torch")

from eyebright.compression.frontier import search
from pictures import write_patterns


@pytest.fixture
def photos(tmp_path):
    return write_patterns(tmp_path / "photos")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "which data? Name a folder"),
        (["photos"], "Which networks? Name some with --encoders"),
        (["photos", "--encoders", "resnet-9"], "There is no encoder 'resnet-9'; did you mean resnet-"),
        (["photos", "--encoders", ","], "There is nothing in encoders to try"),
        (["photos", "--encoders", "resnet-8", "--widths", "wide"], "--widths takes numbers with commas between"),
        (["photos", "--encoders", "resnet-8", "--sizes", "1e2"], "--sizes takes whole numbers with commas between"),
        (["photos", "--encoders", "resnet-8", "--widths", "9"], "width is a number from 0.05 to 4; 9 is not."),
        (["photos", "--encoders", "resnet-8", "--sizes", "16"], "32 or more; 16 is too small"),
        (["photos", "--encoders", "resnet-8", "--bits", "4"], "bits is 32 (float), 8 (int8) or both; 4 is neither."),
        (["photos", "--encoders", "resnet-8", "--time", "soon"], "--time is a number with a unit"),
        (["photos", "--encoders", "resnet-8", "--set", "width=2"], "A frontier decides width by itself"),
        (["photos", "--encoders", "resnet-8", "--set", "epoch=2"], "there is no key 'epoch'; did you mean epochs?"),
        (["photos", "--encoders", "resnet-8", "--teacher", "none.onnx", "--sizes", "32"], "none.onnx"),
        (["missing", "--encoders", "resnet-8"], "missing"),
        (["--resume"], "holds no frontier to go on with"),
    ],
)
def test_what_cannot_be_meant_ends_with_2_and_a_sentence(eyebright, photos, tmp_path, arguments, sentence):
    ended = eyebright("frontier", *arguments, "-o", "new")
    assert ended.code == 2
    assert sentence in ended.err
    assert "Traceback" not in ended.err
    assert ended.out == ""
    assert not (tmp_path / "new").exists()


def test_a_table_and_json(eyebright, photos, monkeypatch, tmp_path):
    """And what is begun with other options is not gone on with."""
    whole = search.in_turns
    monkeypatch.setattr(search, "in_turns", lambda files, turns=3, **how: whole(files, turns=3, **how))
    quick = ["--set", "epochs=1", "--set", "batch=14", "--set", "threads=1", "--seeds", "1"]
    asked = ["photos", "--encoders", "resnet-8", "--widths", ".25", "--sizes", "32", "--bits", "32", *quick]
    ended = eyebright("frontier", *asked, "-o", "f")
    assert ended.code == 0, ended.err
    header, row, *_ = ended.out.splitlines()
    assert header.split()[:3] == ["model", "validation", "test"]
    assert row.split()[:2] == ["1", "resnet-8-w0.25-32"]
    assert row.split()[-1] == "frontier"
    assert "The best is resnet-8-w0.25-32 (" in ended.out
    again = eyebright("frontier", "--resume", "-o", "f", "--format", "json")
    assert again.code == 0, again.err
    (found,) = json.loads(again.out)["points"]
    assert (found["name"], found["bits"], found["frontier"]) == ("resnet-8-w0.25-32", 32, True)
    other = eyebright("frontier", "--resume", "-o", "f", "--sizes", "64")
    assert other.code == 2
    assert "f was begun with another --sizes; leave it out" in other.err
    other = eyebright("frontier", "other", "--resume", "-o", "f")
    assert "f was begun with other pictures" in other.err
