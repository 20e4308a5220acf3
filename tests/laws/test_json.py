"""Law 8: a document survives a round trip, and its keys are the ones that docs and other programs rely on."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyebright.errors import BadPicture
from eyebright.recognize import Failure, Prediction
from pictures import color_recognizer, plain

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
scores = st.floats(0, 1)
times = st.just(msgspec.UNSET) | st.floats(0, 1e6)
label_scores = st.builds(
    lambda *fields: msgspec.convert(dict(zip(("label", "id", "score"), fields, strict=True)), _LabelScore),
    text,
    text,
    scores,
)
_LabelScore = Prediction.__annotations__["labels"].__args__[0]
_Summary = Prediction.__annotations__["summary"].__args__[0]


@given(
    st.builds(
        Prediction,
        source=text,
        task=st.sampled_from(["single", "multi", "binary"]),
        labels=st.lists(label_scores, max_size=4).map(tuple),
        parents=st.lists(label_scores, max_size=4).map(tuple),
        summary=st.none() | st.builds(_Summary, text, text, scores, scores),
        reason=st.just(msgspec.UNSET) | st.sampled_from(["unsure", "none_of_these"]),
        time_s=times,
        start_s=times,
        end_s=times,
    )
)
def test_a_prediction_survives_json(prediction):
    """Every place that shows predictions reads them back from one line of this."""
    line = prediction.to_json()
    assert "\n" not in line
    assert Prediction.from_json(line) == prediction
    assert Prediction.from_json(json.dumps(json.loads(line))) == prediction


def test_a_prediction_has_the_keys_of_the_contract():
    """Key for key: what is not said is left out, and `summary` says null."""
    row = json.loads(color_recognizer(sharp=30)(plain("red")).to_json())
    assert list(row) == ["source", "task", "labels", "parents", "summary"]
    assert list(row["labels"][0]) == ["label", "id", "score"]
    assert list(row["parents"][0]) == ["label", "id", "score"]
    assert list(row["summary"]) == ["label", "id", "score", "threshold"]
    assert row["summary"]["threshold"] == 0.6
    assert (row["source"], row["task"], row["summary"]["id"]) == ("", "single", "c-red")


def test_an_unsure_prediction_says_null_and_why():
    """Not sure is an answer."""
    row = json.loads(color_recognizer(sharp=0.1, threshold=0.9)(plain("red")).to_json())
    assert row["summary"] is None
    assert row["reason"] == "unsure"


def test_none_of_these_is_another_reason():
    """A page of text is not an uncertain cat."""
    recognizer = color_recognizer(abstain=5.0, none_of_these=True)
    row = json.loads(recognizer(plain((90, 90, 90))).to_json())
    assert row["summary"] is None
    assert row["reason"] == "none_of_these"
    assert json.loads(recognizer(plain((255, 0, 0))).to_json())["summary"]["label"] == "red"


def test_on_stands_at_the_labels_of_multi_that_are_over_their_threshold():
    """Several can be true of one picture; each has its own line."""
    recognizer = color_recognizer(task="multi", thresholds={"c-green": 0.99999})
    row = json.loads(recognizer(plain((255, 255, 0))).to_json())
    assert {label["label"]: label.get("on") for label in row["labels"]} == {"red": True, "green": None, "blue": None}


def test_times_are_in_seconds_and_only_where_there_are_any():
    """A frame has `time_s`, a stretch `start_s` and `end_s`."""
    from pictures import animation

    recognizer = color_recognizer(sharp=30)
    frames = list(recognizer.stream([animation("red", "red", "blue", "blue")], all_frames=True))
    assert [frame.time_s for frame in frames] == [0.0, 0.5, 1.0, 1.5]
    assert list(json.loads(frames[0].to_json())) == ["source", "task", "labels", "parents", "summary", "time_s"]
    stretches = list(recognizer.stream([animation("red", "red", "blue", "blue")], all_frames=True, summarize=True))
    assert list(json.loads(stretches[0].to_json()))[-2:] == ["start_s", "end_s"]
    assert stretches[0].start_s == 0
    assert stretches[-1].end_s == 2.0
    assert [one.summary.label for one in stretches if one.summary] == ["red", "blue"]


def test_a_failure_has_the_keys_of_the_contract():
    """`{"source", "error": {"kind", "message"}}`."""
    failure = Failure.of("a.jpg", BadPicture("the file is empty."))
    assert json.loads(failure.to_json()) == {
        "source": "a.jpg",
        "error": {"kind": "bad_picture", "message": "the file is empty."},
    }
    assert msgspec.json.decode(failure.to_json(), type=Failure) == failure


def test_an_unknown_key_is_refused():
    """A misspelt key in somebody's file is not silently dropped."""
    row = json.loads(color_recognizer()(plain("red")).to_json())
    with pytest.raises(msgspec.ValidationError, match="scroe"):
        Prediction.from_json(json.dumps({**row, "scroe": 1}))
