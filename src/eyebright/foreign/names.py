"""Names for a foreign model's outputs: from a file, from its own metadata, or ImageNet's with their hierarchy."""

import ast
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eyebright import labels
from eyebright.errors import BadRequest
from eyebright.modelfile import Label

MAX_LABELS_BYTES = 10_000_000
MAX_LABEL = 500  # characters

_ENTRY = re.compile(r"""(\d{1,6}):\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""")
_WORDNET_ID = re.compile(r"(n\d{8})(?:[\s,]+(\S.*))?")

Named = tuple[tuple[Label, ...], tuple[Label, ...]]


def read_labels(path: Path) -> list[str]:
    """Label names from text (one a line) or JSON: a list, a dict by index, a dict of indices, Keras' class index.

    Raises BadRequest.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_LABELS_BYTES + 1)
    except OSError as error:
        raise BadRequest(f"{path}: {(error.strerror or str(error)).lower()}.") from None
    if len(data) > MAX_LABELS_BYTES:
        raise BadRequest(f"{path}: over {MAX_LABELS_BYTES // 1_000_000} MB, too large for a list of labels.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadRequest(f"{path}: not text in UTF-8, so no list of labels.") from None
    if text.lstrip()[:1] in ("[", "{"):
        try:
            names = _from_json(json.loads(text))
        except (ValueError, TypeError, RecursionError):
            raise BadRequest(
                f"{path}: JSON, but neither a list of labels, nor a dict of them by index, nor one of their indices."
            ) from None
    else:
        names = [line.strip() for line in text.splitlines() if line.strip()]
    if not names:
        raise BadRequest(f"{path}: there are no labels in it.")
    return names


def told_names(metadata: Mapping[str, str]) -> list[str] | None:
    """The labels in an Ultralytics export: a dict of Python literals, `{0: 'daisy', 1: "lion's tooth"}`."""
    stated = {int(index): str(ast.literal_eval(text)) for index, text in _ENTRY.findall(metadata.get("names", ""))}
    return [stated[index] for index in sorted(stated)] if stated and max(stated) == len(stated) - 1 else None


def labels_for(names: Sequence[str] | None, count: int, path: Path) -> Named:
    """Labels for `count` outputs, and the hierarchy above them where they are ImageNet's."""
    known, hierarchy = labels.imagenet()
    if names is None:
        if count not in (len(known), len(known) + 1):
            raise BadRequest(f"{path}: no names for its {_outputs(count)}: --labels FILE, one a line.")
        names = [label.id for label in known]
        names = ["background", *names] if count > len(known) else names
    if len(names) != count:
        raise BadRequest(f"{path}: {_outputs(count)}, but {len(names)} label{'s' * (len(names) != 1)}.")
    for at, name in enumerate(names):
        if not 0 < len(name) <= MAX_LABEL:
            raise BadRequest(f"{path}: label {at + 1} has {len(name)} characters; 1 to {MAX_LABEL} are possible.")
    return _imagenet(names, known, hierarchy) or (_own(names), ())


def _imagenet(names: Sequence[str], known: Sequence[Label], hierarchy: Sequence[Label]) -> Named | None:
    """ImageNet's labels, or some of them: told by their WordNet ids, or by all thousand of them in their order."""
    background = [Label("background", names[0])] if _plain(names[0]) == "background" else []
    rest = names[len(background) :]
    if len(rest) == len(known) and [_plain(name) for name in rest[:2]] == ["tench", "goldfish"]:
        found = [Label(label.id, name, label.parent) for label, name in zip(known, rest, strict=True)]
    else:
        by_id = {label.id: label for label in known}
        found = []
        for name in rest:
            match = _WORDNET_ID.fullmatch(name)
            if match is None or match[1] not in by_id:
                return None
            label = by_id.pop(match[1])
            found.append(Label(label.id, match[2] or label.label, label.parent))
    parents = {node.id: node.parent for node in hierarchy}
    above: set[str | None] = set()
    for label in found:
        at = label.parent
        while at is not None:
            above.add(at)
            at = parents[at]
    return (*background, *found), tuple(node for node in hierarchy if node.id in above)


def _own(names: Sequence[str]) -> tuple[Label, ...]:
    """Labels with ids made of their names."""
    ids: dict[str, str] = {}
    for at, name in enumerate(names):
        id = re.sub(r"[^\w]+", "-", name.lower()).strip("-")[: MAX_LABEL // 2] or f"label-{at}"
        while id in ids:
            id = f"{id}-{at}"
        ids[id] = name
    return tuple(Label(id, name) for id, name in ids.items())


def _from_json(data: Any) -> list[str]:
    if isinstance(data, dict) and isinstance(data.get("id2label"), dict):
        data = data["id2label"]  # a config.json of Hugging Face
    if isinstance(data, dict):
        if all(isinstance(value, int) for value in data.values()):
            data = {index: name for name, index in data.items()}
        by_index = {int(index): name for index, name in data.items()}
        if sorted(by_index) != list(range(len(data))):
            raise ValueError
        data = [by_index[index] for index in range(len(data))]
    names = [row[-1] if isinstance(row, list) and row else row for row in data]
    if not all(isinstance(name, str | int) for name in names):
        raise TypeError
    return [str(name).strip() for name in names]


def _plain(name: str) -> str:
    return name.split(",")[0].strip().lower()


def _outputs(count: int) -> str:
    return f"{count} output{'s' * (count != 1)}"
