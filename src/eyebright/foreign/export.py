"""The folder that a two-tower model is exported to, read: two graphs and what their configuration files say.

    config.json  preprocessor_config.json  tokenizer.json  tokenizer_config.json
    onnx/vision_model.onnx  onnx/text_model.onnx

The layout of the exports that transformers.js runs. Not all of them have all keys; what is missing is what CLIP has.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eyebright.errors import BadModelFile, BadPicture, BadRequest
from eyebright.foreign.choices import Interpolation, Three
from eyebright.images import opened
from eyebright.textfile import MAX_CONTEXT, MAX_TOKENIZER_BYTES

VISION = ("vision_model.onnx", "vision_model_fp16.onnx")
TEXT = ("text_model.onnx", "text_model_fp16.onnx", "text_model_quantized.onnx")
"""The first that is there; in 8 bits only the text encoder, as it sees one text at a time."""
CLIP_MEAN: Three = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD: Three = (0.26862954, 0.26130258, 0.27577711)
CLIP_SIZE, CLIP_CONTEXT = 224, 77
RESAMPLE: dict[Any, Interpolation] = {
    0: "nearest",
    1: "lanczos",
    2: "bilinear",
    3: "bicubic",
    4: "box",
    **{name: name for name in ("nearest", "lanczos", "bilinear", "bicubic", "box")},
}
"""Pillow's numbers, and names; 5, Hamming, is none of ours."""
LARGEST = 1000
"""Of a mean or std, in units of 0..1; real ones are below 1."""
MAX_JSON_BYTES = 4_000_000
Json = dict[str, Any]


@dataclass(frozen=True)
class Pictures:
    """What becomes of a picture; the mean and std in units of 0..1."""

    size: int
    crop: float
    interpolation: Interpolation
    mean: Three
    std: Three

    def __str__(self) -> str:
        seen = f"the middle {self.crop:.1%} of the shorter side" if self.crop else "the whole, stretched"
        return f"{self.size} pixels, {seen}, {self.interpolation}"


@dataclass(frozen=True)
class Export:
    """A two-tower model as it is exported."""

    name: str
    vision: Path
    text: Path
    tokenizer: bytes
    pictures: Pictures
    context: int
    """Tokens of a text at most."""
    padding: int
    """The token that fills a text where one must be filled."""


def read_export(folder: Path) -> Export:
    """What a folder holds. Raises BadRequest for one without what is needed; BadModelFile."""
    if not folder.is_dir():
        raise BadRequest(
            f"{folder} is no folder; --two-tower takes one, with onnx/{VISION[0]} and onnx/{TEXT[0]} in it."
        )
    config, said = _json(folder / "config.json"), _json(folder / "preprocessor_config.json")
    tokens = _json(folder / "tokenizer_config.json") if (folder / "tokenizer_config.json").exists() else {}
    tokenizer = _bytes(folder / "tokenizer.json", MAX_TOKENIZER_BYTES)
    try:
        pictures = pictures_of(said)
        context = context_of(config, tokens)
        padding = padding_of(config, tokens, json.loads(tokenizer))
    except (TypeError, ValueError, OverflowError, KeyError, AttributeError, RecursionError):
        raise BadModelFile(f"{folder}: its configuration files are not what such exports have.") from None
    name = str(config.get("_name_or_path"))
    name = name if re.fullmatch(r"[\w.-]{1,100}/[\w.-]{1,100}", name) else folder.resolve().name[:200]
    return Export(name, _first(folder, VISION), _first(folder, TEXT), tokenizer, pictures, context, padding)


def pictures_of(said: Json) -> Pictures:
    """What preprocessor_config.json says. Raises ValueError, TypeError, KeyError for what it cannot mean.

    >>> pictures_of({"size": {"shortest_edge": 256}, "crop_size": 224, "do_center_crop": True, "resample": 2}).crop
    0.875
    >>> pictures_of({"size": {"height": 384, "width": 384}, "resample": 3, "image_mean": [0.5] * 3}).crop
    0.0
    """
    size = said.get("size", CLIP_SIZE)
    edges = size if isinstance(size, dict) else {"shortest_edge": size}
    shorter = _side(edges.get("shortest_edge", edges))
    # where nothing is said of a crop, only a size of two sides means that all of the picture is squeezed into it
    cropped = said.get("do_center_crop", "crop_size" in said or "shortest_edge" in edges)
    side = _side(said.get("crop_size", shorter)) if cropped else shorter
    plain = not said.get("do_normalize", True)
    return Pictures(
        size=side,
        crop=min(side / shorter, 1.0) if cropped else 0.0,
        interpolation=RESAMPLE[said.get("resample", said.get("interpolation", "bicubic"))],
        mean=(0, 0, 0) if plain else _three(said.get("image_mean", said.get("mean", CLIP_MEAN))),
        std=(1, 1, 1) if plain else _three(said.get("image_std", said.get("std", CLIP_STD))),
    )


def context_of(config: Json, tokens: Json) -> int:
    """Tokens of a text at most.

    >>> context_of({"text_config": {"max_position_embeddings": 64}}, {"model_max_length": 10**30})
    64
    """
    stated = [tokens.get("model_max_length"), (config.get("text_config") or {}).get("max_position_embeddings")]
    known = [int(one) for one in stated if one is not None and 1 <= one <= MAX_CONTEXT]
    return min(known, default=CLIP_CONTEXT)


def padding_of(config: Json, tokens: Json, tokenizer: Json) -> int:
    """The id of the token that fills a text: by its name, else by its number, else 0."""
    token = tokens.get("pad_token")
    token = token.get("content") if isinstance(token, dict) else token
    if token is not None:
        added = {one["content"]: one["id"] for one in tokenizer.get("added_tokens") or []}
        vocabulary = tokenizer["model"].get("vocab") or {}
        if isinstance(vocabulary, list):  # a unigram model's: [token, score], ...
            vocabulary = {one[0]: at for at, one in enumerate(vocabulary)}
        found = added.get(token, vocabulary.get(token))
        if found is not None:
            return _id(found)
    stated = (config.get("text_config") or {}).get("pad_token_id")
    return _id(stated if stated is not None else (tokenizer.get("padding") or {}).get("pad_id", 0))


def _id(value: Any) -> int:
    """The number of a token; -1 says that there is none, which does where no text is filled."""
    if not -1 <= value < 2**31:
        raise ValueError
    return int(value)


def _side(value: Any) -> int:
    """Pixels, of a number or of a square's sides."""
    if isinstance(value, dict):
        if value["height"] != value["width"]:
            raise ValueError
        value = value["height"]
    if not 1 <= value <= 4096:
        raise ValueError
    return int(value)


def _three(values: Any) -> Three:
    first, second, third = (float(value) for value in values)
    if not max(abs(first), abs(second), abs(third)) <= LARGEST:  # nor what is no number
        raise ValueError
    return first, second, third


def _first(folder: Path, names: tuple[str, ...]) -> Path:
    """The first of some graphs that is there."""
    found = next((folder / "onnx" / name for name in names if (folder / "onnx" / name).exists()), None)
    if found is None:
        raise BadRequest(f"{folder} has no onnx/{names[0]}: two-tower models are exported as two graphs of their own.")
    return found


def _json(path: Path) -> Json:
    try:
        found = json.loads(_bytes(path, MAX_JSON_BYTES))
    except (ValueError, RecursionError):
        raise BadModelFile(f"{path}: not JSON.") from None
    if not isinstance(found, dict):
        raise BadModelFile(f"{path}: not what such exports have.")
    return found


def _bytes(path: Path, limit: int) -> bytes:
    try:
        with opened(path) as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise BadRequest(f"{path}: {(error.strerror or str(error)).lower()}.") from None
    except BadPicture as error:
        raise BadRequest(f"{path}: {error}") from None
    if len(data) > limit:
        raise BadModelFile(f"{path}: over {limit // 10**6} MB.")
    return data
