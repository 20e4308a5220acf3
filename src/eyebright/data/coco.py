"""COCO JSON (Lin et al. 2014): `images`, `categories` and `annotations` with boxes; a file a split.

A picture has the labels of all its boxes (`multi`); with crops, each box is a picture of its own with one label.
"""

import re
from collections import defaultdict

import msgspec

from eyebright.data.dataset import Box
from eyebright.data.found import Found, Row, listed
from eyebright.data.source import Source, beside, stem
from eyebright.data.split import named_split
from eyebright.errors import BadRequest
from eyebright.modelfile import Label

_ENOUGH = 50
"""JSON files that are looked at to know the format; some sets have one a picture."""


class _Image(msgspec.Struct):
    id: int | str
    file_name: str


class _Category(msgspec.Struct):
    id: int | str
    name: str


class _Annotation(msgspec.Struct):
    image_id: int | str
    category_id: int | str
    bbox: tuple[float, float, float, float] | None = None  # left, top, width, height
    iscrowd: int = 0


class _Coco(msgspec.Struct):
    images: list[_Image]
    categories: list[_Category]
    annotations: list[_Annotation]


def suits(source: Source) -> bool:
    """Whether there is a JSON file with the three lists of COCO, or a JSON file was named."""
    return bool(_files(source)) if source.focus is None else source.focus.lower().endswith(".json")


def read(source: Source) -> Found:
    """All annotation files (instances_train2017.json, instances_val2017.json), or the one that was named."""
    files = _files(source) if source.focus is None else [source.focus]
    if not files:
        raise BadRequest(f"{source.where}: there is no COCO file in it (JSON with images, categories, annotations).")
    names: dict[str, None] = {}
    rows: list[Row] = []
    for file in files:
        coco = _decoded(source, file)
        categories = {category.id: category.name for category in coco.categories}
        names.update(dict.fromkeys(category.name for category in coco.categories))
        rows.extend(_rows(source, file, coco, categories))
    remarks = source.unnamed({row.name for row in rows})
    return Found(rows, source.tree, [Label(name, name) for name in names], not source.crops, remarks)


def _files(source: Source) -> list[str]:
    """Of several views of the same pictures (keypoints, captions) the instances."""
    files = [name for name in source.files(".json")[:_ENOUGH] if _looks_right(source, name)]
    return [name for name in files if "instances" in stem(name)] or files


def _looks_right(source: Source, name: str) -> bool:
    try:
        text = source.content(name)
    except BadRequest:
        return False
    return all(re.search(rb'"%s"\s*:\s*\[' % key, text) for key in (b"images", b"annotations", b"categories"))


def _decoded(source: Source, file: str) -> _Coco:
    try:
        return msgspec.json.decode(source.content(file), type=_Coco)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"{source.place(file)}: not COCO JSON ({error}).") from None


def _rows(source: Source, file: str, coco: _Coco, categories: dict[int | str, str]) -> list[Row]:
    by_image: dict[int | str, list[_Annotation]] = defaultdict(list)
    for annotation in coco.annotations:
        if annotation.category_id not in categories:
            raise BadRequest(f"{source.place(file)}: there is no category {annotation.category_id}, which a box has.")
        by_image[annotation.image_id].append(annotation)
    split = named_split(file)
    rows: list[Row] = []
    missing: list[str] = []
    for image in coco.images:
        annotations = by_image.pop(image.id, [])
        name = source.find(image.file_name, beside(file))
        if name is None:
            missing.append(image.file_name)
        elif source.crops:
            rows.extend(
                Row(name, (categories[annotation.category_id],), split, box=box)
                for annotation in annotations
                if (box := _box(annotation)) is not None
            )
        else:
            labels = dict.fromkeys(categories[annotation.category_id] for annotation in annotations)
            rows.append(Row(name, tuple(labels), split))
    source.missing(missing, file, len(coco.images))
    if by_image:
        raise BadRequest(f"{source.place(file)}: boxes of images that it does not list: {listed(map(str, by_image))}.")
    return rows


def _box(annotation: _Annotation) -> Box | None:
    """None around a crowd, and where there is nothing in it."""
    left, top, width, height = annotation.bbox or (0, 0, 0, 0)
    return None if annotation.iscrowd or width <= 0 or height <= 0 else (left, top, left + width, top + height)
