"""Words find what they are true of, and nothing else."""

from contextlib import suppress

import msgspec
import pytest

from eyebright.errors import BadRequest
from eyebright.library import Library, decisions, words
from eyebright.library.decisions import Said
from eyebright.library.indexer import index
from eyebright.library.search import by_words
from pictures import color_recognizer, encoded, noise, plain

PACKET = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:subject><rdf:Bag>{}</rdf:Bag></dc:subject>'
    "</rdf:Description></rdf:RDF></x:xmpmeta>"
)
KEYWORDS = {"été": "one", "北京烤鸭": "two", "old town": "two", 'a "quote"': "one", "Ärger": "one", "motorcar": "one"}


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    root = tmp_path_factory.mktemp("words")
    folder = root / "photos" / "Summer_2023" / "beach-day"
    folder.mkdir(parents=True)
    (folder / "one.png").write_bytes(encoded(noise()))
    (folder / "two.png").write_bytes(encoded(plain("red")))
    for name in ("one", "two"):
        words = "".join(f"<rdf:li>{word}</rdf:li>" for word, of in KEYWORDS.items() if of == name)
        (folder / f"{name}.png.xmp").write_text(PACKET.format(words), encoding="utf-8")
    with Library(root / "library", make=True) as made:
        index(made, [str(root / "photos")], color_recognizer(sharp=30))
        yield made


def found(library, text):
    return {hit.path.rpartition("/")[2].removesuffix(".png") for hit in by_words(library, text, 10)}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("été", {"one"}),
        ("ete", {"one"}),
        ("ÄRGER", {"one"}),
        ("北京烤鸭", {"two"}),
        ("烤鸭", {"two"}),
        ("old town", {"two"}),
        ("town", {"two"}),
        ("tow", set()),
        ("summer", {"one", "two"}),
        ("Beach", {"one", "two"}),
        ("beaches", {"one", "two"}),
        ("photos", {"one", "two"}),
        ("words", set()),  # of the path above what was indexed
        ("red beach", {"two"}),
        ("warm", {"one", "two"}),  # what stands above red and green
        ("red été", set()),
        ('"', None),
        ('quote"', {"one"}),
        ("NOT red", set()),
        ("red*", {"two"}),
        ("100%_", set()),
        ("( OR )", set()),
        ("the photos of my old town", {"two"}),
        ("red & beach", {"two"}),
        ("red,beach", {"two"}),
        ("“été”", {"one"}),
        ("beach-day", {"one", "two"}),
    ],
)
def test_a_text_finds(library, text, wanted):
    if wanted is None:
        with pytest.raises(Exception, match="Say what to look for"):
            found(library, text)
    else:
        assert found(library, text) == wanted


@pytest.fixture
def red(library):
    """Who the red photo is; what is said of it is taken back again."""
    sql = "SELECT identity FROM photo JOIN file ON file.photo = photo.id WHERE path LIKE '%two.png'"
    yield library.value(sql)
    with suppress(BadRequest):
        while True:
            decisions.undo(library, last=1)


def test_a_person_is_right(library, red):
    decisions.record(library, [Said("not", red, label="red"), Said("is", red, label="sports car")])
    assert found(library, "red") == set()
    assert found(library, "Sports Car beach") == {"two"}
    decisions.undo(library, last=1)
    assert found(library, "red") == {"two"}


def test_a_person_is_right_in_the_plural_too(library, red):
    assert found(library, "reds") == {"two"}
    decisions.record(library, [Said("not", red, label="red"), Said("is", red, label="Fox")])
    assert found(library, "reds") == set()
    assert found(library, "foxes") == {"two"}


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("Übung", ["Übung", "übung", "ÜBUNG", "U\u0308bung"]),
        ("Stra\u00dfe", ["straße", "Strasse"]),
        ("St. Louis", ["St. Louis", "st louis", "st. louis beach"]),
        ("our long way to Santiago", ["our long way to santiago", "red our long way to Santiago"]),
        ("April", ["April", "april red"]),
        ("2019", ["2019"]),
        ("Who's afraid?", ["who's afraid?", "Who's afraid"]),
    ],
)
@pytest.mark.parametrize("kind", ["is", "in"])
def test_what_a_person_said_is_found_by_its_name(library, red, kind, name, texts):
    decisions.record(library, [Said(kind, red, label=name)])
    assert [found(library, text) for text in texts] == [{"two"}] * len(texts)


def test_a_date_and_a_name_are_both_found(library, red):
    with library.writing() as connection:
        connection.execute("UPDATE photo SET taken = '2019-04-02T10:00:00' WHERE identity != ?", (red,))
    decisions.record(library, [Said("in", red, label="2019")])
    assert found(library, "2019") == {"one", "two"}
    assert found(library, "april") == {"one"}


@pytest.mark.parametrize(
    ("said", "text", "right"),
    [
        ("sofa", "couch", True),
        ("Couch", "sofas", True),
        ("telephone", "phone", True),
        ("jet", "plane", False),
        ("frankfurter", "dog", False),  # a dog is seldom one
        ("Bill", "beak", False),  # a bill is seldom one
    ],
)
def test_another_name_for_the_same_thing(library, red, said, text, right):
    decisions.record(library, [Said("is", red, label=said)])
    assert found(library, text) == ({"two"} if right else set())


def test_a_keyword_is_found_by_another_name(library):
    assert found(library, "automobile") == found(library, "car") == {"one"}


def test_a_label_is_found_by_another_name_by_its_wordnet_id(library):
    nodes = [["n02083346", "dog, wolf or fox", None], ["x", "airplane", "n02083346"]]
    with library.writing() as connection:
        sql = "INSERT INTO model (sha256, name, labels) VALUES ('0', 'other', ?)"
        connection.execute(sql, (msgspec.json.encode(nodes).decode(),))
        (model,) = connection.execute("SELECT id FROM model WHERE sha256 = '0'").fetchone()
        connection.execute("INSERT INTO label SELECT id, ?, 'n02083346', 0.9 FROM photo LIMIT 1", (model,))
        connection.execute("INSERT INTO label SELECT id, ?, 'x', 0.8 FROM photo LIMIT 1", (model,))
    try:
        assert [len(found(library, text)) for text in ("canine", "canid", "aeroplanes", "planer")] == [1, 1, 1, 0]
    finally:
        with library.writing() as connection:
            connection.execute("DELETE FROM label WHERE model = ?", (model,))
            connection.execute("DELETE FROM model WHERE id = ?", (model,))


@pytest.mark.parametrize(
    ("said", "text"),
    [("Aunt Mary", "mary"), ("Zoë", "zoe"), ("Côte d'Azur", "cote d'azur"), ("Côte d'Azur", "azur"), ("❤", "❤")],
)
def test_a_part_of_what_was_said_and_no_accents(library, red, said, text):
    decisions.record(library, [Said("is", red, label=said)])
    assert found(library, text) == {"two"}


@pytest.mark.parametrize(
    ("text", "right"),
    [
        *(
            (text, True)
            for text in ("2008", "2008-7", "2008/07", "7/2008", "20080716", "16 july 2008", "July 16th", "16.7.2008")
        ),
        *((text, True) for text in ("july 2008 red", "16/7/2008")),
        *((text, False) for text in ("2008-8", "17 july", "july 2009", "16/8/2008", "99/99/2008")),
    ],
)
def test_dates_as_people_write_them(library, red, text, right):
    with library.writing() as connection:
        connection.execute("UPDATE photo SET taken = '2008-07-16T10:00:00' WHERE identity = ?", (red,))
    try:
        assert found(library, text) == ({"two"} if right else set())
    finally:
        with library.writing() as connection:
            connection.execute("UPDATE photo SET taken = NULL WHERE identity = ?", (red,))


@pytest.fixture
def animals(library):
    """The red photo as a model sees it that knows animals: it takes it for a dog."""
    nodes = [["a", "animal", None], ["d", "dog", "a"], ["t", "terrier", "d"], ["c", "cat", "a"]]
    with library.writing() as connection:
        connection.execute(
            "INSERT INTO model (sha256, name, labels) VALUES ('1', 'animals', ?)",
            (msgspec.json.encode(nodes).decode(),),
        )
        (model,) = connection.execute("SELECT id FROM model WHERE sha256 = '1'").fetchone()
        (photo,) = connection.execute("SELECT photo FROM file WHERE path LIKE '%two.png'").fetchone()
        rows = [(photo, model, label, score) for label, score in (("a", 0.9), ("d", 0.85), ("t", 0.8), ("c", 0.05))]
        connection.executemany("INSERT INTO label VALUES (?, ?, ?, ?)", rows)
    yield
    with library.writing() as connection:
        connection.execute("DELETE FROM label WHERE model = ?", (model,))
        connection.execute("DELETE FROM model WHERE id = ?", (model,))


@pytest.mark.usefixtures("animals")
def test_what_is_no_dog_is_no_terrier_and_no_animal_for_that_reason(library, red):
    everything = ("animal", "dog", "terriers")
    assert [found(library, text) for text in everything] == [{"two"}] * 3
    decisions.record(library, [Said("not", red, label="cat")])
    assert [found(library, text) for text in everything] == [{"two"}] * 3
    decisions.record(library, [Said("not", red, label="dogs")])
    assert [found(library, text) for text in everything] == [set()] * 3
    decisions.undo(library, last=1)
    decisions.record(library, [Said("not", red, label="terrier")])
    assert [found(library, text) for text in everything] == [set()] * 3


@pytest.mark.usefixtures("animals")
def test_what_a_person_calls_a_terrier_is_a_dog(library, red):
    sql = "SELECT identity FROM photo JOIN file ON file.photo = photo.id WHERE path LIKE '%one.png'"
    decisions.record(library, [Said("is", library.value(sql), label="Terrier")])
    assert [found(library, text) for text in ("animal", "dog", "terrier")] == [{"one", "two"}] * 3
    assert found(library, "cat") == set()


def test_a_word_that_nothing_is_known_by_is_named(library):
    assert words.unknown(library, "reed old town") == [("reed", "red")]
    assert words.unknown(library, "red") == []


def test_letters_and_marks_that_a_system_takes_apart(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "か\u3099っこう.png").write_bytes(encoded(plain("red")))
    with Library(tmp_path / "library", make=True) as made:
        index(made, [str(tmp_path / "photos")], color_recognizer(sharp=30))
        assert len(by_words(made, "がっこう", 5)) == 1
