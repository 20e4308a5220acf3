"""Zip and tar archives, read in place: nothing is unpacked to disk.

An archive from elsewhere may claim anything. Its members are counted, and their names, kinds and sizes judged, before
one is read; what is over the bounds, lies outside or is a link ends the reading with a sentence.
"""

import bz2
import gzip
import lzma
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from lzma import LZMAError
from pathlib import Path
from typing import IO, Any, NamedTuple

from eyebright.bounds import LIMITS
from eyebright.data.stores import MAX_FILES, Tree, hidden, is_outside, too_many_files
from eyebright.errors import BadPicture, BadRequest
from eyebright.images import HEAD_BYTES

PACKED = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
"""What archives are called; whether a file is one, its bytes say."""
RATIO = 200
"""Unpacked bytes to packed ones, at most, once they are over SPARE_BYTES: pictures are near 1, tables near 10."""
SPARE_BYTES = 100_000_000
PIECE_BYTES = 4096
"""Of packed data at once, where the unpacker cannot be told to stop (LZMA, bzip2)."""
MAX_DIRECTORY_BYTES = 100 * MAX_FILES
"""Of a zip: names with their sizes; Python needs some ten times as much to hold it."""
KEPT_BYTES = 500_000_000
"""Of a compressed tar, which is read once, in order, and kept in memory."""

_DAMAGE = (zipfile.BadZipFile, struct.error, zlib.error, LZMAError, EOFError, OSError, ValueError, NotImplementedError)
_BLOCK = 512
_MAX_HEADER_BYTES = 1_000_000
_UNPACK: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
_LINK = 0o120000
_KIND = 0o170000


def open_archive(path: Path) -> Tree | None:
    """A zip or tar archive as a tree; None for any other file. Raises BadRequest where it is broken or hostile."""
    try:
        if zipfile.is_zipfile(path):
            return Zip(path)
        with _unpacked(path) as file:
            tarfile.TarInfo.frombuf(file.read(_BLOCK), "utf-8", "surrogateescape")
    except (*_DAMAGE, tarfile.HeaderError):
        if path.name.lower().endswith(PACKED):
            raise broken(path, ValueError("it is no whole zip or tar")) from None
        return None
    return Tar(path)


class Zip:
    """Stored, deflated, LZMA and bzip2 members. A read opens the file anew: threads and forks share no place in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        _check_directory(path)
        try:
            with zipfile.ZipFile(path) as file:
                members = file.infolist()
        except _DAMAGE as error:
            raise broken(path, error) from None
        if len(members) > MAX_FILES:
            raise too_many_files(path)
        self._members: dict[str, zipfile.ZipInfo] = {}
        total = 0
        for member in members:
            check_name(path, member.filename)
            if member.external_attr >> 16 & _KIND == _LINK:
                raise is_link(path, member.filename)
            total += member.file_size
            if not member.is_dir() and (name := _visible(member.filename)):
                self._members[name] = member
        check_ratio(path, total)
        self.names = sorted(self._members)

    def has(self, name: str) -> bool:
        return name in self._members

    def read(self, name: str, limit: int = LIMITS.file_bytes) -> bytes:
        member = self._members[name]
        if member.file_size > limit:
            raise BadPicture(f"{member.file_size / 1e6:,.0f} MB are over the limit of {limit / 1e6:,.0f} MB.")
        return self._read(member, member.file_size)

    def head(self, name: str) -> bytes:
        try:
            return self._read(self._members[name], HEAD_BYTES)
        except BadPicture:
            return b""  # reading it will fail again, where it is reported

    def _read(self, member: zipfile.ZipInfo, most: int) -> bytes:
        if member.flag_bits & 1:
            raise BadPicture("it is encrypted; make the archive without a password.")
        bounded = member.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        pieces: list[bytes] = []
        try:
            with self.path.open("rb") as file:
                file.seek(member.header_offset)
                mark, name_bytes, extra_bytes = struct.unpack("<4s22xHH", file.read(30))
                if mark != b"PK\3\4":
                    raise zipfile.BadZipFile("its own header is missing")
                file.seek(name_bytes + extra_bytes, os.SEEK_CUR)
                with zipfile.ZipExtFile(file, "r", member) as content:
                    left = most
                    while left > 0 and (piece := content.read(left if bounded else min(left, PIECE_BYTES))):
                        pieces.append(piece)
                        left -= len(piece)
        except _DAMAGE as error:
            raise BadPicture(f"it cannot be unpacked ({error}).") from None
        return b"".join(pieces)


class Tar:
    """Plain, or packed by gzip, bzip2 or xz. A plain one is read where its members lie, a packed one is kept."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._at: dict[str, tuple[int, int]] = {}
        self._kept: dict[str, bytes] = {}
        packed = _packing(path) is not None
        kept_bytes = 0
        try:
            with _unpacked(path) as file:
                for member in _members(path, file):
                    if len(self._at) >= MAX_FILES:
                        raise too_many_files(path)
                    self._at[member.name] = (member.offset, member.size)
                    if packed:
                        kept_bytes += member.size
                        if kept_bytes > KEPT_BYTES:
                            raise BadRequest(
                                f"{path}: it unpacks to over {KEPT_BYTES / 1e6:,.0f} MB, too much to keep in memory; "
                                "unpack it, or make it a zip or a tar without compression."
                            )
                        self._kept[member.name] = file.read(member.size)
        except _DAMAGE as error:
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


def _members(path: Path, file: IO[bytes]) -> Iterator[_Member]:
    """Regular files of a tar, in order (POSIX.1-2001 pax and GNU long names); the caller may read each when it comes.

    The tarfile module would read headers of any size, and take a cut archive for a whole one.
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
            if not header.isdir() and (visible := _visible(header.name)):
                yield _Member(visible, at, header.size)
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


def _visible(name: str) -> str | None:
    """The name of a member as a tree has it; None for what is hidden."""
    name = name.removeprefix("./")
    return None if any(map(hidden, name.split("/"))) else name


def _packing(path: Path) -> Any:
    with path.open("rb") as file:
        head = file.read(6)
    return next((opener for start, opener in _UNPACK.items() if head.startswith(start)), None)


def _unpacked(path: Path) -> IO[bytes]:
    """The file as it was before it was packed."""
    file: IO[bytes] = (_packing(path) or open)(path, "rb")
    return file


def _check_directory(path: Path) -> None:
    """How long the directory of a zip says it is, before anybody reads it (APPNOTE 6.3.10, 4.3.14 and 4.3.16)."""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - (1 << 16) - 100, 0))
        end = file.read()
    at = end.rfind(b"PK\5\6")
    size = int.from_bytes(end[at + 12 : at + 16], "little")
    if size == 0xFFFFFFFF and end[max(at - 76, 0) :].startswith(b"PK\6\6"):
        size = int.from_bytes(end[at - 36 : at - 28], "little")
    if size > MAX_DIRECTORY_BYTES:
        raise too_many_files(path)


def check_name(path: Path, name: str) -> None:
    """A member stays inside. Raises BadRequest."""
    if is_outside(name):
        raise BadRequest(f"{path}: the member {name} lies outside the archive; make it again from inside its folder.")


def is_link(path: Path, name: str) -> BadRequest:
    return BadRequest(f"{path}: the member {name} is a link or device, which is not followed; pack the file itself.")


def check_ratio(path: Path, total: int) -> None:
    """All members together against the file. Raises BadRequest."""
    packed = path.stat().st_size
    if total > SPARE_BYTES and total > RATIO * packed:
        raise BadRequest(
            f"{path}: {packed / 1e6:,.1f} MB that unpack to {total / 1e6:,.0f} MB are no pictures (a zip bomb?)."
        )


def broken(path: Path, error: Exception) -> BadRequest:
    return BadRequest(f"{path}: the archive is broken ({str(error) or type(error).__name__}); copy or make it again.")
