"""Bytes become an upright sRGB picture, or a BadPicture: whatever the format, the colors and the damage."""

import io
import itertools
import os
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from eyebright import color, images
from eyebright.errors import BadPicture
from eyebright.images import Limits, decode, decode_frames, read_file, sniff

pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning:PIL")  # Pillow remarks on broken files

WRITABLE = ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF"]
LOSSLESS = {"PNG": {}, "BMP": {}, "TIFF": {}, "WEBP": {"lossless": True}}
ORIENTATION = 0x0112


def scene(width=64, height=48):
    """Smooth colors, a bright corner and no symmetry, (H, W, 3) uint8."""
    y, x = np.mgrid[0:height, 0:width]
    corner = 255 * ((x < width / 4) & (y < height / 4))
    return np.stack([x * 255 // width, y * 255 // height, corner], 2).astype(np.uint8)


def saved(pixels, kind, **how):
    file = io.BytesIO()
    picture = Image.fromarray(pixels) if isinstance(pixels, np.ndarray) else pixels
    picture.save(file, kind, **how)
    return file.getvalue()


def pixels(data, **how):
    return np.asarray(decode(data, **how)).astype(int)


def difference(data, expected):
    got = pixels(data)
    assert got.shape == expected.shape
    return np.abs(got - expected).max()


# formats and orientation ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", WRITABLE)
def test_a_picture_is_told_by_its_bytes_and_read(kind):
    data = saved(scene(), kind)
    assert sniff(data[: images.HEAD_BYTES]) == kind.lower()
    assert decode(data).mode == "RGB"
    assert np.abs(pixels(data) - scene()).mean() < 12  # GIF has 256 colors, the others lose less


@pytest.mark.parametrize("kind", LOSSLESS)
def test_a_lossless_picture_is_read_bit_for_bit(kind):
    assert difference(saved(scene(), kind, **LOSSLESS[kind]), scene()) == 0


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_all_eight_orientations_come_out_upright(kind, orientation):
    """EXIF 2.32, 4.6.4: where row 0 and column 0 of what is stored lie when it is seen."""
    upright = scene()
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]
    how = {"quality": 95, "subsampling": 0} if kind == "JPEG" else LOSSLESS[kind]
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    data = saved(np.ascontiguousarray(stored), kind, exif=exif, **how)
    bound = 25 if kind == "JPEG" else 0
    assert difference(data, upright) <= bound
    assert np.abs(np.asarray(images.upright_srgb(decode(data))).astype(int) - upright).max() <= bound  # turned once


def test_broken_exif_says_nothing_about_the_pixels():
    data = saved(scene(), "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert difference(data, scene()) == 0


# sizes ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_a_picture_read_for_a_small_model_is_the_same_picture(kind):
    """Made equally small, both differ by 3 of 255 on average at most."""
    data = saved(scene(1600, 1200), kind)
    full, small = decode(data), decode(data, shorter=32)
    assert min(small.size) >= 32 * images.SPARE
    assert small.width < full.width
    sides = [np.asarray(picture.resize((64, 48), Image.Resampling.BOX)).astype(int) for picture in (full, small)]
    assert np.abs(sides[0] - sides[1]).mean() <= 3


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "CMYK", "I;16", "1"])
def test_a_large_picture_converted_in_bands_is_as_if_at_once(mode, monkeypatch):
    picture = Image.fromarray(scene()).convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(picture).astype(np.uint16) * 257)
    data = saved(picture, "TIFF" if mode in ("CMYK", "I;16") else "PNG")
    whole, small = pixels(data), pixels(data, shorter=3)
    monkeypatch.setattr(color, "BAND_PIXELS", 300)
    assert np.array_equal(pixels(data), whole)
    assert np.array_equal(pixels(data, shorter=3), small)


# colors, against numpy ------------------------------------------------------------------------------------------------


def gray(values):
    return np.repeat(np.asarray(values)[..., None], 3, 2).astype(int)


def on_white(colors, alpha):
    alpha = np.asarray(alpha)[..., None] / 255
    return np.rint(colors * alpha + 255 * (1 - alpha)).astype(int)


RAMP = np.arange(0, 65536, 41, np.uint16)[:1536].reshape(32, 48)
ALPHA = np.linspace(0, 255, 48 * 64).reshape(48, 64).astype(np.uint8)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_become_eight_by_scaling(kind):
    assert difference(saved(RAMP, kind), gray(np.rint(RAMP / 257))) <= 1


def test_sixteen_bit_colors_become_eight_bit_colors():
    """Pillow writes no such PNG: header, one filter byte a row, big-endian samples."""
    wide = scene().astype(np.uint16) * 257
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in wide)
    assert difference(png(64, 48, zlib.compress(rows), depth=16, color=2), scene()) <= 1


@pytest.mark.parametrize("top", [1.0, 255.0, 65535.0])
def test_float_grays_are_taken_by_the_range_that_they_fill(top):
    values = np.linspace(0, top, 48 * 64, dtype=np.float32).reshape(48, 64)
    expected = gray(np.rint(values / top * 255))
    assert difference(saved(values, "TIFF"), expected) <= 1


def test_ink_becomes_light():
    """Without a profile: light = (1 - ink) x (1 - black)."""
    ink = np.stack([*np.moveaxis(scene(), 2, 0), np.full((48, 64), 40, np.uint8)], 2)
    expected = np.rint((255 - ink[..., :3].astype(float)) * (255 - 40) / 255)
    data = saved(Image.frombytes("CMYK", (64, 48), ink.tobytes()), "TIFF")
    assert difference(data, expected) <= 1


def test_ink_in_a_jpeg_is_stored_inverted_and_read_right():
    data = saved(Image.new("CMYK", (16, 16), (255, 0, 0, 0)), "JPEG", quality=95)
    assert np.abs(pixels(data) - (0, 255, 255)).max() <= 3


def test_what_is_transparent_lies_on_white():
    data = saved(np.dstack([scene(), ALPHA]), "PNG")
    assert difference(data, on_white(scene(), ALPHA)) <= 1


def test_gray_with_alpha_lies_on_white():
    values = scene()[..., 0]
    data = saved(Image.merge("LA", [Image.fromarray(values), Image.fromarray(ALPHA)]), "PNG")
    assert difference(data, on_white(gray(values), ALPHA)) <= 1


def test_a_palette_with_alpha_lies_on_white():
    indices = np.arange(48 * 64).reshape(48, 64).astype(np.uint8)
    colors = np.random.default_rng(0).integers(0, 256, (256, 3)).astype(np.uint8)
    alpha = np.arange(256).astype(np.uint8)[::-1]
    picture = Image.fromarray(indices)
    picture.putpalette(colors.tobytes())
    data = saved(picture, "PNG", transparency=alpha.tobytes())
    assert difference(data, on_white(colors[indices], alpha[indices])) <= 1


def test_one_transparent_color_is_white():
    black = Image.new("RGB", (4, 4))
    assert difference(saved(black, "PNG", transparency=(0, 0, 0)), np.full((4, 4, 3), 255)) == 0


def test_one_bit_is_black_or_white():
    bits = scene()[..., 0] > 100
    assert difference(saved(Image.fromarray(bits), "PNG"), gray(bits * 255)) == 0


def test_gray_is_three_equal_colors():
    assert difference(saved(scene()[..., 0], "PNG"), gray(scene()[..., 0])) == 0


def number(value):
    return struct.pack(">i", round(value * 65536))


def profile(primaries, gamma):
    """A matrix profile (ICC.1:2010, 8.3) with these columns, in XYZ under D50, and one gamma for all."""
    tags = {b"wtpt": b"XYZ \0\0\0\0" + b"".join(map(number, (0.9642, 1.0, 0.8249)))}
    for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True):
        tags[name] = b"XYZ \0\0\0\0" + b"".join(map(number, column))
    for name in (b"rTRC", b"gTRC", b"bTRC"):
        tags[name] = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    tags[b"desc"] = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(79)
    tags[b"cprt"] = b"text\0\0\0\0none\0\0\0\0"
    table, body, at = b"", b"", 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", at + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    white = b"".join(map(number, (0.9642, 1.0, 0.8249)))
    head = struct.pack(">I", at + len(body)) + b"lcms\2\x10\0\0mntrRGB XYZ " + struct.pack(">6H", 2026, 1, 1, 0, 0, 0)
    head += b"acsp" + bytes(4 + 4 + 4 + 4 + 8 + 4) + white + bytes(48)
    return head[:128].ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))


def as_srgb(pixels, primaries, gamma):
    """What colors in such a profile are in sRGB, by the matrices themselves (IEC 61966-2-1 for the curve)."""
    light = (pixels / 255.0) ** gamma @ np.array(primaries)
    linear = np.clip(light @ np.linalg.inv(np.array(SRGB)), 0, 1)
    curve = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(curve * 255)


@pytest.mark.parametrize("primaries", [P3, (SRGB[1], SRGB[2], SRGB[0])], ids=["Display P3", "channels swapped"])
@pytest.mark.parametrize("kind", LOSSLESS.keys() - {"BMP"})
def test_a_profile_is_followed_to_srgb(kind, primaries):
    dull = (scene() // 2 + 64).astype(np.uint8)
    data = saved(dull, kind, icc_profile=profile(primaries, 2.2), **LOSSLESS[kind])
    expected = as_srgb(dull, primaries, 2.2)
    assert np.abs(expected - dull).max() > 8  # the profile matters
    assert difference(data, expected) <= 3


def test_a_profile_that_says_srgb_or_is_broken_changes_nothing():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for icc in (srgb, b"not a profile", profile(P3, 2.2)[:200]):
        assert difference(saved(scene(), "PNG", icc_profile=icc), scene()) == 0


# damage --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", WRITABLE)
def test_a_picture_cut_short_is_reported_wherever_it_is_cut(kind):
    """Never gray, never half. A few last bytes hold no pixels, and readers of all kinds do without them: the end mark
    of a GIF, the checksums and IEND of a PNG."""
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3)).astype(np.uint8)
    data = saved(noise, kind)
    spare = {"PNG": 20, "GIF": 2}.get(kind, 0)
    for length in {*range(0, len(data) - spare, max(len(data) // 40, 1)), len(data) - spare - 1}:
        with pytest.raises(BadPicture):
            decode(data[:length])


@pytest.mark.parametrize("shorter", [None, 16])
def test_a_jpeg_too_small_for_its_pixels_is_reported_though_it_has_an_end(shorter):
    """A block takes 2 bits at least. The decoder paints what is missing gray and says nothing."""
    for progressive in (False, True):
        data = saved(scene(16, 16), "JPEG", progressive=progressive)
        at = data.index(b"\xff\xc2" if progressive else b"\xff\xc0")
        data = data[: at + 5] + struct.pack(">HH", 3000, 4000) + data[at + 9 :]
        with pytest.raises(BadPicture, match="cut short"):
            decode(data, shorter)


def png(width, height, body, *before, depth=8, color=2):
    def chunk(name, content=b""):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    others = (chunk(name, content) for name, content in before)
    parts = (chunk(b"IHDR", header), *others, chunk(b"IDAT", body), chunk(b"IEND"))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_a_gif_whose_pixels_end_early_is_reported():
    data = b"GIF89a" + struct.pack("<HHBBB", 8, 8, 0x80, 0, 0) + bytes(6) + b"," + struct.pack("<HHHHB", 0, 0, 8, 8, 0)
    with pytest.raises(BadPicture):
        decode(data + b"\x02\x02\x44\x01\x00;")


@pytest.mark.parametrize("data", [b"", b"dear diary", b"\xff\xd8\xff", b"GIF89a", b"BM", b"%PDF-1.7", bytes(1000)])
def test_what_is_no_picture_is_one_sentence(data):
    with pytest.raises(BadPicture) as refused:
        decode(data)
    assert str(refused.value).endswith(".")
    assert "\n" not in str(refused.value)


SEEDS = [saved(scene(16, 12), kind) for kind in WRITABLE]
SEEDS += [saved(Image.new(mode, (9, 7)), "PNG") for mode in ("1", "P", "LA", "RGBA", "I;16")]


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 700), st.binary(max_size=4)), max_size=6),
    st.booleans(),
    st.booleans(),
)
def test_any_bytes_end_as_a_picture_or_a_bad_picture(seed, changes, cut, all_frames):
    data = bytearray(seed)
    for at, piece in changes:
        data[at : at + len(piece)] = piece
    data = bytes(data[: len(data) // 2] if cut else data)
    try:
        shown = list(decode_frames(data, 8)) if all_frames else [(0, decode(data))]
    except BadPicture:
        return
    assert all(picture.mode == "RGB" for _, picture in shown)


@settings(max_examples=200)
@given(st.sampled_from([b"", *(seed[:12] for seed in SEEDS)]), st.binary(max_size=600))
def test_random_bytes_behind_any_beginning_do_no_harm(start, rest):
    sniff(start + rest)
    try:
        decode(start + rest, 8)
    except BadPicture:
        return


# bounds --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", WRITABLE)
def test_a_picture_over_the_limit_of_pixels_is_refused(kind):
    data = saved(scene(), kind)
    assert decode(data, limits=Limits(pixels=64 * 48)).size == (64, 48)
    for reader in (decode, lambda *args, **how: list(decode_frames(*args, **how))):
        with pytest.raises(BadPicture, match="megapixels"):
            reader(data, limits=Limits(pixels=64 * 48 - 1))


def test_a_file_over_the_limit_of_bytes_is_refused(tmp_path):
    data = saved(scene(), "PNG")
    (tmp_path / "a").write_bytes(data)
    few = Limits(file_bytes=len(data) - 1)
    with pytest.raises(BadPicture, match="MB"):
        decode(data, limits=few)
    with pytest.raises(BadPicture, match="MB"):
        read_file(tmp_path / "a", few)
    assert read_file(tmp_path / "a", Limits(file_bytes=len(data))) == data


def animated(kind, frames=3, size=(16, 12)):
    pictures = [Image.new("RGB", size, (80 * at, 255 - 80 * at, 0)) for at in range(frames)]
    if kind == "MPO":
        return saved(pictures[0], kind, save_all=True, append_images=pictures[1:])
    how = {"duration": 200} if kind != "TIFF" else {}
    return saved(pictures[0], kind, save_all=True, append_images=pictures[1:], **how)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "AVIF", "MPO"])
def test_an_animation_gives_its_frames_in_order_and_decode_the_first(kind):
    data = animated(kind)
    shown = list(decode_frames(data))
    assert len(shown) == 3
    if kind not in ("TIFF", "MPO"):
        assert np.allclose([start for start, _ in shown], [0, 0.2, 0.4], atol=0.01)
    greens = [np.asarray(picture)[..., 1].mean() for _, picture in shown]
    assert greens == sorted(greens, reverse=True)
    assert np.array_equal(np.asarray(decode(data)), np.asarray(shown[0][1]))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "AVIF", "MPO"])
def test_an_animation_over_a_limit_is_refused(kind):
    data = animated(kind)
    with pytest.raises(BadPicture, match="more than 2 frames"):
        next(decode_frames(data, limits=Limits(frames=2)))
    with pytest.raises(BadPicture, match="together"):
        list(decode_frames(data, limits=Limits(all_pixels=2 * 16 * 12)))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_frames_that_build_on_others_may_have_a_quarter_of_the_pixels(kind):
    """Decoders keep the frame before, the one to go back to and the one that is made."""
    frames = decode_frames(animated(kind), limits=Limits(pixels=4 * 16 * 12 - 4))
    next(frames)
    with pytest.raises(BadPicture, match="megapixels"):
        next(frames)
    assert len(list(decode_frames(animated(kind), limits=Limits(pixels=4 * 16 * 12)))) == 3


def test_a_page_that_is_larger_than_the_first_is_checked_too():
    data = saved(Image.new("L", (8, 8)), "TIFF", save_all=True, append_images=[Image.new("L", (80, 80))])
    frames = decode_frames(data, limits=Limits(pixels=64))
    next(frames)
    with pytest.raises(BadPicture, match="megapixels"):
        next(frames)


def test_a_still_picture_has_one_frame():
    for kind in WRITABLE:
        assert len(list(decode_frames(saved(scene(), kind)))) == 1


def test_files_of_endless_parts_are_refused_before_they_are_decoded():
    whole = saved(scene(8, 8), "JPEG")
    passes = saved(scene(8, 8), "JPEG", progressive=True)
    scan = passes[passes.rindex(b"\xff\xda") : -2]
    gif = b"GIF89a" + struct.pack("<HHBBB", 8, 8, 0x80, 0, 0) + bytes(6)
    pixel = zlib.compress(bytes(25 * 8))
    tags = b"".join(struct.pack("<HHQQ", 40_000, 4, 1, 0) for _ in range(60_000))
    page = struct.pack("<HHHII", 1, 273, 4, 1_000_000, 8) + bytes(4)
    for data in (
        b"\xff\xd8" + b"\xff\xe5\0\2" * 60_000 + whole[2:],
        b"\xff\xd8\xff\xe5\0\2" + bytes(2_000_000) + whole[2:],
        passes[:-2] + scan * 200 + b"\xff\xd9",
        png(8, 8, pixel, *[(b"abCd", b"")] * 60_000),
        png(8, 8, pixel, *[(b"zTXt", b"x\0\0" + zlib.compress(b"x"))] * 40),
        gif + b"\x21\xfe\x01x\0" * 60_000 + b";",
        gif + b"\x21\xfe" + b"\x01x" * 60_000 + b"\0;",
        b"II+\0" + struct.pack("<HHQQ", 8, 0, 16, 60_000) + tags + bytes(8),
        b"II*\0" + struct.pack("<I", 8) + page,
    ):
        with pytest.raises(BadPicture, match="more parts"):
            decode(data)


def test_scans_behind_the_only_one_are_damage():
    """A JPEG that is not progressive and has all its colors in one scan ends with it; no decoder goes through more."""
    whole = saved(scene(), "JPEG")
    again = whole[:-2] + whole[whole.index(b"\xff\xda") : -2] * 2000 + b"\xff\xd9"
    with pytest.raises(BadPicture, match="damaged"):
        decode(again)


def test_a_film_behind_a_photo_is_not_taken_for_its_scans():
    """Phones put one there; by chance it holds the mark of a scan many times."""
    data = saved(scene(), "JPEG", quality=95)
    assert difference(data + b"\xff\xda\0\0" * 500, pixels(data)) == 0


def test_tiff_directories_in_a_circle_end():
    data = saved(scene(8, 8), "TIFF")
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    at = start + 2 + 12 * count
    assert len(list(decode_frames(data[:at] + struct.pack("<I", start) + data[at + 4 :]))) == 1


def test_a_heif_item_whose_type_is_no_text_is_refused():
    """pi-heif 1.4 crashes on it."""
    item = b"\2\0\0\0" + b"\0\1\0\0" + b"mime\0application\xffxml\0"
    head = struct.pack(">I", 24) + b"ftypheic\0\0\0\0mif1heic"
    with pytest.raises(BadPicture, match="not text"):
        decode(head + struct.pack(">I", 8 + len(item)) + b"infe" + item)


# files ---------------------------------------------------------------------------------------------------------------


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path):
    with pytest.raises(BadPicture, match="directory"):
        read_file(tmp_path)
    with pytest.raises(BadPicture, match="no such file"):
        read_file(tmp_path / "absent")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        for path in (tmp_path / "pipe", "/dev/zero"):
            with pytest.raises(BadPicture, match="not a regular file"):
                read_file(path)


def test_containers_are_told_apart_by_their_brands():
    def container(*brands):
        body = b"ftyp" + brands[0] + bytes(4) + b"".join(brands[1:])
        return struct.pack(">I", 4 + len(body)) + body

    assert sniff(container(b"heic", b"mif1")) == "heif"
    assert sniff(container(b"mif1", b"avif")) == "avif"
    assert sniff(container(b"isom", b"mp42")) == "mov"
    assert sniff(b"RIFF" + bytes(4) + b"AVI ") == "avi"
    assert sniff(b"RIFF" + bytes(4) + b"WAVE") is None
    assert sniff((b"G" + bytes(187)) * 3) == "mpegts"


def corpus(name):
    folder = os.environ.get("EYEBRIGHT_DATA", "")
    if not (Path(folder) / name).is_file() or not folder:
        pytest.skip(f"needs EYEBRIGHT_DATA, a folder with {name}")
    return zipfile.ZipFile(Path(folder) / name)


def test_pictures_of_all_kinds_are_read_where_pillow_reads_them():
    with corpus("formats.zip") as archive:
        header, *rows = archive.read("formats/manifest.csv").decode().splitlines()
        columns = header.split(",")
        for row in itertools.islice(rows, 0, None, 3):
            said = dict(zip(columns, row.split(","), strict=False))
            data = archive.read(f"formats/{said['file']}")
            if sniff(data[: images.HEAD_BYTES]) not in images.FORMATS or len(data) > 300_000:
                continue
            try:
                read = decode(data, 64).mode == "RGB"
            except BadPicture:
                read = False
            assert read == (",ok," in row), said["file"]


def test_photos_of_real_cameras_are_read():
    with corpus("exif-photos.zip") as archive:
        for name in archive.namelist():
            if name.endswith((".jpg", ".heic", ".HEIC", ".avif")):
                data = archive.read(name)
                assert min(decode(data, 32).size) >= 16, name
