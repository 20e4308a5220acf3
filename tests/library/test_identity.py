"""Who a picture is does not hang on what was written into its file since."""

import hashlib
import io
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from eyebright.library.identity import BYTES, of_all, of_file, of_picture
from pictures import encoded, noise


def with_segment(jpeg, marker, body):
    return jpeg[:2] + bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body + jpeg[2:]


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_text(png):
    return png[:33] + chunk(b"tEXt", b"Comment\0a cat") + png[33:]


def cut_anew(png):
    """The same pixels in two chunks."""
    at = png.index(b"IDAT")
    length = int.from_bytes(png[at - 4 : at], "big")
    body = png[at + 4 : at + 4 + length]
    return png[: at - 4] + chunk(b"IDAT", body[:7]) + chunk(b"IDAT", body[7:]) + png[at + 8 + length :]


def with_exif(webp):
    body = webp[12:] + b"EXIF" + struct.pack("<I", 4) + b"MM\0*"
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


JPEG, PNG, WEBP = (encoded(noise(), form) for form in ("JPEG", "PNG", "WEBP"))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (JPEG, with_segment(JPEG, 0xE1, b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0")),
        (JPEG, with_segment(JPEG, 0xFE, b"a cat \xff\xd9 on a mat")),
        (JPEG, with_segment(JPEG, 0xE1, b"thumbnail " + JPEG)),
        (JPEG, JPEG + b"a film that a telephone puts behind a picture"),
        (PNG, with_text(PNG)),
        (PNG, cut_anew(PNG)),
        (WEBP, with_exif(WEBP)),
    ],
)
def test_metadata_are_not_the_picture(before, after):
    Image.open(io.BytesIO(after)).load()  # still a picture
    assert before != after
    assert of_picture(before) == of_picture(after)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_other_pixels_are_another_picture(form):
    one, other = (encoded(noise(seed=seed), form) for seed in (0, 1))
    assert of_picture(one) != of_picture(other)
    assert of_picture(one) == of_picture(bytes(one))


def test_the_same_pixels_in_another_format_are_another_picture():
    assert of_picture(PNG) != of_picture(encoded(noise(), "TIFF"))


def marked(jpeg, *adobe, jfif=False, names=None):
    """Without the markers that it has, with an Adobe marker for each transform; its components may get other names."""
    at = 2
    while jpeg[at + 1] & 0xF0 == 0xE0:
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
    bare = bytearray(jpeg[:2] + jpeg[at:])
    if names:
        frame, scan = bare.index(b"\xff\xc0"), bare.index(b"\xff\xda")
        bare[frame + 10 : frame + 10 + 3 * len(names) : 3] = bare[scan + 5 : scan + 5 + 2 * len(names) : 2] = names
    made = bytes(bare)
    for transform in reversed(adobe):
        made = with_segment(made, 0xEE, b"Adobe\0\x64\0\0\0\0" + bytes([transform]))
    return with_segment(made, 0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0") if jfif else made


GRAY, CMYK = (encoded(Image.fromarray(noise()).convert(mode), "JPEG") for mode in ("L", "CMYK"))
MARKS = [(), (0,), (1,), (2,), (0, 1), (1, 0)]


@pytest.mark.parametrize("names", [None, b"RGB"])
def test_what_says_how_numbers_are_colors_is_the_picture(names):
    """An Adobe or JFIF marker counts exactly where Pillow's decoder, libjpeg, shows other colors for it."""
    files = [marked(JPEG, *adobe, jfif=jfif, names=names) for adobe in MARKS for jfif in (False, True)]
    shown = [Image.open(io.BytesIO(file)).convert("RGB").tobytes() for file in files]
    known = [of_picture(file) for file in files]
    assert len({*shown}) == 2
    assert [[one == other for other in known] for one in known] == [[one == other for other in shown] for one in shown]
    assert known[0] == of_all_parts(files[0])


def of_all_parts(jpeg):
    """The identity as it was before markers counted: a photo without any keeps it."""
    made = hashlib.blake2b(b"jpeg", digest_size=BYTES)
    at = 2
    while jpeg[at + 1] != 0xDA:
        length = 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        made.update(length.to_bytes(8, "big") + jpeg[at : at + length])
        at += length
    made.update((len(jpeg) - 2 - at).to_bytes(8, "big") + jpeg[at:-2])
    return made.digest()


def test_of_four_colors_the_adobe_marker_and_its_transform_count():
    """Many programs take the numbers for inverted only where it is there."""
    plain, inverted, turned, as_well = (of_picture(marked(CMYK, *adobe)) for adobe in [(), (0,), (2,), (1,)])
    assert len({plain, inverted, turned}) == 3
    assert turned == as_well


def test_of_gray_no_marker_counts():
    assert len({of_picture(marked(GRAY, *adobe)) for adobe in MARKS}) == 1


def test_a_picture_that_was_cut_short_has_an_identity_of_its_own():
    assert of_picture(JPEG[: len(JPEG) // 2]) != of_picture(JPEG)


@given(st.sampled_from([JPEG, PNG, WEBP]), st.binary(max_size=40), st.integers(0, 4000))
def test_any_bytes_have_an_identity(start, noise, at):
    broken = start[:at] + noise + start[at + len(noise) :]
    assert len(of_picture(broken)) == BYTES


def box(kind, body):
    return struct.pack(">I", len(body) + 8) + kind + body


@pytest.mark.parametrize(
    ("sizes", "extents", "items"),
    [(0x00, b"", 3), (0x44, struct.pack(">II", 0, 1000) * 200, 1)],
    ids=["extents without bytes", "one place again and again"],
)
def test_a_list_of_places_that_makes_no_sense_is_not_followed(sizes, extents, items):
    """200 bytes could say: look at this megabyte a billion times."""
    count = 0xFFFF if not sizes else 200
    item = struct.pack(">HHH", 1, 0, count) + extents
    listed = box(b"iloc", struct.pack(">IBBH", 0, sizes, 0, items) + item * items)
    meta = box(b"meta", b"\0\0\0\0" + box(b"iinf", b"\0" * 6) + listed)
    hostile = box(b"ftyp", b"heic\0\0\0\0mif1heic") + meta + bytes(3000)
    assert of_picture(hostile) == of_all(hostile)


def test_a_file_that_is_read_in_pieces_has_one_too():
    assert of_file(io.BytesIO(b"film" * 1_000_000)) == of_picture(b"film" * 1_000_000)
