"""`eyebright bench` and `eyebright device`."""

import json

import pytest

from eyebright.measure import device, profiling
from test_device import steady


@pytest.fixture
def laptop(tmp_path):
    path = tmp_path / "laptop.toml"
    path.write_text(device.write(steady()), encoding="utf-8")
    return path


def test_two_models_are_measured_against_the_first(eyebright, colors):
    ended = eyebright("bench", colors, colors, "--rounds", 3, "--trust")
    assert ended.code == 0
    header, first, second, *rest = ended.out.splitlines()
    assert header.split()[:3] == ["model", "MB", "p50"]
    assert first.split()[5] == "1"
    assert " to " in second
    assert "on one thread, 3 turns" in " ".join(rest)


def test_json_has_an_object_a_model(eyebright, colors, laptop):
    ended = eyebright("bench", colors, "--rounds", 3, "--trust", "--format", "json", "--device", laptop)
    (row,) = map(json.loads, ended.out.splitlines())
    assert row["size_bytes"] == colors.stat().st_size
    assert row["speedup"]["value"] == 1
    assert row["latency_ms_p50"]["value"] <= row["latency_ms_p99"]["value"]
    assert row["int8_macs"] == 0
    assert row["threads"] == 1
    assert row["predicted_ms"] > 0


def test_what_is_no_model_file_or_no_profile_is_refused(eyebright, colors, tmp_path):
    (tmp_path / "not.onnx").write_text("dear diary")
    (tmp_path / "not.toml").write_text("dear diary")
    for arguments, said in (
        (("bench", "not.onnx"), "not.onnx: not an ONNX model"),
        (("bench", "missing.onnx"), "missing.onnx"),
        (("bench", colors, "--size", 999, "--trust"), "--size 999 is not among them"),
        (("bench", colors, "--runtime", "abacus", "--trust"), "no provider is called 'abacus'"),
        (("bench", colors, "--device", "not.toml", "--trust"), "not.toml is not TOML"),
        (("device", "predict", colors, "--device", "missing.toml"), "missing.toml cannot be read"),
        (("device", "predict", "not.onnx", "--device", "not.toml"), "not.toml is not TOML"),
    ):
        ended = eyebright(*arguments)
        assert ended.code == 2, arguments
        assert said in ended.err
        assert len(ended.err.splitlines()) == 1
        assert not ended.out


def test_a_profile_is_written_and_not_overwritten(eyebright, monkeypatch, colors, tmp_path):
    monkeypatch.setattr(profiling, "profile", lambda *arguments: steady())
    assert eyebright("device", "profile", "-o", "mine.toml").code == 0
    assert device.read(tmp_path / "mine.toml").name == "steady"
    again = eyebright("device", "profile", "-o", "mine.toml")
    assert again.code == 2
    assert "--force" in again.err
    ended = eyebright("device", "predict", colors, "--device", "mine.toml")
    assert "ms a picture" in ended.out
    assert "on steady" in ended.out
    as_json = json.loads(eyebright("device", "predict", colors, "--device", "mine.toml", "--format", "json").out)
    assert as_json["predicted_ms"] > 0.5
