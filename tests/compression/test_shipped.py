"""What ships is what `eyebright models build lite0` makes, of published weights and committed ranges."""

import hashlib

import pytest

pytest.importorskip("torch")

import numpy as np
import onnx

from eyebright import models
from eyebright.compression.shipped import model_file
from eyebright.export import parity
from eyebright.modelfile import KEY, from_bytes


def without_metadata(data):
    model = onnx.load_model_from_string(data)
    kept = [entry for entry in model.metadata_props if entry.key != KEY]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    return model.SerializeToString(deterministic=True)


def test_the_model_that_ships_can_be_built_again():
    """Bit for bit, but for the last digit of golden scores, which are computed where it is built."""
    shipped, built = models.path("lite0").read_bytes(), model_file("lite0")
    assert without_metadata(built) == without_metadata(shipped)
    ours, theirs = from_bytes(built).metadata, from_bytes(shipped).metadata
    assert ours.labels == theirs.labels
    assert ours.hierarchy == theirs.hierarchy
    assert ours.card == theirs.card
    assert ours.abstain == theirs.abstain
    for one, other in zip(ours.golden.pictures, theirs.golden.pictures, strict=True):
        assert one.seed == other.seed
        assert np.allclose(one.scores, other.scores, atol=1e-5)


def test_the_model_that_ships_is_the_one_that_is_trusted():
    assert hashlib.sha256(models.path("lite0").read_bytes()).hexdigest() == models.SHIPPED["lite0"]


@pytest.mark.parametrize("size", [128, 160, 256, 320])
def test_other_sizes_that_the_file_lists_are_what_the_network_says_at_them(lite0, lite0_graph, size):
    """Its padding is that of 224 pixels; at other multiples of 32 it is the same."""
    assert parity.check(lite0, lite0_graph, parity.pictures(size)) < 1e-4
