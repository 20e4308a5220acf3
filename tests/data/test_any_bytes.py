"""Reading any bytes as a data set ends in a Dataset or an EyebrightError."""

import pickle

import hypothesis
import pytest
from hypothesis import strategies

from data.making import folder, tarred, zipped
from data.test_annotations import COCO, OPEN_IMAGES, TRUTH, VALIDATION, VOC
from data.test_pixels import CIFAR10, MNIST, PLANES, python_batch
from data.test_tables import FOUR, GOOD
from eyebright.data import Dataset
from eyebright.errors import EyebrightError

LINES = '{"file": "a.png", "labels": ["cat", 1], "split": "train"}\n{"file": "b.png", "label": null}\n'
SETS = {
    "csv": ({**FOUR, "labels.csv": GOOD}, "labels.csv"),
    "jsonl": ({**FOUR, "labels.jsonl": LINES}, "labels.jsonl"),
    "coco": (COCO, "annotations.json"),
    "voc": (VOC, "Annotations/a.xml"),
    "openimages": (OPEN_IMAGES, "train-annotations-human-imagelabels.csv"),
    "idx": (MNIST, "train-images-idx3-ubyte"),
    "cifar": (CIFAR10, "data_batch_1.bin"),
    "pickle": ({"data_batch_1": python_batch("python 2", [0, 1], PLANES[:2])}, "data_batch_1"),
    "newer pickle": ({"data_batch_1": python_batch(5, [0, 1], PLANES[:2])}, "data_batch_1"),
    "meta": ({**VALIDATION, TRUTH: "1\n1\n1\n", "meta.mat": bytes(126) + b"IM" + bytes(64)}, "meta.mat"),
}


@strategies.composite
def damaged(draw, whole):
    """Something like `whole`: cut, with bytes changed, a piece left out, or something put in."""
    data = bytearray(whole)
    for _ in range(draw(strategies.integers(0, 4))):
        at = draw(strategies.integers(0, max(min(len(data), 3000) - 1, 0)))
        change = draw(strategies.sampled_from(("set", "cut", "drop", "put")))
        if change == "set" and data:
            data[at] = draw(strategies.integers(0, 255))
        elif change == "cut":
            del data[at:]
        elif change == "drop":
            del data[at : at + draw(strategies.integers(1, 40))]
        else:
            data[at:at] = draw(strategies.binary(max_size=12))
    return bytes(data)


def as_bytes(content):
    return content.encode() if isinstance(content, str) else content


def read_all(path):
    """Every picture too."""
    try:
        dataset = Dataset.read(path)
    except EyebrightError:
        return
    for item in dataset.items:
        try:
            dataset.picture(item)
            dataset.identity(item)
        except EyebrightError:
            pass
    assert dataset.content_hash
    assert dataset.targets().shape == (len(dataset.items), len(dataset.labels))


@pytest.mark.parametrize("name", SETS)
@hypothesis.given(data=strategies.data())
@hypothesis.settings(max_examples=40)
def test_a_damaged_file_ends_in_a_data_set_or_a_sentence(tmp_path_factory, name, data):
    """Whatever is in it."""
    files, victim = SETS[name]
    root = folder(tmp_path_factory.mktemp("set"), files)
    (root / victim).write_bytes(data.draw(damaged(as_bytes(files[victim]))))
    read_all(root)


@pytest.mark.parametrize("kind", ["zip", "tar"])
@hypothesis.given(data=strategies.data())
@hypothesis.settings(max_examples=40)
def test_a_damaged_archive_ends_in_a_data_set_or_a_sentence(tmp_path_factory, kind, data):
    """Headers, names, sizes."""
    path = tmp_path_factory.mktemp("set") / "set"
    small = {f"{label}/{number}.txt": label * 30 for label in "ab" for number in range(3)}
    whole = (zipped if kind == "zip" else tarred)(path, small).read_bytes()
    path.write_bytes(data.draw(damaged(whole)))
    read_all(path)


@hypothesis.given(
    content=strategies.recursive(
        strategies.none() | strategies.integers() | strategies.text(max_size=4) | strategies.binary(max_size=4),
        lambda inner: (
            strategies.lists(inner, max_size=3)
            | strategies.dictionaries(
                strategies.sampled_from(["data", "labels", "fine_labels", "x"]), inner, max_size=3
            )
        ),
    ),
    protocol=strategies.integers(0, 5),
)
def test_any_plain_pickle_is_no_batch_or_one(tmp_path_factory, content, protocol):
    """Numbers, texts, lists and dictionaries of all shapes."""
    root = folder(tmp_path_factory.mktemp("set"), {"data_batch_1": pickle.dumps(content, protocol)})
    read_all(root)
