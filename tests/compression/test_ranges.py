"""Ranges of activations: where rounding to 8 bits costs least, the same from whatever batches."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from eyebright.classifier import Classifier  # noqa: E402
from eyebright.compression.ranges import (  # noqa: E402
    BINS,
    INTEGER,
    activations,
    histograms,
    least_error,
    measure_ranges,
    of_all_values,
    of_least_error,
    ranges_from_json,
    ranges_to_json,
)
from eyebright.encoders import Encoder  # noqa: E402
from eyebright.encoders.layers import same_conv  # noqa: E402
from eyebright.export import parity  # noqa: E402
from eyebright.export.onnx import to_onnx  # noqa: E402


@pytest.fixture(scope="module")
def tiny():
    """A float model of one convolution, whose colors are normalized each by its own numbers."""
    torch.manual_seed(0)
    encoder = Encoder({"stem": same_conv(3, 8, 3, 2, act=torch.nn.ReLU6)}, 8, 2)
    classifier = Classifier(encoder, torch.nn.Linear(8, 3), "multi", (123.7, 116.3, 103.5), (58.4, 57.1, 57.4))
    return to_onnx(classifier, 32)


def cost(low, high, values, counts):
    """Of rounding values to 256 steps over low..high, as they would be rounded in a network."""
    step = (high - low) / 255 or 1.0
    zero = round(-low / step)
    rounded = (np.clip(np.round(values / step) + zero, 0, 255) - zero) * step
    return float(((rounded - values) ** 2 * counts).sum())


def test_ranges_survive_json(tiny):
    ranges = measure_ranges(tiny, [parity.pictures(32)])
    assert ranges_from_json(ranges_to_json(ranges)) == ranges
    assert all(low <= 0 <= high for low, high in ranges.values())


def test_ranges_do_not_depend_on_the_batches(tiny):
    images = parity.pictures(32)
    assert measure_ranges(tiny, [images]) == measure_ranges(tiny, [images[:1], images[1:]])


def test_a_rare_value_does_not_coarsen_the_steps_of_the_many():
    """256 steps over 0..100 would leave six of them to a hundred million values below 3, for the sake of one."""
    counts = np.zeros(BINS, np.int64)
    counts[: BINS * 3 // 100], counts[-1] = 100_000_000, 1
    assert least_error(0.0, 100.0, counts) == (0.0, pytest.approx(30, abs=1))


@given(st.floats(-10, 0), st.floats(0, 10), st.integers(0, 2**32 - 1))
def test_ends_are_drawn_in_only_where_that_costs_less(low, high, seed):
    random = np.random.default_rng(seed)
    counts = (10 ** random.uniform(0, 6, BINS) * (random.uniform(size=BINS) < 0.3)).astype(np.int64)
    found = least_error(low, high, counts)
    assert low <= found[0] <= 0 <= found[1] <= high
    values = low + (np.arange(BINS) + 0.5) * ((high - low) / BINS)
    assert cost(*found, values, counts) <= cost(low, high, values, counts)


def test_the_ranges_of_all_values_hold_all_values(tiny):
    images = parity.pictures(32)
    found = histograms(tiny, [images])
    wide, narrow = of_all_values(found), of_least_error(found)
    assert list(wide) == list(narrow) == activations(tiny)
    for name, (low, high) in wide.items():
        assert low <= narrow[name][0] <= narrow[name][1] <= high
        assert low == pytest.approx(found[name].low, rel=1e-5)
        assert high == pytest.approx(found[name].high, rel=1e-5)
    stem = [name for name in wide if "Clip" in name or "relu" in name.lower() or "act" in name]
    assert all(wide[name][0] >= 0 for name in stem)


def test_what_is_measured_is_what_an_integer_operator_reads_or_makes(tiny):
    found = set(activations(tiny))
    of_integers = [node for node in tiny.graph.node if node.op_type in INTEGER]
    read = {name for node in of_integers for name in itertools.chain(node.input, node.output)}
    assert found <= read
    assert not found & {tensor.name for tensor in tiny.graph.initializer}
    assert {node.output[0] for node in of_integers} <= found


def test_who_waits_hears_how_far_it_is(tiny):
    heard = []
    images = parity.pictures(32)
    histograms(tiny, [images[:2], images[2:]], lambda done, total: heard.append((done, total)))
    assert heard == [(1, 2), (2, 2)]
