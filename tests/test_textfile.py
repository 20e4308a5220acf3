"""A text file is read and run, or refused in a sentence, whatever its bytes are."""

import base64
import contextlib
import json
import sys
import zlib

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto

import models
import two_towers
from eyebright import textfile, trial
from eyebright.errors import BadModelFile, BadRequest, EyebrightError, MissingExtra
from eyebright.textfile import KEY, TOKENIZER, GoldenText, TextMetadata
from eyebright.texttower import TextTower, open_tested
from eyebright.texttower import told as told_of

TOLD = TextMetadata(1, "colors", "family", "text_embeds", 12)
TOKENS = json.dumps(two_towers.tokenizer()).encode()


def made(tokenizer=TOKENS, graph=None, **other):
    """The bytes of a text file."""
    metadata = msgspec.structs.replace(TOLD, **other)
    return textfile.attach(two_towers.text() if graph is None else graph, metadata, tokenizer)


def with_entries(**entries):
    """The same with other metadata entries, as bytes or text; None: without this one."""
    graph = two_towers.text()
    told = {KEY: msgspec.json.encode(TOLD).decode(), TOKENIZER: textfile.packed(TOKENS).decode(), **entries}
    for key, value in told.items():
        if value is not None:
            graph.metadata_props.add(key=key, value=value)
    return graph.SerializeToString()


def test_what_is_written_is_read():
    file = textfile.from_bytes(made(padding=0, licence="MIT"), "mine.onnx")
    assert file.metadata == msgspec.structs.replace(TOLD, padding=0, licence="MIT")
    assert file.tokenizer == TOKENS
    assert np.allclose(TextTower(file).embed(["green"]), [[0, 1, 0]])


def test_a_tokenizer_that_unpacks_without_end_is_not_unpacked():
    """A megabyte can hold a gigabyte of nothing."""
    packing = zlib.compressobj(1)
    bomb = b"".join(packing.compress(bytes(1 << 20)) for _ in range(100)) + packing.flush()
    with pytest.raises(BadModelFile, match="the tokenizer in it is over 40 MB"):
        textfile.from_bytes(with_entries(**{TOKENIZER: base64.b64encode(bomb).decode()}))


def told(**changed):
    return json.dumps({**json.loads(msgspec.json.encode(TOLD)), **changed})


def outside():
    graph = two_towers.text()
    graph.graph.initializer[0].data_location = TensorProto.EXTERNAL
    return graph


BYTES = {
    "no ONNX": (lambda: b"hello", "not an ONNX model"),
    "a model file": (lambda: models.sealed().data, "a model file, which sees pictures"),
    "another ONNX model": (lambda: two_towers.text().SerializeToString(), "an ONNX model; a text file comes of"),
    "weights in another file": (lambda: made(graph=outside()), "weights are in another file"),
    "a newer format": (lambda: with_entries(**{KEY: told(format=2)}), "format 2 is newer"),
    "an unknown key": (lambda: with_entries(**{KEY: told(colour=1)}), "not as the format says"),
    "a golden text that is too long": (
        lambda: with_entries(**{KEY: told(golden={"text": "red", "embedding": [1e30]})}),
        "not as the format says",
    ),
    "no context": (lambda: with_entries(**{KEY: told(context=0)}), "not as the format says"),
    "a context without end": (lambda: with_entries(**{KEY: told(context=10**9)}), "not as the format says"),
    "metadata that is none": (lambda: with_entries(**{KEY: "[" * 100_000}), "not as the format says"),
    "no tokenizer": (lambda: with_entries(**{TOKENIZER: None}), "the tokenizer in it is damaged"),
    "a tokenizer that is not packed": (lambda: with_entries(**{TOKENIZER: "{}"}), "the tokenizer in it is damaged"),
    "a tokenizer that was cut": (
        lambda: with_entries(**{TOKENIZER: base64.b64encode(zlib.compress(TOKENS)[:-9]).decode()}),
        "the tokenizer in it is damaged",
    ),
}


@pytest.mark.parametrize("case", BYTES)
def test_bytes_that_are_no_text_file(case):
    data, sentence = BYTES[case]
    with pytest.raises(BadModelFile, match=r"^here.onnx: ") as refused:
        textfile.from_bytes(data(), "here.onnx")
    assert sentence in str(refused.value)


RUNS = {
    "a tokenizer of nothing": ({"tokenizer": b"{}"}, "its tokenizer cannot be used"),
    "a tokenizer that is no text": ({"tokenizer": b"\xff"}, "its tokenizer cannot be used"),
    "another output": ({"output": "scores"}, "it failed on a text"),
    "another input": ({"graph": two_towers.vision("text_embeds")}, "takes `input_ids`; this takes"),
    "an unknown token": ({"padding": 99}, "it failed on a text"),
    "a golden text of another": ({"golden": GoldenText("red", (0.0, 1.0, 0.0))}, "its self-test failed"),
    "a golden text of another width": ({"golden": GoldenText("red", (1.0, 0.0))}, "its self-test failed"),
    "a golden text of nothing": ({"golden": GoldenText("red", (0.0, 0.0, 0.0))}, "its self-test failed"),
}


@pytest.mark.parametrize("case", RUNS)
def test_a_text_file_that_does_not_run(case):
    other, sentence = RUNS[case]
    graph = other.get("graph")
    with pytest.raises(BadModelFile, match=r"^here.onnx: ") as refused:
        open_tested(textfile.from_bytes(made(**{**other, "graph": graph}), "here.onnx"))
    assert sentence in str(refused.value)


def test_the_self_test_is_taken_and_passed():
    open_tested(textfile.from_bytes(made(golden=GoldenText("a RED", (0.9999, 0.0099, 0.0099)))))


def test_what_fails_in_the_child_is_said_with_the_files_name():
    with pytest.raises(BadModelFile, match=r"^here.onnx: its tokenizer cannot be used"):
        trial.prove_text(textfile.from_bytes(made(b"{}"), "here.onnx"))


def test_what_is_no_text_is_refused():
    tower = TextTower(textfile.from_bytes(made()))
    with pytest.raises(BadRequest, match="characters that do not exist"):
        tower.embed("\ud800")


def test_without_the_extra_one_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingExtra, match=r"pip install 'eyebright\[text\]'"):
        trial.prove_text(textfile.from_bytes(made()))


@given(at=st.integers(0, 2**31), byte=st.integers(0, 255))
def test_a_damaged_file_is_read_or_refused(at, byte):
    data = bytearray(DAMAGED)
    data[at % len(data)] = byte
    with contextlib.suppress(EyebrightError):
        open_tested(textfile.from_bytes(bytes(data)))


DAMAGED = made()


@pytest.mark.parametrize("charsmap", ["AAAA", "AAAAAAAA"], ids=["as it is read", "as it reads"])
def test_a_tokenizer_that_makes_its_library_panic_is_a_sentence(charsmap):
    """What a panic becomes in Python is no Exception."""
    hostile = two_towers.tokenizer() | {"normalizer": {"type": "Precompiled", "precompiled_charsmap": charsmap}}
    file = textfile.from_bytes(made(json.dumps(hostile).encode()))
    with pytest.raises(BadModelFile, match="its tokenizer cannot"):
        TextTower(file).embed(["red"])


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_a_stop_is_not_taken_for_a_panic(stop):
    with pytest.raises(stop), told_of("a tokenizer"):
        raise stop
