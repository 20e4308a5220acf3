"""`eyebright train`: from a folder to a model file; what is wrong is one sentence, and leaves nothing half-written."""

import contextlib
import io
import json
import os
import shutil
import zipfile
from types import SimpleNamespace

import pytest

pytest.importorskip("torch")

from eyebright import cli
from eyebright.training import checkpoint
from pictures import encoded, noise

SCRATCH = ["--mode", "scratch", "--encoder", "resnet-8", "--width", "0.5", "--size", "32"]
QUICK = [*SCRATCH, "--set", "epochs=2", "--set", "batch=14", "--set", "threads=1"]


def folders(root, **labels):
    """label -> how many pictures of noise."""
    seed = 0
    for label, count in labels.items():
        (root / label).mkdir(parents=True)
        for number in range(count):
            seed += 1
            (root / label / f"{number}.png").write_bytes(encoded(noise(40, 40, seed)))
    return root


@pytest.fixture(scope="module")
def ended(patterns, tmp_path_factory):
    """What a whole training printed; its run is the folder `run` in `ended.where`."""
    where = tmp_path_factory.mktemp("runs")
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.run(["train", str(patterns), "-o", str(where / "run"), *QUICK])
    return SimpleNamespace(code=code, out=out.getvalue(), err=err.getvalue(), where=where)


@pytest.fixture
def run(ended):
    """A finished run that nobody changes."""
    return ended.where / "run"


def test_a_folder_becomes_a_model_that_names_pictures(ended, run, eyebright, patterns):
    """Progress on stderr, the result on stdout; the file passes its own test, and predict takes it."""
    assert ended.code == 0, ended.err
    assert ended.out.startswith("On the test split:\n  top1 ")
    assert f"{run / 'model.onnx'}: " in ended.out
    assert "patterns: 3 labels, task single; 42 train, 24 validation, 24 test." in ended.err
    assert "step 6 of 6" in ended.err
    assert eyebright("verify", run / "model.onnx").code == 0
    picture = patterns / "test" / "blobs" / "0.png"
    said = eyebright("predict", picture, "--model", run / "model.onnx", "--format", "json").out
    assert {label["label"] for label in json.loads(said)["labels"]} == {"blobs", "checks", "stripes"}


def test_a_finished_run_may_be_resumed(eyebright, run, tmp_path):
    """Whoever is not sure whether it ended asks again, and gets the same; here as JSON, one object of figures."""
    shutil.copytree(run, tmp_path / "run")
    ended = eyebright("train", "--resume", "-o", "run", "--format", "json")
    assert ended.code == 0, ended.err
    assert "Going on from step 6 of 6." in ended.err
    assert (tmp_path / "run" / "model.onnx").read_bytes() == (run / "model.onnx").read_bytes()
    said = json.loads(ended.out)
    assert said["split"] == "test"
    assert said["model"] == "run/model.onnx"
    assert set(said["top1"]) >= {"value", "low", "high", "n", "method"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["patterns", "--encoder", "resnet-9"], "There is no encoder 'resnet-9'; did you mean resnet-"),
        (["patterns", "--encoder", "resnet-50"], "No weights of resnet-50 come with Eyebright: name them"),
        (["patterns", "--encoder", "resnet-50", "--mode", "finetune"], "No weights of resnet-50 come with Eyebright"),
        (["patterns", "--weights", "nothing.safetensors"], "nothing.safetensors"),
        (["patterns", "--set", "epoch=3"], "the recipe: there is no key 'epoch'; did you mean epochs?"),
        (["patterns", "--set", "epochs"], "--set takes key=value, as --set epochs=30; got 'epochs'."),
        (["patterns", "--set", "epochs=many"], "the recipe: epochs: expected float, got str."),
        (["patterns", "--set", "optimizer=adam"], "optimizer is one of sgd, adamw; 'adam' is not."),
        (["patterns", "--set", "batch=" + "9" * 5000], "the recipe: batch: expected int, got str."),
        (["patterns", "--time", "0"], "--time is a number with a unit, as 90s, 10m or 2h; got '0'."),
        (["patterns", "--time", "0m"], "--time is a number with a unit"),
        (["patterns", "--time", "-5m"], "--time is a number with a unit"),
        (["patterns", "--time", "soon"], "--time is a number with a unit"),
        (["patterns", "--size", "16"], "size is in pixels, 32 or more; 16 is too small for these networks."),
        (["patterns", "--width", "0"], "width is a number from 0.05 to 4; 0 is not."),
        (["patterns", "--seed", "-1"], "seed is a number from 0 to"),
        (["patterns", "--device", "nonsense"], "device is one of auto, cpu, cuda, mps; 'nonsense' is not."),
        (["patterns", "--device", "cuda"], "Mode head computes on the processor; leave out the device"),
        (["patterns", "--mode", "heads"], "'heads' is not one of 'head', 'finetune', 'scratch'"),
        (["patterns", "--task", "many"], "--task is single (one label each), binary (yes or no) or multi (many);"),
        (["patterns", "--task", "binary"], "yes or no needs to know which of blobs, checks, stripes is looked for"),
        (["patterns", "--positive", "dots"], "there is no label 'dots' for --positive; there are blobs"),
        (["patterns", "--reader", "nonsense"], "nonsense"),
        (["patterns", "--recipe", "mine.toml"], "mine.toml cannot be read: no such file or directory."),
        (["patterns", "--recipe", "letter.txt"], "letter.txt is not TOML"),
        (["missing"], "missing"),
        (["empty"], "there are no files in it."),
        (["letter.txt"], "letter.txt"),
        ([], "which data? Name a folder, an archive or a table of labeled pictures."),
        (["--resume"], "run holds no run to go on with"),
        (["columns"], "columns"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_ends_with_2_and_a_sentence(eyebright, patterns, tmp_path, arguments, sentence):
    """No folder is left behind, so that the corrected command need not be forced."""
    (tmp_path / "patterns").symlink_to(patterns)
    (tmp_path / "empty").mkdir()
    (tmp_path / "letter.txt").write_text("dear diary")
    folders(tmp_path / "columns", cat=1)
    (tmp_path / "columns" / "labels.csv").write_text("file,colour\ncat/0.png,red\n")
    ended = eyebright("train", *arguments, "-o", "run")
    assert ended.code == 2
    assert ended.out == ""
    last = ended.err.splitlines()[-1]
    assert last.startswith("eyebright: ")
    assert sentence in last
    assert not (tmp_path / "run").exists()


def test_a_zip_bomb_is_refused(eyebright, tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as bomb:
        for label in ("cat", "dog"):
            bomb.writestr(f"{label}/1.png", bytes(60 << 20))
    ended = eyebright("train", "bomb.zip", "-o", "run")
    assert ended.code == 2
    assert "(a zip bomb?)" in ended.err
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif("__import__('torch').cuda.is_available()")
def test_a_gpu_where_there_is_none(eyebright, patterns, tmp_path):
    ended = eyebright("train", patterns, "-o", "run", *QUICK, "--device", "cuda")
    assert ended.code == 2
    assert "There is no device cuda here, or this torch cannot use it; --device cpu works." in ended.err
    assert not (tmp_path / "run").exists()


def test_one_label_is_nothing_to_learn(eyebright, tmp_path):
    folders(tmp_path / "set" / "train", cat=20)
    folders(tmp_path / "set" / "validation", cat=5)
    ended = eyebright("train", "set", "-o", "run")
    assert ended.code == 2
    assert "there is one class only (cat)" in ended.err.splitlines()[-1]
    assert not (tmp_path / "run").exists()


def test_labels_that_are_only_in_the_test_split_are_named(eyebright, patterns, tmp_path):
    """A label may be spelled in two ways."""
    shutil.copytree(patterns, tmp_path / "set")
    (tmp_path / "set" / "test" / "blobs").rename(tmp_path / "set" / "test" / "blob")
    ended = eyebright("train", "set", "-o", "run", *QUICK)
    assert ended.code == 2
    assert ended.err.endswith("test has labels that train does not have: blob; add or rename them.\n")


def test_what_spoils_the_result_stops_and_anyway_goes_on(eyebright, patterns, tmp_path):
    """The same picture in train and test makes the figures a lie. The corrected command needs no --force.

    A corrupt picture is left out and said; an empty folder is no label.
    """
    shutil.copytree(patterns, tmp_path / "set")
    train = tmp_path / "set" / "train"
    shutil.copy(train / "blobs" / "0.png", tmp_path / "set" / "test" / "blobs" / "copy.png")
    (train / "stripes" / "1.png").write_bytes((train / "stripes" / "1.png").read_bytes()[:300])
    (train / "dots").mkdir()
    ended = eyebright("train", "set", "-o", "run", *QUICK)
    assert ended.code == 2
    last = ended.err.splitlines()[-1]
    assert "test/blobs/copy.png" in last
    assert "--anyway trains all the same." in last
    assert not (tmp_path / "run").exists()
    ended = eyebright("train", "set", "-o", "run", *QUICK, "--anyway")
    assert ended.code == 0, ended.err
    assert last.removeprefix("eyebright: ").partition(" (")[0] in ended.err, "what was found is said all the same"
    assert "1 picture cannot be read: train/stripes/1.png" in ended.err
    assert (tmp_path / "run" / "labels.txt").read_text() == "blobs\nchecks\nstripes\n"


def test_one_picture_under_two_labels_suggests_many(eyebright, patterns, tmp_path):
    shutil.copytree(patterns, tmp_path / "set")
    shutil.copy(tmp_path / "set" / "train" / "blobs" / "0.png", tmp_path / "set" / "train" / "checks" / "copy.png")
    ended = eyebright("train", "set", "-o", "run", *QUICK)
    assert ended.code == 2
    assert "multi" in ended.err.splitlines()[-1]


@pytest.mark.parametrize(("word", "task"), [("multiclass", "multi"), ("Single class", "single")])
def test_older_words_are_accepted_and_explained_once(eyebright, patterns, tmp_path, word, task):
    """The data are refused for another reason: what the word means is said before."""
    ended = eyebright("train", "missing", "-o", "run", "--task", word)
    meaning = {"multi": "many labels a picture", "single": "one label a picture"}[task]
    assert ended.err.count(f"'{word}' is called {task} here: {meaning}.") == 1


def test_a_run_that_is_there_is_not_written_over(eyebright, patterns, run):
    before = {file: file.stat().st_mtime_ns for file in run.iterdir()}
    ended = eyebright("train", patterns, "-o", run, *QUICK)
    assert ended.code == 2
    assert f"{run} holds a run; --resume goes on with it, --force replaces it." in ended.err
    assert {file: file.stat().st_mtime_ns for file in run.iterdir()} == before


def test_a_run_survives_a_request_that_cannot_be_meant(eyebright, patterns, run, tmp_path):
    """--force replaces a run by another, and not by nothing, where the data are what is wrong."""
    shutil.copytree(run, tmp_path / "run")
    folders(tmp_path / "set", cat=20)
    assert eyebright("train", "set", "-o", "run", "--force").code == 2
    assert (tmp_path / "run" / "model.onnx").read_bytes() == (run / "model.onnx").read_bytes()


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_folder_with_something_else_in_it_is_left_alone(eyebright, patterns, tmp_path, force):
    """Also where it is forced: only runs are replaced."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("my only photo of her")
    ended = eyebright("train", patterns, "-o", "photos", *QUICK, *force)
    assert ended.code == 2
    assert "photos is not empty and no run; take another folder." in ended.err
    assert [file.name for file in (tmp_path / "photos").iterdir()] == ["cat.jpg"]


@pytest.mark.parametrize(
    "more", [["set"], ["--seed", "1"], ["--task", "multi"], ["--set", "rate=1"], ["--time", "5m"], ["--crops"]]
)
def test_what_is_resumed_is_as_it_was_begun(eyebright, run, more):
    ended = eyebright("train", *more, "--resume", "-o", run)
    assert ended.code == 2
    assert f"--resume goes on with what {run} was begun with; leave out the rest." in ended.err


def test_a_run_whose_recipe_was_changed_is_not_gone_on_with(eyebright, run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    recipe = tmp_path / "run" / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("seed = 0", "seed = 1"))
    ended = eyebright("train", "--resume", "-o", "run")
    assert ended.code == 2
    assert "run was begun with another recipe or other pictures; take another folder." in ended.err


def test_a_run_whose_pictures_were_changed_is_not_gone_on_with(eyebright, run, patterns, tmp_path):
    """The same names with other pixels: what was decoded and learned before would no longer be true."""
    shutil.copytree(run, tmp_path / "run")
    shutil.copytree(patterns, tmp_path / "patterns")
    about = tmp_path / "run" / "run.json"
    about.write_text(about.read_text().replace(str(patterns), str(tmp_path / "patterns")))
    assert eyebright("train", "--resume", "-o", "run").code == 0
    first, second = sorted((tmp_path / "patterns" / "train" / "blobs").iterdir())[:2]
    shutil.copy(second, first)
    ended = eyebright("train", "--resume", "-o", "run")
    assert ended.code == 2
    assert "The pictures of run were changed since it began; begin anew in another folder." in ended.err


def test_a_run_whose_pictures_are_gone(eyebright, run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    about = tmp_path / "run" / "run.json"
    about.write_text(about.read_text().replace("patterns", "nowhere"))
    ended = eyebright("train", "--resume", "-o", "run")
    assert ended.code == 2
    assert "nowhere" in ended.err.splitlines()[-1]


@pytest.mark.parametrize("content", ["{}", "[]", '{"data": 5}', '{"data": {"path": 7}}', '{"data": {"nonsense": 1}}'])
def test_a_run_json_that_was_tampered_with(eyebright, tmp_path, content):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text(content)
    ended = eyebright("train", "--resume", "-o", "run")
    assert ended.code == 2
    assert "run holds no run to go on with." in ended.err


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_is_said(eyebright, patterns, tmp_path, monkeypatch):
    """Nothing half-written is left."""

    def full(tensors, file, said):
        os.symlink("/dev/full", file)
        with open(file, "wb") as opened:
            opened.write(b"half of it")

    monkeypatch.setattr(checkpoint, "save_file", full)
    ended = eyebright("train", patterns, "-o", "run", *QUICK)
    assert ended.code == 2
    assert ended.err.splitlines()[-1].endswith("no space left on device; make room and go on with --resume.")
    assert list((tmp_path / "run" / "checkpoints").iterdir()) == []
    assert not (tmp_path / "run" / "model.onnx").exists()


def test_a_place_where_nothing_can_be_made(eyebright, patterns, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for place in ("file", "file/run"):
        ended = eyebright("train", patterns, "-o", place, *QUICK)
        assert ended.code == 2
        assert ended.err.splitlines()[-1].startswith(f"eyebright: {place} ")
    assert (tmp_path / "file").read_text() == "in the way"


def test_ctrl_c_ends_with_130_and_something_to_go_on_with(eyebright, patterns, tmp_path, monkeypatch):
    """What is learned is kept, and how to go on is said."""
    honest = checkpoint.save

    def stopped(learner, *given):
        honest(learner, *given)
        if learner.step == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save", stopped)
    ended = eyebright("train", patterns, "-o", "run", *QUICK, "--set", "save_s=0")
    assert ended.code == 130
    assert ended.out == ""
    assert ended.err.splitlines()[-2:] == ["Go on with:  eyebright train --resume -o run", "eyebright: stopped."]
    assert checkpoint.steps(tmp_path / "run" / "checkpoints")[-1].stem == "step-00000003"
