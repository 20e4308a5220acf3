"""The trial of a model file from elsewhere, in a child process."""

import subprocess
import sys

import numpy as np
import pytest
from onnx import helper, numpy_helper

import models
from eyebright import modelfile, trial
from eyebright.errors import BadModelFile


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


def test_the_probe_counts_scores_and_refuses_pictures_that_mix():
    assert trial.probe(models.sealed(labels=4)) == 4
    mixing = [
        helper.make_node("ReduceMax", ["first"], ["best"], keepdims=0),
        helper.make_node("Sub", ["first", "best"], ["fed"]),
        helper.make_node("Mul", ["fed", "best"], ["mixed"]),
    ]
    made = modelfile.attach(models.graph(extra=mixing, top="mixed"), models.metadata())
    with pytest.raises(BadModelFile, match="one by one"):
        trial.probe(modelfile.from_bytes(made))


def test_a_wrong_model_is_refused_in_the_child_with_its_own_name():
    wrong = modelfile.from_bytes(modelfile.attach(models.graph(), models.metadata()), "wrong.onnx")
    with pytest.raises(BadModelFile, match=r"^wrong.onnx: its self-test failed"):
        trial.prove(wrong)


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is the kernel's")
def test_a_model_that_wants_too_much_memory_ends_in_the_child():
    with pytest.raises(BadModelFile, match=r"^hungry.onnx: "):
        trial.prove(hungry(1 << 30))


def test_a_model_that_takes_too_long_ends_in_the_child(monkeypatch):
    monkeypatch.setattr(trial, "TIME_S", 0.01)
    with pytest.raises(BadModelFile, match=r"took over 0.01 s"):
        trial.prove(models.sealed())


def test_without_a_python_to_start_the_model_is_not_tried_in_place(monkeypatch):
    """Inside a frozen program sys.executable is that program: starting it would start it all over."""
    for name, value in (("executable", ""), ("executable", "/no/such/python"), ("frozen", True)):
        with monkeypatch.context() as here:
            here.setattr(sys, name, value, raising=False)
            with pytest.raises(BadModelFile, match=r"^tiny.onnx: "):
                trial.prove(models.sealed())


def test_where_the_system_sets_no_limit_the_child_watches_itself():
    """As on macOS: no /proc to read from."""
    code = (
        "import sys, numpy; from eyebright import trial; trial._data_bytes = lambda: None;"
        "trial._limit_memory(200 << 20); kept = [numpy.ones(1 << 20) for _ in range(100)]; print('lived')"
    )
    # by way of a small process: Linux counts what a process was before it became another one
    between = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    command = [sys.executable, "-c", between, code]
    assert subprocess.run(command, capture_output=True, timeout=60).stdout == b""


def test_a_folder_full_of_modules_does_not_change_the_child(tmp_path, monkeypatch):
    """The current folder may be one with downloads in it."""
    (tmp_path / "onnxruntime.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    trial.prove(models.sealed())
