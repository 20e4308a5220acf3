"""`eyebright search`: what is similar, what is not, and the forms in which it is told."""

import json

import numpy as np
import pytest
from PIL import Image

from eyebright.library import Library
from eyebright.library.unrelated import Null, keep, place
from pictures import encoded, plain

PLAIN = ("--model", "colors.onnx", "--trust")


@pytest.fixture
def shop(eyebright, colors, monkeypatch, tmp_path):
    """`eyebright` in a folder with a catalog that is indexed: shirts in two colors, a mug."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EYEBRIGHT_LIBRARY", str(tmp_path / "library"))
    (tmp_path / "colors.onnx").write_bytes(colors.read_bytes())
    for color in ("red", "green", "blue"):
        (tmp_path / f"{color}.png").write_bytes(encoded(plain(color, 50)))
    (tmp_path / "products.csv").write_text(
        "id,title,image,color,price\n"
        "1,Linen shirt red,red.png,red,30\n2,Linen shirt green,green.png,green,40\n3,Mug,blue.png,blue,9.5\n"
    )
    ended = eyebright("index", "--catalog", "products.csv", *PLAIN)
    assert ended.code == 0
    assert ended.out.startswith("3 new.")
    return eyebright


def found(ended):
    return [json.loads(line) for line in ended.out.splitlines()]


def test_a_catalog_is_searched_with_filters_and_without_variants(shop):
    first, second = found(shop("search", "--image", "red.png", *PLAIN, "--format", "json"))
    assert (first["items"][0]["id"], first["variants"], second["items"][0]["title"]) == ("1", 1, "Mug")
    assert len(found(shop("search", "--image", "red.png", *PLAIN, "--variants", "--format", "json"))) == 3
    (only,) = found(shop("search", "--image", "red.png", *PLAIN, "--where", "price<10", "--format", "json"))
    assert only["items"] == [{"id": "3", "title": "Mug", "color": "blue", "price": "9.5"}]
    assert "[3 Mug]" in shop("search", "mug").out
    assert "+1 variants" in shop("search", "shirt").out


def test_a_catalog_is_judged(shop, tmp_path):
    (tmp_path / "queries.csv").write_text("image,relevant\nred.png,1;2\nlost.png,3\n")
    ended = shop("search", "--evaluate", "queries.csv", "--top", "2", *PLAIN)
    assert ended.code == 1
    assert "1 queries, 2 shown" in ended.out
    assert "not read: lost.png" in ended.err
    (told,) = found(shop("search", "--evaluate", "queries.csv", *PLAIN, "--format", "json"))
    assert set(told) == {"queries", "k", "embedding", "colors", "chance"}
    assert set(told["embedding"]["map"]) == {"value", "low", "high", "n", "method"}


def test_what_is_not_near_enough_is_not_similar(shop):
    with Library() as library:
        keep(place(library, 1), Null(3, (0.5, 0.99)))
    assert "red.png" in shop("search", "--image", "red.png", *PLAIN).out
    ended = shop("search", "--like", "1", "--where", "color=blue")
    assert ended.code == 0
    assert ended.out.startswith("Nothing similar was found. The nearest is")
    assert "up to 0.985 near" in ended.out
    (told,) = found(shop("search", "--like", "1", "--where", "color=blue", "--format", "json"))
    assert told["nothing_similar"]
    assert told["nearest"][0]["id"] == 3
    assert told["cutoff"] == pytest.approx(0.985, abs=1e-3)
    assert "blue.png" in shop("search", "--like", "1", "--where", "color=blue", "--all").out
    assert "blue.png" in shop("search", "--like", "1", "--unlike", "2", "--where", "color=blue").out


def test_by_look(shop, tmp_path):
    stripes = np.tile(np.repeat([[200, 0, 0], [120, 0, 0]], 4, 0)[None], (48, 6, 1)).astype(np.uint8)
    Image.fromarray(stripes).save(tmp_path / "stripes.png")
    first = found(shop("search", "--image", "stripes.png", "--by", "look", "--format", "json"))[0]
    assert first["items"][0]["id"] == "1"
    assert found(shop("search", "--like", "3", "--by", "look", "--format", "json"))[0]["id"] == 3


def test_a_contact_sheet_is_whole_in_itself(shop, tmp_path):
    assert shop("search", "shirt", "--variants", "--format", "html", "-o", "sheet.html").code == 0
    page = (tmp_path / "sheet.html").read_text()
    assert page.count("<figure>") == 2
    assert "Linen shirt green" in page
    assert 'src="data:image/jpeg;base64,' in page
    assert "http" not in page.replace("http-equiv", "")
    again = shop("search", "shirt", "--format", "html", "-o", "sheet.html")
    assert again.code == 2
    assert "--force overwrites" in again.err


def test_a_sheet_says_that_nothing_was_found(shop):
    page = shop("search", "unicorn", "--format", "html").out
    assert "Nothing was found." in page
    assert "<figure>" not in page


def test_hostile_names_stay_text_on_a_sheet(shop, tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "<script>x.png").write_bytes(encoded(plain("red", 60)))
    shop("index", "more", *PLAIN)
    page = shop("search", "script", "--format", "html").out
    assert "&lt;script&gt;x.png" in page
    assert "<script>x" not in page


def test_a_label_is_taught_and_kept_as_a_word_of_yours(shop, tmp_path):
    for number in range(3):
        (tmp_path / f"b{number}.png").write_bytes(encoded(plain("blue", 20 + number)))
    ended = shop("search", "--teach", "my mug", "blue.png", "b0.png", "b1.png", *PLAIN)
    assert ended.code == 0
    assert ended.out.startswith("Learned my mug from 3 examples; 1 photos look like it.")
    assert "you said my mug" in shop("search", "my mug").out
    assert "label   taught: my mug" in shop("library", "status").out
    (again,) = found(shop("search", "--teach", "my mug", "blue.png", "b2.png", *PLAIN, "--format", "json"))
    assert again["label"] == "my mug"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--teach", "mug", "red.png"), "2 different examples"),
        (("--teach", "mug", "red.png", "blue.png"), "do not agree"),
        (("--teach", "mug", "red.png", "nowhere.png"), "nowhere.png is no file"),
        (("shirt", "--explain"), "--explain tells which part"),
        (("shirt", "--by", "look"), "--by look compares pictures"),
        (("--image", "red.png", "--explain"), "gives no features"),
        (("--evaluate", "nowhere.csv"), "nowhere.csv cannot be read as CSV: no such file"),
        (("shirt", "--where", "size=XL"), "No photo has a size"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(shop, words, why):
    ended = shop("search", *words, *PLAIN)
    assert ended.code == 2
    assert why in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    "words", [(), ("photos", "--catalog", "products.csv"), ("--catalog", "products.csv", "--watch")]
)
def test_index_takes_folders_or_a_catalog(shop, words):
    ended = shop("index", *words, *PLAIN)
    assert ended.code == 2
    assert ended.err.count("\n") <= 1
