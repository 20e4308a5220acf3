"""`eyebright search`: what is similar, what is not, and the forms in which it is told."""

import json

import numpy as np
import pytest
from PIL import Image

from eyebright.library import Library
from eyebright.library.unrelated import Null, keep, whose
from pictures import color_model, encoded, plain

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
    assert "+1 variant" in shop("search", "shirt").out


def test_what_became_of_items_is_told(shop, tmp_path):
    (tmp_path / "products.csv").write_text("id,title,image\n1,Linen shirt red,red.png\n2,Mug,green.png\n4,Hat,\n")
    ended = shop("index", "--catalog", "products.csv", *PLAIN)
    assert ended.code == 1
    assert "1 gone" in ended.out
    assert "Items: 1 added, 2 changed, 1 taken out." in ended.out
    assert "products.csv: item 4 names no picture." in ended.out
    assert "items   3 of catalogs, 1 without a picture" in shop("library", "status").out
    assert "blue.png" not in shop("search", "--like", "1", "--all").out
    again = shop("index", "--catalog", "products.csv", *PLAIN)
    assert "Items: as they were." in again.out
    (told,) = found(shop("index", "--catalog", "products.csv", *PLAIN, "--format", "json"))
    assert told["items"] == {"added": 0, "changed": 0, "taken_out": 0}
    assert "items" not in found(shop("index", ".", *PLAIN, "--format", "json"))[0]


def test_of_many_items_without_a_picture_some_are_told_and_where_all_are(shop, tmp_path):
    lost = [f"{number},{number}.png" for number in range(1, 13)]
    (tmp_path / "products.csv").write_text("\n".join(["id,image", "0,red.png", *lost]))
    ended = shop("index", "--catalog", "products.csv", *PLAIN)
    assert "... and 2 more; `--format json` lists all." in ended.out
    assert len(found(shop("index", "--catalog", "products.csv", *PLAIN, "--format", "json"))[0]["unreadable"]) == 12


def test_of_items_on_one_photo_that_which_is_meant_is_shown(shop, tmp_path):
    """A photo may show a whole family of things; what was asked for is what is told."""
    (tmp_path / "products.csv").write_text(
        "id,title,image,color,price\nsku1,Mug,red.png,blue,9\nsku2,Scarf,red.png,pink,9-12\n"
    )
    shop("index", "--catalog", "products.csv", *PLAIN)
    assert "[sku2 Scarf]" in shop("search", "--where", "color=pink").out
    (only,) = found(shop("search", "--where", "id=sku2", "--format", "json"))
    assert [item["id"] for item in only["items"]] == ["sku2"]
    assert "red.png" in shop("search", "sku1").out
    ended = shop("search", "--where", "price<10")
    assert ended.err == "Of price these are no numbers and are left out: 9-12.\n"
    assert "[sku1 Mug]" in ended.out


def test_a_catalog_is_judged(shop, tmp_path):
    (tmp_path / "queries.csv").write_text("image,relevant\nred.png,1;2\nlost.png,3\n")
    ended = shop("search", "--evaluate", "queries.csv", "--top", "2", *PLAIN)
    assert ended.code == 1
    assert "1 query, 2 shown" in ended.out
    assert "not read: lost.png" in ended.err
    (told,) = found(shop("search", "--evaluate", "queries.csv", *PLAIN, "--format", "json"))
    assert set(told) == {"queries", "left_out", "k", "embedding", "colors", "chance"}
    assert set(told["embedding"]["map"]) == {"value", "low", "high", "n", "method"}


def test_what_is_not_near_enough_is_not_similar(shop):
    with Library() as library:
        keep(library, 1, Null(3, (0.5, 0.99), whose(library, 1)))
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


def test_filters_alone_show_all_of_these_the_newest_first(shop, tmp_path):
    (tmp_path / "more").mkdir()
    for name in ("IMG_20210301", "IMG_20210501", "IMG_20220501"):
        (tmp_path / "more" / f"{name}.png").write_bytes(encoded(plain("red", 60 + int(name[6:8]))))
    (tmp_path / "more" / "IMG_20210501.png").write_bytes(encoded(plain("green", 70)))
    shop("index", "more", *PLAIN)
    shown = [hit["source"][-12:] for hit in found(shop("search", "--where", "taken=2021", "--format", "json"))]
    assert shown == ["20210501.png", "20210301.png"]


def test_variants_do_not_crowd_out_other_things(shop, tmp_path):
    """Sixty colors of one shirt are one thing; ten are asked for, and there are six."""
    rows = ["id,title,image,style"]
    for number in range(60):
        (tmp_path / f"v{number}.png").write_bytes(encoded(plain("red", 100 + number)))
        rows.append(f"v{number},Wool shirt {('red', 'navy')[number % 2]},v{number}.png,casual")
    for number in range(5):
        (tmp_path / f"o{number}.png").write_bytes(encoded(plain("blue", 100 + number)))
        rows.append(f"o{number},Thing of kind {'abcde'[number]},o{number}.png,casual")
    (tmp_path / "shirts.csv").write_text("\n".join(rows))
    assert shop("index", "--catalog", "shirts.csv", *PLAIN, "--library", "shirts").code == 0
    hits = found(shop("search", "--image", "v0.png", *PLAIN, "--library", "shirts", "--all", "--format", "json"))
    assert len(hits) == 6
    assert hits[0]["variants"] == 59
    (first,) = found(shop("search", "--like", "1", "--top", "1", "--library", "shirts", "--format", "json"))
    assert first["variants"] == 59


def test_answers_of_teaching_and_judging_go_to_a_file(shop, tmp_path):
    (tmp_path / "queries.csv").write_text("image,relevant\nred.png,1;2\n")
    (tmp_path / "b.png").write_bytes(encoded(plain("blue", 20)))
    assert shop("search", "--evaluate", "queries.csv", *PLAIN, "-o", "judged.txt").out == ""
    assert (tmp_path / "judged.txt").read_text().startswith("1 query, 10 shown")
    assert shop("search", "--teach", "mug", "blue.png", "b.png", *PLAIN, "-o", "taught.txt").out == ""
    assert (tmp_path / "taught.txt").read_text().startswith("Learned mug")


def test_queries_with_nothing_else_to_find_are_left_out(shop, tmp_path):
    (tmp_path / "queries.csv").write_text("image,relevant\nred.png,1;2\nblue.png,3\n")
    ended = shop("search", "--evaluate", "queries.csv", "--top", "2", *PLAIN)
    assert ended.out.startswith("1 query, 2 shown")
    assert "nothing but themselves is to be found: 1 query" in ended.out
    assert "embedding  0.500 (0.500 to 0.500)" in ended.out
    (tmp_path / "queries.csv").write_text("image,relevant\nblue.png,3\n")
    assert "Of no query is anything relevant" in shop("search", "--evaluate", "queries.csv", *PLAIN).err


@pytest.mark.parametrize(("form", "text"), [("text", "caf\\xe9.png"), ("json", "caf"), ("html", "caf\\xe9.png")])
def test_a_name_that_is_not_utf8_is_written(shop, tmp_path, form, text):
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "caf\udce9.png").write_bytes(encoded(plain("red", 60)))
    shop("index", "more", *PLAIN)
    assert shop("search", "more", "--format", form, "-o", "found").code == 0
    assert text in (tmp_path / "found").read_text(encoding="utf-8")
    assert "more/caf" in shop("search", "caf\udce9").out


def test_a_raw_file_is_seen_by_its_preview(shop, tmp_path):
    picture = encoded(plain("blue", 400, 300), "JPEG")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "x.cr2").write_bytes(b"II*\0" + bytes(60) + picture)
    assert shop("index", "more", *PLAIN).code == 0
    first, second = found(shop("search", "--image", "more/x.cr2", *PLAIN, "--top", "2", "--format", "json"))
    assert {first["id"], second["id"]} == {3, 4}
    page = shop("search", "--image", "more/x.cr2", *PLAIN, "--top", "2", "--format", "html").out
    assert "no picture" not in page


def test_by_look(shop, tmp_path):
    stripes = np.tile(np.repeat([[200, 0, 0], [120, 0, 0]], 4, 0)[None], (48, 6, 1)).astype(np.uint8)
    Image.fromarray(stripes).save(tmp_path / "stripes.png")
    first = found(shop("search", "--image", "stripes.png", "--by", "look", "--format", "json"))[0]
    assert first["items"][0]["id"] == "1"
    assert {
        hit["id"] for hit in found(shop("search", "--like", "3", "--by", "look", "--variants", "--format", "json"))
    } == {1, 2}


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


@pytest.mark.parametrize("photo", ["red.png", "1"])
def test_a_sheet_shows_what_was_asked_for_by_path_or_id(shop, photo):
    assert shop("search", "--like", photo, "--format", "html").out.count("asked for") == 1


def test_a_sheet_says_that_nothing_was_found(shop):
    page = shop("search", "unicorn", "--format", "html").out
    assert "Nothing was found: no photo is known by unicorn." in page
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
    assert ended.out.startswith("Learned my mug from 3 examples; 1 photo looks like it.")
    assert "you said my mug" in shop("search", "my mug").out
    assert "label   taught: my mug" in shop("library", "status").out
    (again,) = found(shop("search", "--teach", "my mug", "blue.png", "b2.png", *PLAIN, "--format", "json"))
    assert again["label"] == "my mug"


def test_a_label_is_taught_again_from_what_you_said(shop, tmp_path):
    """Also by a model that never saw one of the photos, since it is gone."""
    (tmp_path / "more").mkdir()
    for number in range(3):
        (tmp_path / "more" / f"b{number}.png").write_bytes(encoded(plain("blue", 20 + number)))
    shop("index", "more", *PLAIN)
    for number in range(3):
        shop("correct", f"more/b{number}.png", "--is", "it's mine")
    with Library() as library, library.writing() as connection:
        gone = "SELECT photo FROM file WHERE path LIKE '%b2.png'"
        connection.execute(f"DELETE FROM embedding WHERE photo IN ({gone})")
    ended = shop("search", "--teach", "it's mine", *PLAIN)
    assert ended.out.startswith("Learned it's mine from 2 examples")
    assert """See them: eyebright search 'it'"'"'s mine'.""" in ended.out


def test_a_label_is_taught_and_forgotten_by_a_verb_of_its_own(shop, tmp_path):
    for number in range(3):
        (tmp_path / f"b{number}.png").write_bytes(encoded(plain("blue", 20 + number)))
    assert shop("teach", "my mug", "blue.png", "b0.png", *PLAIN).out.startswith("Learned my mug from 2 examples")
    assert shop("teach", "my mug", "--forget").out == "Forgot my mug, which 1 photo had.\n"
    assert "taught:" not in shop("library", "status").out
    assert "you said my mug" in shop("search", "my mug").out
    assert shop("teach", "my mug", "--forget").code == 2


def test_a_label_that_is_refused_is_not_kept(shop, tmp_path):
    (tmp_path / "b.png").write_bytes(encoded(plain("blue", 20)))
    assert shop("search", "--teach", "m" * 250, "blue.png", "b.png", *PLAIN).code == 2
    assert "taught" not in shop("library", "status").out


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
        (("shirt", "--where", "camera=\udcff"), "camera=\\xff is not text"),
        (("--teach", "m" * 250, "red.png", "blue.png"), "1 to 200 letters"),
        (("--teach", " ", "red.png", "blue.png"), "1 to 200 letters"),
        (("--teach", "", "red.png", "blue.png"), "1 to 200 letters"),
        (("--teach", "\udcff", "red.png", "blue.png"), "not plain text"),
        (("--teach", "mug", "red.png", "./red.png"), "2 different examples"),
        (("--teach", "mug"), "2 different examples"),
        (("--teach", "mug", "red.png", "--format", "html"), "text and json"),
        (("--evaluate", "products.csv", "--format", "html"), "text and json"),
        (("--like", "9" * 20), f"has no photo {'9' * 20}"),
        (("--like", "²"), "² is no file"),
        (("--image", "red.png", "--crop", "nan,0,1,1"), "nan,0,1,1 is no such box"),
        (("--image", "red.png", "--crop", "inf,0,1,1"), "inf,0,1,1 is no such box"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(shop, words, why):
    ended = shop("search", *words, *PLAIN)
    assert ended.code == 2
    assert why in ended.err
    assert ended.err.count("\n") == 1


def test_a_model_that_compares_no_pictures_indexes_none(shop, tmp_path):
    (tmp_path / "names.onnx").write_bytes(color_model(embedding=False))
    ended = shop("index", "--catalog", "products.csv", "--model", "names.onnx", "--trust")
    assert ended.code == 2
    assert "has no embedding output" in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    "words", [(), ("photos", "--catalog", "products.csv"), ("--catalog", "products.csv", "--watch")]
)
def test_index_takes_folders_or_a_catalog(shop, words):
    ended = shop("index", *words, *PLAIN)
    assert ended.code == 2
    assert ended.err.count("\n") <= 1
