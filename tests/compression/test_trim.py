"""A trimmed model says of the labels that stay what it said before, and promises nothing that it cannot know."""

import msgspec
import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import models as tiny
from evidence_models import graph, metadata, sealed
from eyebright import modelfile, models, selftest
from eyebright.compression.trim import places, read_labels, trim
from eyebright.errors import BadRequest
from eyebright.evaluation.explain.activation_map import linear_head
from eyebright.labels import Hierarchy
from eyebright.modelfile import Abstain, Card, Figure, Head, Label, Promise, Selective, Sets
from eyebright.runtime import open_runtime
from pictures import color_model, noise

NAMES = ("red", "green", "blue", "violet", "orange")
ONE = Figure(0.9, 0.8, 0.95, 100)


def model(task="single", head="rows", **said):
    """Five labels, of which red stands under warm."""
    random = np.random.default_rng(0)
    made = graph(random.normal(0, 9, (5, 3)), random.normal(0, 1, 5), task, head=head)
    return sealed(made, msgspec.structs.replace(metadata(task, NAMES), **said))


def logits(file, images):
    return open_runtime(file).run(images, ["logits", "scores"])


def trimmed(file, *labels):
    return modelfile.from_bytes(trim(file, labels).data)


def pictures(side):
    return np.stack([noise(side, side, seed) // (seed + 1) for seed in range(3)])


@given(st.sets(st.sampled_from(NAMES), min_size=2, max_size=4), st.sampled_from(["rows", "columns", "8 bits"]))
def test_logits_are_what_they_were_and_scores_are_shared_among_fewer(kept, head):
    before = MODELS[head]
    after = trimmed(before, *kept)
    rows = [at for at, name in enumerate(NAMES) if name in kept]
    assert [label.label for label in after.metadata.labels] == [NAMES[at] for at in rows]
    (old, _), (new, scores) = (logits(file, pictures(32)) for file in (before, after))
    np.testing.assert_allclose(new, old[:, rows], atol=1e-5)
    expected = np.exp(old[:, rows] - old[:, rows].max(1, keepdims=True))
    np.testing.assert_allclose(scores, expected / expected.sum(1, keepdims=True), atol=1e-5)
    selftest.open_tested(after)


MODELS = {head: model(head=head) for head in ("rows", "columns", "8 bits")}


def test_scores_of_many_labels_do_not_change():
    before = model("multi")
    after = trimmed(before, "blue")
    (_, old), (_, new) = (logits(file, pictures(32)) for file in (before, after))
    np.testing.assert_allclose(new, old[:, 2:3], atol=1e-6)


def test_the_model_that_ships_gives_the_very_same_logits():
    """Its head is computed in integers."""
    before = modelfile.read(models.path("lite0"))
    after = trimmed(before, "pizza", "espresso", "DOG")
    assert len(after.metadata.labels) > 100  # all breeds
    assert len(after.data) < 0.8 * len(before.data)
    kept = {label.id for label in after.metadata.labels}
    rows = [at for at, label in enumerate(before.metadata.labels) if label.id in kept]
    (old, _), (new, _) = (logits(file, pictures(224)) for file in (before, after))
    np.testing.assert_array_equal(new, old[:, rows])
    dog = next(node for node in after.metadata.hierarchy if node.label == "dog")
    tops = Hierarchy.of(after.metadata)
    assert all(tops.ancestors(at) for at in range(len(kept)) if before.metadata.labels[rows[at]].parent == dog.id)
    assert after.metadata.card.parameters == before.metadata.card.parameters - (1000 - len(kept)) * 1281


def test_only_ancestors_that_are_needed_stay():
    assert [node.label for node in trimmed(model(), "red", "blue").metadata.hierarchy] == ["warm"]
    assert trimmed(model(), "green", "blue").metadata.hierarchy == ()


def rich(task):
    """All that a file can say of itself."""
    return {
        "thresholds": {"e-red": 0.7, "e-blue": 0.4},
        "promises": {"e-red": Promise("precision>=0.9", ONE, ONE)},
        "abstain": Abstain("max_logit", 1.0, "pictures"),
        "selective": () if task == "multi" else (Selective(0.9, 0.5, 0.8, 100),),
        "sets": None if task == "multi" else Sets(0.1, 1, (0.9,), (0.8,), 100),
        "card": Card(metrics={"top1": ONE}, per_class={"e-red": {"ap": ONE}, "e-blue": {"ap": ONE}}, parameters=20),
    }


def test_what_is_no_longer_true_is_left_out_and_said():
    found = trim(model(**rich("single")), ["red", "green"])
    said = modelfile.from_bytes(found.data).metadata
    assert (said.thresholds, said.promises, said.selective, said.sets, said.abstain) == ({}, {}, (), None, None)
    assert (said.card.metrics, said.card.per_class) == ({}, {})
    assert said.card.parameters == 20 - 3 * 4
    assert said.card.lineage[-1] == "trimmed to 2 of 5 labels"
    assert "for all 5 labels" in said.card.calibration
    assert set(found.left_out) >= {"thresholds", "promises of accuracy", "sets of labels", "figures"}


def test_what_is_known_of_one_of_many_labels_stays_true():
    said = trimmed(model("multi", **rich("multi")), "red").metadata
    assert said.thresholds == {"e-red": 0.7}
    assert list(said.promises) == list(said.card.per_class) == ["e-red"]
    assert said.card.metrics == {}


def test_novelty_looks_at_no_label_and_stays():
    novelty = Abstain("novelty", 0.4, "pictures")
    assert trimmed(model(abstain=novelty), "red", "blue").metadata.abstain == novelty


def test_what_is_trimmed_can_be_trimmed_again_and_explained():
    once = trimmed(model(), "red", "green", "blue")
    twice = trimmed(once, "red", "blue")
    assert twice.metadata.name == "evidence, trimmed to 2"
    features, given_ = open_runtime(twice).run(pictures(32)[:1], ["features", "logits"])
    head = linear_head(twice, features[0], given_[0])
    assert head is not None
    assert head.exact


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["rad", "blue"], "no label 'rad'; did you mean 'red'?"),
        (["zzzz"], "no label 'zzzz'; it has red, green"),
        (["red"], "at least 2 labels to choose between; 1 would be left"),
        (["WARM"], "at least 2 labels"),
        ([], "0 would be left"),
        (list(NAMES), "all 5 labels"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(labels, said):
    with pytest.raises(BadRequest, match=said.replace("?", r"\?")):
        trim(model(), labels)


def test_two_labels_of_one_name_are_told_apart_by_id():
    labels = (*metadata("single", NAMES[:3]).labels, Label("e-crane-bird", "crane"), Label("e-crane-lift", "Crane"))
    file = model(labels=labels)
    with pytest.raises(BadRequest, match="which by its id: e-crane-bird, e-crane-lift"):
        trim(file, ["crane", "red"])
    assert places(file.metadata, ["e-crane-lift", "RED"]) == [0, 4]


def test_yes_or_no_stays_whole():
    file = modelfile.from_bytes(color_model("binary", labels=("red", "green")))
    with pytest.raises(BadRequest, match="none can be left out"):
        trim(file, ["red"])


def test_a_model_that_does_not_name_its_last_layer_says_why_not():
    with pytest.raises(BadRequest, match="comes from elsewhere"):
        trim(modelfile.from_bytes(color_model()), ["red", "blue"])


def test_a_matrix_without_a_bias_is_a_head_too():
    said = tiny.metadata("single", 3, head=Head("weights"))
    before = modelfile.from_bytes(selftest.seal(tiny.graph(), said))
    after = trimmed(before, "id0", "label 2")
    (old, _), (new, _) = (logits(file, pictures(tiny.SIDE)) for file in (before, after))
    np.testing.assert_allclose(new, old[:, [0, 2]], atol=1e-5)


@pytest.mark.parametrize("name", ["forest", "nearest"])
def test_trees_and_neighbors_say_why_not(name):
    pytest.importorskip("sklearn")
    from eyebright.classifier.traditional import fit
    from eyebright.export.head import with_fitted

    random = np.random.default_rng(0)
    rows, targets = random.normal(0, 1, (40, 3)).astype(np.float32), np.eye(4, dtype=np.float32)[np.arange(40) % 4]
    made = with_fitted(graph(np.eye(3), np.zeros(3)), fit(name, rows, targets, "single"), "single")
    said = msgspec.structs.replace(metadata("single", NAMES[:4]), head=None)
    with pytest.raises(BadRequest, match="computes all labels together"):
        trim(sealed(made, said), ["red", "blue"])


@pytest.mark.parametrize("spoiled", ["used twice", "no such", "not a matrix"])
def test_a_head_that_is_not_what_the_file_says_is_refused(spoiled):
    """Whatever stands in a file from elsewhere, what is written agrees with it, or nothing is."""
    made = graph(np.eye(5, 3) * 9, np.arange(5), "single")
    said = metadata("single", NAMES)
    if spoiled == "used twice":
        made.graph.node.append(onnx.helper.make_node("Identity", ["head.weight"], ["more"]))
    elif spoiled == "no such":
        said = msgspec.structs.replace(said, head=Head("nothing", "head.bias"))
    else:
        said = msgspec.structs.replace(said, head=Head("white", "head.bias"))
    with pytest.raises(BadRequest, match="cannot be trimmed"):
        trim(sealed(made, said), ["red", "blue"])


def test_labels_stand_in_a_list_or_a_file(tmp_path):
    file = tmp_path / "labels.txt"
    file.write_text("\ufeffred\n\n  Blue, dark \n", encoding="utf-8")
    assert read_labels(str(file)) == ["red", "Blue, dark"]
    assert read_labels(" red,blue,") == ["red", "blue"]
    file.write_bytes(b"\xff\xfe\x00")
    for text in (str(file), str(tmp_path / "none.txt"), "\0.txt"):
        with pytest.raises(BadRequest):
            read_labels(text)
