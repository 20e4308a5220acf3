"""Names for a foreign model's outputs, as people and tools keep them."""

from pathlib import Path

import pytest

from eyebright import labels
from eyebright.foreign import Choices, read_labels, wrap
from eyebright.foreign.names import labels_for, told_names
from eyebright.modelfile import from_bytes
from foreign.graphs import Graph, saved

HERE = Path("foreign.onnx")
TENCH = "n01440764"


@pytest.mark.parametrize(
    "text",
    [
        "cat\ndog\n",
        "\ufeffcat\r\n\r\ndog",
        '["cat", "dog"]',
        '{"1": "dog", "0": "cat"}',
        '{"dog": 1, "cat": 0}',
        '{"0": ["n1", "cat"], "1": ["n2", "dog"]}',
        '{"model_type": "vit", "id2label": {"0": "cat", "1": "dog"}}',
    ],
)
def test_labels_are_read_as_they_are_kept(text: str, tmp_path: Path) -> None:
    path = tmp_path / "labels"
    path.write_bytes(text.encode())
    assert read_labels(path) == ["cat", "dog"]


def test_the_names_in_an_ultralytics_export_are_read() -> None:
    names = {0: "daisy", 1: "lion's tooth", 2: 'a "rose"', 3: "Löwe: {4: 'x'}"}
    assert told_names({"names": str(names)}) == list(names.values())


@pytest.mark.parametrize("text", ["", "{}", "{0: 'a', 2: 'b'}", "(" * 100_000, "{0: " * 100_000, "-" * 100_000])
def test_names_that_are_none_are_none(text: str) -> None:
    assert told_names({"names": text}) is None


def test_equal_names_get_ids_of_their_own() -> None:
    found, _ = labels_for(["a", "A", "a-1", "猫", "!"], 5, HERE)
    assert [label.label for label in found] == ["a", "A", "a-1", "猫", "!"]
    assert len({label.id for label in found}) == 5


def test_a_thousand_outputs_are_imagenet_with_its_hierarchy() -> None:
    assert labels_for(None, 1000, HERE) == labels.imagenet()


def test_1001_outputs_have_a_background_first() -> None:
    found, hierarchy = labels_for(None, 1001, HERE)
    assert (found[0].id, found[1].id, len(found)) == ("background", TENCH, 1001)
    assert hierarchy


def test_imagenet_is_known_by_its_names_in_their_order() -> None:
    """The names stay as they were given; ids and parents are ImageNet's."""
    known, hierarchy = labels.imagenet()
    names = ["tench", "goldfish", *(f"name {at}" for at in range(998))]
    found, above = labels_for(names, 1000, HERE)
    assert [label.label for label in found] == names
    assert [label.id for label in found] == [label.id for label in known]
    assert above == hierarchy


def test_a_part_of_imagenet_is_known_by_its_ids() -> None:
    found, hierarchy = labels_for(["n02123045", f"{TENCH} a fish"], 2, HERE)
    assert [label.label for label in found] == [labels.imagenet()[0][281].label, "a fish"]
    assert {label.parent for label in found} <= {node.id for node in hierarchy}
    assert 0 < len(hierarchy) < len(labels.imagenet()[1])


def test_an_ultralytics_export_needs_no_options(tmp_path: Path) -> None:
    """Its metadata names the labels and the size; it takes pixels of 0..1 and gives scores."""
    graph = Graph().body().head(2)
    graph.add("Softmax", axis=1)
    told = {"task": "classify", "names": str({0: "cat", 1: "dog"}), "imgsz": "[16, 16]", "stride": "1"}
    wrapped = wrap(saved(graph.model(("N", 3, "h", "w"), metadata=told), tmp_path), Choices())
    found = from_bytes(wrapped.data)
    assert [label.label for label in found.metadata.labels] == ["cat", "dog"]
    assert (found.metadata.input.size, found.metadata.input.crop) == (16, 1.0)


def test_a_thousand_outputs_need_no_options(tmp_path: Path) -> None:
    graph = Graph().body().head(1000)
    wrapped = wrap(saved(graph.model(), tmp_path), Choices(name="mine", licence="MIT"))
    found = from_bytes(wrapped.data)
    assert found.metadata.labels == labels.imagenet()[0]
    assert (found.metadata.name, found.metadata.card.licence) == ("mine", "MIT")
    assert any(line.startswith("labels: ImageNet's") for line in wrapped.remarks)


def test_the_last_layer_is_named(tmp_path: Path) -> None:
    wrapped = wrap(saved(Graph().body().head(3).model(), tmp_path), Choices(label_names=["a", "b", "c"]))
    head = from_bytes(wrapped.data).metadata.head
    assert head is not None
    assert [head.weight, head.bias] == ["net/number2", "net/number3"]
