"""Tar archives, plain or packed by gzip, bzip2 or xz: read once, in order, from the first member to the last."""

import bz2
import gzip
import lzma
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from eyebright.bounds import LIMITS
from eyebright.data.members import DAMAGE, broken, check_name, is_link, visible
from eyebright.data.stores import MAX_FILES, too_many_files
from eyebright.errors import BadPicture, BadRequest
from eyebright.images import HEAD_BYTES

KEPT_BYTES = 500_000_000
"""Of a packed one, which is kept in memory: going back in it would mean unpacking it from the start."""

_BLOCK = 512
_MAX_HEADER_BYTES = 1_000_000
_UNPACK: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}


def is_tar(path: Path) -> bool:
    """Whether the first block, unpacked, is the header of a member."""
    try:
        with _unpacked(path) as file:
            tarfile.TarInfo.frombuf(file.read(_BLOCK), "utf-8", "surrogateescape")
    except (*DAMAGE, tarfile.HeaderError):
        return False
    return True


class Tar:
    """Plain, or packed by gzip, bzip2 or xz. A plain one is read where its members lie, a packed one is kept."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._at: dict[str, tuple[int, int]] = {}
        self._kept: dict[str, bytes] = {}
        packed = _packing(path) is not None
        try:
            with _unpacked(path) as file:
                for member in _members(path, file, KEPT_BYTES if packed else None):
                    if len(self._at) >= MAX_FILES:
                        raise too_many_files(path)
                    self._at[member.name] = (member.offset, member.size)
                    if packed:
                        self._kept[member.name] = file.read(member.size)
        except DAMAGE as error:
            raise broken(path, error) from None
        self.names = sorted(self._at)

    def has(self, name: str) -> bool:
        return name in self._at

    def read(self, name: str, limit: int = LIMITS.file_bytes) -> bytes:
        offset, size = self._at[name]
        if size > limit:
            raise BadPicture(f"{size / 1e6:,.0f} MB are over the limit of {limit / 1e6:,.0f} MB.")
        return self._read(name, offset, size)

    def head(self, name: str) -> bytes:
        offset, size = self._at[name]
        return self._read(name, offset, min(size, HEAD_BYTES))

    def _read(self, name: str, offset: int, size: int) -> bytes:
        if name in self._kept:
            return self._kept[name][:size]
        try:
            with self.path.open("rb") as file:  # a place of its own for each thread
                file.seek(offset)
                return file.read(size)
        except OSError as error:
            raise BadPicture(f"{(error.strerror or str(error)).lower()}.") from None


class _Member(NamedTuple):
    name: str
    offset: int
    size: int


def _members(path: Path, file: IO[bytes], most: int | None) -> Iterator[_Member]:
    """Regular files of a tar, in order (POSIX.1-2001 pax and GNU long names); the caller may read each when it comes.

    `most` bounds all that is read. The tarfile module reads headers of any size, and takes a cut archive for whole.
    """
    name, size = "", -1  # as an extended header gives them for the member that follows
    at = 0
    while True:
        block = file.read(_BLOCK)
        if not block.strip(b"\0"):
            return
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise broken(path, error) from None
        at += _BLOCK
        header.size = size if size >= 0 else header.size
        if header.size < 0:
            raise broken(path, ValueError("a member of negative size"))
        if most is not None and at + header.size > most:
            raise BadRequest(
                f"{path}: it unpacks to over {most / 1e6:,.0f} MB, too much to keep in memory; "
                "unpack it, or make it a zip or a tar without compression."
            )
        if header.type in (b"L", b"x", b"g"):
            if header.size > _MAX_HEADER_BYTES:
                raise broken(path, ValueError("a header of a megabyte"))
            content = file.read(header.size)
            if header.type == b"L":
                name = content.rstrip(b"\0").decode("utf-8", "surrogateescape")
            elif header.type == b"x":
                name, size = _extended(content)
        else:
            header.name = name or header.name
            name, size = "", -1
            check_name(path, header.name)
            if not (header.isdir() or header.type in (b"0", b"\0", b"7")):
                raise is_link(path, header.name)
            if not header.isdir() and (seen := visible(header.name)):
                yield _Member(seen, at, header.size)
        at += -(-header.size // _BLOCK) * _BLOCK
        if at > file.tell():
            file.seek(at - 1)  # in what is packed that reads on, a piece at a time
            if not file.read(1):
                raise broken(path, EOFError("it is cut short"))


def _extended(content: bytes) -> tuple[str, int]:
    """Path and size from the records of a pax header, `length key=value`; "" and -1 where it has none."""
    name, size, at = "", -1, 0
    while at < len(content) and (end := content.find(b" ", at)) > at:
        length = int(content[at:end])
        key, _, value = content[end + 1 : at + length - 1].partition(b"=")
        if key == b"path":
            name = value.decode("utf-8", "surrogateescape")
        elif key == b"size":
            size = int(value)
        if length <= 0:
            raise ValueError("a header without length")
        at += length
    return name, size


def _packing(path: Path) -> Any:
    with path.open("rb") as file:
        head = file.read(6)
    return next((opener for start, opener in _UNPACK.items() if head.startswith(start)), None)


def _unpacked(path: Path) -> IO[bytes]:
    """The file as it was before it was packed."""
    file: IO[bytes] = (_packing(path) or open)(path, "rb")
    return file
