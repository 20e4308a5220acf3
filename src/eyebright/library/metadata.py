"""What a picture's file says beside its pixels: when, where, by which camera, and what a person wrote into it.

EXIF and IPTC by Pillow, XMP (ISO 16684-1) by the standard library's parser without entities. All of it may be wrong,
missing or hostile; what makes no sense is left out.
"""

import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from typing import Any
from xml.etree import ElementTree

from PIL import Image

XMP_BYTES = 2_000_000
LONGEST = 2000
"""Letters of one keyword or caption; what is longer is cut."""
MOST = 500
"""Words of one kind in a file."""
LOOKED_AT = 5000
"""Words of a file that are looked at, at most."""
_TAKEN, _OFFSET, _MAKE, _MODEL, _EXIF, _GPS = 0x9003, 0x9011, 0x010F, 0x0110, 0x8769, 0x8825
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_XMP = "{http://ns.adobe.com/xap/1.0/}"
_LR = "{http://ns.adobe.com/lightroom/1.0/}"
_MWG = "{http://www.metadataworkinggroup.com/schemas/regions/}"
_MP = "{http://ns.microsoft.com/photo/1.2/t/Region#}"
_PHOTOSHOP = "{http://ns.adobe.com/photoshop/1.0/}"
_CORE = "{http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/}"
_IPTC = {
    (2, 25): "keyword", (2, 120): "caption", (2, 5): "title",
    **{(2, place): "place" for place in (90, 92, 95, 101)},  # city, part of it, state, country
}  # fmt: skip
_TEXTS = {_DC + "subject": "keyword", _DC + "description": "caption", _DC + "title": "title"}
"""Lists of texts."""
_PATHS = _LR + "hierarchicalSubject"
"""A list of keywords, each with what stands above it: place|France|Brest."""
_VALUES = {
    _XMP + "Rating": "rating",
    "{http://ns.adobe.com/exif/1.0/}DateTimeOriginal": "taken", _PHOTOSHOP + "DateCreated": "taken",
    **{_PHOTOSHOP + name: "place" for name in ("City", "State", "Country")}, _CORE + "Location": "place",
}  # fmt: skip
"""Properties that are written as elements or as attributes."""
_DATE = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d):(\d\d)(?::(\d\d))?")
_NAMED = re.compile(
    r"(?<!\d)((?:19|20)\d\d)[-_.]?(0[1-9]|1[0-2])[-_.]?(0[1-9]|[12]\d|3[01])"
    r"(?:[-_. T]*(?:at )?([01]\d|2[0-3])[-_.:]?([0-5]\d)[-_.:]?([0-5]\d)(?!\d{4})|(?!\d))"  # up to three: milliseconds
)
_ZONE = re.compile(r"([+-])(\d\d):?(\d\d)$|Z$")

Word = tuple[str, str]
"""Kind (keyword, caption, title, rating, place, face) and what it says."""


@dataclass(frozen=True)
class Metadata:
    """What is known; None where it is not said."""

    taken: str | None = None
    """By the clock where it was taken: 2023-07-01T10:30:00."""
    zone: int | None = None
    """Minutes that this clock is before UTC."""
    camera: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    """Degrees, north and east."""
    words: tuple[Word, ...] = ()


def of_picture(picture: Image.Image, sidecar: bytes = b"") -> Metadata:
    """What an opened picture and its sidecar say; nothing is decoded for it."""
    exif = _quietly(picture.getexif, {})
    inner = _quietly(lambda: exif.get_ifd(_EXIF), {})
    north, east = _quietly(lambda: _coordinates(exif.get_ifd(_GPS)), (None, None))
    words: list[Word] = []
    dates: list[str] = []
    iptc = _quietly(lambda: list(_iptc(picture)), [])
    for kind, value in chain(*(islice(said, LOOKED_AT) for said in (iptc, xmp(_packet(picture)), xmp(sidecar)))):
        word = kind, unicodedata.normalize("NFC", " ".join(value.split()))[:LONGEST]
        if kind == "taken":
            dates.append(word[1])
        elif word[1] and word not in words and sum(one[0] == kind for one in words) < MOST:
            words.append(word)
    said = str(inner.get(_TAKEN, "")) + str(inner.get(_OFFSET, "")).strip()
    moments = (moment(text) for text in (said, *dates))
    taken, zone = next((found for found in moments if found[0]), (None, None))
    camera = _camera(str(exif.get(_MAKE, "")), str(exif.get(_MODEL, "")))
    return Metadata(taken, zone, camera, north, east, tuple(words))


def moment(text: str) -> tuple[str | None, int | None]:
    """Date and time as EXIF and XMP write them, and the zone in minutes, where they are real ones.

    >>> moment("2023:07:01 10:30:00+02:00")
    ('2023-07-01T10:30:00', 120)
    >>> moment("0000:00:00 00:00:00")
    (None, None)
    """
    found = _DATE.match(text.strip("\0 "))
    if not found:
        return None, None
    try:
        year, month, day, hour, minute, second = (int(part or 0) for part in found.groups())
        when = datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None, None
    zone = _ZONE.search(text.strip("\0 "), found.end())
    if not zone:
        return when.isoformat(), None
    minutes = int(zone[2]) * 60 + int(zone[3]) if zone[1] else 0
    return when.isoformat(), -minutes if zone[1] == "-" else minutes


def from_name(name: str) -> str | None:
    """When a picture was taken, where its file's name says so; a day without a time is its noon.

    >>> from_name("IMG_20230701_103000.jpg"), from_name("Screenshot 2023-07-01 at 10.30.00.png")
    ('2023-07-01T10:30:00', '2023-07-01T10:30:00')
    >>> from_name("IMG-20230701-WA0001.jpg"), from_name("DSC_12345678.jpg")
    ('2023-07-01T12:00:00', None)
    """
    found = _NAMED.search(name)
    if not found:
        return None
    year, month, day, *clock = found.groups()
    try:
        hour, minute, second = (int(part) for part in clock) if clock[0] else (12, 0, 0)
        return datetime(int(year), int(month), int(day), hour, minute, second).isoformat()
    except ValueError:
        return None


def _camera(make: str, model: str) -> str | None:
    """Without the maker twice.

    >>> _camera("Canon", "Canon EOS 5D"), _camera("NIKON CORPORATION", "NIKON D90"), _camera("Apple", "iPhone 12")
    ('Canon EOS 5D', 'NIKON D90', 'Apple iPhone 12')
    """
    make, model = (" ".join(part.replace("\0", " ").split())[:100] for part in (make, model))
    named = make and model.casefold().startswith(make.split()[0].casefold())
    return (model if named or not make else f"{make} {model}").strip() or None


def _coordinates(gps: dict[int, Any]) -> tuple[float | None, float | None]:
    north, east = (_degrees(gps.get(at + 1), str(gps.get(at, "")), negative) for at, negative in ((1, "S"), (3, "W")))
    if north is None or east is None or abs(north) > 90 or abs(east) > 180 or (north == 0 and east == 0):
        return None, None
    return north, east


def _degrees(parts: Any, reference: str, negative: str) -> float | None:
    if not parts or len(parts) > 3:
        return None
    value: float = sum(float(part) / 60**place for place, part in enumerate(parts))  # a rational 0/0 is no number
    if not math.isfinite(value):
        return None
    return -value if reference.strip("\0 ").upper().startswith(negative) else value


def _iptc(picture: Image.Image) -> Iterator[Word]:
    from PIL import IptcImagePlugin

    info = IptcImagePlugin.getiptcinfo(picture) or {}  # type: ignore[arg-type]
    for record, kind in _IPTC.items():
        values = info.get(record) or []
        for value in [values] if isinstance(values, bytes) else values:
            try:
                yield kind, value.decode()
            except UnicodeDecodeError:
                yield kind, value.decode("latin-1")


def _packet(picture: Image.Image) -> bytes:
    found = picture.info.get("xmp") or picture.info.get("XML:com.adobe.xmp") or b""
    if not found and picture.format == "TIFF":
        found = _quietly(lambda: picture.tag_v2.get(700), b"")  # type: ignore[attr-defined]
    return found.encode() if isinstance(found, str) else bytes(found or b"")


def xmp(packet: bytes) -> Iterator[Word]:
    """Keywords, caption, title, rating, places, date ("taken") and named faces of an XMP packet or sidecar.

    Nothing of one that is broken or declares a document type.
    """
    if not packet or len(packet) > XMP_BYTES:
        return
    parser = ElementTree.XMLParser(target=_Plain())
    try:
        parser.feed(packet.strip(b"\0 \n\r\t"))
        root = parser.close()
    except (ElementTree.ParseError, ValueError, LookupError):
        return
    for element in _elements(root):
        if element.tag in _TEXTS:
            yield from ((_TEXTS[element.tag], text) for text in _items(element))
        elif element.tag == _PATHS:
            yield from (("keyword", text.rpartition("|")[2]) for text in _items(element))
        elif element.tag in _VALUES and element.text:
            yield _VALUES[element.tag], element.text
        yield from ((kind, element.get(name, "")) for name, kind in _VALUES.items() if element.get(name))
        yield from _faces(element)


def _elements(root: ElementTree.Element) -> Iterator[ElementTree.Element]:
    """All in their order, but those inside a list of texts, which is read as a whole."""
    waiting = [root]
    while waiting:
        element = waiting.pop()
        yield element
        if element.tag not in _TEXTS and element.tag != _PATHS:
            waiting += element[::-1]


def _items(element: ElementTree.Element) -> list[str]:
    """Of a bag, sequence or choice; or the text itself."""
    found = [one.text for one in element.iter(_RDF + "li") if one.text]
    return found or ([element.text] if element.text and element.text.strip() else [])


def _faces(element: ElementTree.Element) -> Iterator[Word]:
    """Names of people in both dialects of regions; each property may be an attribute or an element."""
    person = element.get(_MP + "PersonDisplayName") or element.findtext(_MP + "PersonDisplayName")
    if person:
        yield "face", person
    kind = element.get(_MWG + "Type") or element.findtext(_MWG + "Type")
    name = element.get(_MWG + "Name") or element.findtext(_MWG + "Name")
    if kind == "Face" and name:
        yield "face", name


class _Plain(ElementTree.TreeBuilder):
    def doctype(self, *declared: Any) -> None:  # entities would be declared in it
        raise ValueError("XMP declares no document type")


def _quietly(found: Any, otherwise: Any) -> Any:
    """What a reader of metadata finds; they raise what they like on broken files, which are common."""
    try:
        return found()
    except Exception:
        return otherwise
