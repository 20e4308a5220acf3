"""A packed file unpacks into the same bytes, or is refused in a sentence, in bounded memory."""

import contextlib
import hashlib
import lzma
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

import models
from eyebright import gate, modelfile, packed, selftest
from eyebright.compression import pack
from eyebright.errors import BadModelFile
from eyebright.packed import HEADER, LOW, MAGIC, TOTAL, Stream


def with_weights(**arrays):
    """A tiny model file that also carries these tensors, added up into nothing."""
    nodes = [
        helper.make_node("ReduceSum", [name], [f"{name}_sum"], keepdims=0)
        if array.dtype == np.float32
        else helper.make_node("Identity", [name], [f"{name}_sum"])
        for name, array in arrays.items()
    ]
    graph = models.graph(extra=nodes)
    graph.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in arrays.items())
    return modelfile.from_bytes(modelfile.attach(graph, models.metadata()))


RANDOM = np.random.default_rng(7)
FILE = with_weights(
    shared=RANDOM.choice(np.float32([-0.5, 0, 0, 0, 0.25, 1]), (40, 50)),
    plain=RANDOM.normal(0, 0.1, (40, 30)).astype(np.float32),
    integers=RANDOM.normal(0, 20, (40, 60)).round().astype(np.int8),
)
PACKED = pack.pack(FILE)


def forged(head=b"\0", body=b"", size=None, sha256=None, unpacked=None, version=1, filters=None):
    """A packed file with this directory and rest, honest but for what is given."""
    packed_head = lzma.compress(head, lzma.FORMAT_XZ, filters=filters)
    size = max(len(head) - 1, 0) if size is None else size
    sha256 = hashlib.sha256(head[1:]).digest() if sha256 is None else sha256
    unpacked = len(head) if unpacked is None else unpacked
    return HEADER.pack(MAGIC, version, sha256, size, len(packed_head), unpacked) + packed_head + body


def number(value):
    return pack._number(value)


def test_a_packed_file_is_a_model_file(tmp_path):
    """Whoever reads a model file from disk or memory gets the one that was packed."""
    (tmp_path / "small.eyb").write_bytes(PACKED)
    read = modelfile.read(tmp_path / "small.eyb")
    assert (read.data, read.sha256, read.metadata) == (FILE.data, FILE.sha256, FILE.metadata)
    assert modelfile.from_bytes(PACKED).data == FILE.data
    selftest.check(read, selftest.open_runtime(read))


def test_each_kind_of_tensor_is_held_in_its_own_way():
    """A few values: a codebook. Integers: one too. Any others: planes, of which those of chance stand as they are."""
    shared, plain, integers = packed.look(PACKED).pieces
    assert shared.codebook == np.float32([0, 0.25, 1, -0.5]).tobytes()
    assert [stream.frequencies is None for stream in plain.streams] == [True, True, True, False]
    assert (plain.length, plain.width, plain.codebook) == (1200, 4, b"")
    assert (integers.length, integers.width) == (2400, 1)


def test_what_is_no_packed_file_is_left_to_the_gate():
    assert not packed.is_packed(FILE.data)
    with pytest.raises(BadModelFile, match="not a packed model file"):
        packed.unpack(FILE.data)
    with pytest.raises(BadModelFile, match="not an ONNX model"):
        modelfile.from_bytes(MAGIC[:5])


def test_packed_twice_is_not_read_twice():
    """Else a file could nest without end."""
    twice = forged(b"\0" + PACKED)
    assert packed.unpack(twice) == PACKED
    with pytest.raises(BadModelFile, match="not an ONNX model"):
        modelfile.from_bytes(twice)


@st.composite
def damaged(draw):
    data = bytearray(PACKED)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.one_of(st.integers(0, min(HEADER.size + 40, len(data))), st.integers(0, len(data))))
        change = draw(st.sampled_from(("flip", "cut", "drop", "put")))
        if change == "flip" and at < len(data):
            data[at] ^= draw(st.integers(1, 255))
        elif change == "cut":
            del data[at:]
        elif change == "drop":
            del data[at : at + draw(st.integers(1, 40))]
        else:
            data[at:at] = draw(st.binary(min_size=1, max_size=12))
    return bytes(data)


@settings(max_examples=400)
@given(damaged())
def test_a_damaged_file_is_the_same_or_refused(data):
    """A bit that fell over on the way must not become another model."""
    with contextlib.suppress(BadModelFile):
        assert packed.unpack(data) == FILE.data


@settings(max_examples=300)
@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_head_and_any_body_end_in_bytes_or_a_sentence(head, body):
    """Whoever can write a head can make its checksum right too."""
    for data in (head, MAGIC + head, forged(head, body), forged(head, body, size=1000)):
        with contextlib.suppress(BadModelFile):
            assert isinstance(packed.unpack(data), bytes)


@settings(max_examples=100)
@given(st.data())
def test_any_directory_ends_in_bytes_or_a_sentence(data):
    """One that is nearly right gets further than bytes of chance."""
    small = st.integers(0, 9)
    length, width, values = data.draw(small), data.draw(st.sampled_from((0, 1, 2, 3, 4))), data.draw(small)
    frequencies = data.draw(st.lists(st.integers(0, TOTAL), min_size=values, max_size=values))
    if values and data.draw(st.booleans()):
        frequencies[-1] = max(TOTAL - sum(frequencies[:-1]), 0)
    piece = [*map(number, (data.draw(small), length, width, values)), bytes(values * width), *map(number, frequencies)]
    head = b"\1" + b"".join(piece) + data.draw(st.binary(max_size=9))
    size = data.draw(st.integers(0, 60))
    body = data.draw(st.one_of(st.binary(max_size=12), st.just(LOW.to_bytes(4, "little"))))
    with contextlib.suppress(BadModelFile):
        assert len(packed.unpack(forged(head, body, size=size))) == size


ONE = LOW.to_bytes(4, "little")
CONSTANT = b"\1" + b"".join(map(number, (0, 3, 1, 1))) + b"x" + number(TOTAL)
"""A directory of one tensor: three times the byte x."""


def sha(text):
    return hashlib.sha256(text).digest()


def test_the_smallest_files_are_what_they_say():
    """Those that the next test spoils are right but for what it spoils."""
    assert packed.unpack(forged()) == b""
    assert packed.unpack(forged(CONSTANT, ONE, size=3, sha256=sha(b"xxx"))) == b"xxx"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (MAGIC, "damaged or was cut short"),
        (forged(version=2), "packed format 2 is newer than this Eyebright reads"),
        (MAGIC + b"\2", "packed format 2 is newer"),
        (forged(version=0), "not a packed model file"),
        (forged(size=gate.MAX_FILE_BYTES + 1), "claims to unpack"),
        (forged(size=2**32 - 1), "claims to unpack"),
        (forged(size=100_000_000), "claims to unpack"),
        (forged(unpacked=2**32 - 1), "damaged"),
        (forged(unpacked=2), "damaged"),
        (forged(b"\0abc", unpacked=3), "damaged"),
        (forged(body=b"1"), "damaged"),
        (forged(body=b"12"), "damaged"),
        (forged(sha256=bytes(32)), "damaged"),
        (forged(b"\0abc", size=4), "damaged"),
        (forged(filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 29}]), "damaged"),
        (forged(number(packed.MAX_STREAMS + 1)), "damaged"),
        (forged(b"\xff\xff\xff\xff\xff"), "damaged"),
        (forged(CONSTANT, ONE, size=4, sha256=sha(b"xxx")), "damaged"),
        (forged(CONSTANT, b"", size=3, sha256=sha(b"xxx")), "damaged"),
        (forged(CONSTANT, ONE + b"12", size=3, sha256=sha(b"xxx")), "damaged"),
        (forged(CONSTANT, bytes(4), size=3, sha256=sha(b"xxx")), "damaged"),
        (forged(CONSTANT, (LOW + 1).to_bytes(4, "little"), size=3, sha256=sha(b"xxx")), "damaged"),
        (forged(CONSTANT[:-3] + number(TOTAL - 1), ONE, size=3, sha256=sha(b"xxx")), "damaged"),
        (forged(b"\1" + b"".join(map(number, (0, 2**31, 8, 1))) + bytes(8) + number(TOTAL), ONE, size=9), "damaged"),
        (forged(b"\1" + b"".join(map(number, (0, 3, 1, 0))) + b"\2", b"xxx", size=3, sha256=sha(b"xxx")), "damaged"),
        (forged(b"\1" + b"".join(map(number, (0, 3, 1, 0))) + b"\0", b"xx", size=3, sha256=sha(b"xxx")), "damaged"),
        (forged(b"\1" + b"".join(map(number, (5, 3, 1, 0))) + b"\0", b"xxx", size=3, sha256=sha(b"xxx")), "damaged"),
    ],
)  # fmt: skip
def test_a_hostile_file_is_refused(data, says):
    with pytest.raises(BadModelFile, match=says) as caught:
        packed.unpack(data)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_a_bomb_takes_no_memory():
    """What a file claims is compared with what it holds before anything is taken for it."""
    zeros = lzma.compress(bytes(200_000_000), lzma.FORMAT_XZ, preset=1)
    for claim in (100, 20_000_000):
        bomb = HEADER.pack(MAGIC, 1, bytes(32), claim, len(zeros), claim + 1) + zeros
        tracemalloc.start()
        try:
            with pytest.raises(BadModelFile):
                packed.unpack(bomb)
            assert tracemalloc.get_traced_memory()[1] < 3 * claim + 2_000_000
        finally:
            tracemalloc.stop()
    huge = HEADER.pack(MAGIC, 1, bytes(32), 1 << 30, 0, 1 << 30)
    tracemalloc.start()
    try:
        with pytest.raises(BadModelFile, match="claims to unpack"):
            packed.unpack(huge)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


@given(st.lists(st.tuples(st.integers(1, 30_000), st.integers(0, 2**32)), min_size=1, max_size=5))
@settings(max_examples=30)
def test_streams_of_any_shape_come_back(streams):
    """Of one symbol and of 256, of one value alone and of values that hardly ever occur."""
    rows, symbols = [], []
    for length, seed in streams:
        random = np.random.default_rng(seed)
        chosen = random.choice(256, random.integers(1, 257), replace=False)
        some = random.choice(chosen, length, p=random.dirichlet(np.full(len(chosen), 0.1))).astype(np.uint8)
        rows.append(Stream(length, pack.frequencies_of(np.bincount(some, minlength=256))))
        symbols.append(some)
    assert all(int(row.frequencies.sum()) == TOTAL for row in rows)
    coded = pack.encode(rows, symbols)
    assert np.array_equal(packed.decode(rows, memoryview(coded)), np.concatenate(symbols))


@pytest.mark.parametrize("zeros", [0, 0.5, 0.9])
def test_indices_take_hardly_more_than_their_entropy(zeros):
    """Within a hundredth: a better coder would not be noticed."""
    random = np.random.default_rng(0)
    some = np.where(random.uniform(size=400_000) < zeros, 0, random.binomial(15, 0.4, 400_000)).astype(np.uint8)
    counts = np.bincount(some, minlength=256)
    coded = pack.encode([Stream(len(some), pack.frequencies_of(counts))], [some])
    assert pack.entropy_bits(counts) / 8 < len(coded) < 1.01 * pack.entropy_bits(counts) / 8
