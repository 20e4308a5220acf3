"""The command line in this process: quick, with what it printed."""

from dataclasses import dataclass

import pytest

from eyebright.cli import run
from pictures import color_model, encoded, plain


@dataclass
class Ended:
    code: int
    out: str
    err: str


@pytest.fixture
def eyebright(capfd, monkeypatch, tmp_path):
    """`eyebright("predict", path, ...)` in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        capfd.readouterr()
        code = run([str(argument) for argument in arguments])
        printed = capfd.readouterr()
        assert "Traceback" not in printed.err
        assert "\x1b" not in printed.out + printed.err, "escape codes, and nobody is at a terminal"
        return Ended(code, printed.out, printed.err)

    return call


@pytest.fixture(scope="session")
def colors(tmp_path_factory):
    """A model file from elsewhere, that tells colors; `--model FILE --trust` saves its trial."""
    path = tmp_path_factory.mktemp("models") / "colors.onnx"
    path.write_bytes(color_model(sharp=30, abstain=5.0))
    return path


@pytest.fixture
def holiday(tmp_path):
    """A folder with a red, a green and a blue picture, a text named .jpg and a text."""
    folder = tmp_path / "holiday"
    folder.mkdir()
    for color in ("red", "green", "blue"):
        (folder / f"{color}.png").write_bytes(encoded(plain(color)))
    (folder / "torn.jpg").write_text("dear diary")
    (folder / "notes.txt").write_text("dear diary")
    return folder
