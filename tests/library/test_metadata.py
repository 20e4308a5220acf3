"""What a file says beside its pixels, in all the ways in which it may be said, and in none that hurts."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from eyebright import images
from eyebright.library import metadata
from eyebright.library.metadata import Metadata, from_name, moment, of_picture, xmp
from pictures import encoded, plain

HEAD = (
    '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
    'xmlns:lr="http://ns.adobe.com/lightroom/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/" '
    'xmlns:mwg="http://www.metadataworkinggroup.com/schemas/regions/" '
    'xmlns:MPReg="http://ns.microsoft.com/photo/1.2/t/Region#"'
)
TAIL = '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'


def packet(inside="", attributes=""):
    return f"{HEAD} {attributes}>{inside}{TAIL}".encode()


def read(exif=None, **how):
    return of_picture(images.header(encoded(plain("red"), "JPEG", **({"exif": exif} if exif else {}))), **how)


def test_time_camera_and_place():
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "NIKON CORPORATION\0", "NIKON D90"
    exif.get_ifd(0x8769).update({0x9003: "2023:07:01 10:30:00", 0x9011: "-03:30"})
    exif.get_ifd(0x8825).update({1: "S", 2: (10.0, 30.0, 0.0), 3: "E", 4: (20.0, 15.0, 36.0)})
    assert read(exif) == Metadata("2023-07-01T10:30:00", -210, "NIKON D90", -10.5, pytest.approx(20.26))


@pytest.mark.parametrize(
    ("north", "east"),
    [
        ((IFDRational(0, 0), 0.0, 0.0), (1.0, 0.0, 0.0)),
        ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
        ((95.0, 0.0, 0.0), (1.0, 0.0, 0.0)),
    ],
)
def test_a_place_that_is_none_is_left_out(north, east):
    exif = Image.Exif()
    exif.get_ifd(0x8825).update({1: "N", 2: north, 3: "E", 4: east})
    assert (read(exif).latitude, read(exif).longitude) == (None, None)


def test_keywords_captions_and_ratings_as_elements_and_as_attributes():
    inside = (
        "<dc:subject><rdf:Bag><rdf:li>sea</rdf:li><rdf:li> blue  sky </rdf:li></rdf:Bag></dc:subject>"
        '<dc:description><rdf:Alt><rdf:li xml:lang="x-default">At the sea</rdf:li></rdf:Alt></dc:description>'
        "<lr:hierarchicalSubject><rdf:Bag><rdf:li>place|France|Brest</rdf:li></rdf:Bag></lr:hierarchicalSubject>"
    )
    found = read(sidecar=packet(inside, 'xmp:Rating="4"'))
    assert set(found.words) == {
        ("rating", "4"), ("keyword", "sea"), ("keyword", "blue sky"), ("caption", "At the sea"), ("keyword", "Brest"),
    }  # fmt: skip
    assert read(sidecar=packet("<xmp:Rating>3</xmp:Rating>")).words == (("rating", "3"),)


def test_places_are_words():
    spaces = 'xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" photoshop:City="Paris"'
    found = read(sidecar=packet("<photoshop:Country>France</photoshop:Country>", spaces))
    assert set(found.words) == {("place", "Paris"), ("place", "France")}


def test_faces_in_both_dialects():
    inside = (
        "<mwg:Regions><rdf:Description mwg:Name='Ada' mwg:Type='Face'/><rdf:Description mwg:Name='Rex' mwg:Type='Pet'/>"
        "</mwg:Regions><rdf:Description MPReg:PersonDisplayName='Bob'/>"
        "<rdf:li><mwg:Name>Eve</mwg:Name><mwg:Type>Face</mwg:Type></rdf:li>"
    )
    assert {value for kind, value in xmp(packet(inside)) if kind == "face"} == {"Ada", "Bob", "Eve"}


def test_the_date_of_a_sidecar_counts_where_exif_has_none():
    dated = packet(attributes='exif:DateTimeOriginal="2021-02-03T04:05:06.78+01:00"')
    assert (read(sidecar=dated).taken, read(sidecar=dated).zone) == ("2021-02-03T04:05:06", 60)


@pytest.mark.parametrize(
    "text",
    ["", "0000:00:00 00:00:00", "2023:13:01 10:00:00", "2023:02:30 10:00:00", "yesterday", "    :  :     :  :  "],
)
def test_a_date_that_is_none(text):
    assert moment(text) == (None, None)


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("1999123199.jpg", None),
        ("20230701123.jpg", None),
        ("19991231.jpg", "1999-12-31T12:00:00"),
        ("PXL_20230701_103000123.jpg", "2023-07-01T10:30:00"),
        ("20230701103000.jpg", "2023-07-01T10:30:00"),
        ("202307011030001234.jpg", None),
    ],
)
def test_a_number_that_begins_like_a_date_is_none(name, taken):
    """After a time there may be milliseconds; a day is whole."""
    assert from_name(name) == taken


@pytest.mark.parametrize(
    "hostile",
    [
        b'<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>',
        b"<a>" * 100_000,
        packet("<dc:subject>&undeclared;</dc:subject>"),
        packet("<dc:subject><rdf:Bag><rdf:li>sea</rdf:li>")[:-60],
        b"\xff\xfe<\0!\0D\0O\0C\0T\0Y\0P\0E\0 \0a\0>\0<\0a\0/\0>\0",
        b"x" * 3_000_000,
    ],
)
def test_xmp_that_is_broken_or_declares_entities_says_nothing(hostile):
    assert list(xmp(hostile)) == []


def test_a_text_as_long_as_a_book_is_cut():
    found = read(sidecar=packet(f"<dc:title><rdf:Alt><rdf:li>{'a ' * 50_000}</rdf:li></rdf:Alt></dc:title>"))
    assert len(found.words[0][1]) == 2000
    many = "".join(f"<rdf:li>{number}</rdf:li>" for number in range(5000))
    assert len(read(sidecar=packet(f"<dc:subject><rdf:Bag>{many}</rdf:Bag></dc:subject>")).words) == 500


def test_lists_in_lists_are_read_once():
    """They would be a billion words: every list holds all those inside it."""
    depth = 800
    nested = "<dc:subject><rdf:Bag><rdf:li>sea</rdf:li>" * depth + "</rdf:Bag></dc:subject>" * depth
    assert list(xmp(packet(nested))) == [("keyword", "sea")] * depth


def test_of_a_file_that_says_too_much_only_the_beginning_is_looked_at(monkeypatch):
    monkeypatch.setattr(metadata, "LOOKED_AT", 3)
    many = "".join(f"<rdf:li>{number}</rdf:li>" for number in range(9))
    assert len(read(sidecar=packet(f"<dc:subject><rdf:Bag>{many}</rdf:Bag></dc:subject>")).words) == 3


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data", "ignore:Truncated File Read", "ignore:Metadata Warning")
@given(st.binary(max_size=300))
def test_any_exif_at_all_can_be_met(noise):
    file = io.BytesIO()
    plain("red").save(file, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0" + noise)
    assert isinstance(of_picture(images.header(file.getvalue())), Metadata)
