"""Real data sets, where they are: EYEBRIGHT_DATA names their folder."""

import os
from pathlib import Path

import pytest

from eyebright.data import Dataset
from eyebright.errors import BadRequest


def real(name):
    path = Path(os.environ.get("EYEBRIGHT_DATA", "")) / name
    if not os.environ.get("EYEBRIGHT_DATA") or not path.exists():
        pytest.skip(f"EYEBRIGHT_DATA has no {name}")
    return path


@pytest.mark.parametrize(
    ("name", "reader", "task", "labels", "counts"),
    [
        ("clothing.zip", "folders", "single", 10, (1840, 341, 372)),
        ("street-fashion.zip", "csv", "multi", 42, (627, 116, 197)),
        ("fire.zip", "csv", "binary", 2, (370, None, 158)),
        ("fashion-mnist.zip", "idx", "single", 10, (20_000, None, 5000)),
        ("cifar10.tar.xz", "folders", "single", 10, (25_000, None, 5000)),
        ("imagenet-sample.zip", "imagenet", "single", 1000, (0, 0, 1000)),
    ],
)
def test_a_real_set_is_understood(name, reader, task, labels, counts):
    """None: validation is a fifth of train, so both are counted together."""
    dataset = Dataset.read(real(name))
    assert (dataset.reader, dataset.task, len(dataset.labels)) == (reader, task, labels)
    train, validation, test = (len(dataset.part(split).items) for split in ("train", "validation", "test"))
    if counts[1] is None:
        assert 0.1 < validation / (train + validation) < 0.3
        train, validation = train + validation, None
    assert (train, validation, test) == counts
    for item in dataset.items[:: len(dataset.items) // 5]:
        assert min(dataset.picture(item).size) >= 28


def test_a_real_table_without_labels_says_what_it_has():
    """Who is in a photo is not what is in it, until somebody says so."""
    with pytest.raises(BadRequest, match=r"no column for labels .* there are: file, people"):
        Dataset.read(real("faces.zip"))


def test_real_street_photos_have_their_labels():
    """5.4 of them on average."""
    dataset = Dataset.read(real("street-fashion.zip"))
    assert dataset.targets().sum() / len(dataset.items) == pytest.approx(5.4, abs=0.05)
