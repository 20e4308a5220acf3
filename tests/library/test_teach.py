"""A label from a few examples: found at once, kept for new photos, declined where the examples do not agree."""

import numpy as np
import pytest

from eyebright.errors import BadRequest
from eyebright.library import Library, teach
from eyebright.library.search import by_words
from eyebright.library.words import search

SIZE = 32
KINDS = 4


@pytest.fixture
def library(tmp_path):
    """Twenty photos of each of four kinds, seen by model 1."""
    with Library(tmp_path, make=True) as made:
        with made.writing() as connection:
            connection.execute("INSERT INTO model (sha256, name, labels) VALUES ('a', 'a', '[]')")
        add(made, [kind for kind in range(KINDS) for _ in range(20)])
        yield made


def picture(kind, seed):
    random = np.random.default_rng(seed)
    return np.full(SIZE, 0.5) + 2 * np.eye(SIZE)[kind] + random.normal(0, 0.15, SIZE)


def add(library, kinds):
    with library.writing() as connection:
        first = connection.execute("SELECT count(*) FROM photo").fetchone()[0] + 1
        for number, kind in enumerate(kinds, first):
            vector = picture(kind, number)
            stored = (vector / np.linalg.norm(vector)).astype(np.float16).tobytes()
            connection.execute(
                "INSERT INTO photo (id, identity, kind, format) VALUES (?, ?, 'picture', 'png')",
                (number, number.to_bytes(16, "big")),
            )
            connection.execute(
                "INSERT INTO file (path, photo, size, changed) VALUES (?, ?, 1, 1)", (f"/{number}", number)
            )
            connection.execute("INSERT INTO embedding (photo, model, vector) VALUES (?, 1, ?)", (number, stored))


def examples(*kinds):
    return {f"{at}.jpg": picture(kind, 1000 + at).astype(np.float32) for at, kind in enumerate(kinds)}


def test_a_label_is_found_at_once(library):
    lesson = teach.teach(library, 1, "my  mug", examples(2, 2, 2))
    found = by_words(library, "my mug", 100)
    likely = {hit.photo for hit in found if hit.score >= 0.5}
    assert likely <= set(range(41, 61))
    assert len(likely) == lesson.found >= 10
    assert "my mug" in found[0].why


def test_a_lesson_replaces_the_one_before(library):
    first = teach.teach(library, 1, "my mug", examples(2, 2))
    second = teach.teach(library, 1, "My mug", examples(3, 3))
    assert first.model == second.model
    assert {hit.photo for hit in by_words(library, "my mug", 5)} <= set(range(61, 81))


def test_photos_that_come_later_are_scored_too(library):
    teach.teach(library, 1, "mug", examples(2, 2, 2))
    add(library, [2, 0])
    assert 81 not in search(library, "mug")
    teach.refresh(library, 1)
    found = search(library, "mug")
    assert found[81].score >= 0.5
    assert 82 not in found


@pytest.mark.parametrize("kinds", [(2, 2, 2, 1), (0, 1, 2, 3)])
def test_examples_that_do_not_agree_are_declined(library, kinds):
    with pytest.raises(BadRequest, match=r"do not agree.*3\.jpg"):
        teach.teach(library, 1, "mug", examples(*kinds))
    assert library.value("SELECT count(*) FROM taught") == 0


def test_one_example_is_too_few(library):
    with pytest.raises(BadRequest, match="2 different examples"):
        teach.teach(library, 1, "mug", examples(2))


def test_an_empty_library_cannot_be_taught(tmp_path):
    with Library(tmp_path / "empty", make=True) as library, pytest.raises(BadRequest, match="library is empty"):
        teach.teach(library, 1, "mug", examples(2, 2))


def test_a_label_is_forgotten(library):
    teach.teach(library, 1, "my mug", examples(2, 2, 2))
    assert teach.forget(library, "My Mug") >= 10
    assert by_words(library, "my mug", 5) == []
    assert library.value("SELECT count(*) FROM model") == 1
    with pytest.raises(BadRequest, match="No label my mug was taught"):
        teach.forget(library, "my mug")


def test_nothing_new_costs_nothing(library, monkeypatch):
    """The mean of all was kept, and no photo is asked about twice."""
    teach.teach(library, 1, "mug", examples(2, 2, 2))
    monkeypatch.setattr(teach, "blocks", None)
    teach.refresh(library, 1)
