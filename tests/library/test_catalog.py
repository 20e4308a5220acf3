"""A shop's catalog: items and their pictures, variants of one thing, and how good its search is."""

import os

import pytest

from eyebright.errors import BadRequest
from eyebright.library import Library, catalog, retrieval
from eyebright.library.catalog import Item, items_of, read
from eyebright.library.filters import ALL
from eyebright.library.indexer import index as folder_index
from eyebright.library.search import Hit, by_words
from eyebright.library.variants import thing_of, without_variants
from pictures import color_recognizer, encoded, plain

SIDECAR = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/"><rdf:Description><dc:subject><rdf:Bag><rdf:li>quokka</rdf:li>'
    "</rdf:Bag></dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>"
)
ROWS = """id,title,image,color
1,"Linen shirt, red",red.png,red
2,"Linen shirt, blue",blue.png,blue
3,Green mug,green.png,green
4,Lost hat,lost.png,black
"""


@pytest.fixture
def shop(tmp_path):
    for color in ("red", "green", "blue"):
        (tmp_path / f"{color}.png").write_bytes(encoded(plain(color, 50)))
    (tmp_path / "products.csv").write_text(ROWS)
    return tmp_path


@pytest.fixture(scope="module")
def recognizer():
    return color_recognizer()


@pytest.fixture
def library(shop):
    with Library(shop / "library", make=True) as made:
        yield made


def indexed(library, shop, recognizer):
    return catalog.index(library, str(shop / "products.csv"), recognizer)


def test_items_find_their_photos_and_one_without_a_picture_is_listed(library, shop, recognizer):
    done = indexed(library, shop, recognizer)
    assert done.new == 3
    assert done.unreadable == [(str(shop / "lost.png"), "item 4: there is no such file.")]
    (hit,) = by_words(library, "mug", 10)
    assert items_of(library, hit.photo) == [Item("3", "Green mug", "", {"color": "green"}, str(shop / "products.csv"))]
    assert library.value("SELECT count(*) FROM item WHERE photo IS NULL") == 1
    again = indexed(library, shop, recognizer)
    assert (again.new, again.same) == (0, 3)


def test_the_file_says_what_items_are(library, shop, recognizer):
    indexed(library, shop, recognizer)
    (shop / "products.csv").write_text(
        ROWS.replace("Green mug", "Green cup").replace("4,Lost hat,lost.png,black\n", "")
    )
    assert indexed(library, shop, recognizer).unreadable == []
    assert by_words(library, "mug", 10) == []
    assert len(by_words(library, "cup", 10)) == 1
    assert library.value("SELECT count(*) FROM item") == 3


def test_the_photo_of_an_item_that_was_taken_out_is_not_there_until_the_item_is(library, shop, recognizer):
    assert indexed(library, shop, recognizer).counts()["added"] == 4
    (shop / "products.csv").write_text(ROWS.replace("3,Green mug,green.png,green\n", "").replace("Lost hat", "Hat"))
    done = indexed(library, shop, recognizer)
    assert (done.added, done.altered, done.taken_out, done.gone) == (0, 1, 1, 1)
    assert by_words(library, "green", 10) == []
    (shop / "products.csv").write_text(ROWS)
    assert indexed(library, shop, recognizer).added == 1
    assert len(by_words(library, "mug", 10)) == 1


def test_a_photo_below_an_indexed_folder_is_there_without_an_item(library, shop, recognizer):
    folder_index(library, [shop], recognizer)
    indexed(library, shop, recognizer)
    (shop / "products.csv").write_text("id,image\n1,red.png\n")
    done = indexed(library, shop, recognizer)
    assert (done.taken_out, done.gone) == (3, 0)
    assert len(by_words(library, "green", 10)) == 1


def test_a_picture_that_went_is_marked_and_comes_back(library, shop, recognizer):
    indexed(library, shop, recognizer)
    data = (shop / "green.png").read_bytes()
    (shop / "green.png").unlink()
    assert indexed(library, shop, recognizer).gone == 1
    assert by_words(library, "mug", 10) == []
    (shop / "green.png").write_bytes(data)
    indexed(library, shop, recognizer)
    assert len(by_words(library, "mug", 10)) == 1


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "needs a first line"),
        ("id,title\n1,a\n", "needs a first line"),
        ("id,id,image\n1,1,a.png\n", "two columns that are called id"),
        ("title,image\na,a.png\n", "needs a first line of names, id among them; it has title, image"),
        ("id,image\n1,a.png\n,b.png\n1,b.png\n", "line 3 has no id; lines 2 and 4 both have the id 1. Each item"),
        ("id,image\n" + "1,a.png\n" * 14, "lines 2 and 12 both have the id 1; and 3 more"),
        ("id,image\n1,a.png,red\n", "line 2 has more values"),
        ("id,image\n", "lists no item"),
        ("id,image\n1,a\0b.png\n", "line 2 holds a null byte"),
        ("id;image\n1;M\xfctze.png\n", "is not text in UTF-8; save it as UTF-8 CSV"),
        ("id,image\n1," + "a" * 200_000 + "\n", "cannot be read as CSV"),
    ],
)
def test_a_catalog_that_is_not_sound_changes_nothing(library, shop, recognizer, text, why):
    indexed(library, shop, recognizer)
    (shop / "products.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(BadRequest, match=why):
        indexed(library, shop, recognizer)
    assert library.value("SELECT count(*) FROM item") == 4


def test_a_catalog_that_is_not_there(library, shop, recognizer):
    with pytest.raises(BadRequest, match="no such file"):
        catalog.index(library, str(shop / "nothing.csv"), recognizer)


def test_columns_are_known_by_other_names(shop):
    (shop / "products.csv").write_text("SKU,Name,Picture,size\n7,Mug,red.png,XL\n")
    assert read(shop / "products.csv") == [Item("7", "Mug", str(shop / "red.png"), {"size": "XL"})]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_catalog_is_read_as_a_spreadsheet_writes_it(shop, encoding, delimiter):
    """Excel's delimiter is that of the country, and a table with an empty column to the right has one name less."""
    lines = [("SKU", '"Name, long; or short"', "Image", "Größe", ""), ("7", "", "red.png", "XL", ""), ("", "", " ", "")]
    (shop / "products.csv").write_bytes("\r\n".join(map(delimiter.join, lines)).encode(encoding))
    assert read(shop / "products.csv") == [Item("7", "", str(shop / "red.png"), {"Größe": "XL"})]


def test_an_item_that_names_no_picture_is_told_and_the_rest_is_indexed(library, shop, recognizer):
    (shop / "products.csv").write_text(ROWS.replace("lost.png", ""))
    done = indexed(library, shop, recognizer)
    assert done.new == 3
    assert done.unreadable == [(str(shop / "products.csv"), "item 4 names no picture.")]
    assert library.value("SELECT count(*) FROM item") == 4


def test_variants_of_one_shirt_are_one_hit(library, shop, recognizer):
    indexed(library, shop, recognizer)
    photos = dict(library.rows("SELECT name, photo FROM item"))
    hits = [Hit(photos[name], name, 0.9) for name in ("1", "3", "2")]
    assert [(hit.path, others) for hit, others in without_variants(library, hits)] == [("1", 1), ("3", 0)]


@pytest.mark.parametrize("attributes", ["", 'a "b"'])
def test_variants_are_counted_in_the_catalog(library, shop, recognizer, attributes):
    """Not among what was found; those whose files are gone do not count."""
    quoted = '"{}"'.format(attributes.replace('"', '""'))
    titles = ("Größe shirt, red", "GRÖSSE Shirt blue", "Größe shirt green")
    lines = [f'{at},"{title}",{color}.png,{quoted}' for at, (title, color) in enumerate(zip(
        titles, ("red", "blue", "green"), strict=True))]  # fmt: skip
    (shop / "products.csv").write_text("\n".join(["id,title,image,group", *lines]))
    indexed(library, shop, recognizer)
    assert without_variants(library, [Hit(1, "1", 0.9)]) == [(Hit(1, "1", 0.9), 2)]
    (shop / "green.png").unlink()
    indexed(library, shop, recognizer)
    assert without_variants(library, [Hit(1, "1", 0.9)], top=1) == [(Hit(1, "1", 0.9), 1)]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Item("1", "Linen shirt red", "", {}), Item("2", "Linen shirt, NAVY", "", {}), True),
        (Item("1", "Shirt XL", "", {"size": "XL"}), Item("2", "Shirt S", "", {"size": "S"}), True),
        (Item("1", "Red", "", {}), Item("2", "Blue", "", {}), False),
        (Item("1", "Mug", "", {"group": "a"}), Item("2", "Mug", "", {"group": "b"}), False),
        (Item("1", "Mug", "", {"Parent": "a"}), Item("2", "Cup", "", {"Parent": "a"}), True),
        (Item("1", "Linen shirt", "", {}), Item("2", "Linen skirt", "", {}), False),
        (Item("1", "Linen shirt", "", {}), Item("2", "Shirt", "", {}), False),
        (Item("1", "Mug", "", {"style": "casual"}), Item("2", "Cup", "", {"style": "casual"}), False),
        (Item("1", "Wool dress", "", {"category": "dress"}), Item("2", "Wool hat", "", {"category": "hat"}), False),
        (Item("1", "Dress red", "", {"brand": "Wu"}), Item("2", "Dress blue", "", {"brand": "Li"}), False),
        (Item("1", "Dress", "", {"Shoe size": "38"}), Item("2", "Dress", "", {"Shoe size": "39"}), True),
        (Item("1", "Dress", "", {"size_type": "tall"}), Item("2", "Dress", "", {"size_type": "petite"}), False),
        (Item("1", "Dress", "", {}), Item("2", "Dress", "", {}), False),
        (Item("1", "Dress red", "", {}, "a.csv"), Item("2", "Dress blue", "", {}, "b.csv"), False),
        (Item("1", "Mug", "", {"group": "a"}, "a.csv"), Item("2", "Mug", "", {"group": "a"}, "b.csv"), False),
        (Item("1", "Orange juice", "", {}), Item("2", "Lime juice", "", {}), False),
        (Item("1", "Hemd, orange", "", {"Farbe": "Orange"}), Item("2", "Hemd", "", {"Farbe": "blau"}), True),
    ],
)
def test_what_is_a_variant(one, other, same):
    assert (thing_of(one) is not None and thing_of(one) == thing_of(other)) is same


def queries(shop, text):
    (shop / "queries.csv").write_text(text)
    return shop / "queries.csv"


def judged(library, path, recognizer):
    asked, unreadable = retrieval.read(library, path, recognizer)
    return retrieval.evaluate(library, 1, asked, 2, ALL), unreadable


def test_a_search_is_judged_beside_chance_and_colors(library, shop, recognizer):
    for number in range(3):
        for color in ("red", "blue"):
            (shop / f"{color}{number}.png").write_bytes(encoded(plain(color, 60 + number)))
    lines = [f"{color}{number},{color}{number}.png,{color}" for number in range(3) for color in ("red", "blue")]
    (shop / "products.csv").write_text("\n".join(["id,image,color", *lines]))
    indexed(library, shop, recognizer)
    found, _ = judged(library, queries(shop, "image,color\nred.png,red\nblue.png,blue\n"), recognizer)
    assert found["embedding"].precision.value == 1
    assert found["embedding"].recall.value == pytest.approx(2 / 3)
    assert found["embedding"].map.value == 1
    assert found["chance"].map.value < 1
    assert found["embedding"].by_group == {"color=blue": (1, 1.0), "color=red": (1, 1.0)}


def test_a_query_never_finds_itself(library, shop, recognizer):
    indexed(library, shop, recognizer)
    found, _ = judged(library, queries(shop, "image,relevant\nred.png,1;3\n"), recognizer)
    assert found["embedding"].recall.value in (0, 1)
    (only,), _ = retrieval.read(library, shop / "queries.csv", recognizer)
    assert len(only.relevant) == 2
    scores = retrieval.scored(library, "embedding", 1, [1, 2, 3], only.embedding[None])
    assert scores.max() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("image,relevant\nred.png,99\n", "line 2: no item of the catalog has the id 99"),
        ("image,color\nred.png,plaid\n", "line 2: no item of the catalog has color=plaid"),
        ("image\nred.png\n", "no item of the catalog has such attributes"),
        ("image,color\nnowhere.png,red\n", r"no query whose picture can be read: .*nowhere.png: no such file"),
        ("color,image\nred\n", "line 2 has no image"),
        ("id;color\n1;red\n", "a first line of names, image among them; it has id, color"),
        ("Image;Relevant\nred.png;99\n", "line 2: no item of the catalog has the id 99"),
    ],
)
def test_queries_that_cannot_be_meant(library, shop, recognizer, text, why):
    indexed(library, shop, recognizer)
    with pytest.raises(BadRequest, match=why):
        judged(library, queries(shop, text), recognizer)


def test_queries_to_a_library_without_a_catalog(library, shop, recognizer):
    with pytest.raises(BadRequest, match="has no catalog"):
        retrieval.read(library, queries(shop, "image,color\nred.png,red\n"), recognizer)


def test_a_catalog_whose_disk_is_away_changes_nothing(library, shop, recognizer):
    indexed(library, shop, recognizer)
    for color in ("red", "green", "blue"):
        (shop / f"{color}.png").rename(shop / f"{color}.away")
    with pytest.raises(BadRequest, match="is their disk connected"):
        indexed(library, shop, recognizer)
    assert library.value("SELECT count(*) FROM file WHERE gone") == 0
    assert catalog.index(library, str(shop / "products.csv"), recognizer, emptied=True).gone == 3


def test_an_item_whose_file_is_no_picture_is_told_each_time(library, shop, recognizer):
    (shop / "lost.png").write_text("a note")
    for _ in range(2):
        ((path, why),) = indexed(library, shop, recognizer).unreadable
        assert path.endswith("lost.png")
        assert "not a picture" in why or "no picture" in why


def test_keywords_of_a_sidecar_stay_when_a_catalog_names_the_picture(library, shop, recognizer):
    (shop / "green.png.xmp").write_text(SIDECAR)
    folder_index(library, [shop], recognizer)
    assert len(by_words(library, "quokka", 5)) == 1
    indexed(library, shop, recognizer)
    assert len(by_words(library, "quokka", 5)) == 1
    assert indexed(library, shop, recognizer).changed == 0


def test_a_pipe_is_no_picture_and_is_not_waited_for(library, shop, recognizer):
    os.mkfifo(shop / "lost.png")
    assert [why for _, why in indexed(library, shop, recognizer).unreadable] == ["not a regular file."]


def test_a_catalog_under_another_name_takes_the_place_of_the_one_that_is_gone(library, shop, recognizer):
    indexed(library, shop, recognizer)
    (shop / "products.csv").rename(shop / "renamed.csv")
    catalog.index(library, str(shop / "renamed.csv"), recognizer)
    assert library.value("SELECT count(*) FROM item") == 4
    (shop / "again.csv").write_text(ROWS)
    catalog.index(library, str(shop / "again.csv"), recognizer)
    assert library.value("SELECT count(*) FROM item") == 8


def test_a_catalog_that_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    for path in (tmp_path / "pipe.csv", "/dev/zero", tmp_path):
        with pytest.raises(BadRequest, match="cannot be read as CSV"):
            read(path)
