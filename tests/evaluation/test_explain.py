"""Explanations: the map is what the model computes, and it points at what is known to be there."""

import io

import msgspec
import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import numpy_helper
from PIL import Image

from evidence_models import BRIGHT, PLACES, colors, graph, metadata, planted, sealed
from eyebright import modelfile, models
from eyebright.data import Dataset
from eyebright.errors import BadPicture, BadRequest
from eyebright.evaluation.answers import ask
from eyebright.evaluation.explain import Explanation, explain
from eyebright.evaluation.explain.activation_map import linear_head
from eyebright.evaluation.explain.occlusion import shared
from eyebright.evaluation.explain.picture import heated, png
from eyebright.evaluation.explain.words import NAMES, method, seen, sentence, sentences, shares
from eyebright.evaluation.nearest import nearest
from eyebright.preprocessing import crop_box, fit
from eyebright.runtime import open_runtime
from pictures import color_model, encoded, noise, plain, turned, video

EXPLAINED = {
    "class activation map": {},
    "occlusion": {"outputs": ("scores", "logits", "embedding")},
}
CORNERS = {"upper left": (0, 0), "upper right": (72, 0), "middle": (36, 36), "lower left": (0, 72), "right": (72, 36)}


def asked(photo, model, *arguments, **how):
    return explain(photo, model, open_runtime(model), *arguments, **how)


def peak(evidence):
    """Row and column of the strongest place, 0..1."""
    row, column = np.unravel_index(evidence.map.argmax(), evidence.map.shape)
    return (row + 0.5) / evidence.map.shape[0], (column + 0.5) / evidence.map.shape[1]


def likeness(one, other):
    return float(np.corrcoef(one.map.ravel(), other.map.ravel())[0, 1])


@given(st.integers(0, 2**32 - 1), st.sampled_from(["rows", "columns"]), st.integers(2, 5))
def test_the_map_and_the_bias_are_the_logit(seed, head, labels):
    """That is what exact means: nothing of the logit is left out, nothing is made up."""
    random = np.random.default_rng(seed)
    names = tuple(f"label {at}" for at in range(labels))
    made = graph(random.normal(0, 3, (labels, 3)), random.normal(0, 3, labels), head=head)
    model = modelfile.from_bytes(modelfile.attach(made, metadata(labels=names)))
    photo = Image.fromarray(noise(40, 40, seed))
    for evidence in asked(photo, model, names[:3]).evidence:
        assert evidence.exact
        assert evidence.method == "class activation map"
        assert evidence.map.mean() + evidence.bias == pytest.approx(evidence.logit, abs=1e-4)
        assert evidence.off < 1e-4
    first, second = (asked(photo, model, [name]).evidence[0] for name in names[:2])
    (rather,) = asked(photo, model, [names[0]], names[1]).evidence
    assert np.allclose(rather.map, first.map - second.map, atol=1e-4)
    assert rather.map.mean() + rather.bias == pytest.approx(first.logit - second.logit, abs=1e-4)


@pytest.mark.parametrize("how", EXPLAINED)
@pytest.mark.parametrize("place", CORNERS)
@pytest.mark.parametrize("color", BRIGHT)
def test_the_peak_is_on_the_one_bright_thing(how, place, color):
    left, top = CORNERS[place]
    explanation = asked(planted(color, left, top), colors(**EXPLAINED[how]))
    (evidence,) = explanation.evidence
    assert evidence.method == how
    assert evidence.label.label == color
    row, column = peak(evidence)
    assert top / 96 < row < (top + 24) / 96
    assert left / 96 < column < (left + 24) / 96
    assert shares(evidence.map, explanation.box, explanation.size)[0].place == place
    assert f"{color} {evidence.score:.2f}: by what is in the {place} (" in sentence(evidence, explanation)


@pytest.mark.parametrize(
    "odd",
    [
        {"outputs": ("scores",)},
        {"outputs": ("scores", "logits")},
        {"outputs": ("scores", "logits", "embedding")},
        {"outputs": ("scores", "embedding", "features")},
        {"head": "bent"},
        {"places": 1},
    ],
    ids=str,
)
def test_where_no_map_is_exact_places_are_hidden(odd):
    """No features, no logits to check them by, a head that does more than weigh the mean, a map of one place."""
    (evidence,) = asked(planted("green", 60, 12), colors(**odd)).evidence
    assert evidence.method == "occlusion"
    row, column = peak(evidence)
    assert 0.125 < row < 0.375
    assert 0.625 < column < 0.875


def test_a_head_that_the_metadata_do_not_name_is_not_guessed():
    made = graph(np.eye(3) * 40, np.zeros(3))
    model = sealed(made, metadata(head=False))
    assert asked(planted(), model).evidence[0].method == "occlusion"


def test_a_head_that_the_metadata_name_wrongly_is_found_out():
    """A map from weights that the model does not use would be a made up one."""
    made = graph(np.eye(3) * 40, np.zeros(3))
    made.graph.initializer.append(numpy_helper.from_array(np.eye(3, dtype=np.float32), "other"))
    said = metadata()
    for weight in ("other", "missing", "axes"):
        model = sealed(made, msgspec.structs.replace(said, head=modelfile.Head(weight, "head.bias")))
        assert asked(planted(), model).evidence[0].method == "occlusion"


def test_a_head_in_8_bits_is_as_good_as_exact_and_says_so():
    plain_head, rounded = (asked(planted("blue", 40, 8), colors(head=head)) for head in ("rows", "8 bits"))
    (evidence,) = rounded.evidence
    assert evidence.method == "class activation map"
    assert not evidence.exact
    assert 0 < evidence.off < 0.2
    assert likeness(evidence, plain_head.evidence[0]) > 0.999
    assert method(evidence).startswith(f"Class activation map, to within {evidence.off:.1g}, as the head is in 8 bits")


def test_the_model_that_ships_gives_activation_maps(recognizer, photos):
    """Espresso lies in a cup in the middle; the map is checked against the file's own logits."""
    explanation = explain(photos / "coffee.jpg", recognizer.model, recognizer.runtime)
    (evidence,) = explanation.evidence
    assert evidence.label.label == "espresso"
    assert evidence.method == "class activation map"
    assert evidence.off < 0.1
    assert {share.place for share in shares(evidence.map, explanation.box, explanation.size)[:2]} == {
        "middle",
        "upper middle",
    }
    assert evidence.score == pytest.approx(recognizer(photos / "coffee.jpg").labels[0].score, abs=1e-6)


def test_a_map_follows_the_weights():
    """With the rows of red and blue exchanged, red is where blue was."""
    photo = planted("red", 0, 0)
    photo.paste(planted("blue", 0, 0).crop((0, 0, 24, 24)), (72, 72))
    exchanged = sealed(graph(np.eye(3)[::-1] * 40, np.zeros(3)), metadata())
    (red,), (other,), (blue,) = (
        asked(photo, model, [label]).evidence
        for model, label in ((colors(), "red"), (exchanged, "red"), (colors(), "blue"))
    )
    assert likeness(red, other) < 0
    assert np.allclose(other.map, blue.map, atol=1e-4)


def test_shuffled_head_weights_give_another_map(recognizer, photos):
    """A map that stayed would tell of the picture alone, not of what the model learned (Adebayo et al. 2018).

    One shuffle may be like by chance, since any head sees most where features are strong; in the mean none is left.
    """
    made = onnx.load_model_from_string(models.path().read_bytes())
    weight = next(tensor for tensor in made.graph.initializer if tensor.name == "head.weight_quantized")
    values = numpy_helper.to_array(weight)
    alike = []
    for seed in range(4):
        mixed = np.random.default_rng(seed).permutation(values.ravel()).reshape(values.shape)
        weight.CopyFrom(numpy_helper.from_array(mixed, weight.name))
        shuffled = modelfile.from_bytes(modelfile.attach(made, recognizer.metadata))
        for photo in ("cat", "coffee", "rocket"):
            (before,) = explain(photos / f"{photo}.jpg", recognizer.model, recognizer.runtime).evidence
            (after,) = asked(photos / f"{photo}.jpg", shuffled, [before.label.id]).evidence
            assert after.method == before.method == "class activation map"
            alike.append(likeness(before, after))
    assert max(alike) < 0.95
    assert np.mean(alike) < 0.3


def test_places_that_are_hidden_tell_what_the_activation_map_tells():
    photo = planted("red", 30, 50)
    exact, hidden = (asked(photo, colors(**how)).evidence[0] for how in EXPLAINED.values())
    wide = np.asarray(Image.fromarray(exact.map).resize(hidden.map.shape, Image.Resampling.BICUBIC))
    assert np.corrcoef(wide.ravel(), hidden.map.ravel())[0, 1] > 0.7


def test_the_middle_of_what_was_missed_stands_out():
    """Each square that touches a small thing takes the same from the logit; most of them cover its middle."""
    drops = np.zeros((14, 14))
    drops[4:7, 6:9] = 1
    found = shared(drops)
    assert np.unravel_index(found.argmax(), found.shape) == (5, 7)
    assert np.sum(found == found.max()) == 1
    assert np.allclose(shared(np.ones((14, 14))), 1)


def test_the_number_of_threads_changes_nothing():
    model = colors(**EXPLAINED["occlusion"])
    one, four = (asked(planted("red", 30, 50), model, threads=threads).evidence[0] for threads in (1, 4))
    assert np.array_equal(one.map, four.map)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photo_is_explained_as_it_is_seen(orientation):
    """A camera may store a picture turned; the words are about the upright one."""
    photo = planted("red", 70, 6, 120, 96)
    (flat, turned_), model = (encoded(photo), turned(photo, orientation)), colors()
    one, other = (asked(content, model) for content in (flat, turned_))
    assert (one.size, one.box) == (other.size, other.box) == ((120, 96), (12, 0, 108, 96))
    assert np.allclose(one.evidence[0].map, other.evidence[0].map, atol=1e-4)


@pytest.mark.parametrize(
    ("crop", "box", "said"),
    [
        (0, (0, 0, 200, 100), "The model saw all of it."),
        (1, (50, 0, 150, 100), "The model saw the middle 50% of the width."),
        (0.5, (75, 25, 125, 75), "The model saw the middle 25% of the width and the middle 50% of the height."),
    ],
)
def test_the_box_is_what_the_model_saw(crop, box, said):
    photo = planted("red", 90, 40, 200, 100)
    explanation = asked(photo, colors(crop=crop))
    assert explanation.box == box
    assert seen(explanation) == said
    row, column = peak(explanation.evidence[0])
    assert 40 < box[1] + row * (box[3] - box[1]) < 64
    assert 90 < box[0] + column * (box[2] - box[0]) < 114
    assert shares(explanation.evidence[0].map, box, (200, 100))[0].place == "middle"


def test_a_large_photo_is_told_of_in_its_own_pixels(tmp_path):
    """It is decoded at a reduced size; the box is in pixels of the file."""
    photo = planted("red", 800, 100, 1600, 1000, 200)
    (tmp_path / "large.jpg").write_bytes(encoded(photo, "JPEG"))
    explanation = asked(tmp_path / "large.jpg", colors())
    assert explanation.size == (1600, 1000)
    assert explanation.box == (300, 0, 1300, 1000)


def test_yes_or_no_is_always_told_against_the_other():
    """Softmax of two looks at nothing but the difference of both logits."""
    (evidence,) = asked(planted("green", 60, 60), colors("binary", ("red", "green"))).evidence
    assert (evidence.label.label, evidence.against.label) == ("green", "red")
    assert evidence.score == pytest.approx(1 / (1 + np.exp(-evidence.logit)), abs=1e-4)
    assert evidence.map.mean() + evidence.bias == pytest.approx(evidence.logit, abs=1e-4)


def test_of_many_labels_those_that_are_on_are_explained():
    photo = planted("red", 0, 0)
    photo.paste(planted("green", 0, 0).crop((0, 0, 24, 24)), (72, 72))
    model = colors("multi", thresholds={"e-red": 0.5, "e-green": 0.5, "e-blue": 0.9})
    red, green = asked(photo, model).evidence
    assert {red.label.label, green.label.label} == {"red", "green"}
    (best,) = asked(
        planted(side=1), colors("multi", thresholds=dict.fromkeys(("e-red", "e-green", "e-blue"), 1.0))
    ).evidence
    assert best.score < 1


def test_what_is_asked_for_is_explained_whatever_the_score():
    found = asked(planted("red"), colors(), ["blue", "e-green", "BLUE"])
    assert [evidence.label.label for evidence in found.evidence] == ["blue", "green"]


def test_nothing_may_speak_for_a_label():
    black = Image.new("RGB", (50, 50))
    for how in EXPLAINED.values():
        explanation = asked(black, colors(**how), ["red"])
        (evidence,) = explanation.evidence
        assert not evidence.map.any()
        assert sentence(evidence, explanation) == f"red {evidence.score:.2f}: nothing in the picture speaks for it."
        assert png(black, "black.png", explanation, sentences(explanation))


def test_what_speaks_against_it_is_said():
    """Of a blue corner and a red one, the blue speaks against red."""
    photo = planted("blue", 0, 0)
    photo.paste(planted("red", 0, 0).crop((0, 0, 24, 24)), (72, 72))
    explanation = asked(photo, colors(), ["red"], "blue")
    said = sentence(explanation.evidence[0], explanation)
    assert ", rather than blue: by what is in the lower right (" in said
    assert "; against it speaks what is in the upper left (" in said


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 12), st.sampled_from([0, 0.4, 1]))
def test_shares_are_of_all_that_speaks_for_it(seed, rows, columns, crop):
    random = np.random.default_rng(seed)
    size = tuple(int(side) for side in random.integers(1, 500, 2))
    found = shares(random.normal(0.2, 1, (rows, columns)), crop_box(*size, crop), size)
    assert sum(share.share for share in found) in (0, pytest.approx(1))
    assert [share.share for share in found] == sorted((share.share for share in found), reverse=True)
    assert {share.place for share in found} <= {*NAMES}
    if crop == 0:
        assert [share.share for share in shares(np.ones((rows, columns)), (0, 0, *size), size)] == pytest.approx(
            [1 / 9] * 9
        )


def test_evidence_all_over_a_picture_is_said_to_be_that():
    explanation = asked(plain("red", 60, 60), colors())
    assert ": by what is all over the picture, most of it in the " in sentence(explanation.evidence[0], explanation)


@pytest.mark.parametrize(
    ("labels", "beside", "sentence"),
    [
        (["rad"], None, "evidence has no label 'rad'; did you mean 'red'?"),
        (["xyz"], None, "evidence has no label 'xyz'."),
        (["warm"], None, "'warm' is no label of evidence but stands above some; name one of them: red."),
        (["red"], "e-red", "'red' stands on both sides of the comparison; name two labels."),
        (["red"], "purple", "evidence has no label 'purple'."),
    ],
)
def test_a_label_that_cannot_be_explained(labels, beside, sentence):
    with pytest.raises(BadRequest) as raised:
        asked(planted(), colors(), labels, beside)
    assert str(raised.value) == sentence


def test_four_labels_are_too_many():
    names = ("a", "b", "c", "d")
    model = sealed(graph(np.eye(4, 3), np.zeros(4)), metadata(labels=names))
    with pytest.raises(BadRequest, match="at most 3 labels are explained at once; 4 were named"):
        asked(planted(), model, names)


def test_what_is_no_picture(tmp_path):
    (tmp_path / "diary.jpg").write_text("dear diary")
    with pytest.raises(BadPicture, match=r"diary\.jpg: not a picture in a format"):
        asked(tmp_path / "diary.jpg", colors())
    with pytest.raises(BadPicture, match=r"none\.jpg: no such file"):
        asked(tmp_path / "none.jpg", colors())


def test_a_video_is_not_one_picture(tmp_path):
    pytest.importorskip("av")
    video(tmp_path / "film.mp4", "red")
    with pytest.raises(BadRequest, match=r"film\.mp4: this is a video; one picture at a time is explained"):
        asked(tmp_path / "film.mp4", colors())


def test_the_head_is_read_without_a_look_at_the_rest(recognizer, cat):
    """Weights in 8 bits with a scale a label are the numbers that the graph computes with."""
    pixels = fit(Image.open(cat).convert("RGB"), recognizer.metadata.input)
    features, logits = recognizer.runtime.run(pixels[None], ["features", "logits"])
    head = linear_head(recognizer.model, features[0], logits[0])
    assert head.weight.shape == (1000, 1280)
    assert np.abs(head.weight @ features[0].mean((1, 2)) + head.bias - logits[0]).max() < 0.2


@pytest.mark.parametrize("size", [(96, 96), (1, 400), (400, 1), (300, 200)])
@pytest.mark.parametrize("crop", [0, 0.875, 1])
def test_a_picture_of_any_shape_is_drawn(size, crop):
    photo = Image.fromarray(noise(*size))
    explanation = asked(photo, colors(crop=crop))
    file = png(photo, "a name that is long " * 20, explanation, sentences(explanation))
    with Image.open(io.BytesIO(file)) as page:
        assert page.format == "PNG"
        assert page.text["Description"] == " ".join(sentences(explanation))
        assert min(page.size) > 150


def test_the_drawing_is_red_where_the_evidence_is_and_gray_elsewhere():
    photo = Image.new("RGB", (80, 80), (90, 90, 90))
    values = np.zeros((4, 4))
    values[0, 3], values[3, 0] = 1, -1
    pixels = np.asarray(heated(photo, values, (0, 0, 80, 80))).astype(int)
    red, blue, none = pixels[8, 72], pixels[72, 8], pixels[8, 8]
    assert red[0] > red[2] + 60
    assert blue[2] > blue[0] + 60
    assert np.ptp(none) < 20


def test_the_nearest_picture_of_a_photo_is_itself(patterns):
    data = Dataset.read(patterns).part("train")
    model = modelfile.from_bytes(color_model())
    runtime = open_runtime(model)
    own = data.items[5]
    near = nearest(
        explain(data.picture(own), model, runtime).embedding, ask(data, model, runtime, ["embedding"]), data.labels
    )
    assert near[0].item == own
    assert near[0].labels == (data.labels[own.labels[0]].label,)
    assert near[0].similarity == pytest.approx(1, abs=1e-6)
    assert [one.similarity for one in near] == sorted((one.similarity for one in near), reverse=True)
    assert len(near) == 5


def test_an_explanation_is_plain_values():
    """Nothing of ONNX or Pillow is left in it."""
    explanation = asked(planted("red", 36, 36), colors())
    assert isinstance(explanation, Explanation)
    (evidence,) = explanation.evidence
    assert (evidence.map.shape, evidence.map.dtype) == ((PLACES, PLACES), np.float32)
    assert explanation.embedding.shape == (3,)
    assert {type(value) for value in (evidence.score, evidence.logit, evidence.bias, *explanation.box)} == {float}
