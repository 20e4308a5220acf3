"""Pascal VOC (Everingham et al. 2010): an XML file a picture in `Annotations/`, splits as lists in `ImageSets/Main/`.

Objects that are marked `difficult` are unknown, as the challenge did not count them either.
"""

import re
from xml.etree.ElementTree import Element, ParseError, XMLParser

from eyebright.data.dataset import Box, Split
from eyebright.data.found import Found, Row
from eyebright.data.source import Source, stem
from eyebright.data.split import spelled
from eyebright.errors import BadRequest

_MAX_XML_BYTES = 1_000_000
_FOLDER = re.compile(r"(^|/)Annotations/[^/]+\.xml$")


def suits(source: Source) -> bool:
    """Whether there are XML files in a folder Annotations."""
    return any(_FOLDER.search(name) for name in source.files(".xml"))


def read(source: Source) -> Found:
    """The labels of all objects of a picture (`multi`); with crops, each object that is not difficult is a picture."""
    files = [name for name in source.files(".xml") if _FOLDER.search(name) or source.focus]
    if not files:
        raise BadRequest(f"{source.where}: there are no annotations in it (Annotations/*.xml).")
    splits = _splits(source)
    rows: list[Row] = []
    missing: list[str] = []
    for file in files:
        root = _parsed(source, file)
        above = file.rpartition("/")[0].rpartition("/")[0]
        written = _text(root, "filename") or f"{stem(file)}.jpg"
        name = source.find(written, f"{above}/JPEGImages" if above else "JPEGImages")
        if name is None:
            missing.append(written)
            continue
        rows.extend(_rows(source, file, root, name, splits.get(stem(file))))
    source.missing(missing, files[0], len(files))
    if splits and (without := sum(row.split is None for row in rows)):
        source.remarks.append(f"Pictures that no list in ImageSets/Main names, left out: {without:,}.")
        rows = [row for row in rows if row.split]
    return Found(rows, source.tree, multi=not source.crops)


def _rows(source: Source, file: str, root: Element, name: str, split: Split | None) -> list[Row]:
    sure: dict[str, None] = {}
    unsure: dict[str, None] = {}
    rows: list[Row] = []
    for found in root.findall("object"):
        label = _text(found, "name")
        if not label:
            raise BadRequest(f"{source.place(file)}: an object without a name.")
        difficult = _text(found, "difficult") == "1"
        (unsure if difficult else sure)[label] = None
        if source.crops and not difficult:
            rows.append(Row(name, (label,), split, box=_box(source, file, found)))
    if source.crops:
        return rows
    return [Row(name, tuple(sure), split, tuple(label for label in unsure if label not in sure))]


def _splits(source: Source) -> dict[str, Split]:
    """Stem of a picture -> split, from train.txt, val.txt and test.txt."""
    found: dict[str, Split] = {}
    for name in source.files(".txt"):
        split = spelled(stem(name))
        if split and name.endswith(f"ImageSets/Main/{stem(name)}.txt"):
            found.update((line.split()[0], split) for line in source.text(name).splitlines() if line.strip())
    return found


def _parsed(source: Source, file: str) -> Element:
    """XML without a document type, and so without entities: nothing in it can grow or fetch."""
    data = source.content(file)
    if len(data) > _MAX_XML_BYTES:
        raise BadRequest(f"{source.place(file)}: {len(data):,} bytes of XML are no annotation of one picture.")
    parser = XMLParser()
    try:
        if b"<!" in data.replace(b"<!--", b"") or b"\0" in data:
            raise BadRequest(f"{source.place(file)}: it declares a document type or entities, which are not read.")
        parser.feed(data)
        root: Element = parser.close()
    except (ParseError, ValueError, LookupError, RecursionError) as error:
        raise BadRequest(f"{source.place(file)}: not XML ({error}).") from None
    return root


def _text(element: Element, tag: str) -> str:
    return (element.findtext(tag) or "").strip()


def _box(source: Source, file: str, found: Element) -> Box:
    """Pixels are counted from 1, and the last one belongs to the box."""
    try:
        left, top, right, bottom = (float(_text(found, f"bndbox/{side}")) for side in ("xmin", "ymin", "xmax", "ymax"))
    except ValueError:
        raise BadRequest(f"{source.place(file)}: an object without the four numbers of its bndbox.") from None
    return (left - 1, top - 1, right, bottom)
