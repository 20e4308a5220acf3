"""What cannot be done ends in one sentence that says what to do, the right exit code, and no traceback."""

import json
import os
import subprocess
import sys

import pytest

import models
from pictures import encoded, plain


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["predict", "missing.jpg"], "no such file or folder: missing.jpg"),
        (["predict", "*.nothing"], "nothing matches *.nothing"),
        (["predict", "empty"], "no pictures or videos in empty."),
        (["predict", "texts"], "no pictures or videos in texts (1 other files)."),
        (["predict", "red.png", "--threshold", "2"], "a threshold is a score from 0 to 1; 2 is not (60% is 0.6)."),
        (["predict", "red.png", "--threshold", "sure"], "'sure' is not a valid float; see eyebright predict --help."),
        (["predict", "red.png", "--sumarize"], "'--summarize'?); see eyebright predict --help."),
        (["predcit", "red.png"], "No such command 'predcit'"),
        (["predict", "red.png", "--resume"], "give --output FILE and --format json or csv."),
        (["predict", "red.png", "--resume", "-o", "a.txt"], "give --output FILE and --format json or csv."),
        (["predict", "red.png", "--size", "225"], "this model takes pictures of side 128, 160"),
        (["predict", "red.png", "--batch", "0"], "'--batch': 0 is not in the range x>=1"),
        (["predict", "red.png", "--threads", "0"], "'--threads': 0 is not in the range x>=1"),
        (["predict", "red.png", "--top", "0"], "'--top': 0 is not in the range"),
        (["predict", "red.png", "--every", "nonsense"], "--every takes a time (1s, 500ms, 2min) or a number of frames"),
        (["predict", "red.png", "--every", ""], "--every takes a time"),
        (["predict", "red.png", "--provider", "nonsense"], "no provider is called 'nonsense'; there are cpu"),
        (["predict", "red.png", "--none-of-these", "--model", "tiny.onnx"], "was not taught when to say none of these"),
        (["predict", "red.png", "--model", "notes.jpg"], "notes.jpg: not an ONNX model."),
        (["predict", "red.png", "--model", "empty"], "empty: "),
        (["predict", "red.png", "--model", "lite9"], "none that ships has this name (lite0)"),
        (["predict", "red.png", "-o", "no/such/a.json"], "make it first."),
        (["predict", "red.png", "-o", "empty"], "'empty' is a directory"),
        (["predict", "red.png", "--watch"], "--watch follows folders; red.png is none."),
        (["predict", "--watch", "-"], "no such file or folder: -"),
        (["embed", "red.png"], "Missing option '-o' / '--output'"),
        (["embed", "empty", "-o", "a.npz"], "no pictures or videos in empty."),
        (["embed", "red.png", "-o", "no/such/a.npz"], "make it first."),
        (["embed", "red.png", "-o", "notes.jpg"], "notes.jpg exists; --force overwrites it."),
        (["inspect", "notes.jpg"], "notes.jpg: not an ONNX model."),
        (["inspect", "missing.onnx"], "no model file at missing.onnx"),
        (["verify", "notes.jpg"], "notes.jpg: not an ONNX model."),
        (["verify", "--threads", "0"], "0 is not in the range"),
        (["completion", "tcsh"], "'tcsh' is not one of 'bash', 'zsh', 'fish'"),
        (["models", "build", "lite9"], "'lite9' is not one of 'lite0'"),
        (["models", "build", "lite0", "-o", "notes.jpg"], "notes.jpg exists; --force overwrites it."),
    ],
)  # fmt: skip
def test_a_request_that_is_wrong_ends_with_2_and_one_sentence(eyebright, tmp_path, arguments, sentence):
    """Nothing was read, nothing is left behind."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("dear diary")
    (tmp_path / "notes.jpg").write_text("dear diary")
    (tmp_path / "red.png").write_bytes(encoded(plain("red")))
    (tmp_path / "tiny.onnx").write_bytes(models.sealed().data)
    before = sorted(tmp_path.rglob("*"))
    ended = eyebright(*arguments)
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith("eyebright: ")
    assert sentence in ended.err
    assert ended.err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_verb_alone_shows_its_help(eyebright):
    """On stderr: it is no result."""
    for arguments in (["predict"], ["embed"], []):
        ended = eyebright(*arguments)
        assert ended.code == 2
        assert ended.out == ""
        assert "Usage: eyebright" in ended.err


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("text.jpg", b"dear diary", "not a picture in a format that Eyebright reads (jpeg, png"),
        ("empty.jpg", b"", "the file is empty."),
        ("cut.png", encoded(plain("red"))[:60], "the file is cut short or damaged"),
        ("page.html", b"<html>404</html>", "not a picture in a format"),
    ],
)
def test_a_file_that_cannot_be_read_ends_with_1(eyebright, tmp_path, name, data, sentence):
    """In text and JSON, for that input; the others are done."""
    (tmp_path / name).write_bytes(data)
    (tmp_path / "red.png").write_bytes(encoded(plain("red")))
    ended = eyebright("predict", name)
    assert ended.code == 1
    assert ended.out.startswith(f"{name}  not read: {sentence}")
    ended = eyebright("predict", name, "red.png", "--format", "json")
    failure, good = map(json.loads, ended.out.splitlines())
    assert failure == {"source": name, "error": {"kind": "bad_picture", "message": failure["error"]["message"]}}
    assert good["labels"]
    assert ended.code == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_named_pipe_does_not_hang(eyebright, tmp_path):
    """Nobody writes into it."""
    os.mkfifo(tmp_path / "pipe.jpg")
    ended = eyebright("predict", "pipe.jpg")
    assert (ended.code, ended.out) == (1, "pipe.jpg  not read: not a regular file.\n")


def test_embed_ends_with_1_where_nothing_could_be_read(eyebright, tmp_path):
    """And writes nothing."""
    (tmp_path / "text.jpg").write_text("dear diary")
    ended = eyebright("embed", "text.jpg", "-o", "a.npz")
    assert ended.code == 1
    assert "text.jpg: not read: not a picture" in ended.err
    assert not (tmp_path / "a.npz").exists()


AS_NOBODY = """
import os
from eyebright.cli import main, run
run(["predict", "open/red.png", "-o", "/dev/null"])  # all that is imported, while it may be read
os.setgid(65534), os.setuid(65534)
main()
"""


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can become somebody else")
def test_a_folder_that_may_not_be_read_is_a_failure_of_that_folder(tmp_path):
    """Permissions are found out while walking; the rest is done."""
    world = tmp_path / "world"
    for folder in ("open", "closed"):
        (world / folder).mkdir(parents=True)
        (world / folder / "red.png").write_bytes(encoded(plain("red")))
    (world / "secret.png").write_bytes(encoded(plain("red")))
    (world / "secret.png").chmod(0o000)
    (world / "closed").chmod(0o700)
    world.chmod(0o755)
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):  # pytest's own, for root alone
        folder.chmod(folder.stat().st_mode | 0o011)

    def run(*arguments):
        command = [sys.executable, "-c", AS_NOBODY, "predict", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=world)

    ended = run(".", "--format", "json")
    assert ended.returncode == 1, ended
    found = {row["source"]: row for row in map(json.loads, ended.stdout.splitlines())}
    assert ended.returncode == 1
    assert found["./closed"]["error"]["message"] == "permission denied."
    assert found["./secret.png"]["error"]["message"] == "permission denied."
    assert found["./open/red.png"]["labels"]
    ended = run("open/red.png", "-o", "a.json")
    assert ended.returncode == 2
    assert "you may not write in" in ended.stderr
    assert "Traceback" not in ended.stderr
