"""IDX, the format of the MNIST family (Y. LeCun, C. Cortes): a file of pixels and one of labels a split, often gzipped.

Big-endian: 0, 0, the type (8: uint8), the number of dimensions, each dimension as 4 bytes, then the values.
"""

import re
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from eyebright.data.found import Found, Row, natural
from eyebright.data.source import Source, beside
from eyebright.data.split import named_split
from eyebright.data.stores import MAX_TABLE_BYTES, Pixels
from eyebright.errors import BadRequest
from eyebright.modelfile import Label

_IMAGES = re.compile(r"images?[-_.]idx\d([-_.]ubyte)?(\.gz)?$", re.I)
_UINT8 = 8
NAMES = "labels.txt"
"""Names of the classes, one a line, if it stands beside; else they are called by their numbers."""


def suits(source: Source) -> bool:
    """Whether there are files of pixels, as train-images-idx3-ubyte or t10k-images.idx3-ubyte.gz."""
    return bool(_files(source))


def read(source: Source) -> Found:
    """Each file of pixels with the file of labels that has its name with `labels` for `images`."""
    files = _files(source)
    if not files:
        raise BadRequest(f"{source.where}: there are no IDX files in it (train-images-idx3-ubyte, gzipped or not).")
    arrays: dict[str, NDArray[np.uint8]] = {}
    rows: list[Row] = []
    for name in files:
        pixels = _array(source, name)
        if pixels.ndim == 2 or pixels.ndim > 4 or (pixels.ndim == 4 and pixels.shape[3] != 3) or 0 in pixels.shape[1:]:
            raise BadRequest(f"{source.place(name)}: {pixels.shape} are no pictures; (N, H, W) or (N, H, W, 3) are.")
        labels = _array(source, _labels_of(source, name))
        if labels.ndim != 1 or len(labels) != len(pixels):
            raise BadRequest(
                f"{source.place(name)}: {len(pixels):,} pictures and {labels.size:,} labels; one each is due."
            )
        file = name.removesuffix(".gz")  # packed or not, its pictures keep their names
        arrays[file] = pixels
        split = named_split(name)
        rows.extend(Row(f"{file}#{number}", (str(label),), split) for number, label in enumerate(labels.tolist()))
    return Found(rows, Pixels(arrays), _names(source, files[0], {row.labels[0] for row in rows}))


def _files(source: Source) -> list[str]:
    names = [source.focus] if source.focus else source.tree.names
    return [name for name in names if _IMAGES.search(name)]


def _labels_of(source: Source, name: str) -> str:
    folder, _, file = name.rpartition("/")
    wanted = re.sub("idx[34]", "idx1", re.sub("images?", "labels", file, flags=re.I), flags=re.I)
    for candidate in (wanted, f"{wanted}.gz", wanted.removesuffix(".gz"), wanted.replace("labels", "label")):
        path = f"{folder}/{candidate}" if folder else candidate
        if path != name and source.tree.has(path):
            return path
    raise BadRequest(f"{source.place(name)}: there is no {wanted} with its labels beside it.")


def _array(source: Source, name: str) -> NDArray[np.uint8]:
    data = source.content(name)
    if data.startswith(b"\x1f\x8b"):
        data = _unzipped(data, source.place(name))
    shape = _shape(data[: 4 + 4 * 255], source.place(name))
    start = 4 + 4 * len(shape)
    count = int(np.prod(shape, dtype=object))
    if len(data) - start != count:
        raise BadRequest(
            f"{source.place(name)}: its header states {count:,} bytes {shape}, and {len(data) - start:,} follow; "
            "copy the file again."
        )
    return np.frombuffer(data, np.uint8, count, start).reshape(shape)


def _shape(head: bytes, place: str) -> tuple[int, ...]:
    if len(head) < 8 or head[:2] != b"\0\0" or head[2] != _UINT8 or not head[3] or len(head) < 4 + 4 * head[3]:
        raise BadRequest(f"{place}: no IDX file of bytes (it begins with {head[:4].hex(' ') or 'nothing'}).")
    return struct.unpack(f">{head[3]}I", head[4 : 4 + 4 * head[3]])


def _unzipped(data: bytes, place: str) -> bytes:
    """At most what the header inside states, and one byte more."""
    try:
        shape = _shape(zlib.decompressobj(31).decompress(data, 4 + 4 * 255), place)
        size = 4 + 4 * len(shape) + int(np.prod(shape, dtype=object))
        if size > MAX_TABLE_BYTES:
            raise BadRequest(f"{place}: {size / 1e6:,.0f} MB are over the limit of {MAX_TABLE_BYTES / 1e6:,.0f} MB.")
        return zlib.decompressobj(31).decompress(data, size + 1)
    except zlib.error as error:
        raise BadRequest(f"{place}: it cannot be unpacked ({error}); copy the file again.") from None


def _names(source: Source, file: str, used: set[str]) -> list[Label]:
    ids = sorted(used, key=natural)
    path = "/".join(filter(None, (beside(file), NAMES)))
    if not source.tree.has(path):
        return [Label(id, id) for id in ids]
    names = [line.strip() for line in source.text(path).splitlines() if line.strip()]
    if ids and int(ids[-1]) >= len(names):
        raise BadRequest(f"{source.place(path)}: {len(names):,} names, but there is a label {ids[-1]}.")
    return [Label(id, names[int(id)]) for id in ids]
