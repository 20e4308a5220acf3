"""`eyebright data check`: from a folder to findings, a page and a clean list."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from eyebright.data import Dataset
from pictures import encoded


def scene(seed):
    blots = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (9, 12, 3)).astype(np.uint8))
    return blots.resize((96, 72), Image.Resampling.BICUBIC)


@pytest.fixture
def pets(tmp_path):
    """A folder of cats and dogs, with a leak, a conflict and a broken picture."""
    folder = tmp_path / "pets"
    for split, start, count in (("train", 0, 24), ("validation", 100, 4), ("test", 200, 6)):
        for at in range(start, start + count):
            path = folder / split / ("cat" if at % 2 else "dog") / f"{at}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded(scene(at), "JPEG", quality=90))
    mirrored = scene(201).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    (folder / "train/cat/leak.jpg").write_bytes(encoded(mirrored, "JPEG"))
    (folder / "train/cat/conflict.jpg").write_bytes((folder / "train/dog/2.jpg").read_bytes())
    (folder / "train/cat/torn.jpg").write_bytes((folder / "train/cat/1.jpg").read_bytes()[:700])
    return folder


def listing(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_findings_are_told_by_severity(eyebright, pets):
    before = listing(pets)
    ended = eyebright("data", "check", pets)
    assert ended.code == 1, "a picture could not be read"
    assert ended.out.index("Stops training") < ended.out.index("conflict:") < ended.out.index("Worth a look")
    assert "test/cat/201.jpg (test, cat)  =  train/cat/leak.jpg (train, cat)" in ended.out
    assert "1 of 37 could not be read." in ended.err
    assert listing(pets) == before


def test_json_has_every_picture_of_every_finding(eyebright, pets):
    found = json.loads(eyebright("data", "check", pets, "--format", "json").out)
    groups = {finding["kind"]: finding["groups"] for finding in found["findings"]}
    assert {entry["file"] for entry in groups["leak"][0]} == {"test/cat/201.jpg", "train/cat/leak.jpg"}
    assert {tuple(entry["labels"]) for entry in groups["conflict"][0]} == {("cat",), ("dog",)}
    assert found["unreadable"] == 1


@pytest.mark.parametrize("place", ["pets/clean.csv", "clean.csv"])
def test_the_clean_list_is_read_again_and_has_nothing_that_stops(eyebright, pets, tmp_path, place):
    ended = eyebright("data", "check", pets, "--write-clean", place)
    assert "33 pictures, 4 left out" in ended.err
    data = Dataset.read(tmp_path / place)
    assert len(data.items) == 33
    assert {item.split for item in data.items} == {"train", "validation", "test"}
    assert data.task == Dataset.read(pets / "train").task
    again = eyebright("data", "check", place)
    assert again.code == 0
    assert "Stops training" not in again.out


def test_the_clean_list_of_an_archive_names_what_is_in_it(eyebright, pets, tmp_path):
    import shutil

    shutil.make_archive(str(tmp_path / "pets"), "zip", tmp_path, "pets")
    ended = eyebright("data", "check", "pets.zip", "--write-clean", "clean.csv")
    assert "Unpack pets.zip beside it" in ended.err
    with open("clean.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert all((tmp_path / row["file"]).is_file() for row in rows)
    assert len(Dataset.read("clean.csv").items) == len(rows) == 33


def test_a_page_is_written_and_never_over_another(eyebright, pets, tmp_path):
    assert eyebright("data", "check", pets, "--html", "audit.html").code == 1
    assert (tmp_path / "audit.html").read_text().startswith("<!doctype html>")
    again = eyebright("data", "check", pets, "--html", "audit.html")
    assert again.code == 2
    assert "--force overwrites it" in again.err
    assert eyebright("data", "check", pets, "--html", "audit.html", "--force").code == 1


def test_the_pictures_it_will_meet_are_compared(eyebright, pets, tmp_path):
    met = tmp_path / "met"
    met.mkdir()
    for at in range(25):
        (met / f"{at}.jpg").write_bytes(encoded(scene(300 + at).point(lambda value: value // 4), "JPEG"))
    ended = eyebright("data", "check", pets, "--against", met, "--html", "audit.html")
    assert "darker: brightness" in ended.out
    assert "it will meet" in (tmp_path / "audit.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere"], "no such file or folder: nowhere"),
        (["pets", "--against", "nowhere"], "no such file or folder: nowhere"),
        (["pets", "--against", "empty"], "empty: there are no pictures in it to compare with."),
        (["pets", "--against", "notes.txt"], "notes.txt is neither a folder nor an archive"),
        (["pets", "--write-clean", "empty/clean.csv"], "a list lies in the folder of its pictures or above it"),
        (["pets", "--html", "a", "--write-clean", "a"], "name the same file"),
        (["pets", "--html", "no/such/a.html"], "make it first."),
        (["pets", "--html", "empty"], "'empty' is a directory"),
        (["digits", "--write-clean", "clean.csv"], "which a list cannot name one by one"),
    ],
)
def test_a_bad_request_is_one_sentence_before_any_work(eyebright, pets, tmp_path, arguments, sentence):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("dear diary")
    digits = tmp_path / "digits"
    digits.mkdir()
    (digits / "train-images-idx3-ubyte").write_bytes(
        bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 4]) + bytes(32)
    )
    (digits / "train-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2, 0, 1]))
    ended = eyebright("data", "check", *arguments)
    assert ended.code == 2
    assert sentence in ended.err
    assert ended.out == ""
    assert not list(tmp_path.rglob("*.html"))


def test_a_name_that_is_no_text_is_told_and_not_listed(eyebright, pets, tmp_path):
    try:
        (pets / "train/cat/1.jpg").rename(pets / "train/cat/caf\udce9.jpg")
    except (OSError, UnicodeError):
        pytest.skip("this file system takes text names only")
    assert eyebright("data", "check", pets, "--html", "audit.html").code == 1
    assert eyebright("data", "check", pets, "--format", "json").code == 1
    ended = eyebright("data", "check", pets, "--write-clean", "clean.csv")
    assert ended.code == 2
    assert "caf\\xe9.jpg is no UTF-8 text" in ended.err
    assert not (tmp_path / "clean.csv").exists()


def test_a_set_without_fault_says_so(eyebright, tmp_path):
    for split, start in (("train", 0), ("validation", 100), ("test", 200)):
        for at in range(start, start + 24):
            path = tmp_path / "fine" / split / ("cat" if at % 2 else "dog") / f"{at}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded(scene(at)))
    ended = eyebright("data", "check", "fine")
    assert (ended.code, ended.err) == (0, "")
    assert "Nothing was found" in ended.out
