"""The smaller verbs: embed, inspect, verify, models, doctor, completion."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from eyebright import __version__
from eyebright.cli import VERBS
from pictures import encoded, plain, video

needs_av = pytest.mark.skipif(find_spec("av") is None, reason="the extra `video` (PyAV) is not installed")


def test_embed_writes_arrays_that_need_no_pickle(eyebright, colors, holiday, tmp_path):
    """Any numpy reads them, and a program in another language can."""
    ended = eyebright("embed", holiday, "-o", "vectors.npz", "--model", colors, "--trust")
    assert ended.code == 1
    assert ended.out == ""
    assert ended.err.splitlines() == [
        f"{holiday / 'torn.jpg'}: not read: not a picture in a format that Eyebright reads "
        "(jpeg, png, gif, webp, bmp, tiff, avif, heif).",
        "1 file that is no picture or video was left out.",
        "1 of 4 could not be read.",
        "vectors.npz: 3 embeddings.",
    ]
    with np.load(tmp_path / "vectors.npz", allow_pickle=False) as arrays:
        assert arrays["source"].tolist() == [str(holiday / f"{color}.png") for color in ("blue", "green", "red")]
        assert arrays["embedding"].dtype == np.float32
        assert np.allclose(arrays["embedding"][2] * 255, (220, 20, 20), atol=0.1)
    assert not list(tmp_path.glob("*.partial"))


@needs_av
def test_embed_names_the_frames_of_a_video_by_their_time(eyebright, colors, tmp_path):
    """So that a hit can be found in the film."""
    video(tmp_path / "film.mp4", "red", "blue")
    assert eyebright("embed", "film.mp4", "-o", "a.npz", "--model", colors, "--trust").code == 0
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        assert arrays["source"].tolist() == ["film.mp4#0s", "film.mp4#1s"]


def test_embed_overwrites_only_with_force(eyebright, colors, holiday, tmp_path):
    """And asks before it works for an hour."""
    (tmp_path / "a.npz").write_text("mine")
    ask = ["embed", holiday / "red.png", "-o", "a.npz", "--model", colors, "--trust"]
    assert eyebright(*ask).code == 2
    assert (tmp_path / "a.npz").read_text() == "mine"
    assert eyebright(*ask, "--force").code == 0


def test_inspect_shows_the_card(eyebright):
    """What it names, how well, from what it was made."""
    ended = eyebright("inspect")
    assert (ended.code, ended.err) == (0, "")
    for words in ("EfficientNet-Lite0", "1,000 labels", "224 x 224", "int8", "licence", "Apache-2.0", "sha256"):
        assert words in ended.out
    assert max(map(len, ended.out.splitlines())) <= 100


def test_inspect_as_json_has_the_metadata(eyebright, colors):
    """For programs."""
    found = json.loads(eyebright("inspect", colors, "--format", "json").out)
    assert found["metadata"]["name"] == "colors"
    assert found["graph"]["operators"]["MatMul"] == 1
    assert found["size_bytes"] == os.path.getsize(colors)


def test_inspect_lists_labels_under_what_stands_above_them(eyebright, colors):
    """As an outline."""
    outline = eyebright("inspect", colors, "--labels").out.splitlines()[-4:]
    assert outline == ["  warm", "    green", "    red", "  blue"]


def test_verify_passes_what_ships_and_what_was_sealed_here(eyebright, colors):
    """The self-test of a file, on this machine."""
    for arguments in (["verify"], ["verify", colors], ["verify", "lite0", "--threads", "2"]):
        ended = eyebright(*arguments)
        assert ended.code == 0
        assert ended.out.endswith("The self-test passed.\n")
    found = json.loads(eyebright("verify", colors, "--format", "json").out)
    assert found["passed"] is True
    assert found["latency_ms_p50"] > 0


def test_verify_fails_a_file_that_says_something_else(eyebright, tmp_path, colors):
    """A cut or altered file, a wrong build: exit 2."""
    import onnx

    model = onnx.load(colors)
    entry = next(entry for entry in model.metadata_props if entry.key == "eyebright")
    metadata = json.loads(entry.value)
    metadata["golden"]["pictures"][0]["scores"] = [0.3, 0.3, 0.4]
    entry.value = json.dumps(metadata)
    onnx.save(model, tmp_path / "altered.onnx")
    ended = eyebright("verify", "altered.onnx", "--trust")
    assert ended.code == 2
    assert "The self-test FAILED" in ended.out
    ended = eyebright("verify", "altered.onnx")
    assert ended.code == 2
    assert "its self-test failed on this machine" in ended.out + ended.err


def test_models_lists_what_ships(eyebright):
    """And how the others are made."""
    ended = eyebright("models")
    assert ended.code == 0
    assert "lite0" in ended.out
    assert "ships, 4.95 MB" in ended.out
    assert "eyebright models build lite2" in ended.out
    rows = [json.loads(line) for line in eyebright("models", "list", "--format", "json").out.splitlines()]
    assert [row["name"] for row in rows if row["ships"]] == ["lite0"]


@pytest.mark.skipif(find_spec("torch") is not None, reason="torch is installed here")
def test_building_a_model_without_the_extra_says_what_to_install(eyebright):
    """One sentence."""
    ended = eyebright("models", "build", "lite1")
    assert ended.code == 2
    assert ended.err.startswith("eyebright: Building a model needs the package ")
    assert "pip install 'eyebright[train]'" in ended.err


def test_doctor_says_that_all_is_well(eyebright):
    """Or what is not."""
    ended = eyebright("doctor")
    assert ended.code == 0
    assert ended.out.endswith("All is well.\n")
    found = json.loads(eyebright("doctor", "--format", "json").out)
    assert found["packages"]["eyebright"] == __version__
    assert found["problem"] is None
    assert "cpu" in found["providers"]


def test_doctor_names_what_is_wrong(eyebright, monkeypatch, tmp_path):
    """A model file that was damaged on the way."""
    from eyebright import models

    (tmp_path / "damaged.onnx").write_bytes(models.path().read_bytes()[:100_000])
    monkeypatch.setattr(models, "path", lambda model=None: tmp_path / "damaged.onnx")
    ended = eyebright("doctor")
    assert ended.code == 2
    assert "Something is wrong: " in ended.out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_for_the_shell(eyebright, shell):
    """It asks Eyebright itself what fits."""
    ended = eyebright("completion", shell)
    assert ended.code == 0
    assert f"_EYEBRIGHT_COMPLETE={shell}_complete" in ended.out


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["pre"], ["plain,predict"]),
        ([""], [f"plain,{verb}" for verb in VERBS]),
        (["predict", "--thre"], ["plain,--threshold", "plain,--threads"]),
        (["predict", "--format", ""], ["plain,text", "plain,json", "plain,csv"]),
        (["predict", "hol"], ["file,hol"]),
        (["predict", "--model", "m"], ["file,m"]),
        (["inspect", "m"], ["file,m"]),
        (["embed", "x.jpg", "-o", "v"], ["file,v"]),
    ],
)
def test_completion_completes(words, found):
    """Verbs, options, choices; and files, which a script without this would hide."""
    ask = {"_EYEBRIGHT_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(["eyebright", *words])}
    ended = subprocess.run(
        [sys.executable, "-c", "from eyebright.cli import main; main()"],
        env={**os.environ, **ask, "COMP_CWORD": str(len(words))},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert sorted(ended.stdout.split()) == sorted(found)
    assert ended.stderr == ""


def test_every_verb_has_help_with_an_example(eyebright):
    """A command is a sentence, an example, a call."""
    overview = eyebright("--help")
    for verb, sentence in VERBS.items():
        assert f"{verb}  " in overview.out
        assert sentence in overview.out
        ended = eyebright(verb, "--help")
        assert ended.code == 0
        assert f"  eyebright {verb}" in ended.out


def test_the_version_is_said(eyebright):
    """For reports of faults."""
    assert eyebright("--version").out == f"eyebright {__version__}\n"


def test_a_label_from_a_model_file_commands_no_terminal(eyebright, tmp_path):
    """A file from elsewhere names its labels as it likes."""
    import onnx

    from pictures import color_model

    model = onnx.load_from_string(color_model(sharp=30))
    entry = next(entry for entry in model.metadata_props if entry.key == "eyebright")
    metadata = json.loads(entry.value)
    metadata["labels"][0]["label"] = metadata["name"] = "red\x1b[2J\nlie"
    entry.value = json.dumps(metadata)
    onnx.save(model, tmp_path / "odd.onnx")
    (tmp_path / "red.png").write_bytes(encoded(plain("red")))
    for arguments in (["inspect", "odd.onnx", "--labels"], ["verify", "odd.onnx"]):
        assert r"red\x1b[2J\nlie" in eyebright(*arguments).out
    for form in ([], ["--plain"]):
        assert r"red\x1b[2J\nlie" in eyebright("predict", "red.png", "--model", "odd.onnx", *form).out
