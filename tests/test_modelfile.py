"""The metadata of a model file: what it may say, and that it says the same after a round trip."""

import base64
import json
import os

import msgspec
import pytest

import models
from eyebright import gate, modelfile
from eyebright.errors import BadModelFile
from eyebright.modelfile import Abstain, Card, Figure, Golden, GoldenPicture, Head, Label, Latency

HONEST = modelfile.attach(models.graph(), models.metadata())


def as_json(**parts):
    return json.dumps({**json.loads(msgspec.json.encode(models.metadata())), **parts}).encode()


def golden(**parts):
    picture = models.metadata().golden.pictures[0]
    return Golden(tolerance=0.05, same_top=False, pictures=(msgspec.structs.replace(picture, **parts),))


def test_a_model_file_says_after_a_round_trip_what_it_said():
    full = models.metadata(
        hierarchy=(Label(id="top", label="all of it"),),
        labels=(Label(id="a", label="á", parent="top"), Label(id="b", label="b"), Label(id="c", label="c")),
        thresholds={"a": 0.7},
        abstain=Abstain(method="max_logit", threshold=2.5, basis="a test"),
        head=Head(weight="weights"),
        card=Card(
            description="for tests",
            metrics={"top1": Figure(0.5, 0.4, 0.6, 100, "Wilson")},
            latencies=(Latency(1.5, "a laptop", 1, "onnxruntime"),),
            lineage=("made by hand",),
        ),
    )
    read = modelfile.from_bytes(modelfile.attach(models.graph(), full))
    assert read.metadata == full
    assert modelfile.attach(models.graph(), read.metadata) == read.data


def test_attached_metadata_takes_the_place_of_earlier_and_leaves_that_of_others():
    graph = models.graph()
    other = graph.metadata_props.add()
    other.key, other.value = "author", "somebody"
    modelfile.attach(graph, models.metadata(name="first"))
    read = modelfile.from_bytes(modelfile.attach(graph, models.metadata(name="second")))
    assert read.metadata.name == "second"
    assert read.contents.metadata["author"] == b"somebody"


def test_the_schema_knows_every_key_and_no_other():
    schema = modelfile.schema()
    metadata = schema["$defs"]["Metadata"]
    assert metadata["additionalProperties"] is False
    assert set(metadata["properties"]) == set(modelfile.Metadata.__struct_fields__)
    assert {"format", "name", "task", "labels", "input", "golden"} == set(metadata["required"])


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"labels": (Label(id="a", label="x"),) * 3}, "the same id"),
        ({"task": "binary"}, "two labels, negative first; this one has 3"),
        ({"labels": tuple(Label(id=i, label=i, parent="nowhere") for i in "abc")}, "parent 'nowhere'"),
        ({"hierarchy": (Label(id="x", label="x", parent="x"),)}, "in a circle"),
        (
            {"hierarchy": (Label(id="x", label="x", parent="y"), Label(id="y", label="y", parent="x"))},
            "in a circle",
        ),
        ({"thresholds": {"cat": 0.5}}, "threshold for 'cat'"),
        ({"golden": golden(repeat=9)}, "not of the input's size"),
        ({"golden": golden(height=2)}, "not of the input's size"),
        ({"golden": golden(scores=(0.5,))}, "one score a label"),
        ({"golden": golden(seed="!")}, "as many pixels"),
        ({"golden": golden(seed=base64.b64encode(bytes(6)).decode())}, "as many pixels"),
        (
            {
                "golden": Golden(
                    tolerance=0.05,
                    same_top=False,
                    pictures=(GoldenPicture(base64.b64encode(bytes(192)).decode(), 8, 8, 1, (0.5,) * 3),) * 6,
                )
            },
            "the limit is 1024",
        ),
    ],
)
def test_a_rule_that_is_broken_is_named(parts, says):
    with pytest.raises(BadModelFile) as refused:
        modelfile.attach(models.graph(), models.metadata(**parts))
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "eyebright import"),
        (b"", "not as the format says"),
        (b"\xff\xfe", "not as the format says"),
        (b"[1]", "not as the format says"),
        (b'{"format":1}', "missing required field"),
        (as_json(format=2), "format 2 is newer"),
        (as_json(format=10**30), "format 1e+30 is newer"),
        (as_json(format=0), "not as the format says"),
        (as_json(format="1"), "not as the format says"),
        (as_json(colour="red"), "colour"),
        (as_json(labels=[]), "labels"),
        (as_json(input={"size": 8, "crop": 2}), "crop"),
        (as_json(input={"size": 5000}), "size"),
        (as_json(thresholds={"id0": 1.5}), "thresholds"),
        (as_json(x=1).replace(b'"x": 1', b'"x": ' + b"[" * 50_000 + b"]" * 50_000), "not as the format says"),
        (as_json().replace(b"0.5", b"NaN"), "not as the format says"),
    ],
)
def test_json_that_is_not_of_the_format_is_one_sentence(text, says):
    with pytest.raises(BadModelFile) as refused:
        modelfile.parse(text)
    assert says in str(refused.value)
    assert len(str(refused.value)) < 300


def test_a_hierarchy_of_a_long_chain_is_read_without_deep_recursion():
    chain = tuple(Label(id=f"n{i}", label="n", parent=f"n{i + 1}" if i < 4999 else None) for i in range(5000))
    assert len(modelfile.parse(msgspec.json.encode(models.metadata(hierarchy=chain))).hierarchy) == 5000


def test_a_file_and_its_bytes_read_the_same(tmp_path):
    path = tmp_path / "any name at all"
    path.write_bytes(HONEST)
    read = modelfile.read(path)
    assert read.data == HONEST
    assert read.sha256 == modelfile.from_bytes(HONEST).sha256


def test_a_large_file_passes_the_gate_before_memory_is_taken(tmp_path):
    path = tmp_path / "model.onnx"
    ballast = b"\xba\x3e" + b"\x80\xe5\x9a\x77"  # field 999 of 250 MB
    with path.open("wb") as file:
        file.write(HONEST + ballast)
        file.truncate(len(HONEST) + len(ballast) + 250_000_000)
    with pytest.raises(BadModelFile, match="no weights of a network"):
        modelfile.read(path)


def test_a_file_over_the_limit_is_refused_by_its_size(tmp_path):
    path = tmp_path / "model.onnx"
    with path.open("wb") as file:
        file.truncate(gate.MAX_FILE_BYTES + 1)
    with pytest.raises(BadModelFile, match="the limit is"):
        modelfile.read(path)


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path):
    with pytest.raises(BadModelFile, match="directory"):
        modelfile.read(tmp_path)
    with pytest.raises(BadModelFile, match="no such file"):
        modelfile.read(tmp_path / "absent")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(BadModelFile, match="not a file"):
            modelfile.read(tmp_path / "pipe")
        with pytest.raises(BadModelFile, match="not a file"):
            modelfile.read("/dev/zero")
