"""A model file is held to what it says of itself, and one from elsewhere is tried where it can do no harm."""

import subprocess
import sys

import msgspec
import numpy as np
import pytest
from onnx import helper, numpy_helper

import models
from eyebright import modelfile, selftest
from eyebright.errors import BadModelFile
from eyebright.runtime import open_runtime


def sealed(task="single", labels=3):
    return modelfile.from_bytes(selftest.seal(models.graph(task, labels), models.metadata(task, labels)), "tiny.onnx")


def with_golden(model, **parts):
    golden = model.metadata.golden
    pictures = tuple(msgspec.structs.replace(picture, **parts) for picture in golden.pictures)
    metadata = msgspec.structs.replace(model.metadata, golden=msgspec.structs.replace(golden, pictures=pictures))
    return msgspec.structs.replace(model, metadata=metadata)


def hungry(numbers):
    """A model that wants so many numbers at once, whatever the picture is."""
    nodes = [
        helper.make_node("ReduceMax", ["first"], ["one"], keepdims=0),
        helper.make_node("Expand", ["one", "much"], ["wide"]),
        helper.make_node("ReduceMax", ["wide"], ["back"], keepdims=0),
        helper.make_node("Add", ["first", "back"], ["fed"]),
    ]
    graph = models.graph(extra=nodes, top="fed")
    graph.graph.initializer.append(numpy_helper.from_array(np.array([numbers], np.int64), "much"))
    return modelfile.from_bytes(modelfile.attach(graph, models.metadata()), "hungry.onnx")


@pytest.mark.parametrize(("task", "labels"), [("single", 3), ("multi", 4), ("binary", 2)])
def test_a_sealed_model_passes_its_own_test_here_and_in_a_child(task, labels):
    model = sealed(task, labels)
    outcomes = selftest.check(model, open_runtime(model))
    assert all(outcome.passed for outcome in outcomes)
    assert 1 <= len(outcomes) <= selftest.PICTURES
    selftest.prove_in_child(model)


def test_golden_pictures_are_of_different_labels_and_small():
    golden = sealed().metadata.golden
    assert len({int(np.argmax(picture.scores)) for picture in golden.pictures}) > 1
    assert sum(picture.height * picture.width * 3 for picture in golden.pictures) <= modelfile.MAX_GOLDEN_BYTES
    assert all(selftest.pixels(picture).shape == (8, 8, 3) for picture in golden.pictures)


def test_a_model_that_says_something_else_is_refused():
    wrong = with_golden(sealed(), scores=(0.0, 0.0, 1.0))
    with pytest.raises(BadModelFile, match="self-test failed"):
        selftest.must_pass(wrong, open_runtime(wrong))


def test_another_best_label_is_refused_even_within_the_tolerance():
    model = sealed()
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
        selftest.must_pass(model, open_runtime(model))


def test_scores_that_are_no_numbers_are_refused():
    nodes = [helper.make_node("Log", ["minus"], ["nan"]), helper.make_node("Add", ["first", "nan"], ["fed"])]
    graph = models.graph(extra=nodes, top="fed")
    graph.graph.initializer.append(numpy_helper.from_array(np.array(-1, np.float32), "minus"))
    model = modelfile.from_bytes(modelfile.attach(graph, models.metadata()), "nan.onnx")
    with pytest.raises(BadModelFile, match="not numbers"):
        selftest.must_pass(model, open_runtime(model))


def test_the_probe_counts_scores_and_refuses_pictures_that_mix():
    assert selftest.probe_in_child(sealed(labels=4)) == 4
    mixing = [
        helper.make_node("ReduceMax", ["first"], ["best"], keepdims=0),
        helper.make_node("Sub", ["first", "best"], ["fed"]),
        helper.make_node("Mul", ["fed", "best"], ["mixed"]),
    ]
    made = modelfile.attach(models.graph(extra=mixing, top="mixed"), models.metadata())
    with pytest.raises(BadModelFile, match="one by one"):
        selftest.probe_in_child(modelfile.from_bytes(made))


def test_a_wrong_model_is_refused_in_the_child_with_its_own_name():
    wrong = modelfile.from_bytes(modelfile.attach(models.graph(), models.metadata()), "wrong.onnx")
    with pytest.raises(BadModelFile, match=r"^wrong.onnx: its self-test failed"):
        selftest.prove_in_child(wrong)


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is the kernel's")
def test_a_model_that_wants_too_much_memory_ends_in_the_child():
    with pytest.raises(BadModelFile, match=r"^hungry.onnx: "):
        selftest.prove_in_child(hungry(1 << 30))


def test_a_model_that_takes_too_long_ends_in_the_child(monkeypatch):
    monkeypatch.setattr(selftest, "TIME_S", 0.01)
    with pytest.raises(BadModelFile, match=r"took over 0.01 s"):
        selftest.prove_in_child(sealed())


def test_without_a_python_to_start_the_model_is_not_tried_in_place(monkeypatch):
    """Inside a frozen program sys.executable is that program: starting it would start it all over."""
    for name, value in (("executable", ""), ("executable", "/no/such/python"), ("frozen", True)):
        with monkeypatch.context() as here:
            here.setattr(sys, name, value, raising=False)
            with pytest.raises(BadModelFile, match=r"^tiny.onnx: "):
                selftest.prove_in_child(sealed())


def test_where_the_system_sets_no_limit_the_child_watches_itself():
    """As on macOS: no /proc to read from."""
    code = (
        "import sys, numpy; from eyebright import selftest; selftest._data_bytes = lambda: None;"
        "selftest._limit_memory(200 << 20); kept = [numpy.ones(1 << 20) for _ in range(100)]; print('lived')"
    )
    # by way of a small process: Linux counts what a process was before it became another one
    between = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    command = [sys.executable, "-c", between, code]
    assert subprocess.run(command, capture_output=True, timeout=60).stdout == b""


def test_a_folder_full_of_modules_does_not_change_the_child(tmp_path, monkeypatch):
    """The current folder may be one with downloads in it."""
    (tmp_path / "onnxruntime.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    selftest.prove_in_child(sealed())
