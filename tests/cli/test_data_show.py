"""`eyebright data show`: what was understood, and the contact sheet."""

import html.parser
import json
import re

import pytest

from data.making import folder, picture, pictures, zipped
from pictures import opened

NAMES = [f"{split}/{label}/{number}.png" for split in ("train", "val") for label in ("cat", "dog") for number in "12"]
PETS = {**pictures(*NAMES), "train/dog/3.png": picture(9, 30, 20), "train/cat/notes.txt": "sleeps"}


def test_it_prints_labels_splits_sizes_and_remarks(eyebright, tmp_path):
    """A table to read, numbers to the right."""
    folder(tmp_path / "pets", PETS)
    ended = eyebright("data", "show", "pets")
    assert ended.code == 0
    assert ended.out == (
        "pets: read as folders, task single\n"
        "\n"
        "2 labels  train  validation  all\n"
        "cat           2           2    4\n"
        "dog           3           2    5\n"
        "pictures      5           4    9\n"
        "\n"
        "Pixels, smallest / median / largest: shorter side 8 / 8 / 20, longer side 8 / 8 / 30 (9 pictures looked at).\n"
        "Files that are no pictures, left out: 1 (.txt).\n"
    )


def test_json_says_the_same(eyebright, tmp_path):
    """One object, for programs."""
    zipped(tmp_path / "pets.zip", PETS)
    found = json.loads(eyebright("data", "show", "pets.zip", "--format", "json").out)
    assert found["labels"][1] == {"id": "dog", "label": "dog", "counts": {"train": 3, "validation": 2}}
    assert (found["name"], found["reader"], found["task"], found["pictures"]) == ("pets", "folders", "single", 9)
    assert found["splits"] == {"train": 5, "validation": 4, "test": 0}
    assert found["sizes"] == {"shorter": [8, 8, 20], "longer": [8, 8, 30], "sampled": 9}
    assert len(found["content_hash"]) == 64


def test_a_picture_that_cannot_be_read_is_a_remark(eyebright, tmp_path):
    """`data check` looks at all of them."""
    folder(tmp_path / "pets", {**PETS, "train/cat/torn.jpg": b"dear diary"})
    ended = eyebright("data", "show", "pets", "--sheet", "sheet.html")
    assert ended.code == 0
    assert "not read: 1 (train/cat/torn.jpg: not a picture" in ended.out
    assert "not read: train/cat/torn.jpg: not a picture" in (tmp_path / "sheet.html").read_text()


class Page(html.parser.HTMLParser):
    """What is on a page: its pictures, and tags that were opened and not closed."""

    def __init__(self, text):
        super().__init__()
        self.pictures, self.open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            self.pictures.append(dict(attributes))
        elif tag not in ("meta", "link", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_html_sheet_is_whole_in_itself_and_says_what_is_in_each_picture(eyebright, tmp_path):
    """It opens with the network off, and reads aloud."""
    hostile = {name.replace("dog", "<b>&dog"): content for name, content in PETS.items()}
    folder(tmp_path / "pets", hostile)
    ended = eyebright("data", "show", "pets", "--sheet", "sheet.html")
    assert ended.err == "sheet.html: 9 pictures of 2 labels.\n"
    text = (tmp_path / "sheet.html").read_text()
    page = Page(text)
    assert page.open == []
    assert len(page.pictures) == 9
    assert all(picture["src"].startswith("data:image/jpeg;base64,") for picture in page.pictures)
    assert page.pictures[0]["alt"].startswith("<b>&dog; ")
    assert "<b>" not in text
    assert not re.search(r"https?://|<script|<link", text)


def test_the_png_sheet_shows_every_label(eyebright, tmp_path):
    """For where a page cannot be opened."""
    folder(tmp_path / "pets", PETS)
    assert eyebright("data", "show", "pets", "--sheet", "sheet.png").code == 0
    sheet = opened(tmp_path / "sheet.png")
    assert sheet.mode == "RGB"
    assert len(sheet.getcolors(1 << 20)) > 100


def test_a_sheet_overwrites_nothing_unless_told(eyebright, tmp_path):
    """Asked before any work is done."""
    folder(tmp_path / "pets", PETS)
    (tmp_path / "sheet.html").write_text("mine")
    ended = eyebright("data", "show", "pets", "--sheet", "sheet.html")
    assert (ended.code, ended.err) == (2, "eyebright: sheet.html exists; --force overwrites it.\n")
    assert (tmp_path / "sheet.html").read_text() == "mine"
    assert eyebright("data", "show", "pets", "--sheet", "sheet.html", "--force").code == 0
    ended = eyebright("data", "show", "pets", "--sheet", "sheet.pdf")
    assert (ended.code, ended.err) == (2, "eyebright: --sheet sheet.pdf: a sheet is .html or .png.\n")


@pytest.mark.parametrize("arguments", ["nowhere", "pets --reader coco", "pets --reader x", "notes.txt"])
def test_what_cannot_be_read_ends_with_2_and_a_sentence(eyebright, tmp_path, arguments):
    """On stderr; nothing on stdout."""
    folder(tmp_path / "pets", PETS)
    (tmp_path / "notes.txt").write_text("dear diary")
    ended = eyebright("data", "show", *arguments.split())
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("eyebright: ")
    assert ended.err.count("\n") == 1


def test_a_thousand_labels_are_not_all_printed(eyebright, tmp_path):
    """JSON has them."""
    folder(tmp_path / "many", pictures(*(f"label {number:03}/1.png" for number in range(60))))
    ended = eyebright("data", "show", "many")
    assert "label 049" in ended.out
    assert "label 050" not in ended.out
    assert "... and 10 more labels: --format json has them all." in ended.out
