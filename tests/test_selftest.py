"""A model file is held to what it says of itself, and one from elsewhere is tried where it can do no harm."""

import msgspec
import numpy as np
import pytest
from onnx import helper, numpy_helper

import models
from eyebright import modelfile, selftest, trial
from eyebright.errors import BadModelFile
from eyebright.runtime import open_runtime


def with_golden(model, **parts):
    golden = model.metadata.golden
    pictures = tuple(msgspec.structs.replace(picture, **parts) for picture in golden.pictures)
    metadata = msgspec.structs.replace(model.metadata, golden=msgspec.structs.replace(golden, pictures=pictures))
    return msgspec.structs.replace(model, metadata=metadata)


@pytest.mark.parametrize(("task", "labels"), [("single", 3), ("multi", 4), ("binary", 2)])
def test_a_sealed_model_passes_its_own_test_here_and_in_a_child(task, labels):
    model = models.sealed(task, labels)
    outcomes = selftest.check(model, open_runtime(model))
    assert all(outcome.passed for outcome in outcomes)
    assert 1 <= len(outcomes) <= selftest.PICTURES
    trial.prove(model)


def test_golden_pictures_are_of_different_labels_and_small():
    golden = models.sealed().metadata.golden
    assert len({int(np.argmax(picture.scores)) for picture in golden.pictures}) > 1
    assert sum(picture.height * picture.width * 3 for picture in golden.pictures) <= modelfile.MAX_GOLDEN_BYTES
    assert all(selftest.pixels(picture).shape == (8, 8, 3) for picture in golden.pictures)


def test_a_model_that_says_something_else_is_refused():
    wrong = with_golden(models.sealed(), scores=(0.0, 0.0, 1.0))
    with pytest.raises(BadModelFile, match="self-test failed"):
        selftest.open_tested(wrong)


def test_another_best_label_is_refused_even_within_the_tolerance():
    model = models.sealed()
    close = model.metadata.golden.pictures[-1]
    (scores,) = open_runtime(model).run(selftest.pixels(close)[None], ["scores"])
    low, *_, high = np.argsort(scores[0]).tolist()
    shifted = scores[0].astype(float)
    shifted[low] = shifted[high] + 0.001
    picture = msgspec.structs.replace(close, scores=tuple(shifted.tolist()))
    for same_top in (False, True):
        golden = modelfile.Golden(tolerance=1, same_top=same_top, pictures=(picture,))  # wider than a file may ask
        held = msgspec.structs.replace(model, metadata=msgspec.structs.replace(model.metadata, golden=golden))
        (outcome,) = selftest.check(held, open_runtime(held))
        assert outcome.passed == (not same_top)


def test_scores_of_another_count_are_refused():
    made = modelfile.attach(models.graph(labels=4), models.metadata())
    model = modelfile.from_bytes(made, "odd.onnx")
    with pytest.raises(BadModelFile, match=r"odd.onnx: it gives scores of shape \(1, 4\) for 3 labels"):
        selftest.open_tested(model)


def test_scores_that_are_no_numbers_are_refused():
    nodes = [helper.make_node("Log", ["minus"], ["nan"]), helper.make_node("Add", ["first", "nan"], ["fed"])]
    graph = models.graph(extra=nodes, top="fed")
    graph.graph.initializer.append(numpy_helper.from_array(np.array(-1, np.float32), "minus"))
    model = modelfile.from_bytes(modelfile.attach(graph, models.metadata()), "nan.onnx")
    with pytest.raises(BadModelFile, match="not numbers"):
        selftest.open_tested(model)


def test_an_int8_model_that_comes_out_otherwise_is_opened_in_the_exact_way(monkeypatch):
    """As on x86 processors without VNNI, whose 8-bit products overflow in the fast way."""
    model = models.sealed()
    card = msgspec.structs.replace(model.metadata.card, precision="int8")
    golden = msgspec.structs.replace(model.metadata.golden, tolerance=0.05)
    model = msgspec.structs.replace(model, metadata=msgspec.structs.replace(model.metadata, card=card, golden=golden))
    asked = []

    class Overflowing:
        name, outputs = "overflowing", ("scores",)

        def run(self, images, outputs):
            return [scores * np.float32(0.99) for scores in open_runtime(model).run(images, outputs)]

    def opened(model, provider="cpu", threads=1, exact=False):
        asked.append(exact)
        return open_runtime(model, provider, threads, exact) if exact else Overflowing()

    monkeypatch.setattr(selftest, "open_runtime", opened)
    runtime = selftest.open_tested(model)
    assert asked == [False, True]
    assert "exact" in runtime.name
