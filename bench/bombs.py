"""Small files that ask for much: each must be refused, or read, in at most 100 ms and 64 MiB.

    python bench/bombs.py [NAME ...]     (a minute on 1 core)

Every bomb is made here, then opened in a fresh child that has its decoders loaded already: first by `decode` (the
first frame alone), then, in another child, by `decode_frames` to its end. A bomb is refused before it is decoded; one
whose first frame is an ordinary small picture may be read by `decode`. `first` in the table is `decode`, `frames` is
`decode_frames`; times in ms, growth of the peak in MiB. Exits with 1 where a bar was missed.
"""

import contextlib
import io
import json
import os
import resource
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

from PIL import Image

from eyebright import images
from eyebright.errors import BadPicture

TIME_MS = 100
GROWTH_MIB = 64
HUGE = 60_000


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        raise SystemExit(child(sys.argv[2]))
    missed = 0
    print(f"{'bomb':24}{'bytes':>12}{'first ms':>10}{'MiB':>7}{'frames ms':>11}{'MiB':>7}  what is said")
    for name, make in BOMBS.items():
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        data = make()
        if data is None:
            print(f"{name:24} skipped: set EYEBRIGHT_DATA to the folder that holds formats.zip")
            continue
        first, frames = opened("decode", data), opened("decode_frames", data)
        within = all(end["ms"] <= TIME_MS and end["mib"] <= GROWTH_MIB for end in (first, frames))
        refused = frames["refused"] or name in READ_IS_FINE, first["refused"] or name in FIRST_IS_FINE | READ_IS_FINE
        passed = within and all(refused)
        missed += not passed
        said = frames["said"] if first["said"] == frames["said"] else f"{first['said']} / {frames['said']}"
        figures = f"{first['ms']:10.1f}{first['mib']:7.1f}{frames['ms']:11.1f}{frames['mib']:7.1f}"
        print(f"{name:24}{len(data):12,}{figures}  {'' if passed else 'MISSED '}{said}", flush=True)
    print(f"bars missed: {missed}")
    raise SystemExit(bool(missed))


def opened(how: str, data: bytes) -> dict:
    """What one fresh child made of it."""
    try:
        done = subprocess.run([sys.executable, __file__, "--child", how], input=data, capture_output=True, timeout=20)
    except subprocess.TimeoutExpired:
        return {"ms": 20_000, "mib": 0, "refused": False, "said": "over 20 s"}
    if done.returncode:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        return {"ms": 0, "mib": 1e6, "refused": False, "said": f"died with {done.returncode}: {last}"}
    return json.loads(done.stdout)


def child(how: str) -> int:
    warm_up()
    data = sys.stdin.buffer.read()
    before, began = peak_mib(), time.perf_counter()
    refused, said = False, ""
    try:
        if how == "decode":
            said = f"a picture of {'x'.join(map(str, images.decode(data, 224).size))}"
        else:
            said = f"{sum(1 for _ in images.decode_frames(data, 224))} frames"
    except BadPicture as error:
        refused, said = True, str(error)
    ms = (time.perf_counter() - began) * 1000
    print(json.dumps({"ms": ms, "mib": peak_mib() - before, "refused": refused, "said": said}))
    return 0


def warm_up() -> None:
    """Load every decoder, and touch the memory that the interpreter takes for the first picture of all."""
    for kind in ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF"):
        images.decode(saved(Image.new("RGB", (8, 8)), kind))
    with contextlib.suppress(BadPicture):
        images.decode(box(b"ftyp", b"heic\0\0\0\0heic"))


def peak_mib() -> float:
    """Growth is of the peak: the child's peak before is what reading the bomb itself took."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def saved(picture: Image.Image, kind: str, **how: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **how)
    return file.getvalue()


# PNG ----------------------------------------------------------------------------------------------------------------


def chunk(name: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, *chunks: bytes, pixels: bytes | None = None, depth: int = 8, color: int = 2) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
    body = zlib.compress(b"\0" * 10_000) if pixels is None else pixels
    return b"".join((b"\x89PNG\r\n\x1a\n", header, *chunks, chunk(b"IDAT", body), chunk(b"IEND")))


def zeros(count: int) -> bytes:
    """A zlib stream of so many zero bytes (a multiple of 1 MB), without having had them in memory."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    mega = squeeze.compress(bytes(1_000_000)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    end = b"\x03\x00" + struct.pack(">HH", count % 65521, 1)
    return b"\x78\x9c" + mega * (count // 1_000_000) + end


def small_png(*chunks: bytes) -> bytes:
    return png(8, 8, *chunks, pixels=zlib.compress(bytes(25 * 8)))


def apng(width: int, height: int, frames: int) -> bytes:
    control = struct.pack(">IIIIHHBB", 1, 1, 0, 0, 1, 10, 0, 0)
    body = zlib.compress(b"\0\0\0\0")
    more = (
        chunk(b"fcTL", struct.pack(">I", 2 * at + 1) + control) + chunk(b"fdAT", struct.pack(">I", 2 * at + 2) + body)
        for at in range(frames - 1)
    )
    start = png(
        width,
        height,
        chunk(b"acTL", struct.pack(">II", frames, 0)),
        pixels=zeros(width * height * 3 // 10**6 * 10**6 + 10**6),
    )
    return start[:-12] + b"".join(more) + chunk(b"IEND")


# GIF, TIFF, BMP -----------------------------------------------------------------------------------------------------


def gif(width: int, height: int, frames: Iterable[tuple[int, int, int, int]], before: bytes = b"") -> bytes:
    pixel = b"\x02\x02\x44\x01\x00"  # one pixel of color 0
    body = b"".join(b"," + struct.pack("<HHHHB", *frame, 0) + pixel for frame in frames)
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(3) + b"\xff" * 3 + before + body + b";"


def tiff_page(width: int, height: int, at: int, following: int, *more: tuple[int, int, int, int]) -> bytes:
    """One directory at `at` with one strip, which is at byte 8; `following` is where the next is."""
    strip = min(width * height, 64)
    size, kind = [(256, 4, 1, width), (257, 4, 1, height)], [(258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    strips = [(273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, strip)]
    entries = sorted([*size, *kind, *strips, *more])
    rows = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return struct.pack("<H", len(entries)) + rows + struct.pack("<I", following)


def tiff(*sizes: tuple[int, int], last: int = 0) -> bytes:
    length = len(tiff_page(1, 1, 0, 0))
    starts = [72 + length * at for at in range(len(sizes))]
    pages = [
        tiff_page(width, height, start, following)
        for (width, height), start, following in zip(sizes, starts, [*starts[1:], last], strict=True)
    ]
    return b"II*\0" + struct.pack("<I", 72) + bytes(64) + b"".join(pages)


def tiff_of_strips(count: int) -> bytes:
    """A page whose list of strips is as long as the file."""
    offsets = (273, 4, count, 400)
    page = tiff_page(8, 8, 72, 0).replace(struct.pack("<HHII", 273, 4, 1, 8), struct.pack("<HHII", *offsets))
    return (b"II*\0" + struct.pack("<I", 72) + bytes(64) + page).ljust(400, b"\0") + bytes(4 * count)


def tiff_of_one_tile() -> bytes:
    """A page of 8 x 8 pixels in one tile of 30,000 x 30,000, deflated."""
    body = zeros(900 * 10**6)
    tags = [(256, 8), (257, 8), (258, 8), (259, 8), (262, 1), (277, 1), (322, 30_000), (323, 30_000), (324, 8)]
    rows = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in [*tags, (325, len(body))])
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + struct.pack("<H", 10) + rows + bytes(4)


def big_tiff_of_tags(count: int) -> bytes:
    tags = b"".join(struct.pack("<HHQQ", 40_000 + at % 20_000, 4, 1, 0) for at in range(count))
    return b"II+\0" + struct.pack("<HHQQ", 8, 0, 16, count) + tags + bytes(8)


def bmp(width: int, height: int, bits: int = 24, compression: int = 0, body: bytes = bytes(64)) -> bytes:
    palette = bytes(1024) if bits == 8 else b""
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(body), 0, 0, 0, 0)
    return b"BM" + struct.pack("<III", 54 + len(palette) + len(body), 0, 54 + len(palette)) + head + palette + body


# WebP, AVIF, HEIF, JPEG ---------------------------------------------------------------------------------------------


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"WEBP" + b"".join(name + struct.pack("<I", len(b)) + b + b"\0" * (len(b) & 1) for name, b in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def three(number: int) -> bytes:
    return struct.pack("<I", number)[:3]


def webp_canvas(width: int, height: int, frames: int) -> bytes:
    lossless = saved(Image.new("RGB", (1, 1)), "WEBP", lossless=True)[12:]
    frame = bytes(6) + bytes(6) + three(100) + b"\0" + lossless
    head = (b"VP8X", b"\x02\0\0\0" + three(width - 1) + three(height - 1))
    return riff(head, (b"ANIM", bytes(6)), *[(b"ANMF", frame)] * frames)


def box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + name + body


def resized_box(data: bytes, width: int, height: int) -> bytes:
    """Every `ispe` (the size that a HEIF or AVIF states) rewritten."""
    parts = data.split(b"ispe\0\0\0\0")
    size = struct.pack(">II", width, height)
    return parts[0] + b"".join(b"ispe\0\0\0\0" + size + part[8:] for part in parts[1:])


def avif(width: int, height: int) -> bytes:
    return saved(Image.new("RGB", (width, height)), "AVIF", speed=10)


def heif() -> bytes | None:
    if not os.environ.get("EYEBRIGHT_DATA"):
        return None
    with zipfile.ZipFile(Path(os.environ["EYEBRIGHT_DATA"]) / "formats.zip") as archive:
        for name in sorted(archive.namelist()):
            data = archive.read(name)
            if name.endswith(".heic") and data.count(b"ispe") == 1:
                return resized_box(data, HUGE, HUGE)
    return None


def jpeg_sized(width: int, height: int, **how: object) -> bytes:
    """A small JPEG whose header states another size."""
    data = saved(Image.new("RGB", (16, 16)), "JPEG", **how)
    at = data.index(b"\xff\xc2" if how.get("progressive") else b"\xff\xc0")
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


def jpeg_scans(width: int, height: int, scans: int) -> bytes:
    """A progressive JPEG that goes over all its blocks again and again, a few bytes each time."""
    data = jpeg_sized(width, height, progressive=True)
    start = data.index(b"\xff\xda")
    blocks = ((width + 15) // 16) * ((height + 15) // 16) * 4
    table = b"\xff\xc4" + struct.pack(">HB", 2 + 1 + 16 + 1, 0x10) + b"\1" + bytes(15) + b"\xe0"  # one symbol: EOB 2^14
    runs = blocks // (1 << 14) + 1
    bits = "".join("0" + "0" * 14 for _ in range(runs))
    body = int(bits.ljust((len(bits) + 7) // 8 * 8, "0"), 2).to_bytes((len(bits) + 7) // 8, "big")
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x01\x3f\x00" + body
    return data[:start] + table + scan * scans + b"\xff\xd9"


def mpo(frames: int, second: bytes | None = None) -> bytes:
    """A JPEG that says it holds so many others, each of them itself, or `second`."""
    plain = saved(Image.new("RGB", (16, 16)), "JPEG")
    length = 4 + 4 + 8 + 2 + 12 * 3 + 4 + 16 * frames
    start = 2
    there = len(plain) + length - (start + 8) if second else 0
    entries = b"".join(struct.pack("<IIIHH", 0x030000, 64, there if at else 0, 0, 0) for at in range(frames))
    table = [(0xB000, 7, 4, b"0100"), (0xB001, 4, 1, struct.pack("<I", frames))]
    ifd = struct.pack("<H", 3) + b"".join(struct.pack("<HHI", tag, kind, n) + value for tag, kind, n, value in table)
    ifd += struct.pack("<HHII", 0xB002, 7, 16 * frames, 8 + 2 + 36 + 4) + struct.pack("<I", 0)
    body = b"MPF\0" + b"II*\0" + struct.pack("<I", 8) + ifd + entries
    segment = b"\xff\xe2" + struct.pack(">H", 2 + len(body)) + body
    return plain[:start] + segment + plain[start:] + (second or b"")


Make = Callable[[], bytes | None]
BOMBS: dict[str, Make] = {
    "png 60000x60000": lambda: png(HUGE, HUGE),
    "png 60000x60000 of 1 bit": lambda: png(HUGE, HUGE, depth=1, color=0, pixels=zeros(451_000_000)),
    "png sides of 2^31": lambda: png(2**31 - 1, 2**31 - 1),
    "png data of 1 GB": lambda: png(8, 8, pixels=zeros(10**9)),
    "png profile of 1 GB": lambda: small_png(chunk(b"iCCP", b"x\0\0" + zeros(10**9))),
    "png text of 1 GB": lambda: small_png(chunk(b"zTXt", b"x\0\0" + zeros(10**9))),
    "png itxt of 1 GB": lambda: small_png(chunk(b"iTXt", b"x\0\1\0\0\0" + zeros(10**9))),
    "png 1000 texts of 1 MB": lambda: small_png(*[chunk(b"zTXt", b"x\0\0" + zeros(10**6))] * 1000),
    "png texts after data": lambda: small_png()[:-12] + chunk(b"zTXt", b"x\0\0" + zeros(10**6)) * 1000 + chunk(b"IEND"),
    "png 5 million chunks": lambda: small_png(chunk(b"abCd") * 5_000_000),
    "png 5 million after": lambda: small_png()[:-12] + chunk(b"abCd") * 5_000_000 + chunk(b"IEND"),
    "apng says 2^31 frames": lambda: small_png(chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0))),
    "apng 20000 frames": lambda: apng(1000, 1000, 20_000),
    "gif 60000x60000": lambda: gif(HUGE, HUGE, [(0, 0, 1, 1)]),
    "gif frame beyond screen": lambda: gif(1, 1, [(0, 0, HUGE, HUGE)]),
    "gif 2nd frame beyond": lambda: gif(1, 1, [(0, 0, 1, 1), (0, 0, 12_000, 12_000)]),
    "gif 10^6 frames": lambda: gif(8, 8, [(0, 0, 1, 1)] * 1_000_000),
    "gif 10^6 comments": lambda: gif(8, 8, [(0, 0, 1, 1)], before=b"\x21\xfe\x01x\0" * 1_000_000),
    "gif comment of 50 MB": lambda: gif(8, 8, [(0, 0, 1, 1)], before=b"\x21\xfe" + b"\x01x" * 25_000_000 + b"\0"),
    "tiff 60000x60000": lambda: tiff((HUGE, HUGE)),
    "tiff 2nd page huge": lambda: tiff((8, 8), (HUGE, HUGE)),
    "tiff 10^5 pages": lambda: tiff(*[(8, 8)] * 100_000),
    "tiff loop to itself": lambda: tiff((8, 8), last=72),
    "tiff loop of two": lambda: tiff((8, 8), (8, 8), last=72),
    "tiff 10^7 strips": lambda: tiff_of_strips(10_000_000),
    "tiff tile of 900 MP": tiff_of_one_tile,
    "tiff 2 million tags": lambda: big_tiff_of_tags(2_000_000),
    "bmp 60000x60000": lambda: bmp(HUGE, HUGE),
    "bmp upside down": lambda: bmp(HUGE, -HUGE),
    "bmp of runs, 99 MP": lambda: bmp(11_000, 9_000, 8, 1, b"\x01\x00" * 10_000_000),
    "webp lossless 16383^2": lambda: riff((b"VP8L", b"\x2f" + struct.pack("<I", 16382 | 16382 << 14) + bytes(8))),
    "webp lossy 16383^2": lambda: riff(
        (b"VP8 ", b"\x10\0\0\x9d\x01\x2a" + struct.pack("<HH", 16383, 16383) + bytes(32))
    ),
    "webp canvas 2^24 x 200": lambda: webp_canvas(2**24, 200, 1),
    "webp canvas 16000^2": lambda: webp_canvas(16_000, 16_000, 1),
    "webp 50000 frames": lambda: webp_canvas(16, 16, 50_000),
    "avif 60000x60000": lambda: resized_box(avif(16, 16), HUGE, HUGE),
    "avif larger than it says": lambda: resized_box(avif(4096, 4096), 16, 16),
    "heif 60000x60000": heif,
    "jpeg 65500x65500": lambda: jpeg_sized(65_500, 65_500),
    "jpeg 99 MP cut short": lambda: jpeg_sized(11_000, 9_000),
    "jpeg 99 MP progressive": lambda: jpeg_sized(11_000, 9_000, progressive=True),
    "jpeg 2000 scans": lambda: jpeg_scans(8_000, 8_000, 2000),
    "jpeg 10^7 segments": lambda: (
        b"\xff\xd8" + b"\xff\xe5\0\2" * 10_000_000 + saved(Image.new("RGB", (8, 8)), "JPEG")[2:]
    ),
    "jpeg 50 MB of filling": lambda: (
        b"\xff\xd8\xff\xe5\0\2" + bytes(50_000_000) + saved(Image.new("RGB", (8, 8)), "JPEG")[2:]
    ),
    "mpo 4000 frames": lambda: mpo(4000),
    "mpo 2nd of 2000 scans": lambda: mpo(2, jpeg_scans(8_000, 8_000, 2000)),
    "mpo 2nd frame huge": lambda: mpo(2, jpeg_sized(65_500, 65_500)),
}
FIRST_IS_FINE = {
    *("apng says 2^31 frames", "apng 20000 frames", "gif 10^6 frames", "gif 2nd frame beyond"),
    *("tiff 2nd page huge", "tiff 10^5 pages", "webp 50000 frames", "mpo 4000 frames", "mpo 2nd frame huge"),
    "mpo 2nd of 2000 scans",
}
"""Their first frame is an ordinary picture."""
READ_IS_FINE = {"png data of 1 GB", "tiff loop to itself", "tiff loop of two", "avif larger than it says"}
"""What they hold is read, and nothing more."""


if __name__ == "__main__":
    main()
