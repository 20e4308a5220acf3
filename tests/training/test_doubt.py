"""Scores from heads that never saw a picture: what they say of its label."""

import numpy as np
import pytest

pytest.importorskip("torch")

from eyebright.data import Dataset
from eyebright.errors import BadRequest
from eyebright.evaluation.mistakes import suspects
from eyebright.training import Recipe, doubt
from eyebright.training.doubt import cross_validated, folds
from pictures import COLORS, encoded, noise

RECIPE = Recipe.of("head", {"encoder": "pixels", "threads": 1})


def blobs(count=120, labels=3, width=6, seed=0):
    """Embeddings (N, D) well apart by label, their labels, and an identity each."""
    random = np.random.default_rng(seed)
    truth = np.arange(count) % labels
    rows = (4 * np.eye(width)[truth] + random.normal(0, 0.6, (count, width))).astype(np.float32)
    return rows, truth, [f"{number:08x}" for number in random.integers(0, 2**32, count)]


def said(truth, wrong, labels=3):
    given = np.array(truth)
    given[wrong] = (given[wrong] + 1) % labels
    return np.eye(labels, dtype=np.float32)[given]


def ranked(rows, targets, task, identities):
    return suspects(cross_validated(rows, targets, task, identities), targets, task)


@pytest.mark.parametrize("labels", [2, 3])
def test_planted_errors_come_first(labels):
    rows, truth, identities = blobs(labels=labels)
    wrong = [3, 40, 41, 100]
    found = ranked(rows, said(truth, wrong, labels), "single" if labels > 2 else "binary", identities)
    assert set(found.picture[:4]) == set(wrong)
    assert found.flagged.sum() == 4
    assert (found.proposed[:4] == truth[found.picture[:4]]).all()


def test_nothing_is_flagged_where_nothing_is_wrong():
    rows, truth, identities = blobs()
    assert not ranked(rows, said(truth, []), "single", identities).flagged.any()


def test_another_order_of_the_pictures_gives_the_same_doubts():
    rows, truth, identities = blobs(90)
    targets = said(truth, [5, 6, 7])
    order = np.random.default_rng(3).permutation(90)
    first = ranked(rows, targets, "single", identities)
    second = ranked(rows[order], targets[order], "single", [identities[at] for at in order])
    assert order[second.picture].tolist()[:10] == first.picture.tolist()[:10]
    np.testing.assert_allclose(second.doubt, first.doubt, rtol=1e-9)


def test_a_copy_does_not_vouch_for_a_wrong_label():
    """Two files of the same bytes with the same wrong label are left out together."""
    rows, truth, identities = blobs()
    rows[60], identities[60] = rows[0], identities[0]
    found = ranked(rows, said(truth, [0, 60]), "single", identities)
    assert set(found.picture[:2]) == {0, 60}
    assert found.flagged[:2].all()


def test_of_many_labels_missing_and_surplus_ones_are_found():
    rows, truth, identities = blobs(150)
    targets = np.eye(3, dtype=np.float32)[truth]
    targets[0, 0], targets[7, 2] = 0, 1
    targets[9] = np.nan
    found = ranked(rows, targets, "multi", identities)
    assert {(found.picture[at], max(found.given[at], found.proposed[at])) for at in (0, 1)} == {(0, 0), (7, 2)}
    assert 9 not in found.picture


def test_folds_share_out_every_label():
    _, truth, identities = blobs(103)
    part = folds(said(truth, []), identities, 0)
    for label in range(3):
        counts = np.bincount(part[truth == label], minlength=5)
        assert counts.max() - counts.min() <= 1
    assert (folds(said(truth, []), identities, 1) != part).any()


def mean_colors(data, identities, recipe, tell):
    """In the place of a network, to be quick."""
    return np.stack([np.asarray(data.picture(item), np.float32).mean((0, 1)) / 255 for item in data.items])


@pytest.fixture
def clothes(tmp_path, monkeypatch):
    """Red and blue pictures; one red one lies among the blue ones, and one file is no picture."""
    monkeypatch.setattr(doubt, "see", mean_colors)
    random = np.random.default_rng(0)
    for color, pixel in (("red", COLORS["red"]), ("blue", COLORS["blue"])):
        (tmp_path / color).mkdir()
        for number in range(20):
            pixels = np.clip(np.array(pixel) + random.normal(0, 30, (16, 16, 3)), 0, 255).astype(np.uint8)
            (tmp_path / color / f"{number}.png").write_bytes(encoded(pixels))
    (tmp_path / "red" / "3.png").rename(tmp_path / "blue" / "wrong.png")
    (tmp_path / "red" / "torn.png").write_bytes(b"dear diary")
    return tmp_path


def test_a_picture_in_the_wrong_folder_is_found(clothes):
    told = []
    found = doubt.doubt(Dataset.read(clothes), RECIPE, told.append)
    assert found.data.items[found.suspects.picture[0]].name == "blue/wrong.png"
    assert found.data.labels[found.suspects.proposed[0]].label == "red"
    assert found.suspects.flagged.sum() == 1
    assert found.unread == 1
    assert any("Left out: red/torn.png" in getattr(event, "text", "") for event in told)
    assert found.embeddings.shape == (40, 3)


def test_a_rare_label_is_not_judged_and_the_others_are(clothes):
    (clothes / "green").mkdir()
    for number in range(3):
        (clothes / "green" / f"{number}.png").write_bytes(encoded(noise(16, 16, number)))
    told = []
    found = doubt.doubt(Dataset.read(clothes), RECIPE, told.append)
    assert {found.data.labels[at].label for item in found.data.items for at in item.labels} == {"red", "blue"}
    said = {getattr(event, "text", "") for event in told}
    assert "Not judged, with fewer than 5 different pictures: green (3)." in said


def test_a_picture_is_seen_as_itself_and_mirrored_in_the_middle_and_whole(tmp_path):
    """So its mirror image is seen the same."""
    picture = noise(60, 40, 1)
    for label, pixels in (("a", picture), ("b", picture[:, ::-1]), ("c", noise(60, 40, 2))):
        (tmp_path / label).mkdir()
        (tmp_path / label / "0.png").write_bytes(encoded(pixels))
    data = Dataset.read(tmp_path)
    told = []
    rows = doubt.see(data, [data.identity(item) for item in data.items], RECIPE, told.append)
    assert rows.shape[0] == 3
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-5)
    assert np.abs(rows[0] - rows[2]).max() > 1e-3


@pytest.mark.parametrize("count", [1, 4])
def test_too_few_pictures_are_one_sentence(tmp_path, count):
    """Copies are not different pictures."""
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        for number in range(6):
            (tmp_path / label / f"{number}.png").write_bytes(encoded(noise(40, 40, number % count + len(label))))
    with pytest.raises(BadRequest, match=r"takes 5 different pictures of each of two labels or more"):
        doubt.doubt(Dataset.read(tmp_path), RECIPE, lambda event: None)
