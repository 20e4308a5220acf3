"""Zip and tar archives, read in place: nothing is unpacked to disk.

An archive from elsewhere may claim anything. Its members are counted, and their names, kinds and sizes judged, before
one is read; what is over the bounds, lies outside or is a link ends the reading with a sentence.
"""

import zipfile
import zlib
from lzma import LZMAError
from pathlib import Path

from eyebright.bounds import LIMITS
from eyebright.data.stores import MAX_FILES, Tree, hidden, too_many_files
from eyebright.errors import BadPicture, BadRequest
from eyebright.images import HEAD_BYTES

RATIO = 200
"""Unpacked bytes to packed ones, at most, once they are over SPARE_BYTES: pictures are near 1, tables near 10."""
SPARE_BYTES = 100_000_000
PIECE_BYTES = 4096
"""Of packed data at once, where the unpacker cannot be told to stop (LZMA, bzip2)."""

_LINK = 0o120000
_KIND = 0o170000


def open_archive(path: Path) -> Tree:
    """A zip or tar archive as a tree. Raises BadRequest."""
    if zipfile.is_zipfile(path):
        return Zip(path)
    raise BadRequest(f"{path}: no folder, and no archive that Eyebright reads (zip, tar, tar.gz, tar.bz2, tar.xz).")


class Zip:
    """Stored, deflated, LZMA and bzip2 members."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise broken(path, error) from None
        members = self._file.infolist()
        if len(members) > MAX_FILES:
            raise too_many_files(path)
        self._members: dict[str, zipfile.ZipInfo] = {}
        total = 0
        for member in members:
            check_name(path, member.filename)
            if member.external_attr >> 16 & _KIND == _LINK:
                raise is_link(path, member.filename)
            total += member.file_size
            if not member.is_dir() and not any(map(hidden, member.filename.split("/"))):
                self._members[member.filename] = member
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
            with self._file.open(member) as file:
                left = most
                while left > 0 and (piece := file.read(left if bounded else min(left, PIECE_BYTES))):
                    pieces.append(piece)
                    left -= len(piece)
        except (zipfile.BadZipFile, zlib.error, LZMAError, EOFError, OSError, ValueError, NotImplementedError) as error:
            raise BadPicture(f"it cannot be unpacked ({error}).") from None
        return b"".join(pieces)


def check_name(path: Path, name: str) -> None:
    """A member stays inside. Raises BadRequest."""
    parts = name.replace("\\", "/").split("/")
    if name.startswith("/") or ".." in parts or ":" in parts[0] or "\0" in name:
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
