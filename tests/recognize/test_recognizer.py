"""`eyebright.load` and what can be asked of a Recognizer."""

import io
import os

import numpy as np
import pytest
from PIL import Image

import eyebright
from eyebright import images
from eyebright.errors import BadModelFile, BadPicture, BadRequest
from eyebright.recognize import Failure
from pictures import animation, color_model, color_recognizer, encoded, noise, plain


def test_a_cat_is_a_cat(recognizer, cat):
    """The label alone would be a coin thrown between three breeds."""
    prediction = recognizer(cat)
    assert prediction.summary.label == "cat"
    assert prediction.summary.score > 0.85
    assert prediction.source == str(cat)
    assert prediction.labels[0].label.endswith("cat")


def test_a_folder_is_read_in_the_order_of_its_names(recognizer, photos):
    """The README beside the photos is no picture, and no error."""
    found = recognizer([photos])
    assert [os.path.basename(one.source) for one in found] == ["cat.jpg", "coffee.jpg", "rocket.jpg"]


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((1, 4, 4, 3), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.array(["a"]),
    ],
)
def test_an_array_of_another_kind_is_one_clear_error(recognizer, array):
    """Guessing would give a confident wrong label: 0..1 floats are nearly black as bytes."""
    with pytest.raises(BadPicture, match=r"an array must be \(H, W, 3\) uint8 in sRGB; this one is "):
        recognizer(array)
    (failure,) = recognizer.stream([array])
    assert isinstance(failure, Failure)


@pytest.mark.parametrize("thing", [None, 5, 0.5, True, io.BytesIO(b"abc")])
def test_what_is_no_picture_at_all_is_one_clear_error(recognizer, thing):
    """An open file would be taken for an iterable of its lines."""
    sentence = r"a picture is a path, bytes, a PIL image or an \(H, W, 3\) uint8 array, or many of them, not "
    for ask in (recognizer, recognizer.stream, recognizer.embed):
        with pytest.raises(BadRequest, match=sentence + type(thing).__name__):
            ask(thing)


def test_one_wrong_thing_among_many_is_an_error_for_that_one(recognizer, cat):
    """`stream` never raises for an input."""
    good, bad = recognizer.stream([cat, 5])
    assert good.summary.label == "cat"
    assert (bad.source, bad.error.kind) == ("", "bad_request")
    with pytest.raises(BadRequest, match="not int"):
        recognizer([cat, 5])


def test_a_file_that_is_no_picture_is_named_once(recognizer, tmp_path):
    """Where, what, and no path twice."""
    path = tmp_path / "notes.jpg"
    path.write_text("dear diary")
    with pytest.raises(BadPicture) as caught:
        recognizer(path)
    assert str(caught.value).count("notes.jpg") == 1
    (failure,) = recognizer.stream([path])
    assert failure.source == str(path)
    assert "notes.jpg" not in failure.error.message
    with pytest.raises(BadPicture, match=r"notes.jpg: not a picture"):
        recognizer([path])
    with pytest.raises(BadPicture, match=r"notes.jpg: not a picture"):
        recognizer.embed(path)


@pytest.mark.parametrize("name", ["a\0b.jpg", "a\ud800b.jpg", ""])
def test_a_name_that_no_file_can_have_is_a_bad_picture(recognizer, name):
    """Not a ValueError from somewhere below."""
    with pytest.raises(BadPicture):
        recognizer(name)
    (failure,) = recognizer.stream([name])
    failure.to_json()


def test_one_path_may_be_streamed_without_a_list(recognizer, cat):
    """A text is not an iterable of its letters."""
    (found,) = recognizer.stream(str(cat))
    assert found == recognizer(cat)


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"threads": 0}, "--threads takes 1 or more; 0 is not"),
        ({"threads": -2}, "--threads takes 1 or more"),
        ({"top": 0}, "--top takes 1 or more labels"),
        ({"threshold": 2}, r"a threshold is a score from 0 to 1; 2 is not \(60% is 0.6\)"),
        ({"threshold": float("nan")}, "a threshold is a score"),
        ({"size": 225}, "this model takes pictures of side 128, 160, .*; 225 is not among them"),
        ({"provider": "nonsense"}, "no provider is called 'nonsense'"),
        ({"model": "nonsense.onnx"}, "no model file at nonsense.onnx"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_the_door(how, sentence):
    """Before a picture is read."""
    with pytest.raises(BadRequest, match=sentence):
        eyebright.load(**how)


@pytest.mark.parametrize(("how", "sentence"), [({"batch": 0}, "--batch"), ({"every": "often"}, "--every")])
def test_a_stream_that_cannot_be_meant_is_refused_when_it_is_asked_for(recognizer, cat, how, sentence):
    """Not at its first result, which may be far from the call."""
    with pytest.raises(BadRequest, match=sentence):
        recognizer.stream([cat], **how)


def test_none_of_these_must_be_taught():
    """An option that a model cannot follow is not silently left out."""
    with pytest.raises(BadRequest, match="was not taught when to say none of these"):
        color_recognizer(none_of_these=True)


def test_a_file_that_is_no_model_is_refused(tmp_path):
    """Before the runtime sees a byte."""
    path = tmp_path / "model.onnx"
    path.write_text("not a model")
    with pytest.raises(BadModelFile, match=r"model.onnx: not an ONNX model"):
        eyebright.load(path)


def test_a_model_from_elsewhere_works_after_its_trial(tmp_path):
    """It is tried in a child process first."""
    path = tmp_path / "colors.onnx"
    path.write_bytes(color_model(sharp=30))
    assert eyebright.load(path)(plain("green")).summary.label == "green"


def test_every_size_that_the_model_lists_works(cat):
    """Smaller is faster; it is still a cat."""
    assert eyebright.load(size=320)(cat).summary.label == "cat"
    assert eyebright.load(size=160)(cat).summary is not None


def test_top_is_how_many_labels_are_shown(cat):
    """What is said is shown even if its parts are not."""
    prediction = eyebright.load(top=1)(cat)
    assert len(prediction.labels) == 1
    assert prediction.summary.id in {parent.id for parent in prediction.parents}


def test_a_model_without_embeddings_says_so():
    """A wrapped foreign model may lack them."""
    recognizer = color_recognizer(embedding=False)
    for ask in (recognizer.embed, recognizer.stream_embeddings):
        with pytest.raises(BadRequest, match="colors has no embedding output"):
            ask([plain("red")])


def test_an_embedding_is_what_the_network_says():
    """One picture (D,), many (N, D), none (0, 0)."""
    recognizer = color_recognizer()
    assert np.allclose(recognizer.embed(plain("red")), np.array([220, 20, 20]) / 255, atol=1e-5)
    assert recognizer.embed([plain("red"), plain("blue")]).shape == (2, 3)
    assert recognizer.embed([]).shape == (0, 0)


def test_of_an_animation_the_first_frame_or_all():
    """A GIF of a thousand frames is one picture, unless somebody asks."""
    recognizer = color_recognizer(sharp=30)
    data = animation("red", "green", "blue")
    (first,) = recognizer.stream([data])
    assert first.summary.label == "red"
    found = list(recognizer.stream([data], all_frames=True))
    assert [one.summary.label for one in found] == ["red", "green", "blue"]


def test_a_long_animation_has_all_its_frames():
    """More frames than one batch holds."""
    data = animation(*["red", "blue"] * 40)
    found = list(color_recognizer(sharp=30).stream([data, encoded(plain("green"))], all_frames=True))
    assert [one.summary.label for one in found] == ["red", "blue"] * 40 + ["green"]


def test_a_picture_over_the_limit_is_refused_from_its_header():
    """A few bytes can ask for gigabytes."""
    recognizer = color_recognizer()
    recognizer.limits = images.Limits(pixels=1000)
    with pytest.raises(BadPicture, match="over the limit"):
        recognizer(encoded(noise(100, 100)))


def test_an_opened_picture_that_was_cut_short_is_an_error(cat):
    """PIL opens it without complaint; the end is missed while decoding."""
    picture = Image.open(io.BytesIO(cat.read_bytes()[:9000]))
    with pytest.raises(BadPicture, match="cut short"):
        color_recognizer()(picture)
