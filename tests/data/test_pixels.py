"""Formats that hold many pictures in a file: IDX and CIFAR; and pickles, from which nothing is ever run."""

import gzip
import os
import pickle
import struct

import numpy as np
import pytest

from data.making import KINDS, folder, made, said
from eyebright.data import Dataset, pickles
from eyebright.errors import BadRequest
from pictures import noise


def idx(array, kind=8):
    return bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


GRAY = np.stack([noise(5, 4, seed)[:, :, 0] for seed in range(6)])  # (N, 4, 5)
NUMBERS = np.array([0, 1, 2, 0, 1, 2], np.uint8)
MNIST = {
    "train-images-idx3-ubyte": idx(GRAY[:3]),
    "train-labels-idx1-ubyte": idx(NUMBERS[:3]),
    "t10k-images-idx3-ubyte": idx(GRAY[3:]),
    "t10k-labels-idx1-ubyte": idx(NUMBERS[3:]),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("packed", [False, True])
def test_idx_files_are_read_packed_or_not_in_any_archive(tmp_path, kind, packed):
    """The pictures have the same names and so the same place in validation."""
    files = {f"{name}.gz": gzip.compress(data) for name, data in MNIST.items()} if packed else MNIST
    dataset = Dataset.read(made(kind, tmp_path, {f"mnist/{name}": data for name, data in files.items()}))
    assert (dataset.reader, dataset.task, [label.label for label in dataset.labels]) == (
        "idx",
        "single",
        ["0", "1", "2"],
    )
    assert said(dataset)["t10k-images-idx3-ubyte#1"] == (("1",), "test")


def test_an_idx_picture_has_its_own_pixels(tmp_path):
    """Gray ones are seen as RGB."""
    dataset = Dataset.read(folder(tmp_path / "set", MNIST))
    by_name = {item.name: item for item in dataset.items}
    seen = np.asarray(dataset.picture(by_name["t10k-images-idx3-ubyte#2"]))
    assert np.array_equal(seen, np.repeat(GRAY[5][:, :, None], 3, axis=2))


def test_names_of_classes_stand_beside_idx_files(tmp_path):
    """labels.txt, one a line; MNIST itself has numbers."""
    dataset = Dataset.read(folder(tmp_path / "set", {**MNIST, "labels.txt": "shirt\ntrouser\nbag\n"}))
    assert [label.label for label in dataset.labels] == ["shirt", "trouser", "bag"]
    with pytest.raises(BadRequest, match=r"labels.txt: 1 names, but there is a label 2"):
        Dataset.read(folder(tmp_path / "set", {**MNIST, "labels.txt": "shirt\n"}))


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("train-images-idx3-ubyte", b"hello, this is text", "no IDX file of bytes"),
        ("train-images-idx3-ubyte", b"", r"no IDX file of bytes \(it begins with nothing\)"),
        ("train-images-idx3-ubyte", idx(GRAY[:3])[:-1], "states 60 bytes .*, and 59 follow; copy the file again"),
        ("train-images-idx3-ubyte", idx(GRAY[:3]) + b"x", "states 60 bytes .*, and 61 follow"),
        ("train-images-idx3-ubyte", idx(GRAY[:3], 13), "no IDX file of bytes"),
        ("train-images-idx3-ubyte", b"\0\0\x08\x03" + b"\xff" * 12, "states .* bytes"),
        ("train-images-idx3-ubyte", idx(GRAY[:3, 0]), "are no pictures"),
        ("train-images-idx3-ubyte", idx(GRAY[:3, :0]), "are no pictures"),
        ("train-images-idx3-ubyte", idx(GRAY[:2]), "2 pictures and 3 labels; one each is due"),
        ("train-images-idx3-ubyte", gzip.compress(idx(GRAY[:3]))[:-20], "states 60 bytes|cannot be unpacked"),
        ("train-images-idx3-ubyte", gzip.compress(bytes(100_000)), "no IDX file of bytes"),
    ],
)
def test_an_idx_file_that_is_wrong_is_named(tmp_path, name, data, sentence):
    """Its header is believed in nothing."""
    with pytest.raises(BadRequest, match=rf"{name}: .*{sentence}"):
        Dataset.read(folder(tmp_path / "set", {**MNIST, name: data}))


def test_missing_idx_labels_are_named(tmp_path):
    """A download that was forgotten."""
    with pytest.raises(BadRequest, match="there is no train-labels-idx1-ubyte with its labels beside it"):
        Dataset.read(folder(tmp_path / "set", {"train-images-idx3-ubyte": idx(GRAY)}))


COLORS = np.stack([noise(32, 32, seed) for seed in range(4)])  # (N, 32, 32, 3)
PLANES = COLORS.transpose(0, 3, 1, 2).reshape(4, -1)  # (N, 3072), as CIFAR has them


def records(labels, planes):
    return b"".join(bytes(label) + plane.tobytes() for label, plane in zip(labels, planes, strict=True))


CIFAR10 = {
    "data_batch_1.bin": records([[0], [1]], PLANES[:2]),
    "test_batch.bin": records([[1], [0]], PLANES[2:]),
    "batches.meta.txt": "airplane\nautomobile\n\n",
}
CIFAR100 = {
    "train.bin": records([[0, 7], [1, 9]], PLANES[:2]),
    "test.bin": records([[0, 9], [1, 7]], PLANES[2:]),
    "fine_label_names.txt": "\n".join(f"fine {number}" for number in range(100)),
    "coarse_label_names.txt": "\n".join(f"coarse {number}" for number in range(20)),
}


@pytest.mark.parametrize("kind", ["folder", "zip", "tar.gz"])
def test_the_binary_cifar_10_is_read(tmp_path, kind):
    """As it comes from its page: a tar.gz with one folder in it."""
    dataset = Dataset.read(made(kind, tmp_path, {f"cifar-10-batches-bin/{name}": d for name, d in CIFAR10.items()}))
    assert (dataset.reader, [label.label for label in dataset.labels]) == ("cifar", ["airplane", "automobile"])
    found = said(dataset)
    assert found["test_batch.bin#0"] == (("automobile",), "test")
    for item in dataset.items:
        number = int(item.name[-1]) + (2 if "test" in item.name else 0)
        assert np.array_equal(np.asarray(dataset.picture(item)), COLORS[number])


def test_cifar_100_has_its_fine_labels(tmp_path):
    """The second byte of a record."""
    dataset = Dataset.read(folder(tmp_path / "set", CIFAR100))
    assert said(dataset)["train.bin#1"][0] == ("fine 9",)
    assert [label.label for label in dataset.labels] == ["fine 7", "fine 9"]
    assert any("Labels without a picture, left out: fine 0, fine 1" in remark for remark in dataset.remarks)


@pytest.mark.parametrize("cut", [1, 3072, 3073 * 2])
def test_a_cut_cifar_file_is_named(tmp_path, cut):
    """A record has 3,073 bytes."""
    files = {**CIFAR10, "data_batch_1.bin": CIFAR10["data_batch_1.bin"][:-cut]}
    with pytest.raises(BadRequest, match=r"data_batch_1.bin: .* are no whole number of records of 3,073 bytes"):
        Dataset.read(folder(tmp_path / "set", files))


def python_2(value):
    """A pickle of protocol 2 with the short strings of Python 2, as CIFAR's are."""
    if isinstance(value, np.ndarray):
        shape = b"(" + b"".join(b"J" + struct.pack("<i", side) for side in value.shape) + b"t"
        dtype = b"cnumpy\ndtype\n(U\x02u1K\0K\1tR(K\3U\1|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
        made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\0tU\1btR"
        data = b"T" + struct.pack("<i", value.nbytes) + value.tobytes()
        return made + b"(K\1" + shape + dtype + b"\x89" + data + b"tb"
    if isinstance(value, dict):
        return b"}(" + b"".join(python_2(key) + python_2(inner) for key, inner in value.items()) + b"u"
    if isinstance(value, list):
        return b"](" + b"".join(map(python_2, value)) + b"e"
    if isinstance(value, int):
        return b"K" + bytes([value])
    return b"U" + bytes([len(value)]) + value.encode()


def python_batch(protocol, labels, planes, key="labels"):
    content = {"batch_label": "a batch", key: labels, "data": planes, "filenames": ["x.png"] * len(labels)}
    return b"\x80\x02" + python_2(content) + b"." if protocol == "python 2" else pickle.dumps(content, protocol)


@pytest.mark.parametrize("protocol", ["python 2", 2, 3, 4, 5])
@pytest.mark.parametrize("fine", [False, True])
def test_the_python_cifar_is_read_without_unpickling(tmp_path, monkeypatch, protocol, fine):
    """Whoever pickled it, with whichever Python and numpy; the pickle module is not used at all."""
    names = {"fine_label_names" if fine else "label_names": ["airplane", "automobile"]}
    train, test, meta = ("train", "test", "meta") if fine else ("data_batch_1", "test_batch", "batches.meta")
    key = "fine_labels" if fine else "labels"
    files = {
        train: python_batch(protocol, [0, 1], PLANES[:2], key),
        test: python_batch(protocol, [1, 0], PLANES[2:], key),
        meta: pickle.dumps(names, 2),
    }
    monkeypatch.setattr(pickle, "loads", None)
    monkeypatch.setattr(pickle, "Unpickler", None)
    dataset = Dataset.read(folder(tmp_path / "set", files))
    assert [label.label for label in dataset.labels] == ["airplane", "automobile"]
    for item in dataset.items:
        number = int(item.name[-1]) + (2 if "test" in item.name else 0)
        assert np.array_equal(np.asarray(dataset.picture(item)), COLORS[number])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ([1], "not a CIFAR batch"),
        ({"labels": [0]}, "its data: an array was expected"),
        ({"data": PLANES[:, :100], "labels": [0, 1, 2, 3]}, r"its data are \(4, 100\); \(N, 3072\) were expected"),
        ({"data": PLANES, "labels": [0, 1, 2]}, "it has no label for each of its 4 pictures"),
        ({"data": PLANES, "labels": [0, 1, 2, -1]}, "it has no label for each of its 4 pictures"),
        ({"data": PLANES, "labels": [0, 1, 2, 99]}, "there is a label 99 and 2 names of classes"),
        ({"data": PLANES.astype(float), "labels": [0, 1, 2, 3]}, "an array of bytes was expected"),
    ],
)
def test_a_python_batch_that_is_wrong_says_how(tmp_path, content, sentence):
    """It is a pickle, and plain, and no batch."""
    files = {"data_batch_1": pickle.dumps(content, 2), "batches.meta": pickle.dumps({"label_names": ["a", "b"]}, 2)}
    with pytest.raises(BadRequest, match=rf"data_batch_1: .*{sentence}"):
        Dataset.read(folder(tmp_path / "set", files))


def test_names_that_are_none_are_refused(tmp_path):
    """Numbers as names of classes would be wrong labels."""
    files = {"data_batch_1": python_batch(2, [0, 1], PLANES[:2]), "batches.meta": pickle.dumps({"label_names": [1]}, 2)}
    with pytest.raises(BadRequest, match=r"batches.meta: it has no names of classes"):
        Dataset.read(folder(tmp_path / "set", files))


class Hostile:
    """Runs a program when it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("inside", [False, True])
def test_a_hostile_pickle_runs_nothing(tmp_path, protocol, inside):
    """It would make a folder; there is none afterwards, and a sentence."""
    trap = tmp_path / "trap"
    hostile = Hostile(os.mkdir, str(trap))
    content = {"data": hostile, "labels": [0]} if inside else hostile
    root = folder(tmp_path / "set", {"data_batch_1": pickle.dumps(content, protocol)})
    with pytest.raises(BadRequest, match=r"data_batch_1: .*(it would run|instruction)"):
        Dataset.read(root)
    assert not trap.exists()


@pytest.mark.parametrize(
    "hostile",
    [
        b"\x80\x02cbuiltins\neval\n(U\x011tR.",
        b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02ls\x85R.",
        b"\x80\x02cnumpy\nload\n(U\x01xtR.",
        b"\x80\x02cnumpy.core.multiarray\nscalar\n(tR.",
        b"\x80\x02(U\x02lscposix\nsystem\no.",
        b"\x80\x02(U\x02lsiposix\nsystem\n.",
        b"\x80\x02U\x01xR.",
        b"\x80\x02}U\x01ab.",
        b"\x80\x02cnumpy\ndtype\ncnumpy\ndtype\nR.",
        b"\x80\x02cnumpy\ndtype\n)\x81.",
        b"\x80\x02P1\n.",
        b"\x80\x02\x82\x01.",
        b"\x80\x02(((.",
        b"\x80\x02}]]s.",
        b"\x80\x02t.",
        b"\x80\x02h\x05.",
        b"\x80\x02K",
        b"",
    ],
)
def test_instructions_that_plain_data_do_not_need_are_refused(hostile):
    """Calls, classes, extensions, persistent ids, and what is simply broken."""
    with pytest.raises(ValueError):
        pickles.array(pickles.loads(hostile))


def test_an_array_of_another_size_than_stated_is_refused(tmp_path):
    """Nothing is believed that was not counted."""
    good = pickles.loads(python_batch("python 2", [0, 1], PLANES[:2]))
    assert pickles.array(good["data"]).shape == (2, 3072)
    for shape in ((3, 3072), (-2, -3072), (2.0, 3072), "ab", (1 << 62, 4)):
        good["data"].state = (1, shape, *good["data"].state[2:])
        with pytest.raises(ValueError, match="size is not what it states"):
            pickles.array(good["data"])
