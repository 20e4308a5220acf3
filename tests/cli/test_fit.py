"""`eyebright fit`: a model, its labels and a reader beside it; or one sentence, and where it was asked for a page."""

import json
import subprocess
import sys

import pytest

pytest.importorskip("torch")

from eyebright import modelfile

SETS = [
    part
    for key in ("size=64", "threads=1", "crop=1.0", "device=cpu", "encoder=efficientnet-lite0")
    for part in ("--set", key)
]
HOW = [*SETS, "--time", "1m", "--max-drop", "100", "--max-class-drop", "100", "--plain"]


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """Where the model goes; the folder of the fit stays for the next test."""
    return tmp_path_factory.mktemp("fit") / "model.onnx"


@pytest.fixture(scope="module")
def fitted(out, patterns):
    from eyebright.cli import run

    page = out.with_name("page.html")
    return run(["fit", str(patterns), "-o", str(out), "--max-size", "5MB", "--html", str(page), *HOW])


def test_the_model_its_labels_and_a_reader_stand_beside_each_other(fitted, out, patterns):
    assert fitted == 0
    file = modelfile.read(out)
    assert out.with_name("labels.txt").read_text().split() == [label.label for label in file.metadata.labels]
    assert "The road" in out.with_name("page.html").read_text()
    picture = next((patterns / "test" / "blobs").iterdir())
    ended = subprocess.run(
        [sys.executable, str(out.with_name("use.py")), str(picture)], capture_output=True, text=True, check=True
    )
    best, score = ended.stdout.splitlines()[0].split(": ")
    assert best in {label.label for label in file.metadata.labels}
    assert 1 / 3 <= float(score) <= 1


def test_as_json_it_has_figures_costs_claim_and_contract(fitted, out, patterns, eyebright):
    ended = eyebright("fit", str(patterns), "-o", str(out), "--force", "--format", "json", *HOW)
    assert ended.code == 0
    said = json.loads(ended.out)
    assert said["size_bytes"]["value"] == out.stat().st_size
    assert said["split"] == "test"
    assert said["contract"]["verdict"] in ("proved", "not contradicted")
    assert "top1" in said
    assert "all that" in said["claim"]
    assert [point["name"] for point in said["points"]] == ["head-int8"]
    card = modelfile.read(out).metadata.card
    assert card.metrics["top1"].value == pytest.approx(said["top1"]["value"], abs=1e-4)
    assert card.metrics["top1"].method.startswith("test split")


def test_what_is_out_of_reach_writes_its_page_and_no_model(fitted, out, patterns, eyebright):
    before = out.read_bytes()
    page = out.with_name("refused.html")
    tight = ["--max-size", "50kB", "--force", "--format", "json", "--html", str(page)]
    ended = eyebright("fit", str(patterns), "-o", str(out), *tight, *HOW)
    assert ended.code == 2
    assert "What gave: " in ended.err
    said = json.loads(ended.out)
    assert said["model"] is None
    assert said["points"][0]["name"] == "head-int8"
    assert "Not fitted to 0.05 MB" in page.read_text()
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["-o", "model.fit"], "end the model file's name in .onnx"),
        (["-o", "m.onnx", "--max-size", "2"], "a number with a unit"),
        (["-o", "m.onnx", "--max-latency", "fast"], "a number with a unit"),
        (["-o", "m.onnx", "--max-drop", "-1"], "percentage points"),
        (["-o", "m.onnx", "--time", "soon"], "soon"),
        (["-o", "m.onnx", "--device", "none.toml"], "none.toml"),
        (["-o", "m.onnx", "--set", "sizes=3"], "sizes"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(patterns, eyebright, arguments, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = eyebright("fit", str(patterns), *arguments)
    assert ended.code == 2
    assert says in ended.err
    assert not list(tmp_path.glob("*.onnx"))


def test_what_exists_is_not_overwritten(fitted, out, patterns, eyebright):
    ended = eyebright("fit", str(patterns), "-o", str(out), *HOW)
    assert ended.code == 2
    assert "--force" in ended.err
