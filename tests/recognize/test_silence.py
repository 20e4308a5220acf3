"""When not to name one label: none of these, unsure for a stated accuracy, or a set of labels."""

import msgspec
import numpy as np
import pytest

import eyebright
from eyebright import modelfile
from eyebright.errors import BadModelFile, BadRequest
from eyebright.modelfile import Abstain, Selective, Sets
from eyebright.recognize.silence import fitting, is_none, limit_for, members, nonconformity, threshold_for
from pictures import color_model, plain

SETS = Sets(penalty=0.01, free=5, coverages=(0.5, 0.9, 0.99), limits=(0.0, 0.6, 0.99), n=200)
SELECTIVE = (Selective(0.9, 0.4, 1.0, 100), Selective(0.99, 0.95, 0.6, 300))


def told(**changed):
    """The color model with more in its metadata."""
    file = modelfile.from_bytes(color_model(sharp=3))
    return modelfile.from_bytes(modelfile.rewritten(file, **changed))


def load(model, **how):
    return eyebright.load(model, trust=True, threads=1, **how)


def test_energy_and_the_largest_logit_are_what_their_papers_say():
    logits = np.array([[1.0, 2.0, 3.0], [100.0, 0.0, -100.0]], np.float32)
    np.testing.assert_allclose(fitting("max_logit", logits), [3, 100])
    np.testing.assert_allclose(fitting("energy", logits), [np.log(np.exp([1, 2, 3]).sum()), 100], rtol=1e-6)
    np.testing.assert_allclose(fitting("novelty", np.array([0.25, 0.5], np.float32)), [0.25, 0.5])


def test_what_is_new_is_none_and_what_fits_is_not():
    assert is_none(Abstain("novelty", 0.4), 0.5)
    assert not is_none(Abstain("novelty", 0.4), 0.3)
    assert is_none(Abstain("energy", 2.0), 1.0)
    assert not is_none(Abstain("max_logit", 2.0), 3.0)


@pytest.mark.parametrize(("method", "threshold"), [("max_logit", 1.0), ("energy", 1.0)])
def test_none_of_these_by_each_method(method, threshold):
    """A black picture has small logits, a red one a large."""
    recognizer = load(told(abstain=Abstain(method, threshold)), none_of_these=True)
    assert recognizer(plain("black")).reason == "none_of_these"
    assert recognizer(plain("red")).reason is not recognizer(plain("black")).reason


def test_a_file_without_the_output_that_it_speaks_of_is_refused():
    with pytest.raises(BadModelFile, match="novelty"):
        load(told(abstain=Abstain("novelty", 0.5)), none_of_these=True)


def test_who_asks_for_an_accuracy_gets_answers_that_were_sure_enough():
    model = told(selective=SELECTIVE)
    red = load(model)(plain("red"))
    assert 0.4 < red.labels[0].score < 0.95
    assert load(model, abstain=0.9)(plain("red")).summary.threshold == 0.4
    unsure = load(model, abstain=0.99)(plain("red"))
    assert (unsure.summary, unsure.reason) == (None, "unsure")


def test_a_promise_is_of_labels_and_not_of_what_stands_above_them():
    """Warm is surer than red, but nobody measured how often it is right."""
    model = told(selective=(Selective(0.9, 0.6, 1.0, 100),))
    scores = load(model)(plain((150, 140, 0)))
    assert scores.summary.label == "warm"
    assert load(model, abstain=0.9)(plain((150, 140, 0))).summary is None


def test_the_least_promise_that_is_enough_counts():
    model = told(selective=SELECTIVE).metadata
    assert threshold_for(model, 0.85).threshold == 0.4
    assert threshold_for(model, 0.95).threshold == 0.95


@pytest.mark.parametrize("asked", [0.0, 1.0, 1.5, -1, 0.999])
def test_an_accuracy_that_was_not_promised_is_refused(asked):
    with pytest.raises(BadRequest):
        threshold_for(told(selective=SELECTIVE).metadata, asked)


def test_a_file_that_was_taught_nothing_says_how_to_teach_it():
    model = told()
    for how in ({"abstain": 0.9}, {"set_coverage": 0.9}, {"none_of_these": True}):
        with pytest.raises(BadRequest, match="tune"):
            load(model, **how)


def test_two_ways_to_be_sure_are_one_too_many():
    with pytest.raises(BadRequest, match="--threshold and --abstain"):
        load(told(selective=SELECTIVE), abstain=0.9, threshold=0.5)


def test_a_set_holds_the_best_label_and_those_that_may_be_right():
    scores = np.array([[0.5, 0.3, 0.15, 0.05]])
    np.testing.assert_allclose(nonconformity(scores, SETS), [[0, 0.5, 0.8, 0.95]])
    assert members(scores, SETS, 0.6).tolist() == [[True, True, False, False]]


def test_labels_far_behind_have_a_penalty():
    scores = np.full((1, 8), 0.125)
    found = nonconformity(scores, Sets(0.1, 5, (0.5,), (0.0,), 10))[0]
    np.testing.assert_allclose(np.diff(found), [0.125] * 4 + [0.225] * 3)


def test_a_prediction_carries_its_set_and_shows_all_labels_of_it():
    model = told(sets=SETS)
    found = load(model, set_coverage=0.99, top=1)(plain((90, 100, 80)))
    assert set(found.set) == {"c-red", "c-green", "c-blue"}
    assert len(found.labels) == 3
    one = load(model, set_coverage=0.5)(plain("red"))
    assert one.set == ("c-red",)
    assert load(model)(plain("red")).set is msgspec.UNSET


@pytest.mark.parametrize("asked", [0.0, 1.0, 0.995, 2])
def test_a_coverage_that_was_not_measured_is_refused(asked):
    with pytest.raises(BadRequest):
        limit_for(told(sets=SETS).metadata, asked)


def test_only_the_best_label_is_said_whatever_others_need():
    """A low threshold of one label does not let it speak in the place of a better one; what stands above may."""
    reddish = plain((150, 140, 0))
    model = told(thresholds={"c-red": 0.99, "c-green": 0.1})
    found = load(model)(reddish)
    assert found.labels[0].id == "c-red"
    assert found.labels[1].score > 0.1
    assert found.summary.label == "warm"


def test_many_labels_have_neither_promises_nor_sets():
    model = modelfile.from_bytes(color_model("multi"))
    for how in ({"abstain": 0.9}, {"set_coverage": 0.9}):
        with pytest.raises(BadRequest, match="for models that give one label"):
            load(model, **how)
