"""A device profile: what layers cost on a device, as a TOML file; and what a network would cost there.

    device = read(Path("laptop.toml"))
    milliseconds = predict(device, onnx.load("model.onnx"), size=224)

A layer's time is taken as so much a multiply-add, so much a byte and so much for being there, fitted to the measured
layers of its kind, times what those that are most like it deviated from that. A network's is the sum of its layers'.
"""

import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from eyebright import tomlfile
from eyebright.errors import BadRequest
from eyebright.measure.layers import Kind, Layer, Precision, layers

if TYPE_CHECKING:
    import onnx

FORMAT = 1
LARGEST_BYTES = 1_000_000
"""Of a profile; what comes after is not read."""
MOST_ROWS = 10_000
LIKE = 4
"""So many measured layers that are most like one decide what it deviates from the rule."""
Floats = NDArray[np.float64]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One layer that was measured; a line of the profile."""

    kind: Kind
    """stem: sees the picture; pointwise: 1 x 1; convolution: wider; depthwise: each channel alone; product: a matrix;
    pool; activation: HardSwish and the like; pass: any other walk over a map, as an addition."""
    precision: Precision
    c_in: int
    """Channels that enter; where they differ from c_out, `ms` is the mean of there and back."""
    c_out: int
    kernel: int = 1
    """The side of the window."""
    stride: int = 1
    side: int
    """Of the map that leaves."""
    ms: float
    """Of this layer alone, for one picture."""

    def __post_init__(self) -> None:
        for key in ("c_in", "c_out", "side"):
            _within(key, getattr(self, key), 1, 65_536)
        _within("kernel", self.kernel, 1, 64)
        _within("stride", self.stride, 1, 64)
        _within("ms", self.ms, 1e-7, 1e6)


@dataclass(frozen=True, kw_only=True)
class Device:
    """A device profile. Every field is a key of the file."""

    format: int = FORMAT
    """The version of this format."""
    name: str
    """What people call the device."""
    processor: str
    """Its processor."""
    runtime: str
    """What computed: onnxruntime and its version."""
    threads: int
    """Threads that one picture had."""
    date: str
    """When it was measured, as 2026-01-31."""
    overhead_ms: float
    """What a picture costs besides its layers."""
    layers: tuple[Row, ...] = ()
    """What was measured, a layer each."""

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise BadRequest(f"format {self.format} of device profiles is not known here ({FORMAT} is).")
        _within("threads", self.threads, 1, 1024)
        _within("overhead_ms", self.overhead_ms, 0, 1e6)
        for key in ("name", "processor", "runtime", "date"):
            if len(getattr(self, key)) > 500:
                raise BadRequest(f"{key} of a device profile is longer than 500 characters; shorten it.")

    @cached_property
    def _rules(self) -> "dict[tuple[str, str], _Rule]":
        by: dict[tuple[str, str], list[Row]] = {}
        for row in self.layers:
            by.setdefault((row.kind, row.precision), []).append(row)
        return {key: _Rule(rows) for key, rows in by.items()}

    def rule(self, layer: Layer) -> "_Rule":
        """By what the time of a layer is told; where none of its kind was measured, by what is nearest to it."""
        other = "int8" if layer.precision == "float32" else "float32"
        kinds = (layer.kind, *_INSTEAD[layer.kind])
        for key in [(kind, precision) for precision in (layer.precision, other) for kind in kinds]:
            if key in self._rules:
                return self._rules[key]
        return next(iter(self._rules.values()))


def _within(key: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise BadRequest(f"{key} is a number from {low:g} to {high:g}; {str(value)[:40]} is not.")


_INSTEAD: dict[Kind, tuple[Kind, ...]] = {
    "stem": ("convolution", "pointwise"),
    "pointwise": ("convolution", "stem"),
    "convolution": ("pointwise", "stem"),
    "depthwise": ("pool", "convolution"),
    "product": ("pointwise", "convolution"),
    "pool": ("pass", "activation", "depthwise"),
    "activation": ("pass", "pool", "depthwise"),
    "pass": ("activation", "pool", "depthwise"),
}


def read(path: str | Path) -> Device:
    """A device profile from its file, every key checked. Raises BadRequest."""
    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise BadRequest(f"{path} cannot be read: {(error.strerror or str(error)).lower()}.") from None
    if len(data) > LARGEST_BYTES:
        raise BadRequest(f"{path} is no device profile: it is larger than {LARGEST_BYTES:,} bytes.")
    try:
        return parse(data.decode(), str(path))
    except UnicodeDecodeError:
        raise BadRequest(f"{path} is no device profile: it is not text.") from None


def parse(text: str, where: str = "profile") -> Device:
    """A device profile from TOML; `where` is what messages call it."""
    table = tomlfile.table(text, where)
    given = table.pop("layers", [])
    head = _checked(table, Device, where)
    if not isinstance(given, list) or not all(isinstance(row, dict) for row in given):
        raise BadRequest(f"{where}: layers is a list of tables, one for each layer that was measured.")
    if not 1 <= len(given) <= MOST_ROWS:
        raise BadRequest(f"{where}: it has {len(given):,} layers; a profile has 1 to {MOST_ROWS:,}.")
    rows = [_checked(row, Row, f"{where}, layer {number}") for number, row in enumerate(given, 1)]
    return replace(head, layers=tuple(rows))


def _checked(table: dict[str, Any], kind: type[T], where: str) -> T:
    try:
        return tomlfile.checked(table, kind, where)
    except BadRequest as error:
        said = str(error)
        raise BadRequest(said if said.startswith(where) else f"{where}: {said}") from None


def write(device: Device) -> str:
    """As TOML, a layer a line."""
    head = tomlfile.dumps(replace(device, layers=()), _REMARKS).replace("layers = []\n", "")
    lines = []
    for row in device.layers:
        cells = (f"{key} = {json.dumps(value)}" for key, value in _cells(row))
        lines.append(f"  {{ {', '.join(cells)} }},\n")
    return f"{head}# milliseconds of single layers\nlayers = [\n{''.join(lines)}]\n"


def _cells(row: Row) -> list[tuple[str, Any]]:
    return [
        (field.name, float(f"{row.ms:.4g}") if field.name == "ms" else getattr(row, field.name))
        for field in fields(row)
        if getattr(row, field.name) != field.default
    ]


_REMARKS = {
    "threads": "that one picture had",
    "overhead_ms": "what a picture costs besides its layers",
}


def predict(device: Device, graph: "onnx.ModelProto", size: int, int8: bool | None = None) -> float:
    """Milliseconds that a model file's graph would take there for one picture of `size` pixels a side.

    `int8`: None as the graph is; True or False: as if all that can be were, or nothing, computed in 8 bits.
    """
    try:
        found = layers(graph, size, int8)
    except Exception:  # shape inference has errors of its own
        found = []
    if not found:
        raise BadRequest("the graph does not tell its shapes, so its time cannot be predicted; measure it instead.")
    return device.overhead_ms + sum(layer_ms(device, layer) for layer in found)


def layer_ms(device: Device, layer: Layer) -> float:
    """Milliseconds of one layer."""
    return device.rule(layer).ms(layer)


def as_layer(row: Row) -> Layer:
    """What a measured layer had to do."""
    each = 1 if row.precision == "int8" else 4
    places = row.side**2
    entering = places * row.stride**2 * row.c_in
    if row.kind == "pool":
        looks = places * row.c_out * row.kernel**2
        return Layer(row.kind, row.precision, row.c_in, row.c_out, row.kernel, row.side, looks, 0)
    if row.kind in ("activation", "pass"):
        macs, weights = 0, 0
    else:
        weights = row.kernel**2 * row.c_out * (1 if row.kind == "depthwise" else row.c_in)
        macs = places * weights
    moved = each * (entering + places * row.c_out + weights)
    return Layer(row.kind, row.precision, row.c_in, row.c_out, row.kernel, row.side, macs, moved)


class _Rule:
    """The time of layers of one kind and precision, from those that were measured."""

    def __init__(self, rows: Sequence[Row]) -> None:
        measured = [as_layer(row) for row in rows]
        times = np.array([row.ms for row in rows])
        self._costs = _fit(np.array([_work(layer) for layer in measured]), times)
        self._places = np.array([_place(layer) for layer in measured])
        self._off = np.log(times / [self._rule_ms(layer) for layer in measured])

    def ms(self, layer: Layer) -> float:
        away = ((self._places - _place(layer)) ** 2).sum(1)
        nearest = np.argsort(away, kind="stable")[:LIKE]
        weight = 1 / (away[nearest] + 0.05)
        return float(self._rule_ms(layer) * math.exp((self._off[nearest] * weight).sum() / weight.sum()))

    def _rule_ms(self, layer: Layer) -> float:
        return float(self._costs @ _work(layer)) or 1e-9


def _work(layer: Layer) -> Floats:
    return np.array([layer.macs, layer.moved_bytes, 1.0])


def _place(layer: Layer) -> Floats:
    """Where a layer lies among others, in octaves."""
    sides = layer.c_in, layer.c_out, layer.side, layer.kernel
    octaves: Floats = np.log2(np.maximum(np.array(sides, float), 1.0)) * (0.7, 0.7, 0.7, 2.0)
    return octaves


def _fit(work: Floats, times: Floats) -> Floats:
    """What a unit of each kind of work costs, none less than nothing, so that relative errors are least."""
    scale = work.max(0)
    scale[scale == 0] = 1
    shares = work / scale / times[:, None]
    best, least = np.zeros(work.shape[1]), math.inf
    for chosen in itertools.chain.from_iterable(
        itertools.combinations(range(work.shape[1]), count) for count in range(1, work.shape[1] + 1)
    ):
        part = shares[:, chosen]
        if not part.any():
            continue
        costs = np.linalg.lstsq(part, np.ones(len(times)), rcond=None)[0]
        error = float(((part @ costs - 1) ** 2).sum())
        if (costs >= 0).all() and error < least - 1e-12:
            best, least = np.zeros(work.shape[1]), error
            best[list(chosen)] = costs
    return np.asarray(best / scale)
