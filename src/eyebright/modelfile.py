"""The model file: one `.onnx` that carries everything needed to use it (docs/model-file.md).

The graph takes `image` (N, H, W, 3) uint8 and gives `scores` (N, L), `logits`, `embedding` and `features`; the JSON
under the metadata key `eyebright` says what the numbers mean. Reading needs neither onnx nor a runtime.
"""

import base64
import binascii
import hashlib
import mmap
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from eyebright import gate, packed
from eyebright.errors import BadModelFile

if TYPE_CHECKING:
    import onnx

FORMAT = 1
KEY = "eyebright"
TEXT_KEY = "eyebright-text"
"""Of a text file (textfile.py), which is no model file."""
OUTPUTS = ("scores", "logits", "embedding", "features", "novelty")
MAX_GOLDEN_BYTES = 1024
MAX_SIDE = 4096

Task = Literal["single", "binary", "multi"]
Score = Annotated[float, Meta(ge=0, le=1)]
Side = Annotated[int, Meta(ge=1, le=MAX_SIDE)]
Name = Annotated[str, Meta(min_length=1, max_length=500)]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    pass


class Label(_Part, frozen=True):
    """A label, or an inner node of the hierarchy: `id` is for machines and never changes, `label` is for people."""

    id: Name
    label: Name
    parent: Name | None = None


class Input(_Part, frozen=True):
    """How a picture becomes the input: see preprocessing.py."""

    size: Side
    crop: Annotated[float, Meta(ge=0, le=1)] = 1.0
    """The side of the centered square that is looked at, as a share of the shorter side; 0: the whole, stretched."""
    interpolation: Literal["bicubic", "bilinear", "lanczos", "box", "nearest"] = "bicubic"
    sizes: tuple[Side, ...] = ()
    """Other sizes that the network takes; empty: only `size`."""


class Figure(_Part, frozen=True):
    """A measured number with its 95% interval."""

    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    method: str = ""


class Latency(_Part, frozen=True):
    """Milliseconds for one picture, network alone."""

    ms_p50: float
    device: str
    threads: int
    runtime: str


class Card(_Part, frozen=True):
    """What a person should know before trusting it."""

    description: str = ""
    licence: str = ""
    data: str = ""
    limits: str = ""
    precision: Literal["float32", "int8", "mixed"] = "float32"
    parameters: int | None = None
    lineage: tuple[str, ...] = ()
    calibration: str = "not established"
    metrics: dict[str, Figure] = {}
    per_class: dict[str, dict[str, Figure]] = {}
    """By label id, where there are not too many."""
    latencies: tuple[Latency, ...] = ()


AbstainMethod = Literal["max_logit", "energy", "novelty"]


class Abstain(_Part, frozen=True):
    """When to say "none of these": the largest logit or the energy is below `threshold`, or the novelty above it."""

    method: AbstainMethod
    threshold: float
    basis: str = ""
    """On what the threshold was chosen, and what it costs."""


class Selective(_Part, frozen=True):
    """A promise: who answers only where the best score reaches `threshold` is right in `accuracy` of the answers."""

    accuracy: Score
    threshold: Score
    coverage: Score
    """Share of the pictures that are then answered."""
    n: int
    """Answers that proved it."""


class Sets(_Part, frozen=True):
    """How to give a set of labels that holds the right one with a stated chance (recognize/silence.py)."""

    penalty: float
    free: int
    """Ranks without penalty."""
    coverages: Annotated[tuple[Score, ...], Meta(min_length=1, max_length=1000)]
    """Rising."""
    limits: tuple[float, ...]
    """Of the nonconformity, for each coverage."""
    n: int
    """Pictures that they were measured on."""


class Promise(_Part, frozen=True):
    """What a label's threshold was chosen for, and what was seen of it on pictures that had no say in the choice."""

    goal: str
    reached: Figure
    caught: Figure
    """Recall; where that is the goal, precision."""


class GoldenPicture(_Part, frozen=True):
    """A tiny picture and what the model said of it where it was made."""

    seed: str
    """Base64 of (h, w, 3) uint8, rows first."""
    height: Side
    width: Side
    repeat: Side
    """Each pixel becomes a square of this side: h * repeat x w * repeat is the input."""
    scores: tuple[Score, ...]


class Golden(_Part, frozen=True):
    """The self-test: scores must come out within `tolerance`; `same_top` asks for the same best label too."""

    tolerance: Annotated[float, Meta(gt=0, le=0.05)]
    same_top: bool
    pictures: Annotated[tuple[GoldenPicture, ...], Meta(min_length=1, max_length=16)]


class Head(_Part, frozen=True):
    """Names of the initializers of the last layer, for those who want to exchange it."""

    weight: Name
    bias: Name | None = None


class Metadata(_Part, frozen=True):
    """The JSON of a model file, format 1."""

    format: Literal[1]
    name: Name
    task: Task
    labels: Annotated[tuple[Label, ...], Meta(min_length=1, max_length=100_000)]
    input: Input
    golden: Golden
    hierarchy: tuple[Label, ...] = ()
    thresholds: dict[str, Score] = {}
    promises: dict[str, Promise] = {}
    """Of thresholds that come from a goal, by label id."""
    abstain: Abstain | None = None
    selective: tuple[Selective, ...] = ()
    sets: Sets | None = None
    temperature: Name | None = None
    """Name of the initializer that divides the logits."""
    head: Head | None = None
    family: Name | None = None
    """Of a two-tower model: shared with the text file whose embeddings can be compared with its own (textfile.py)."""
    card: Card = Card()


class ModelFile(msgspec.Struct, frozen=True):
    """A model file that passed the gate: its bytes, what they say, and what the gate met."""

    path: str
    data: bytes
    metadata: Metadata
    contents: gate.Contents
    sha256: str
    stored_bytes: int
    """Where it lies; of a packed file fewer than `data` has."""


def read(path: str | Path) -> ModelFile:
    """A model file from disk. Raises BadModelFile; the runtime has not seen a byte by then."""
    try:
        data = checked_bytes(Path(path))
    except BadModelFile as error:
        raise BadModelFile(f"{path}: {error}") from None
    return from_bytes(data, str(path))


def from_bytes(data: bytes, path: str = "model") -> ModelFile:
    """A model file from memory; of a packed file (packed.py), what it unpacks into."""
    stored_bytes = len(data)
    try:
        data = packed.unpack(data) if packed.is_packed(data) else data
        contents = gate.inspect(data)
        if TEXT_KEY in contents.metadata:
            raise BadModelFile("a text file, which reads texts; pictures are seen by the model file beside it.")
        metadata = parse(contents.metadata.get(KEY))
    except BadModelFile as error:
        raise BadModelFile(f"{path}: {error}") from None
    return ModelFile(path, data, metadata, contents, hashlib.sha256(data).hexdigest(), stored_bytes)


def parse(text: bytes | None) -> Metadata:
    """The metadata from its JSON, every rule of the format checked."""
    if text is None:
        raise BadModelFile(
            "an ONNX model without Eyebright's metadata; wrap it first: eyebright import MODEL.onnx -o NEW.onnx"
        )
    try:
        version = msgspec.json.decode(text, type=_Version).format
        if version > FORMAT:
            raise BadModelFile(
                f"format {version:.6g} is newer than this Eyebright reads ({FORMAT}): pip install -U eyebright"
            )
        metadata = msgspec.json.decode(text, type=Metadata)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadModelFile(f"its metadata is not as the format says: {error}.") from None
    _check(metadata)
    return metadata


def attach(model: "onnx.ModelProto", metadata: Metadata) -> bytes:
    """The bytes of a model file: the graph with this metadata in place of any earlier one."""
    _check(metadata)
    kept = [entry for entry in model.metadata_props if entry.key != KEY]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    entry = model.metadata_props.add()
    entry.key, entry.value = KEY, msgspec.json.encode(metadata).decode()
    return bytes(model.SerializeToString(deterministic=True))


def rewritten(file: ModelFile, **changed: Any) -> bytes:
    """The bytes of a model file with other metadata; the graph stays as it is."""
    import onnx

    return attach(onnx.load_from_string(file.data), msgspec.structs.replace(file.metadata, **changed))


def schema() -> dict[str, Any]:
    """The JSON schema of the metadata, as docs/model-file.schema.json has it."""
    return msgspec.json.schema(Metadata)


class _Version(msgspec.Struct):
    format: float


def checked_bytes(path: Path) -> bytes:
    """All of a file of bounded size; a large one passes the gate as a map of the disk, before memory is taken."""
    try:
        with open(path, "rb", opener=_open_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise BadModelFile("not a file.")
            size = status.st_size
            if size > gate.MAX_FILE_BYTES:
                raise BadModelFile(f"{size:,} bytes; the limit is {gate.MAX_FILE_BYTES:,}.")
            if size > 64_000_000:
                # closed when nothing refers to it any more: an exception under way still does
                view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
                (packed.look if packed.is_packed(view) else gate.inspect)(view)
                del view
            return file.read(gate.MAX_FILE_BYTES + 1)
    except OSError as error:
        raise BadModelFile(f"{(error.strerror or str(error)).lower()}.") from None


def _open_without_waiting(path: str, flags: int) -> int:
    # a named pipe would otherwise block until somebody writes into it
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _check(metadata: Metadata) -> None:
    """What the types alone do not say."""
    labels = [label.id for label in metadata.labels]
    nodes = {node.id: node.parent for node in metadata.hierarchy}
    if len({*labels, *nodes}) != len(labels) + len(metadata.hierarchy):
        raise BadModelFile("two labels in it have the same id.")
    if metadata.task == "binary" and len(labels) != 2:
        raise BadModelFile(f"a binary model has two labels, negative first; this one has {len(labels)}.")
    for label in (*metadata.labels, *metadata.hierarchy):
        if label.parent is not None and label.parent not in nodes:
            raise BadModelFile(f"the parent {label.parent!r} of {label.id!r} is not in its hierarchy.")
    _check_no_circle(nodes)
    unknown = (metadata.thresholds.keys() | metadata.promises.keys()) - {*labels}
    if unknown:
        raise BadModelFile(f"it has a threshold for {min(unknown)!r}, which is no label of it.")
    if metadata.sets and len(metadata.sets.coverages) != len(metadata.sets.limits):
        raise BadModelFile("its prediction sets have not one limit for each coverage.")
    spent = 0
    for picture in metadata.golden.pictures:
        spent += picture.height * picture.width * 3
        sides = {picture.height * picture.repeat, picture.width * picture.repeat}
        if len(sides) != 1 or not sides <= {metadata.input.size, *metadata.input.sizes}:
            raise BadModelFile("a golden picture in it is not of the input's size.")
        if _seed_bytes(picture) != picture.height * picture.width * 3:
            raise BadModelFile("a golden picture in it has not as many pixels as it says.")
        if len(picture.scores) != len(labels):
            raise BadModelFile("a golden picture in it has not one score a label.")
    if spent > MAX_GOLDEN_BYTES:
        raise BadModelFile(f"its golden pictures take {spent} bytes; the limit is {MAX_GOLDEN_BYTES}.")


def _seed_bytes(picture: GoldenPicture) -> int:
    try:
        return len(base64.b64decode(picture.seed, validate=True))
    except (binascii.Error, ValueError):
        return -1


def _check_no_circle(parents: dict[str, str | None]) -> None:
    safe: set[str] = set()
    for start in parents:
        trail: set[str] = set()
        at: str | None = start
        while at is not None and at not in safe:
            if at in trail:
                raise BadModelFile(f"its hierarchy runs in a circle at {at!r}.")
            trail.add(at)
            at = parents[at]
        safe |= trail
