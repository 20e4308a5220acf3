"""The most specific statement that is sure enough."""

import numpy as np

from eyebright.labels import Hierarchy
from eyebright.modelfile import Label

PETS = Hierarchy(
    [Label("t", "tabby", "c"), Label("s", "Siamese cat", "c"), Label("h", "husky", "d"), Label("cup", "cup")],
    [Label("c", "cat", "a"), Label("d", "dog", "a"), Label("a", "animal")],
)


def said(hierarchy, *scores, needed=0.6):
    statement = hierarchy.most_specific(hierarchy.all_scores(np.array(scores, np.float32)), needed)
    return hierarchy.nodes[statement.node].label if statement else None


def test_a_sure_label_is_said():
    """Nothing is more specific than a label."""
    assert said(PETS, 0.7, 0.1, 0.1, 0.1) == "tabby"


def test_two_cats_that_split_the_score_are_a_cat():
    """The sum is sure where neither is."""
    assert said(PETS, 0.4, 0.3, 0.2, 0.1) == "cat"


def test_a_cat_that_may_be_a_dog_is_an_animal():
    """One step up, and no further than needed."""
    assert said(PETS, 0.3, 0.1, 0.5, 0.1) == "animal"


def test_nothing_is_said_where_even_the_root_falls_short():
    """Not sure is an answer."""
    assert said(PETS, 0.2, 0.1, 0.2, 0.5) is None


def test_two_statements_of_one_breadth_are_decided_by_the_score():
    """With a low threshold several labels reach it."""
    assert said(PETS, 0.3, 0.2, 0.5, 0.0, needed=0.25) == "husky"


def test_a_label_has_its_own_threshold():
    """A model file may ask for more certainty where a mistake costs more."""
    needed = PETS.needed(0.6, {"t": 0.9})
    assert said(PETS, 0.7, 0.1, 0.1, 0.1, needed=needed) == "cat"
    assert said(PETS, 0.95, 0.05, 0, 0, needed=needed) == "tabby"


def test_the_positive_label_of_a_yes_no_model_is_decided_by_its_own_threshold():
    """A threshold of 0.3 says: rather look once too often."""
    binary = Hierarchy([Label("n", "no smoke"), Label("y", "smoke")], task="binary")
    needed = binary.needed(0.6, {"y": 0.3})
    assert said(binary, 0.65, 0.35, needed=needed) == "smoke"
    assert said(binary, 0.75, 0.25, needed=needed) == "no smoke"
    assert said(binary, 0.5, 0.5) is None


def test_in_multi_a_parent_is_as_sure_as_its_surest_child():
    """Scores of labels that may all be true cannot be added."""
    multi = Hierarchy([Label("t", "tabby", "c"), Label("s", "Siamese cat", "c")], [Label("c", "cat")], "multi")
    scores = multi.all_scores(np.array([0.5, 0.4], np.float32))
    assert scores.tolist() == [0.5, np.float32(0.4), 0.5]


def test_ancestors_come_nearest_first():
    """So a reader can go up step by step."""
    assert [PETS.nodes[at].label for at in PETS.ancestors(0)] == ["cat", "animal"]
    assert PETS.ancestors(3) == []
