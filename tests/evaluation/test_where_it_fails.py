"""Where a model fails: levels of the hierarchy, labels that are mixed up, slices, none of these."""

import numpy as np
import pytest

from eyebright.data import Item
from eyebright.errors import BadRequest
from eyebright.evaluation import confusions, levels, outside, slices
from eyebright.labels import Hierarchy
from eyebright.modelfile import Figure, Label

ANIMALS = Hierarchy(
    [
        Label("tabby", "tabby", "cat"),
        Label("siamese", "Siamese", "cat"),
        Label("husky", "husky", "dog"),
        Label("car", "car"),
    ],
    [Label("cat", "cat", "animal"), Label("dog", "dog", "animal"), Label("animal", "animal")],
)


def said(*pairs):
    """Scores and targets of pictures (what was said, what is true)."""
    return np.eye(4)[[pair[0] for pair in pairs]], np.eye(4)[[pair[1] for pair in pairs]]


def test_a_cat_for_a_cat_is_right_from_the_cats_up():
    """One right, one Siamese for a tabby, one husky for a tabby, one car for a tabby."""
    found = levels.levels(*said((0, 0), (1, 0), (2, 0), (3, 0)), ANIMALS)
    assert [(one.depth, one.groups, one.right.value) for one in found] == [(1, 2, 0.75), (2, 3, 0.5)]
    assert levels.related(*said((0, 0), (1, 0), (2, 0), (3, 0)), ANIMALS) == (1, 3)


def test_labels_without_a_parent_are_no_family():
    assert levels.related(*said((3, 0)), ANIMALS) == (0, 1)
    alone = Hierarchy([Label(str(at), str(at)) for at in range(4)])
    assert levels.levels(*said((0, 1)), alone) == []
    assert levels.related(*said((0, 1)), alone) == (0, 1)


def test_the_commonest_mistake_comes_first():
    table = np.array([[8, 2, 0], [0, 5, 5], [0, 0, 3]])
    assert confusions.pairs(table, 5) == [(1, 2, 5, 10), (0, 1, 2, 10)]
    assert confusions.pairs(np.diag([3, 4]), 5) == []


def test_labels_that_are_mixed_up_are_one_group():
    """Two and three are taken for each other, far apart from the rest."""
    table = np.diag([20, 20, 10, 10, 20])
    table[2, 3] = table[3, 2] = 10
    found = confusions.groups(table)
    assert sorted(found) == [[0], [1], [2, 3], [4]]
    assert sorted(label for group in found for label in group) == list(range(5))


def test_groups_stand_beside_those_that_they_are_taken_for_now_and_then():
    table = np.diag([100] * 6)
    table[0, 3] = table[4, 1] = 2
    order = [label for group in confusions.groups(table) for label in group]
    assert abs(order.index(0) - order.index(3)) == 1
    assert abs(order.index(4) - order.index(1)) == 1


def items(*names):
    return [Item(name, (0,), "test") for name in names]


def test_a_table_names_pictures_by_path_or_by_file(tmp_path):
    table = tmp_path / "slices.csv"
    table.write_text("file,camera\ntest/a.jpg,old\nb.jpg,new\nz.jpg,other\n")
    assert slices.read(table, items("test/a.jpg", "test/b.jpg", "test/c.jpg")) == {"camera": ["old", "new", ""]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"camera\nold\n", "needs a column `file`"),
        (b"file\na.jpg\n", "at least one other"),
        (b"file,camera\nq.jpg,old\n", "names none of the pictures"),
        (b"\xff\xfe\x00", "not text"),
        (b"", "needs a column"),
    ],
)
def test_a_table_that_cannot_be_meant_is_one_sentence(tmp_path, text, said):
    (tmp_path / "slices.csv").write_bytes(text)
    with pytest.raises(BadRequest, match=said):
        slices.read(tmp_path / "slices.csv", items("a.jpg"))


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(BadRequest, match="no such file"):
        slices.read(tmp_path / "slices.csv", items("a.jpg"))


def test_many_numbers_are_cut_into_quarters():
    found = slices.parts({"light": [str(number) for number in range(100)]})
    assert [int(inside.sum()) for _, _, inside in found] == [25, 25, 25, 25]
    assert next(value for _, value, _ in found) == "0 to 24.75"


def test_a_slice_that_is_worse_than_the_rest_comes_first_with_how_much():
    right = np.array([1.0] * 30 + [0.0] * 15 + [1.0] * 5)
    columns = {"light": ["day"] * 30 + ["night"] * 20}
    worst, best = slices.judged(columns, lambda inside: Figure(right[inside].mean(), n=int(inside.sum())), right)
    assert (worst.value, worst.figure.value, best.value) == ("night", 0.25, "day")
    assert worst.rest.value == pytest.approx(-0.75)
    assert worst.rest.high < 0 < best.rest.low


def test_a_handful_of_pictures_is_no_slice():
    columns = {"light": ["night"] * 3 + ["day"] * 40}
    assert slices.judged(columns, lambda inside: Figure(1.0), np.ones(43)) == []


def test_what_separates_best_is_told_from_what_does_not():
    random = np.random.default_rng(0)
    own = {"logits": random.normal(size=(300, 5)), "novelty": random.random(300) * 0.3}
    others = {"logits": random.normal(size=(300, 5)), "novelty": 0.2 + random.random(300) * 0.3}
    found = outside.compare(own, others)
    assert set(found) == {"max_logit", "energy", "novelty"}
    assert found["novelty"].value > 0.8 > 0.6 > found["energy"].value
    assert found["energy"].low < 0.5 < found["energy"].high


@pytest.mark.parametrize("method", ["max_logit", "energy", "novelty"])
def test_so_many_of_its_own_are_refused_as_was_said(method):
    random = np.random.default_rng(0)
    own = {"logits": random.normal(size=(1000, 5)), "novelty": random.random(1000)}
    abstain = outside.limit(method, own, "pictures", 0.05)
    assert outside.refused(abstain, own).value == pytest.approx(0.05, abs=0.002)
    assert "5.0% of 1,000 pictures" in abstain.basis


def test_a_bare_name_that_several_pictures_have_names_none(tmp_path):
    """0.png is in the folder of each label; only a path tells them apart."""
    table = tmp_path / "slices.csv"
    table.write_text("file,camera\nred/0.png,A\nblue/0.png,B\nonly.png,C\n")
    found = slices.read(table, items("test/red/0.png", "test/blue/0.png", "test/green/0.png", "test/green/only.png"))
    assert found["camera"] == ["A", "B", "", "C"]


def test_a_column_of_too_many_words_is_refused_before_any_work(tmp_path):
    table = tmp_path / "slices.csv"
    table.write_text("file,note\n" + "\n".join(f"{at}.jpg,word{at}" for at in range(300)))
    with pytest.raises(BadRequest, match="300 different values"):
        slices.read(table, items(*(f"{at}.jpg" for at in range(300))))
