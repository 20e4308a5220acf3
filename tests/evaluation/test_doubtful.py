"""What a person is shown of a doubtful label: others that are like the picture and not doubted themselves."""

import numpy as np
import pytest

from eyebright.data import Dataset, Item
from eyebright.evaluation import doubtful
from eyebright.evaluation.calibration import activate
from eyebright.evaluation.mistakes import NONE, suspects
from eyebright.modelfile import Label


def test_neighbors_are_others_that_are_not_doubted_themselves():
    """A copy of the picture proves nothing, and wrong labels give no evidence."""
    rows = np.array([[1, 0], [1, 0], [0.9, 0.1], [0.8, 0.2], [0, 1]])
    calm = np.array([True, True, False, True, True])
    (near,) = doubtful.neighbors(rows, [0], calm, 8)
    assert near.tolist() == [3, 4]


@pytest.mark.parametrize(
    ("given", "proposed", "near", "sentence"),
    [
        (0, 1, [1, 2, 3], "2 of its 3 nearest pictures are dress, 1 shirt"),
        (2, 1, [1, 2], "2 of its 2 nearest pictures are dress, none hat"),
        (0, 2, [4], "1 of its 1 nearest pictures is hat, none shirt"),
        (NONE, 1, [1, 3], "1 of its 2 nearest pictures has dress"),
        (0, NONE, [1, 2], "none of its 2 nearest pictures have shirt"),
        (0, 1, [], "no other picture to compare with"),
    ],
)
def test_the_reason_is_a_sentence(given, proposed, near, sentence):
    targets = np.eye(3)[[0, 1, 1, 0, 2]]
    assert doubtful.reason(given, proposed, np.array(near, int), targets, ["shirt", "dress", "hat"]) == sentence


def test_unknown_neighbors_do_not_count():
    targets = np.array([[1.0], [np.nan], [0.0]])
    assert doubtful.reason(NONE, 0, np.array([0, 1, 2]), targets, ["hat"]) == "1 of its 2 nearest pictures has hat"


def test_cases_are_the_flagged_ones_or_as_many_as_asked_for():
    truth = np.arange(90) % 3
    labels = truth.copy()
    labels[[4, 60]] = (truth[[4, 60]] + 1) % 3
    targets = np.eye(3, dtype=np.float32)[labels]
    items = tuple(Item(f"{at}.png", (int(label),), "train") for at, label in enumerate(targets.argmax(1)))
    data = Dataset("blobs", items, tuple(Label(name, name) for name in "abc"), "single", store=None)
    rows = np.eye(3)[truth] + np.random.default_rng(0).normal(0, 0.01, (90, 3))
    found = suspects(activate(9 * np.eye(3)[truth], "single"), targets, "single")
    flagged = doubtful.cases(found, data, rows)
    assert {case.item.name for case in flagged} == {"4.png", "60.png"}
    proposed = "abc"[flagged[0].proposed]
    assert flagged[0].reason.startswith(f"8 of its 8 nearest pictures are {proposed}, none ")
    assert len(doubtful.cases(found, data, rows, 7)) == 7
    assert doubtful.words(flagged[0], data.labels) == ("abc"[flagged[0].given], proposed)
