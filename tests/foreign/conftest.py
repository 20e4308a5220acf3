"""Most of these tests try a graph in their own process: a child costs a second, and one test has it."""

from pathlib import Path

import pytest

from eyebright import texttower, trial
from eyebright.modelfile import ModelFile
from eyebright.runtime import open_runtime


@pytest.fixture(autouse=True)
def _no_child(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def probe(model: ModelFile) -> int:
        return trial._probe(model, open_runtime(model))

    if "in_a_child" not in request.node.name:
        monkeypatch.setattr(trial, "probe", probe)
        monkeypatch.setattr(trial, "prove_text", texttower.open_tested)


@pytest.fixture
def label_file(tmp_path: Path) -> Path:
    path = tmp_path / "labels.txt"
    path.write_text("ant\nbee\ncow\ndog\nelk\n")
    return path
