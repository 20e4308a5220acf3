"""The bytes of an ONNX file, judged before any library parses them.

A model file is a protocol-buffers message (onnx.proto, IR 10). This walks its wire format once, copying nothing and
trusting nothing, and refuses what a classifier has no need of and an attacker has: data outside the file, custom
operators, control flow, functions, tensors that claim more than they hold, nesting and counts without end.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from eyebright.errors import BadModelFile

MAX_FILE_BYTES = 1 << 30
MAX_NODES = 20_000
MAX_TENSORS = 40_000
MAX_FIELDS = 1_000_000
MAX_DIMENSIONS = 64
MAX_OTHER_BYTES = 64_000_000
"""Of everything that is not a weight."""
MAX_STRING_BYTES = 4096
MAX_METADATA_BYTES = 8_000_000
MAX_OPSET = 26
DOMAINS = {"", "ai.onnx", "ai.onnx.ml"}
OTHER_FORMATS = {b"ORTM", b"TFL3"}
"""At byte 4: a runtime given this as bytes would read another format, which nothing here has judged."""
CONTROL_FLOW = {"If", "Loop", "Scan", "SequenceMap"}

_BYTES_PER_VALUE = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 14: 8, 15: 16, 16: 2}
_BYTES_PER_VALUE |= dict.fromkeys((17, 18, 19, 20), 1)  # the 8-bit floats
_NIBBLES = {21, 22, 23}  # 4-bit types: two values a byte

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass
class Contents:
    """What was met in the file."""

    nodes: int = 0
    tensors: int = 0
    values: int = 0
    """Numbers in all tensors: for a classifier, its parameters."""
    weight_bytes: int = 0
    operators: Counter[str] = field(default_factory=Counter)
    opsets: dict[str, int] = field(default_factory=dict)
    ir_version: int = 0
    metadata: dict[str, bytes] = field(default_factory=dict)


def inspect(data: bytes | memoryview) -> Contents:
    """Walk a whole ONNX file; raises BadModelFile with what is wrong, without the file's name."""
    walk = _Walk(memoryview(data))
    try:
        return walk.model()
    except UnicodeDecodeError:
        raise BadModelFile("a name or value in it is not text.") from None


class _Walk:
    """One pass over one file; each method reads one message type of onnx.proto, fields by their numbers."""

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.found = Contents()
        self.fields_left = MAX_FIELDS

    def model(self) -> Contents:
        if len(self.data) > MAX_FILE_BYTES:
            raise BadModelFile(f"{len(self.data):,} bytes; the limit is {MAX_FILE_BYTES:,}.")
        if bytes(self.data[4:8]) in OTHER_FORMATS:
            raise BadModelFile("not an ONNX model.")
        graphs = 0
        for number, kind, start, end in self.fields(0, len(self.data)):
            if number == 1 and kind == _VARINT:
                self.found.ir_version = start
            elif number == 2 and kind == _BYTES:
                self.text(start, end)
            elif number == 7 and kind == _BYTES:
                graphs += 1
                self.graph(start, end)
            elif number == 8 and kind == _BYTES:
                self.opset(start, end)
            elif number == 14 and kind == _BYTES:
                self.entry(start, end)
            elif number == 20:
                raise BadModelFile("it carries training steps, which Eyebright does not run.")
            elif number == 25:
                raise BadModelFile("it defines functions of its own; export it with its functions inlined.")
        if graphs != 1 or self.found.nodes == 0:
            raise BadModelFile("not an ONNX model.")
        if len(self.data) - self.found.weight_bytes > MAX_OTHER_BYTES:
            raise BadModelFile(f"over {MAX_OTHER_BYTES // 10**6} MB in it are no weights of a network.")
        for domain in self.found.opsets:
            if domain not in DOMAINS:
                raise BadModelFile(f"it needs custom operators ({domain!r}), which could run any code.")
        if max(self.found.opsets.get("", 0), self.found.opsets.get("ai.onnx", 0)) > MAX_OPSET:
            raise BadModelFile(f"its operator set is newer than {MAX_OPSET}; export it for opset 20.")
        return self.found

    def graph(self, start: int, end: int) -> None:
        for number, kind, at, stop in self.fields(start, end):
            if kind != _BYTES:
                continue
            if number == 1:
                self.node(at, stop)
            elif number == 5:
                self.tensor(at, stop)
            elif number == 15:
                raise BadModelFile("it has sparse tensors, which Eyebright does not read.")
            elif number in (11, 12, 13):
                self.value_info(at, stop)

    def node(self, start: int, end: int) -> None:
        self.found.nodes += 1
        if self.found.nodes > MAX_NODES:
            raise BadModelFile(f"more than {MAX_NODES:,} operations.")
        operator = domain = ""
        for number, kind, at, stop in self.fields(start, end):
            if kind != _BYTES:
                continue
            if number in (1, 2, 3):
                self.text(at, stop)
            elif number == 4:
                operator = self.text(at, stop)
            elif number == 5:
                self.attribute(at, stop)
            elif number == 7:
                domain = self.text(at, stop)
        if domain not in DOMAINS:
            raise BadModelFile(f"it needs the custom operator {domain}.{operator}, which could run any code.")
        if operator in CONTROL_FLOW:
            raise BadModelFile(f"it has control flow ({operator}); a classifier needs none: export it without.")
        self.found.operators[operator] += 1

    def attribute(self, start: int, end: int) -> None:
        for number, kind, at, stop in self.fields(start, end):
            if kind != _BYTES:
                continue
            if number == 5 or number == 10:
                self.tensor(at, stop)
            elif number in (6, 11):
                raise BadModelFile("it has control flow (a graph inside an operation); export it without.")
            elif number in (22, 23):
                raise BadModelFile("it has sparse tensors, which Eyebright does not read.")

    def tensor(self, start: int, end: int) -> None:
        """Refuses data outside the file, and a size that its bytes do not bear out."""
        self.found.tensors += 1
        if self.found.tensors > MAX_TENSORS:
            raise BadModelFile(f"more than {MAX_TENSORS:,} tensors.")
        values, held, data_type, name, dimensions = 1, 0, 0, "", 0
        raw: int | None = None
        for number, kind, at, stop in self.fields(start, end):
            if number == 13 or (number == 14 and (kind != _VARINT or at)):
                raise BadModelFile("its weights are in another file; save it as one file (external data is refused).")
            if number in (4, 5, 7, 9, 10, 11) and kind == _BYTES:
                self.found.weight_bytes += stop - at
            if number == 1:
                dimensions += 1 if kind == _VARINT else self.count_varints(at, stop)
                if dimensions > MAX_DIMENSIONS:
                    raise BadModelFile(f"a tensor in it has more than {MAX_DIMENSIONS} dimensions.")
                for size in [at] if kind == _VARINT else self.varints(at, stop):
                    values *= size
                    if values > MAX_FILE_BYTES:  # also a negative size, which is a huge unsigned one here
                        raise BadModelFile("a tensor in it claims an impossible size.")
            elif number == 2 and kind == _VARINT:
                data_type = at
            elif number == 8 and kind == _BYTES:
                name = self.text(at, stop)
            elif number == 9 and kind == _BYTES:
                raw = stop - at
            elif number in (5, 7, 11):
                held += 1 if kind != _BYTES else self.count_varints(at, stop)
            elif number == 4:
                held += 1 if kind != _BYTES else (stop - at) // 4
            elif number == 10:
                held += 1 if kind != _BYTES else (stop - at) // 8
            elif number == 6:
                held += 1
        packed = (values + 1) // 2
        if raw is not None:
            width = _BYTES_PER_VALUE.get(data_type, 0)
            whole = (
                held == 0
                and (width > 0 or data_type in _NIBBLES)
                and raw == (packed if data_type in _NIBBLES else values * width)
            )
        else:
            whole = held == {14: 2 * values, 15: 2 * values, **dict.fromkeys(_NIBBLES, packed)}.get(data_type, values)
        if not whole:
            raise BadModelFile(f"the tensor {name!r} in it does not hold as much as it claims.")
        self.found.values += values

    def value_info(self, start: int, end: int) -> None:
        """Inputs and outputs are tensors: other types can be nested without end."""
        for number, kind, at, stop in self.fields(start, end):
            if number == 2 and kind == _BYTES:
                for choice, *_ in self.fields(at, stop):
                    if choice in (4, 5, 8, 9):
                        raise BadModelFile(
                            "it deals in lists or maps, not tensors (scikit-learn: export without ZipMap)."
                        )

    def opset(self, start: int, end: int) -> None:
        domain, version = "", 0
        for number, kind, at, stop in self.fields(start, end):
            if number == 1 and kind == _BYTES:
                domain = self.text(at, stop)
            elif number == 2 and kind == _VARINT:
                version = at
        self.found.opsets[domain] = version

    def entry(self, start: int, end: int) -> None:
        key, value = "", b""
        for number, kind, at, stop in self.fields(start, end):
            if number == 1 and kind == _BYTES:
                key = self.text(at, stop)
            elif number == 2 and kind == _BYTES:
                if stop - at > MAX_METADATA_BYTES:
                    raise BadModelFile(f"its metadata is over {MAX_METADATA_BYTES:,} bytes.")
                value = bytes(self.data[at:stop])
                value.decode()  # what is no UTF-8 trips who reads it later, the runtime too
        if key in self.found.metadata:
            raise BadModelFile(f"it has the metadata {key[:50]!r} twice.")
        if len(self.found.metadata) >= 1000:
            raise BadModelFile("more than 1,000 metadata entries.")
        self.found.metadata[key] = value

    # the wire format ------------------------------------------------------------------------------------------------

    def fields(self, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """(field number, wire type, value, 0) of varints; (number, wire type, start, end) of all others."""
        data = self.data
        at = start
        while at < end:
            self.fields_left -= 1
            if self.fields_left < 0:
                raise BadModelFile(f"more than {MAX_FIELDS:,} fields.")
            key, at = self.varint(at, end)
            if not 8 <= key < 1 << 32:  # a parser that keeps 32 bits would see another field
                raise BadModelFile("not an ONNX model.")
            kind = key & 7
            if kind == _VARINT:
                value, at = self.varint(at, end)
                yield key >> 3, kind, value, 0
                continue
            if kind == _BYTES:
                length = data[at] if at < end else 128
                at += 1
                if length >= 128:
                    length, at = self.varint(at - 1, end)
            elif kind == _FIXED32:
                length = 4
            elif kind == _FIXED64:
                length = 8
            else:
                raise BadModelFile("not an ONNX model.")
            if length > end - at:
                raise BadModelFile("not an ONNX model, or one that was cut short.")
            yield key >> 3, kind, at, at + length
            at += length

    def varint(self, at: int, end: int) -> tuple[int, int]:
        value = shift = 0
        while at < end and shift < 70:
            byte = self.data[at]
            at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value, at
            shift += 7
        raise BadModelFile("not an ONNX model, or one that was cut short.")

    def varints(self, start: int, end: int) -> Iterator[int]:
        at = start
        while at < end:
            value, at = self.varint(at, end)
            yield value

    def count_varints(self, start: int, end: int) -> int:
        return int(np.count_nonzero(np.frombuffer(self.data[start:end], np.uint8) < 128))

    def text(self, start: int, end: int) -> str:
        if end - start > MAX_STRING_BYTES:
            raise BadModelFile(f"a name in it is longer than {MAX_STRING_BYTES:,} bytes.")
        return str(self.data[start:end], "utf-8")
