"""Runs from end to end: what is in the folder, and that a stop at any moment changes nothing in it."""

import errno
import filecmp
import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

from eyebright import modelfile, selftest  # noqa: E402
from eyebright.data import Dataset  # noqa: E402
from eyebright.errors import BadRequest, CannotWrite, MissingExtra  # noqa: E402
from eyebright.training import Recipe, checkpoint, learn, plan, prove, train  # noqa: E402
from eyebright.training.events import Progress, Said  # noqa: E402
from eyebright.training.loop import Diverged  # noqa: E402
from eyebright.training.run import Run  # noqa: E402

KEYS = {"encoder": "resnet-8", "width": 0.5, "size": 32, "epochs": 4.0, "batch": 14, "rate": 0.05, "threads": 1}
BUSY = {
    "operations": 1,
    "mixup": 0.2,
    "erase": 0.2,
    "area": 0.5,
    "save_s": 0.0,
    "precision": "float32",
    "device": "cpu",
}


class Killed(BaseException):
    """As from outside, between two steps."""


def killed_at(step):
    """Somebody who watches, and stops all after a step."""

    def tell(event):
        if isinstance(event, Progress) and event.step == step:
            raise Killed

    return tell


def until_written(event):
    """Stop when all is learned: writing the model file takes longer than these runs."""
    if isinstance(event, Said) and event.text.startswith("Writing the model file"):
        raise Killed


def different(run, other, *but):
    """What should be the same, byte for byte, and is not."""
    files = [file for file in prove.results(run) if file.name not in but]
    return [str(file) for file in files if not filecmp.cmp(run / file, other / file, shallow=False)]


@pytest.fixture(scope="module")
def data(patterns):
    return Dataset.read(patterns)


@pytest.fixture(scope="module")
def recipe():
    """From nothing, with all that could remember something switched on; 12 steps, judged 4 times."""
    return Recipe.of("scratch", {**KEYS, **BUSY})


@pytest.fixture(scope="module")
def whole(data, recipe, tmp_path_factory):
    """A run that nobody stopped, and what it told."""
    told = []
    result = train(data, tmp_path_factory.mktemp("runs") / "whole", recipe, tell=told.append)
    return result, told


def test_a_run_leaves_all_that_is_needed(whole, data):
    """Model, labels, how to use it, how it went; no picture, and nothing half-written."""
    result, told = whole
    names = sorted(file.name for file in result.run.iterdir())
    assert names == [
        "checkpoints", "curves.png", "labels.txt", "log.jsonl", "model.onnx", "recipe.toml", "report.html", "run.json",
        "use.py",
    ]  # fmt: skip
    assert (result.run / "labels.txt").read_text() == "blobs\nchecks\nstripes\n"
    selftest.open_tested(modelfile.read(result.model))
    assert modelfile.read(result.model).metadata.input.sizes == (32, 36, 40, 44)
    assert result.split == "test"
    assert set(result.figures) == {"top1", "balanced_accuracy", "ece", "nll", "brier", "calibration_p", "aurc"}
    assert result.figures["top1"].n == 24
    steps = [event for event in told if isinstance(event, Progress)]
    assert [event.step for event in steps] == list(range(1, 13))
    assert sum(event.judged is not None for event in steps) == 4
    assert [event["step"] for event in Run(result.run).history()] == list(range(1, 13))


def test_the_snippet_beside_the_model_names_a_picture(whole, patterns):
    """20 lines to begin with; they run as they are."""
    picture = patterns / "test" / "stripes" / "0.png"
    said = subprocess.run(
        [sys.executable, whole[0].run / "use.py", picture], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert said.startswith(f"{picture}: ")
    assert all(label in said for label in ("blobs", "checks", "stripes"))


def test_the_report_needs_no_network(whole):
    """One page with the figures, the curves, the labels and the recipe."""
    page = (whole[0].run / "report.html").read_text("utf-8")
    for part in ("top1", "validation top-1", "stripes", "encoder = &quot;resnet-8&quot;", "on the test split"):
        assert part in page
    assert "http://" not in page
    assert "https://" not in page
    assert "src=" not in page


def test_a_run_that_was_stopped_ends_in_the_same_bytes(whole, data, recipe, tmp_path):
    """After its first step, in its middle, and when all that was left to do was to write the model."""
    with pytest.raises(Killed):
        train(data, tmp_path / "run", recipe, tell=killed_at(1))
    for step in (7, 12):
        with pytest.raises(Killed):
            train(data, tmp_path / "run", resume=True, tell=killed_at(step))
    told = []
    train(data, tmp_path / "run", resume=True, tell=told.append)
    assert Said("Going on from step 12 of 12.") in told
    assert different(whole[0].run, tmp_path / "run") == []
    assert [event["step"] for event in Run(tmp_path / "run").history()] == list(range(1, 13))


def test_patience_is_remembered(data, tmp_path, monkeypatch):
    """How long nothing got better counts over a stop; and a run that stopped early does not go on when resumed."""
    losses = iter([0.5, 0.6, 0.7, 0.8, 0.9])
    monkeypatch.setattr(learn, "judged", lambda *given: learn.Judged(0.5, next(losses)))
    recipe = Recipe.of("scratch", {**KEYS, **BUSY, "patience": 2})
    with pytest.raises(Killed):
        train(data, tmp_path / "run", recipe, tell=killed_at(7))
    told = []

    def stopped(event):
        told.append(event)
        if isinstance(event, Said) and "No better for 2 judgements: stopped at step 9." in event.text:
            raise Killed

    for _ in range(2):  # the second time there is nothing left to learn
        with pytest.raises(Killed):
            train(data, tmp_path / "run", resume=True, tell=stopped)
    assert checkpoint.steps(tmp_path / "run" / "checkpoints")[-1].stem == "step-00000009"


def test_a_promised_time_becomes_steps_once(data, tmp_path, monkeypatch):
    """They are written down, and kept however fast the machine is when the run goes on."""
    recipe = Recipe.of("scratch", {**KEYS, **BUSY, "minutes": 1.0})
    monkeypatch.setattr(plan, "seconds_a_step", lambda *given: 3.0)
    monkeypatch.setattr(learn, "judged", lambda *given: learn.Judged(0.5, 1.0))
    with pytest.raises(Killed):
        train(data, tmp_path / "run", recipe, tell=killed_at(2))
    steps = Run(tmp_path / "run").planned
    assert 4 <= steps <= 10  # of 3 s, in a minute less what the end takes
    monkeypatch.setattr(plan, "seconds_a_step", lambda *given: pytest.fail("measured again"))
    with pytest.raises(Killed):
        train(data, tmp_path / "run", resume=True, tell=killed_at(steps))
    assert Run(tmp_path / "run").planned == steps


def test_steps_are_timed_where_they_are_taken(data, tmp_path, monkeypatch):
    """The real warm-up: what it learned is thrown away, and a time too short for a pass is said."""
    recipe = Recipe.of("scratch", {**KEYS, **BUSY, "minutes": 0.01})
    told = []

    def stop(event):
        told.append(event)
        killed_at(1)(event)

    with pytest.raises(Killed):
        train(data, tmp_path / "run", recipe, tell=stop)
    assert Run(tmp_path / "run").planned == 1
    assert any("The time is short: 1 steps fit" in event.text for event in told if isinstance(event, Said))


def test_a_rate_that_is_absurd_stops_with_a_sentence(data, recipe, tmp_path):
    """The step is named; the last good checkpoint is there, is good, and no model file is written."""
    wild = replace(recipe, rate=1000.0, weight_decay=100.0, warmup=0.9, epochs=20.0)
    with pytest.raises(Diverged) as error:
        train(data, tmp_path / "run", wild)
    assert "step" in str(error.value)
    assert not (tmp_path / "run" / "model.onnx").exists()
    kept = checkpoint.steps(tmp_path / "run" / "checkpoints")
    assert kept
    assert all(bool(tensor.isfinite().all()) for tensor in load_file(kept[-1]).values())
    with pytest.raises(Diverged):
        train(data, tmp_path / "run", resume=True)


def test_a_disk_that_runs_full_leaves_a_run_to_go_on_with(whole, data, recipe, tmp_path, monkeypatch):
    honest = checkpoint.save_file

    def full(tensors, file, said):
        if "00000006" in file.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        honest(tensors, file, said)

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(CannotWrite, match="no space left on device"):
        train(data, tmp_path / "run", recipe)
    monkeypatch.setattr(checkpoint, "save_file", honest)
    with pytest.raises(Killed):
        train(data, tmp_path / "run", resume=True, tell=until_written)
    assert different(whole[0].run, tmp_path / "run", "model.onnx") == []


def test_a_run_is_not_gone_on_with_by_another_recipe_or_other_pictures(whole, data, recipe, tmp_path):
    result, _ = whole
    before = (result.run / "model.onnx").read_bytes()
    with pytest.raises(BadRequest, match="was begun with another recipe or other pictures"):
        train(data, result.run, replace(recipe, seed=1), resume=True)
    with pytest.raises(BadRequest, match="was begun with another recipe or other pictures"):
        train(data.only(data.items[1:]), result.run, resume=True)
    with pytest.raises(CannotWrite, match="holds a run; --resume goes on with it, --force replaces it"):
        train(data, result.run, recipe)
    assert (result.run / "model.onnx").read_bytes() == before


def test_force_replaces_a_run_and_nothing_else(data, recipe, tmp_path):
    """What the old one learned must not be mixed in; a letter that lay beside it stays."""
    run = tmp_path / "run"
    with pytest.raises(Killed):
        train(data, run, recipe, tell=killed_at(5))
    (run / "letter.txt").write_text("dear")
    with pytest.raises(Killed):
        train(data, run, replace(recipe, seed=1), force=True, tell=killed_at(1))
    assert [event["step"] for event in Run(run).history()] == [1]
    assert Run(run).recipe().seed == 1
    assert (run / "letter.txt").read_text() == "dear"


def test_what_cannot_be_meant_leaves_no_folder(data, recipe, tmp_path):
    """So that the corrected command need not be forced."""
    for wrong in (replace(recipe, encoder="resnet-9"), replace(recipe, mode="finetune", encoder="resnet-18")):
        with pytest.raises(BadRequest):
            train(data, tmp_path / "run", wrong)
        assert not (tmp_path / "run").exists()


def test_hostile_words_in_a_run_are_no_trouble(tmp_path):
    """A log that was cut, a run.json that is none."""
    run = tmp_path / "run"
    run.mkdir()
    (run / "log.jsonl").write_bytes(b'{"event": "progress", "step": 1}\n[1]\n\xff\n{"event": "prog')
    (run / "run.json").write_text("[" * 100_000)
    assert [event["step"] for event in Run(run).history()] == [1]
    assert Run(run).about() == {}


def test_pictures_that_do_not_fit_are_decoded_each_time(whole, data, recipe, tmp_path):
    """The same bits come out, only later."""
    with pytest.raises(Killed):
        train(data, tmp_path / "run", replace(recipe, cache_mb=0), tell=killed_at(3))
    losses = [[event["loss"] for event in Run(run).history()[:3]] for run in (tmp_path / "run", whole[0].run)]
    assert losses[0] == losses[1]


def test_a_network_goes_on_from_the_weights_of_a_run(whole, data, tmp_path):
    """Its model file is a place for weights; the head is fitted first, and bf16 is what this processor may like."""
    keys = {**KEYS, "epochs": 1.0, "rate": 1e-3, "unfreeze": 0.5, "weights": str(whole[0].model)}
    result = train(data, tmp_path / "run", Recipe.of("finetune", keys))
    card = modelfile.read(result.model).metadata.card
    assert card.lineage[0] == "resnet-8, weights model.onnx"
    assert result.figures["top1"].value > 0.4


def test_what_makes_it_worse_than_the_head_is_not_kept(whole, data, tmp_path):
    """Steps that are much too long end with the head that they began with, and the report says so."""
    told = []
    keys = {**KEYS, "epochs": 1.0, "rate": 3.0, "clip": 1.0, "precision": "float32", "weights": str(whole[0].model)}
    result = train(data, tmp_path / "run", Recipe.of("finetune", keys), tell=told.append)
    assert [event for event in told if isinstance(event, Said) and "head alone" in event.text]
    assert not any(event["best"] for event in Run(result.run).history())
    assert "that of the head alone" in (result.run / "report.html").read_text("utf-8")
    head = train(data, tmp_path / "head", Recipe.of("head", {**keys, "rate": 0.02}))
    assert result.figures["top1"].value == head.figures["top1"].value > 0.4


@pytest.mark.slow
def test_published_weights_are_tuned_from_the_head_down(data, tmp_path):
    """lite0's, that come with Eyebright."""
    keys = {"size": 64, "epochs": 1.0, "batch": 14, "rate": 1e-3, "threads": 1, "unfreeze": 0.5}
    result = train(data, tmp_path / "run", Recipe.of("finetune", keys))
    assert result.figures["top1"].value > 0.6
    assert "weights efficientnet-lite0" in modelfile.read(result.model).metadata.card.lineage[0]


@pytest.mark.slow
def test_a_run_proves_that_it_can_be_resumed(patterns, tmp_path, eyebright_process):
    """--prove-resume: a child is killed without warning, resumed, compared; the report says so."""
    keys = ["encoder=resnet-8", "width=0.5", "size=32", "epochs=30", "batch=14", "threads=1", "save_s=0"]
    sets = [part for key in keys for part in ("--set", key)]
    ended = eyebright_process("train", patterns, "-o", "run", "--mode", "scratch", "--prove-resume", *sets, timeout=300)
    assert ended.returncode == 0, ended.stderr.decode()
    sentence = "are the same, byte for byte."
    assert sentence in ended.stderr.decode()
    assert sentence in (tmp_path / "run" / "report.html").read_text("utf-8")
    assert not (tmp_path / "run" / "twin").exists()


@pytest.mark.slow
def test_two_processes_learn_as_one(patterns, tmp_path):
    """Without batch norm the same losses come out of a batch that is shared."""
    keys = ["epochs=2", "batch=12", "precision=float32", "mixup=0.2", "rate=0.001", "threads=1"]
    asked = ["train", patterns, "--mode", "scratch", "--encoder", "squeezenet-1.1", "--width", "0.25", "--size", "32"]
    asked += ["--device", "cpu", *[part for key in keys for part in ("--set", key)]]
    talking = {**os.environ, "PYTHONPATH": ""}  # to each other, which the guard of these tests takes for the network
    launchers = {"one": [], "two": ["torch.distributed.run", "--nproc_per_node=2", "-m"]}
    for name, launcher in launchers.items():
        command = [sys.executable, "-m", *launcher, "eyebright", *map(os.fspath, asked), "-o", tmp_path / name]
        subprocess.run(command, check=True, capture_output=True, timeout=300, env=talking)
    one, two = ([event["loss"] for event in Run(tmp_path / name).history()] for name in launchers)
    assert len(one) == 7
    assert two == pytest.approx(one, abs=1e-5)


def test_the_log_tells_what_happened(whole):
    """A line of JSON each, with its time."""
    lines = [json.loads(line) for line in (whole[0].run / "log.jsonl").read_text().splitlines()]
    assert {line["event"] for line in lines} == {"said", "progress"}
    assert [line["time"] for line in lines] == sorted(line["time"] for line in lines)


def test_tensorboard_gets_the_same_numbers(data, recipe, tmp_path):
    """Where it is installed."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with pytest.raises(Killed):
        train(data, tmp_path / "run", replace(recipe, tensorboard=True), tell=until_written)
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    history = Run(tmp_path / "run").history()
    assert [event.step for event in events.Scalars("training/loss")] == list(range(1, 13))
    assert [event.value for event in events.Scalars("training/loss")] == pytest.approx([one["loss"] for one in history])
    judged = [one["judged"]["value"] for one in history if one["judged"]]
    assert [event.value for event in events.Scalars("validation/measure")] == pytest.approx(judged)


def test_tensorboard_that_is_missing_is_said_before_anything_is_learned(data, recipe, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingExtra, match="need the package tensorboard: pip install tensorboard"):
        train(data, tmp_path / "run", replace(recipe, tensorboard=True))
    assert not (tmp_path / "run").exists()
