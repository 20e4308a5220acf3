"""A two-tower model (CLIP and its like) as a model file and a text file of one family.

text encoder + tokenizer -> a text file -> labels as texts -> a head on the image encoder -> a model file like any other
"""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
from onnx import GraphProto

from eyebright import labels as known_labels
from eyebright import modelfile, textfile, texttower, trial
from eyebright.errors import BadModelFile, BadRequest
from eyebright.foreign.choices import Choices
from eyebright.foreign.export import Export, Pictures, read_export
from eyebright.foreign.names import labels_for
from eyebright.foreign.told import load
from eyebright.foreign.wrapping import Wrapped, wrap
from eyebright.foreign.zeroshot import ZeroShot, find_embedding
from eyebright.runtime import Floats, cores
from eyebright.textfile import INPUTS, GoldenText, TextFile, TextMetadata

PHRASE = "a photo of a {}"
"""How a label becomes a text (Radford et al. 2021, arXiv:2103.00020)."""
SCALE = 100.0
"""What cosines are multiplied by: the most that CLIP's own, which it learned, was allowed to become."""
TEXT_OUTPUTS = ("text_embeds", "pooler_output")


@dataclass(frozen=True)
class Towers:
    """Bytes of a model file and of a text file, and what was read and guessed on the way, a line each."""

    image: bytes
    text: bytes
    remarks: list[str]


def wrap_towers(folder: Path, choices: Choices, scale: float | None = None) -> Towers:
    """Both files from the folder of an export. Raises BadModelFile, BadRequest, MissingExtra."""
    texttower.tokenizers()  # what is missing is said before any work
    export = read_export(folder)
    count = len(choices.label_names or known_labels.imagenet()[0])
    labels, _ = labels_for(choices.label_names, count, folder)
    if count < 2:
        raise BadRequest("one label is no choice: --labels FILE of two or more.")
    choices = replace(choices, name=choices.name or export.name)
    family = family_of(export)
    text, remarks = wrap_text(export, choices, family)
    texts = texttower.TextTower(text, cores()).embed(PHRASE.format(label.label) for label in labels)
    image = wrap_image(export, choices, family, texts * (scale or SCALE))
    remarks = [*image.remarks, f'head: {count:,} labels, each as "{PHRASE.format("LABEL")}"', *remarks]
    if scale is None:
        remarks.append(f"scale: {SCALE:g}, a guess; scores get sharper or softer by it, in the same order (--scale)")
    return Towers(image.data, text.data, remarks)


def family_of(export: Export) -> str:
    """A name for encoders that learned together, made of their files as they came, so that later changes keep it."""
    both = hashlib.sha256()
    for path in (export.vision, export.text):
        try:
            both.update(hashlib.sha256(modelfile.checked_bytes(path)).digest())
        except BadModelFile as error:
            raise BadModelFile(f"{path}: {error}") from None
    return both.hexdigest()


def wrap_text(export: Export, choices: Choices, family: str) -> tuple[TextFile, list[str]]:
    """The text file, tried in a child process and with a self-test, and what was read on the way."""
    path = export.text
    model, _ = load(path)
    output, _ = find_embedding(model.graph, TEXT_OUTPUTS, path)
    inputs = text_inputs(model.graph, path)
    length = inputs["input_ids"]
    # a mask hides what fills a text; an encoder without one has learned from texts that were filled
    padding = export.padding if length or "attention_mask" not in inputs else None
    metadata = TextMetadata(
        format=1,
        name=choices.name or export.name,
        family=family,
        output=output,
        context=length or export.context,
        padding=padding,
        licence=choices.licence,
    )
    untested = textfile.from_bytes(textfile.attach(model, metadata, export.tokenizer), str(path))
    trial.prove_text(untested)
    (vector,) = texttower.TextTower(untested).embed(texttower.GOLDEN)
    golden = GoldenText(texttower.GOLDEN, tuple(round(float(value), 6) for value in vector))
    tested = textfile.attach(model, msgspec.structs.replace(metadata, golden=golden), export.tokenizer)
    filled = "at most" if padding is None else f"always, filled with token {padding}"
    return textfile.from_bytes(tested, str(path)), [f"texts: {metadata.context} tokens {filled}"]


def wrap_image(export: Export, choices: Choices, family: str, texts: Floats) -> Wrapped:
    """The model file: the image encoder, and the texts of its labels (L, D), times the scale, as its head."""
    told = export.pictures
    seen = Pictures(
        size=choices.size or told.size,
        crop=told.crop if choices.crop is None else choices.crop,
        interpolation=told.interpolation,
        mean=choices.mean or told.mean,
        std=choices.std or told.std,
    )
    chosen = replace(choices, **vars(seen), layout="nchw", activation="softmax")
    wrapped = wrap(export.vision, chosen, ZeroShot(texts.T.copy()))
    file = modelfile.from_bytes(wrapped.data, str(export.vision))
    card = msgspec.structs.replace(
        file.metadata.card,
        description=f'Image encoder of {choices.name}; it says the LABEL whose "{PHRASE.format("LABEL")}" is nearest.',
        limits="What is none of its labels gets the name of one that is.",
    )
    remarks = [f"pictures: {seen} (--size, --crop)", *wrapped.remarks]
    return Wrapped(modelfile.rewritten(file, family=family, card=card), remarks)


def text_inputs(graph: GraphProto, path: Path) -> dict[str, int]:
    """What a text encoder takes, and of which length (0: any). Raises BadModelFile."""
    known = {tensor.name for tensor in graph.initializer}
    found = {value.name: value.type.tensor_type.shape.dim for value in graph.input if value.name not in known}
    if "input_ids" not in found or not set(found) <= set(INPUTS):
        raise BadModelFile(f"{path}: a text encoder takes `input_ids`; this takes {', '.join(found)}.")
    lengths = {name: dims[1].dim_value if len(dims) == 2 else 0 for name, dims in found.items()}
    if lengths["input_ids"] > textfile.MAX_CONTEXT:
        raise BadModelFile(f"{path}: it takes texts of {lengths['input_ids']:,} tokens, which is too long.")
    return lengths
