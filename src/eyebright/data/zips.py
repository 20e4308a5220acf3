"""Zip archives: members are unpacked one by one, in memory, when they are asked for."""

import os
import struct
import zipfile
from pathlib import Path

from eyebright.bounds import LIMITS
from eyebright.data.members import DAMAGE, broken, check_name, is_link, reason, visible
from eyebright.data.stores import MAX_FILES, too_many_files
from eyebright.errors import BadPicture, BadRequest
from eyebright.images import HEAD_BYTES

RATIO = 200
"""Unpacked bytes to packed ones, at most, once they are over SPARE_BYTES: pictures are near 1, tables near 10."""
SPARE_BYTES = 100_000_000
PIECE_BYTES = 4096
"""Of packed data at once, where the unpacker cannot be told to stop (LZMA, bzip2)."""
MAX_DIRECTORY_BYTES = 100 * MAX_FILES
"""Names with their sizes; Python needs some ten times as much to hold it."""

_LINK = 0o120000
_KIND = 0o170000


class Zip:
    """Stored, deflated, LZMA and bzip2 members. A read opens the file anew: threads and forks share no place in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        _check_directory(path)
        try:
            with zipfile.ZipFile(path) as file:
                members = file.infolist()
        except DAMAGE as error:
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
            if not member.is_dir() and (name := visible(member.filename)):
                self._members[name] = member
        _check_ratio(path, total)
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
        except DAMAGE as error:
            raise BadPicture(f"it cannot be unpacked ({reason(error)}).") from None
        return b"".join(pieces)


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


def _check_ratio(path: Path, total: int) -> None:
    """All members together against the file. Raises BadRequest."""
    packed = path.stat().st_size
    if total > SPARE_BYTES and total > RATIO * packed:
        raise BadRequest(
            f"{path}: {packed / 1e6:,.1f} MB that unpack to {total / 1e6:,.0f} MB are no pictures (a zip bomb?)."
        )
