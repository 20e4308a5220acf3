"""From a run to a smaller run."""

import errno
import json
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import onnx  # noqa: E402

from eyebright import measure, modelfile, selftest  # noqa: E402
from eyebright.cli import run as command  # noqa: E402
from eyebright.compression import channels, prune, rounds  # noqa: E402
from eyebright.compression.goal import Goal, Scale  # noqa: E402
from eyebright.compression.norms import show  # noqa: E402
from eyebright.compression.parent import look, read_parent  # noqa: E402
from eyebright.compression.parts import parts  # noqa: E402
from eyebright.compression.rounds import fewest  # noqa: E402
from eyebright.data import Dataset  # noqa: E402
from eyebright.encoders import slim  # noqa: E402
from eyebright.errors import BadRequest, CannotWrite  # noqa: E402
from eyebright.evaluation.drop import Allowed  # noqa: E402
from eyebright.training import (  # noqa: E402
    Recipe,
    network,
    train,
)
from eyebright.training.prove import last_step  # noqa: E402
from eyebright.training.run import Run  # noqa: E402

KEYS = {"encoder": "resnet-8", "width": 0.5, "size": 32, "epochs": 4.0, "batch": 14, "rate": 0.05, "threads": 1}
ANYTHING = Allowed(1.0, 1.0)
QUICK = {"epochs": 1.0, "batch": 14, "precision": "float32", "device": "cpu"}


@pytest.fixture(scope="module")
def data(patterns):
    return Dataset.read(patterns)


@pytest.fixture(scope="module")
def parent(data, patterns, tmp_path_factory):
    """A network of three blocks that learned to tell stripes from checks."""
    recipe = Recipe.of("scratch", {**KEYS, "precision": "float32", "device": "cpu"})
    source = {"path": str(patterns)}
    return train(data, tmp_path_factory.mktemp("runs") / "parent", recipe, source=source).run


@pytest.fixture(scope="module")
def child(parent, data, tmp_path_factory):
    """The same with 70% of its multiply-adds, and what was told."""
    told = []
    output = tmp_path_factory.mktemp("runs") / "child"
    pruned = prune.prune(
        parent, output, Goal(keep=0.7), data, importance="magnitude", rounds=2, allowed=ANYTHING, keys=QUICK,
        tell=told.append,
    )  # fmt: skip
    return pruned, told


def sizes(folder):
    return [tuple(tensor.dims) for tensor in onnx.load(folder / "model.onnx").graph.initializer]


def test_a_run_is_pruned_into_a_smaller_run(parent, child):
    """It has a model file that passes its self-test, fewer multiply-adds, and its parent's answers as a teacher."""
    pruned, _ = child
    selftest.open_tested(modelfile.read(pruned.model))
    before, after = (read_parent(folder) for folder in (parent, pruned.run))
    share = Scale(Goal(keep=0.5), before.file, before.classifier).share(after.classifier)
    assert 0.5 < share <= 0.7
    assert pruned.judged.smaller
    assert pruned.judged.found.pictures == sum(item.split == "test" for item in pruned.judged.data.items)
    assert Run(pruned.run).recipe().teacher == str((parent / "model.onnx").absolute())
    lineage = modelfile.read(pruned.model).metadata.card.lineage
    assert lineage[0].startswith("resnet-8, slimmed")


def test_a_pruned_run_is_whole_in_itself(child, tmp_path):
    """Its genotype and its first weights are in it; it can be moved and goes on."""
    pruned, _ = child
    shutil.copytree(pruned.run, tmp_path / "moved")
    moved = read_parent(tmp_path / "moved")
    assert moved.shape == read_parent(pruned.run).shape
    assert 'encoder = "encoder.toml"' in (tmp_path / "moved" / "recipe.toml").read_text()


def test_a_genotype_is_trained_on_as_any_encoder(child, data, tmp_path):
    """From its weights, by its name alone, on the same pictures; the result can be pruned again."""
    pruned, _ = child
    given = {**QUICK, "encoder": str(pruned.run / "encoder.toml"), "weights": str(pruned.run / "weights.safetensors")}
    result = train(data, tmp_path / "again", Recipe.of("finetune", {**given, "threads": 1}))
    assert sorted(sizes(result.run)) == sorted(sizes(pruned.run))
    assert slim.read(tmp_path / "again" / "encoder.toml") == pruned.shape


def test_a_network_that_shall_stay_as_it_is_does(parent, data):
    """Rounds without anything to do: the same layers, the same answers but for norms that were measured anew."""
    before = read_parent(parent)
    seen = look(before, data, lambda event: None)
    scale = Scale(Goal(keep=1.0), before.file, before.classifier)
    after = rounds.slimmer(before, seen, scale, "channels", "magnitude", 2, lambda event: None)
    assert after.shape == before.shape
    assert after.value == 1.0
    with torch.no_grad():
        old, new = (show(each.classifier, seen.pixels) for each in (before, after))
    assert (old.argmax(1) == new.argmax(1)).float().mean() > 0.9


def test_the_shortest_beginning_that_is_small_enough_is_found():
    for limit in range(1, 100):
        gone, value = fewest(range(100), float(limit), lambda some: 100.0 - len(some))
        assert limit * (1 - rounds.CLOSE) <= value <= limit
        assert value == 100 - len(gone)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        (["--keep", "0.01"], "cannot come down to 1% of the multiply-adds by channels: the least is"),
        (["--target-size", "100MB"], "needs no pruning"),
        (["--target-size", "1kb"], "cannot come down to 0.00 MB by channels"),
        (["--keep", "0.2", "--by", "blocks"], "by blocks: the least is"),
        (["--keep", "0.5", "--target-size", "1MB"], "one of a latency, a speed, a size, and a share"),
        ([], "one of a latency, a speed, a size, and a share"),
        (["--faster", "0.9"], "more than once as fast; 0.9 is no such number"),
        (["--keep", "1.5"], "at most 1"),
        (["--target-latency", "3"], "a number with a unit"),
        (["--keep", "0.5", "--int8"], "give a size"),
        (["--keep", "0.5", "--data", "/nowhere"], "nowhere"),
        (["--keep", "0.5", "--max-drop", "-1"], "percentage points"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence_and_leaves_nothing(parent, how, says, tmp_path, capsys):
    assert command(["prune", str(parent), "-o", str(tmp_path / "new"), "--importance", "magnitude", *how]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert says in said
    assert not (tmp_path / "new").exists()


def test_a_run_that_cannot_be_pruned_says_what_to_do(parent, patterns, data, tmp_path, capsys):
    head = tmp_path / "head"
    head.mkdir()
    (head / "recipe.toml").write_text('mode = "head"\n')
    bare = tmp_path / "bare"
    shutil.copytree(parent, bare)
    shutil.rmtree(bare / "checkpoints")
    for folder, says in (
        (tmp_path / "none", "is no run"),
        (head, "Train with --mode finetune"),
        (bare, "eyebright train --resume"),
    ):
        found = ["prune", str(folder), "-o", str(tmp_path / "new"), "--keep", "0.5", "--data", str(patterns)]
        assert command(found) == 2
        assert says in capsys.readouterr().err
    few = replace(data, labels=data.labels[:2], items=tuple(item for item in data.items if max(item.labels) < 2))
    with pytest.raises(BadRequest, match="other labels"):
        prune.prune(parent, tmp_path / "new", Goal(keep=0.5), few)
    assert not (tmp_path / "new").exists()


def test_what_8_bits_take_is_estimated_from_the_whole_network_where_that_is_known(parent):
    before = read_parent(parent)
    scale = Scale(Goal(size_bytes=1e5, int8=True, parent_bytes=123456), before.file, before.classifier)
    assert scale.start == 123456
    guessed = Scale(Goal(size_bytes=1e5, int8=True), before.file, before.classifier)
    plan = channels.choices(before.classifier, torch.rand(1, 32, 32, 3) * 255, None, None, "magnitude")
    less = channels.without(before.classifier, before.shape, plan[: len(plan) // 2])[0]
    assert scale.start - scale.of(less) == guessed.start - guessed.of(less) > 0
    with pytest.raises(BadRequest, match="give a size"):
        Goal(keep=0.5, parent_bytes=1)


@pytest.mark.parametrize("goal", [{"keep": 0.6}, {"size_bytes": 0.6}, {"size_bytes": 0.7, "int8": True}])
def test_each_round_takes_its_share_of_what_is_aimed_at(parent, data, goal):
    """Rounds that aimed at something else went too far, and left the last one nothing to do."""
    before = read_parent(parent)
    if "size_bytes" in goal:
        goal = {**goal, "size_bytes": goal["size_bytes"] * Scale(Goal(**goal), before.file, before.classifier).start}
    scale = Scale(Goal(**goal), before.file, before.classifier)
    seen = look(before, data, lambda event: None)
    after = rounds.slimmer(before, seen, scale, "channels", "magnitude", 3, lambda event: None)
    assert not any(": 0 groups" in step for step in after.steps)
    assert len(after.steps) == 3
    assert 0.8 * scale.goal.value < after.value <= scale.goal.value  # the last group of eight may be a large one
    assert scale.of(after.classifier) == after.value


def test_a_child_keeps_the_head_that_it_came_with(child):
    """A head that is fitted anew to a network that was hurt is worse than its own; and the child is never worse."""
    _, told = child
    said = [event.text for event in told if hasattr(event, "text")]
    assert any(text.startswith("As it came, on validation") for text in said)
    assert not any("with encoder.toml" in text for text in said)


def test_a_head_is_carried_only_to_its_own_labels(child, tmp_path):
    pruned, _ = child
    here = {"encoder": str(pruned.run / "encoder.toml"), "weights": str(pruned.run / "weights.safetensors")}
    recipe = Recipe.of("finetune", here)
    labels = [label.id for label in modelfile.read(pruned.model).metadata.labels]
    assert network.brings_head(recipe, labels)
    assert not network.brings_head(recipe, labels[::-1])
    assert not network.brings_head(replace(recipe, head="paper"), labels)
    assert not network.brings_head(replace(recipe, weights=""), labels)


def test_keys_do_not_give_a_child_another_network(parent, tmp_path):
    """A fit has one set of keys for all that learns, and its encoder is the parent's."""
    keys = {"encoder": "mobilenet-v2", "size": 224, "width": 1.0, "batch": 3}
    recipe = prune.child_recipe(read_parent(parent), tmp_path, 0.0, keys)
    assert recipe.encoder == str(tmp_path / "encoder.toml")
    assert recipe.weights == str(tmp_path / "weights.safetensors")
    assert recipe.batch == 3


def test_what_does_not_hold_has_no_model_file(parent, tmp_path, capsys):
    """So few pictures prove nothing; the run stays, without a model, and the sentence says so."""
    how = ["--keep", "0.7", "--rounds", "1", "--importance", "magnitude", "--strict", "--format", "json"]
    how += ["--html", str(tmp_path / "page.html"), *(f"--set={key}={value}" for key, value in QUICK.items())]
    assert command(["prune", str(parent), "-o", str(tmp_path / "new"), *how]) == 2
    told = capsys.readouterr()
    said = told.err.strip().splitlines()[-1]
    assert f"{tmp_path / 'new'} stays without model.onnx" in said
    assert "Nothing is written" not in said
    assert json.loads(told.out)["model"] is None
    assert not (tmp_path / "new" / "model.onnx").exists()
    assert (tmp_path / "new" / "recipe.toml").exists()
    assert "<table" in (tmp_path / "page.html").read_text()
    again = [
        "prune",
        str(parent),
        "-o",
        str(tmp_path / "new"),
        "--resume",
        "--max-drop",
        "100",
        "--max-class-drop",
        "100",
    ]
    assert command(again) == 0  # what was refused may be judged by another allowance
    assert (tmp_path / "new" / "model.onnx").exists()


def test_what_judges_taught_nothing(parent, data, tmp_path):
    """Without a test split half of the validation pictures judge, and learning does not see them."""
    whole = data.only([item for item in data.items if item.split != "test"])
    few = {**QUICK, "epochs": 0.2}
    pruned = prune.prune(
        parent, tmp_path / "new", Goal(keep=0.9), whole, importance="magnitude", rounds=1, allowed=ANYTHING, keys=few
    )
    judges = {item.name for item in pruned.judged.data.items}
    assert judges < {item.name for item in data.items if item.split == "validation"}
    about = Run(pruned.run).about()
    assert about["data"]["halved"]
    assert about["content_hash"] == parts(whole).content_hash != whole.content_hash


def test_nobody_judges_where_nothing_is_allowed_or_forbidden(parent, data, tmp_path):
    some = data.only([item for item in data.items if item.split != "test"])
    few = {**QUICK, "epochs": 0.2}
    pruned = prune.prune(
        parent, tmp_path / "new", Goal(keep=0.9), some, importance="magnitude", rounds=1, allowed=None, keys=few
    )
    pruned.must_hold(strict=True)
    assert pruned.model.is_file()
    assert Run(pruned.run).about()["content_hash"] == some.content_hash


def test_a_killed_prune_leaves_nothing_or_a_run_that_goes_on(parent, patterns, tmp_path, capsys):
    """SIGKILL while channels are chosen: no folder. While it learns: `--resume` ends in the same bytes, and judges."""
    sets = [f"--set={key}={value}" for key, value in {**QUICK, "epochs": 8.0, "save_s": 0.0}.items()]
    how = ["--keep", "0.7", "--rounds", "1", "--importance", "magnitude", "--max-drop", "100", *sets]
    early, late, whole = (tmp_path / name for name in ("early", "late", "whole"))
    started = [sys.executable, "-m", "eyebright", "prune", str(parent), *how]
    killed([*started, "-o", str(early)], lambda said: "Looking at" in said)
    assert not early.exists()
    killed([*started, "-o", str(late)], lambda said: last_step(late) >= 2)
    assert (late / "encoder.toml").is_file()
    assert not (late / "model.onnx").exists()
    assert command(["train", "--resume", "-o", str(late)]) == 2
    assert f"eyebright prune {parent} -o {late} --resume" in capsys.readouterr().err
    assert command(["prune", str(parent), "-o", str(late), "--resume", "--max-drop", "100"]) == 0
    assert "points" in capsys.readouterr().out
    assert command(["prune", str(parent), "-o", str(whole), *how]) == 0
    assert (late / "model.onnx").read_bytes() == (whole / "model.onnx").read_bytes()


def test_what_cannot_be_gone_on_with_is_said(parent, capsys):
    rest = "begun with; leave out the rest"
    for how, says in ((["--keep", "0.5"], rest), (["--by", "channels"], rest), ([], "holds no pruning of")):
        assert command(["prune", str(parent), "-o", str(parent), "--resume", *how]) == 2
        assert says in capsys.readouterr().err


def killed(command, when):
    """Start it, and kill it without warning once `when` says so of what it told."""
    child = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    told = ""
    try:
        for line in child.stderr:
            told += line
            if when(told):
                break
        else:
            raise AssertionError(told)
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate()


@pytest.mark.parametrize("file", ["weights.safetensors", "recipe.toml", "model.onnx"])
def test_a_full_disk_is_one_sentence(parent, data, tmp_path, monkeypatch, file):
    """Wherever the room ends, there is no half-written file."""
    write = Path.write_bytes

    def full(path, content):
        if path.name == f"{file}.partial":
            write(path, content[:10])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    few = {**QUICK, "epochs": 0.2}
    with pytest.raises(CannotWrite, match=f"{file} cannot be written: no space left on device"):
        prune.prune(parent, tmp_path / "new", Goal(keep=0.9), data, importance="magnitude", rounds=1, keys=few)
    assert not list(tmp_path.rglob("*.partial"))
    assert not (tmp_path / "new" / file).exists()


def test_no_room_for_temporary_files_is_one_sentence(monkeypatch):
    def none(*given, **more):
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(prune, "TemporaryDirectory", none)
    with pytest.raises(CannotWrite, match="no room for a network's weights"), prune.somewhere():
        pass


@pytest.mark.slow
@pytest.mark.parametrize("goal", ["--target-latency", "--faster"])
def test_the_command_prunes_by_the_clock(data, patterns, tmp_path, capsys, goal):
    """Of a network that is large enough to be timed; the answer is JSON with before and after."""
    keys = {**KEYS, **QUICK, "width": 1.0, "size": 96}
    large = train(data, tmp_path / "large", Recipe.of("scratch", keys), source={"path": str(patterns)})
    before = measure.latency(measure.in_turns([modelfile.read(large.model)])[0]).value
    asked = f"{before * 0.8:.4f}ms" if goal == "--target-latency" else "1.25"
    how = [goal, asked, "--rounds", "2", "--max-drop", "100", "--max-class-drop", "100"]
    how += ["--format", "json", *(f"--set={key}={value}" for key, value in QUICK.items())]
    assert command(["prune", str(large.run), "-o", str(tmp_path / "new"), *how]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["comparison"]["b"]["size_bytes"]["value"] < said["comparison"]["a"]["size_bytes"]["value"]
    assert said["comparison"]["speedup"]["value"] > 0
    assert said["verdict"] in ("proved", "not contradicted")
    assert [step.split(":")[0] for step in said["steps"][:2]] == ["round 1 of 2", "round 2 of 2"]
