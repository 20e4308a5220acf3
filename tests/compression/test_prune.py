"""From a run to a smaller run."""

import json
import shutil
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

import onnx  # noqa: E402

from eyebright import modelfile, selftest  # noqa: E402
from eyebright.cli import run as command  # noqa: E402
from eyebright.compression import prune  # noqa: E402
from eyebright.compression.prune import Goal, fewest, read_parent  # noqa: E402
from eyebright.data import Dataset  # noqa: E402
from eyebright.encoders import slim  # noqa: E402
from eyebright.errors import BadRequest  # noqa: E402
from eyebright.training import Recipe, train  # noqa: E402
from eyebright.training.run import Run  # noqa: E402

KEYS = {"encoder": "resnet-8", "width": 0.5, "size": 32, "epochs": 4.0, "batch": 14, "rate": 0.05, "threads": 1}
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
        parent, output, Goal(keep=0.7), data, importance="magnitude", rounds=2, max_drop=1.0, keys=QUICK,
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
    share = prune.Scale(before, Goal(keep=0.5)).share(after.classifier)
    assert 0.5 < share <= 0.7
    assert pruned.size_bytes[1] < pruned.size_bytes[0]
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
    seen = prune.look(before, data, lambda event: None)
    scale = prune.Scale(before, Goal(keep=1.0))
    after = prune.slimmer(before, seen, scale, "channels", "magnitude", 2, lambda event: None)
    assert after.shape == before.shape
    assert after.value == 1.0
    with torch.no_grad():
        old, new = (prune.show(each.classifier, seen.pixels) for each in (before, after))
    assert (old.argmax(1) == new.argmax(1)).float().mean() > 0.9


def test_the_shortest_beginning_that_is_small_enough_is_found():
    for limit in range(1, 100):
        gone, value = fewest(range(100), float(limit), lambda some: 100.0 - len(some))
        assert limit * (1 - prune.CLOSE) <= value <= limit
        assert value == 100 - len(gone)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        (["--keep", "0.01"], "cannot come down to 1% of the multiply-adds by channels: the least is"),
        (["--target-size", "100MB"], "needs no pruning"),
        (["--target-size", "1kb"], "cannot come down to 0.00 MB by channels"),
        (["--keep", "0.2", "--by", "blocks"], "by blocks: the least is"),
        (["--keep", "0.5", "--target-size", "1MB"], "one of a latency, a size, and a share"),
        ([], "one of a latency, a size, and a share"),
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


@pytest.mark.slow
def test_the_command_prunes_to_a_measured_latency(parent, tmp_path, capsys):
    """Half of what it takes is asked for by a number; the answer is JSON with before and after."""
    before = prune.latency(prune.in_turns([modelfile.read(parent / "model.onnx")])[0]).value
    how = ["--target-latency", f"{before * 0.8:.4f}ms", "--rounds", "1", "--max-drop", "100", "--format", "json"]
    sets = [part for key, value in QUICK.items() for part in ("--set", f"{key}={value}")]
    assert command(["prune", str(parent), "-o", str(tmp_path / "new"), *how, *sets]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["size_bytes"]["after"] < said["size_bytes"]["before"]
    assert said["speedup"]["value"] > 0
