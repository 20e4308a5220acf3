"""The text file: the text encoder of a two-tower model with its tokenizer inside, in one `.onnx` (docs/text-file.md).

The graph takes `input_ids` (1, T) and perhaps `attention_mask`, `token_type_ids`, `position_ids`, and gives (1, D), to
be compared with the `embedding` of a model file of the same `family`. Reading needs neither onnx nor a runtime.
"""

import base64
import binascii
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from eyebright import gate
from eyebright.errors import BadModelFile
from eyebright.modelfile import KEY as MODEL_KEY
from eyebright.modelfile import TEXT_KEY as KEY
from eyebright.modelfile import Name, checked_bytes

if TYPE_CHECKING:
    import onnx

FORMAT = 1
TOKENIZER = "eyebright-tokenizer"
"""The key of the second metadata entry; that of the first is KEY."""
INPUTS = ("input_ids", "attention_mask", "token_type_ids", "position_ids")
MAX_TOKENIZER_BYTES = 40_000_000
"""Of the tokenizer's JSON; 250,000 words take 20 MB."""
MAX_CONTEXT = 8192


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    pass


class GoldenText(_Part, frozen=True):
    """The self-test: what the encoder made of a text where the file was made."""

    text: Annotated[str, Meta(max_length=500)]
    embedding: Annotated[tuple[Annotated[float, Meta(ge=-1, le=1)], ...], Meta(min_length=1, max_length=8192)]
    """(D,), of length 1."""


class TextMetadata(_Part, frozen=True):
    """The JSON of a text file, format 1."""

    format: Literal[1]
    name: Name
    family: Name
    """Shared with the model files whose embeddings its own can be compared with."""
    output: Name
    """Of the graph, the embedding (1, D)."""
    context: Annotated[int, Meta(ge=1, le=MAX_CONTEXT)]
    """Tokens of a text at most; what is longer is cut."""
    padding: Annotated[int, Meta(ge=0)] | None = None
    """The token that fills a text up to `context`; none: texts are as long as they are."""
    licence: str = ""
    golden: GoldenText | None = None


class TextFile(msgspec.Struct, frozen=True):
    """A text file that passed the gate."""

    path: str
    data: bytes
    metadata: TextMetadata
    tokenizer: bytes
    """JSON as the library `tokenizers` writes it."""


def read(path: str | Path) -> TextFile:
    """A text file from disk. Raises BadModelFile; neither runtime nor tokenizer has seen a byte by then."""
    try:
        data = checked_bytes(Path(path))
    except BadModelFile as error:
        raise BadModelFile(f"{path}: {error}") from None
    return from_bytes(data, str(path))


def from_bytes(data: bytes, path: str = "text") -> TextFile:
    """A text file from memory."""
    try:
        entries = gate.inspect(data).metadata
        if KEY not in entries:
            what = "a model file, which sees pictures" if MODEL_KEY in entries else "an ONNX model"
            raise BadModelFile(f"{what}; a text file comes of eyebright import --two-tower DIR -o NEW.onnx.")
        metadata = parse(entries[KEY])
        tokenizer = unpacked(entries.get(TOKENIZER, b""))
    except BadModelFile as error:
        raise BadModelFile(f"{path}: {error}") from None
    return TextFile(path, data, metadata, tokenizer)


def parse(text: bytes) -> TextMetadata:
    """The metadata from its JSON."""
    try:
        version = msgspec.json.decode(text, type=_Version).format
        if version > FORMAT:
            raise BadModelFile(
                f"text file format {version} is newer than this Eyebright reads ({FORMAT}): pip install -U eyebright."
            )
        return msgspec.json.decode(text, type=TextMetadata)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadModelFile(f"its metadata is not as the format says: {error}.") from None


def attach(model: "onnx.ModelProto", metadata: TextMetadata, tokenizer: bytes) -> bytes:
    """The bytes of a text file."""
    del model.metadata_props[:]
    for key, value in ((KEY, msgspec.json.encode(metadata)), (TOKENIZER, packed(tokenizer))):
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value.decode()
    return bytes(model.SerializeToString(deterministic=True))


def packed(tokenizer: bytes) -> bytes:
    """A tokenizer's JSON as text of a fraction of its size: the largest would not fit into metadata as they are."""
    return base64.b64encode(zlib.compress(tokenizer, 9))


def unpacked(text: bytes) -> bytes:
    """The tokenizer's JSON, of bounded size whatever was packed. Raises BadModelFile."""
    try:
        inflating = zlib.decompressobj()
        found = inflating.decompress(base64.b64decode(text, validate=True), MAX_TOKENIZER_BYTES)
    except (zlib.error, binascii.Error, ValueError):
        raise BadModelFile("the tokenizer in it is damaged.") from None
    if inflating.unconsumed_tail:
        raise BadModelFile(f"the tokenizer in it is over {MAX_TOKENIZER_BYTES // 10**6} MB.")
    if not inflating.eof:
        raise BadModelFile("the tokenizer in it is damaged.")
    return found


class _Version(msgspec.Struct):
    format: int
