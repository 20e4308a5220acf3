"""Consistency: a track that does not change is steady; what changes is counted, measured and named with its time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyebright import modelfile, selftest
from eyebright.errors import BadPicture, BadRequest
from eyebright.evaluation.robustness.consistency import NOTHING, UNSURE, Flip, consistency, statements, track
from eyebright.recognize import load
from eyebright.recognize.video import Every
from pictures import color_model, video

CAT, DOG = [0.9, 0.1], [0.2, 0.8]


def seconds(count):
    return [float(second) for second in range(count)]


@pytest.mark.parametrize("task", ["single", "binary", "multi"])
def test_a_track_that_does_not_change_is_steady(task):
    found = consistency(np.array([CAT] * 5), seconds(5), ["cat"] * 5, task)
    assert (found.same_label.value, found.same_statement.value, found.distance.value) == (1, 1, 0)
    assert found.flips == ()
    assert found.same_label.n == 4


def test_what_changes_is_counted_and_named():
    said = ["cat", "unsure", "dog", "dog", "cat"]
    found = consistency(np.array([CAT, CAT, DOG, DOG, CAT]), [0, 0.5, 1, 1.5, 2], said, "single")
    assert found.same_label.value == pytest.approx(2 / 4)
    assert found.same_statement.value == pytest.approx(1 / 4)
    assert found.distance.value == pytest.approx(2 * 0.7 / 4)
    assert found.flips == (Flip(0.5, "cat", "unsure"), Flip(1, "unsure", "dog"), Flip(2, "dog", "cat"))


def test_of_many_labels_each_is_a_yes_or_no_of_its_own():
    """One of four labels goes from surely there to surely not: a quarter of all is another."""
    found = consistency(np.array([[1, 0.5, 1, 0], [0, 0.5, 1, 0]]), seconds(2), ["a", "b"], "multi")
    assert found.distance.value == 0.25


@given(rows=st.lists(st.lists(st.floats(0.01, 1), min_size=3, max_size=3), min_size=2, max_size=8))
def test_what_is_measured_is_between_0_and_1_and_has_no_direction(rows):
    """A film that runs backwards is as steady."""
    scores = np.array(rows) / np.sum(rows, axis=1, keepdims=True)
    said = [str(best) for best in scores.argmax(axis=1)]
    for task in ("single", "multi"):
        there = consistency(scores, seconds(len(rows)), said, task)
        back = consistency(scores[::-1], seconds(len(rows)), said[::-1], task)
        for name in ("same_label", "same_statement", "distance"):
            value = getattr(there, name).value
            assert 0 <= value <= 1 + 1e-9
            assert value == pytest.approx(getattr(back, name).value)
        assert there.same_label.value == pytest.approx(there.same_statement.value)


def test_one_frame_has_no_neighbor():
    with pytest.raises(BadRequest, match="One frame has no neighbor"):
        consistency(np.array([CAT]), [0.0], ["cat"], "single")


def test_statements_are_those_of_predict():
    """The most specific one that is sure enough: warm, where red and green are as likely."""
    model = modelfile.from_bytes(color_model())
    scores = np.array([[0.9, 0.1, 0], [0.5, 0.4, 0.1], [0.4, 0.1, 0.5]], np.float32)
    assert statements(scores, model.metadata) == ["red", "warm", UNSURE]


def test_of_many_labels_the_statement_is_those_that_are_on():
    model = modelfile.from_bytes(color_model("multi", thresholds={"c-red": 0.9}))
    scores = np.array([[0.8, 0.7, 0.9], [0.9, 0.1, 0.7], [0.1, 0.1, 0.1]], np.float32)
    assert statements(scores, model.metadata) == ["green, blue", "red, blue", NOTHING]


def test_a_video_is_seen_as_predict_sees_it(tmp_path):
    pytest.importorskip("av")
    film = video(tmp_path / "film.mp4", "red", "green", "blue", seconds_each=2)
    model = modelfile.from_bytes(color_model(sharp=30))
    seen = track(model, selftest.open_tested(model), film, Every(0.5), threads=2)
    predictions = list(load(model, trust=True, threads=1).stream([film], every="500ms"))
    assert list(seen.times_s) == [prediction.time_s for prediction in predictions]
    said = statements(seen.scores, model.metadata)
    assert said == [prediction.summary.label for prediction in predictions]
    found = consistency(seen.scores, seen.times_s, said, "single")
    assert [flip.time_s for flip in found.flips] == [2.0, 4.0]
    assert found.same_label.value == pytest.approx(9 / 11)


def test_what_is_no_video_is_named(tmp_path):
    pytest.importorskip("av")
    path = tmp_path / "diary.mp4"
    path.write_text("dear diary")
    model = modelfile.from_bytes(color_model())
    with pytest.raises(BadPicture, match=r"diary\.mp4: not a video"):
        track(model, selftest.open_tested(model), path, Every())
