"""Mode head: the encoder looks at each picture once, ever; then any head is fitted, judged and written."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import eyebright
from eyebright import modelfile, selftest
from eyebright.data import Dataset, Item
from eyebright.errors import BadRequest
from eyebright.evaluation import metrics
from eyebright.modelfile import Card
from eyebright.training import Recipe, embeddings, finish, train
from eyebright.training.checks import checked
from eyebright.training.events import Counted
from eyebright.training.transfer import by_head

RECIPE = Recipe.of("head", {"size": 64, "threads": 1, "crop": 1.0})


def mute(event):
    """Nobody listens."""


@pytest.fixture(scope="module")
def data(patterns):
    return Dataset.read(patterns)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    """The first run: it exports the encoder, and looks at the pictures."""
    return train(data, tmp_path_factory.mktemp("runs") / "head", RECIPE)


def table(patterns, path, header, rows):
    """A set of the same pictures with other labels, as a CSV beside them; kind -> what is written."""
    lines = [header]
    for split in ("train", "validation", "test"):
        for kind, words in rows.items():
            for number in range(8):
                name = f"{split}/{kind}/{number}.png"
                (path / name).parent.mkdir(parents=True, exist_ok=True)
                (path / name).write_bytes((patterns / name).read_bytes())
                lines.append(f"{name},{words},{split}")
    (path / "labels.csv").write_text("\n".join(lines))
    return path


def test_three_patterns_are_told_apart(run):
    assert run.figures["top1"].value > 0.8
    assert run.figures["top1"].low < run.figures["top1"].value < 1.0001
    assert run.split == "test"
    model = modelfile.read(run.model)
    assert [label.label for label in model.metadata.labels] == ["blobs", "checks", "stripes"]
    assert model.metadata.card.metrics == run.figures
    assert model.metadata.head == modelfile.Head("head.weight", "head.bias")
    assert model.metadata.input.sizes == (48, 64, 80)
    selftest.open_tested(model)


def test_a_second_head_needs_neither_torch_nor_a_look_at_the_pictures(run, patterns, tmp_path):
    """Encoder and embeddings are remembered: by what is in a picture, not by where it lies."""
    moved = shutil.copytree(patterns, tmp_path / "patterns")
    program = (
        "import sys; from eyebright.cli import run; "
        f"code = run(['train', {str(moved)!r}, '-o', 'second', '--size', '64', '--set', 'threads=1']); "
        "print('torch' in sys.modules, code)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path, timeout=100
    )
    assert ended.stdout.splitlines()[-1] == "False 0", ended.stderr
    assert (tmp_path / "second" / "model.onnx").read_bytes() == run.model.read_bytes()


def test_what_was_seen_is_not_looked_at_again(run, data, tmp_path):
    """Only pictures that are new are counted."""
    told = []
    train(data, tmp_path / "run", RECIPE, tell=told.append)
    assert not [event for event in told if isinstance(event, Counted)]


@pytest.mark.parametrize("head", ["naive-bayes", "svm", "svm-rbf", "tree", "forest", "nearest"])
def test_every_head_becomes_a_model_file(run, data, tmp_path, head):
    """One that passes its own test, and is better than chance."""
    result = train(data, tmp_path / "run", replace(RECIPE, head=head))
    selftest.open_tested(modelfile.read(result.model))
    assert result.figures["top1"].value > 0.45


def test_the_figures_are_the_files(run, data):
    """Whoever runs the model file over the test split finds what the card says."""
    model = modelfile.read(run.model)
    test = data.part("test")
    scores = finish.scores_of(model.data, test)
    found = metrics.figures(scores, test.targets(), "single") | metrics.honesty(scores, test.targets(), "single")
    assert run.figures.keys() - found.keys() == {"aurc"}
    for key, figure in found.items():
        assert run.figures[key].value == pytest.approx(figure.value, abs=1e-4)
        assert run.figures[key].method == f"test split; {figure.method}"


def test_yes_or_no_has_its_yes_second(run, patterns, tmp_path):
    rows = {"blobs": "round", "checks": "not round", "stripes": "not round"}
    data = Dataset.read(table(patterns, tmp_path / "set", "file,label,split", rows))
    result = train(data, tmp_path / "run", RECIPE, anyway=True)
    metadata = modelfile.read(result.model).metadata
    assert metadata.task == "binary"
    assert [label.label for label in metadata.labels] == ["not round", "round"]
    assert list(metadata.thresholds) == [metadata.labels[1].id]
    assert set(result.figures) == {"top1", "balanced_accuracy", "ap", "ece", "nll", "brier", "calibration_p", "aurc"}
    assert result.figures["ap"].value > 0.8


def test_many_labels_and_what_nobody_checked(run, patterns, tmp_path):
    """Each label has a threshold of its own; an unknown answer is neither learned nor judged."""
    rows = {"blobs": "round,", "checks": "corners;regular,", "stripes": "regular,corners"}
    data = Dataset.read(table(patterns, tmp_path / "set", "file,labels,unknown,split", rows))
    assert data.task == "multi"
    assert np.isnan(data.targets()).any()
    result = train(data, tmp_path / "run", RECIPE, anyway=True)
    model = modelfile.read(result.model)
    assert set(model.metadata.thresholds) == {label.id for label in model.metadata.labels}
    assert set(result.figures) == {"map", "map_micro", "ece", "nll", "brier"}
    assert result.figures["map"].value > 0.8
    selftest.open_tested(model)


def finished(data, recipe=RECIPE):
    data, identities = checked(data, True, mute)
    return by_head(data, identities, recipe, Card(), mute)


def test_the_test_split_is_never_chosen_on(run, data):
    """Temperature and thresholds are the same whatever the test labels say; the figures are not."""
    turned = [
        replace(item, labels=((item.labels[0] + 1) % 3,)) if item.split == "test" else item for item in data.items
    ]
    honest, lied = finished(data), finished(data.only(turned))
    assert honest.metadata.thresholds == lied.metadata.thresholds
    assert honest.metadata.card.calibration == lied.metadata.card.calibration
    assert honest.metadata.card.calibration.endswith("fitted on 24 validation pictures")
    assert lied.metadata.card.metrics["top1"].value < 0.3 < honest.metadata.card.metrics["top1"].value


def test_without_a_test_split_validation_is_reported_and_said_so(run, data, tmp_path):
    """A figure of what the training was steered by is a little high: the report says that, too."""
    result = train(data.only([item for item in data.items if item.split != "test"]), tmp_path / "run", RECIPE)
    assert result.split == "validation"
    assert all(figure.method.startswith("validation split; ") for figure in result.figures.values())
    page = (result.run / "report.html").read_text("utf-8")
    assert "on the validation split, 24 pictures, on which the training was also steered" in page


def test_a_file_that_says_something_else_is_not_written(run, data, monkeypatch):
    monkeypatch.setattr(finish, "TOLERANCE", -1.0)
    with pytest.raises(finish.BadModelFile, match=r"scores are off by .* so it is not written"):
        finished(data)


def test_an_encoder_is_remembered_by_what_makes_it(tmp_path):
    """Another size, other weights under the same name: another encoder. Another rate: the same."""
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(b"first")
    recipe = replace(RECIPE, weights=str(weights))
    key = embeddings.encoder_key(recipe)
    assert embeddings.encoder_key(replace(recipe, rate=1.0, seed=5, head="svm")) == key
    assert embeddings.encoder_key(replace(recipe, size=96)) != key
    weights.write_bytes(b"second")
    assert embeddings.encoder_key(recipe) != key


@pytest.mark.parametrize("name", ["encoders/layers.py", "classifier/classifier.py", "export/onnx.py"])
def test_an_encoder_is_forgotten_when_its_code_changes(name, tmp_path, monkeypatch):
    """A newer Eyebright builds it anew, rather than to trust what an older one exported."""
    package = tmp_path / "eyebright"
    origin = embeddings.Path(embeddings.eyebright.__file__).parent
    for folder in ("encoders", "classifier", "export"):
        shutil.copytree(origin / folder, package / folder)
    monkeypatch.setattr(embeddings.eyebright, "__file__", str(package / "__init__.py"))
    key = embeddings.encoder_key(RECIPE)
    (package / name).write_text((package / name).read_text() + "\n")
    assert embeddings.encoder_key(RECIPE) != key


def test_a_cache_that_was_damaged_is_made_again(run, data, tmp_path, monkeypatch):
    """Nobody has to know that it is there."""
    cache = tmp_path / "cache"
    shutil.copytree(embeddings.folder(), cache)
    monkeypatch.setenv("EYEBRIGHT_CACHE", str(cache))
    (cache / "embeddings.sqlite").write_bytes(b"not a database" * 1000)
    result = train(data, tmp_path / "run", RECIPE)
    assert result.figures["top1"].value == pytest.approx(run.figures["top1"].value)


def test_no_picture_that_can_be_read_is_left(data):
    """All of a split broken: nothing to choose by."""

    class Broken:
        """A validation split of diaries."""

        def read(self, name):
            return b"dear diary" if name.startswith("validation") else data.store.read(name)

    with pytest.raises(BadRequest, match="has no validation pictures that can be read"):
        checked(replace(data, store=Broken()), True, mute)


def test_a_corrupt_picture_is_left_out_and_said(data):
    class Torn:
        """One file that ends in its middle."""

        def read(self, name):
            whole = data.store.read(name)
            return whole[: len(whole) // 2] if name == "train/blobs/3.png" else whole

    told = []
    good, identities = checked(replace(data, store=Torn()), False, told.append)
    assert len(good.items) == len(identities) == len(data.items) - 1
    assert any("train/blobs/3.png" in event.text for event in told if hasattr(event, "text"))


def test_a_copy_in_train_and_test_stops_and_anyway_goes_on(data):
    """The figure would be a lie; whoever wants it gets it, and is told."""
    copy = Item("train/blobs/0.png", (0,), "test")
    leaking = data.only([*data.items, copy])
    with pytest.raises(BadRequest, match=r"train/blobs/0\.png.*--anyway trains all the same"):
        checked(leaking, False, mute)
    told = []
    good, _ = checked(leaking, True, told.append)
    assert len(good.items) == len(leaking.items)
    assert any("test" in event.text for event in told if hasattr(event, "text"))


def test_one_picture_under_two_labels_suggests_many(data):
    twice = data.only([*data.items, Item("train/blobs/0.png", (1,), "train")])
    with pytest.raises(BadRequest, match="multi"):
        checked(twice, False, mute)


def test_an_audit_that_found_nothing_is_not_repeated(data, monkeypatch, tmp_path):
    """Until a picture or a label is another."""
    from eyebright.training import checks

    monkeypatch.setenv("EYEBRIGHT_CACHE", str(tmp_path))  # other tests look at these pictures, too
    checked(data, False, mute)
    monkeypatch.setattr(checks, "audit", lambda *given: pytest.fail("looked again"))
    checked(data, False, mute)
    with pytest.raises(pytest.fail.Exception):
        checked(data.only(data.items[1:]), False, mute)


def test_what_was_fitted_is_said(run):
    lines = [json.loads(line) for line in (run.run / "log.jsonl").read_text().splitlines()]
    assert any("costs" in line["text"] and "suits the validation split" in line["text"] for line in lines)


def test_what_is_fitted_again_is_judged_by_what_was_said_before(run, data, tmp_path):
    """With `refit` the head has seen the validation pictures: what it says of them now is no evidence."""
    rest = data.only([item for item in data.items if item.split != "test"])
    once, again = (train(rest, tmp_path / str(refit), replace(RECIPE, refit=refit)) for refit in (False, True))
    assert once.figures == again.figures
    models = [modelfile.read(result.model) for result in (once, again)]
    assert models[0].data != models[1].data
    assert models[0].metadata.card.calibration == models[1].metadata.card.calibration
    selftest.open_tested(models[1])


def test_plain_features_of_pixels_are_an_encoder_too(data, tmp_path):
    """As before networks; the card claims no weights that there are not."""
    result = train(data, tmp_path / "run", Recipe.of("head", {"encoder": "pixels", "head": "svm", "threads": 1}))
    assert result.figures["top1"].value > 0.8
    card = modelfile.read(result.model).metadata.card
    assert card.lineage[0] == "colors and edges, counted"
    assert card.licence == "that of the pictures"


@pytest.mark.parametrize(
    ("mode", "keys", "sentence"),
    [
        ("finetune", {}, "In pixels is nothing that mode finetune could learn; it is for mode head."),
        ("scratch", {}, "In pixels is nothing that mode scratch could learn; it is for mode head."),
        ("head", {"width": 0.5}, "pixels is no network, and has no width to choose."),
        ("head", {"weights": "mine.pth"}, "pixels is no network, and has no weights to choose."),
    ],
)
def test_pixels_are_no_network(mode, keys, sentence):
    with pytest.raises(BadRequest, match=sentence):
        Recipe.of(mode, {"encoder": "pixels", **keys})


def test_a_trained_file_knows_when_to_be_silent(run, patterns):
    """Novelty, sets and promises are in it, and its card says what it is worth label by label."""
    model = modelfile.read(run.model)
    assert model.metadata.abstain.method == "novelty"
    assert model.metadata.sets.n == 24
    assert set(model.metadata.card.per_class) == {label.id for label in model.metadata.labels}
    picture = patterns / "test" / "stripes" / "0.png"
    recognizer = eyebright.load(model, none_of_these=True, set_coverage=0.9, trust=True, threads=1)
    assert recognizer(picture).set == ("stripes",)
    photos = [Path(__file__).parents[1] / "photos" / f"{name}.jpg" for name in ("cat", "coffee", "rocket")]
    assert [said.reason for said in recognizer(photos)] == ["none_of_these"] * 3
