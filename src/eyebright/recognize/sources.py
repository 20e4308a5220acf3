"""What a person points at, as single pictures: files, folders, globs, videos, bytes.

Folders are walked in the order of their names, hidden files left out. In a folder only what its bytes or its name
call a picture or video is tried, the rest is counted; what is named itself is always tried.
"""

import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from PIL import Image

from eyebright.bounds import LIMITS
from eyebright.errors import BadPicture, BadRequest
from eyebright.images import FORMATS, HEAD_BYTES, VIDEOS, sniff

NAMES = tuple(
    ".jpg .jpeg .jpe .jfif .png .apng .gif .webp .bmp .dib .tif .tiff .heic .heif .hif .avif "
    ".mp4 .m4v .mov .mkv .webm .avi .mpg .mpeg .ts .flv .ogv .wmv .3gp".split()
)


class Still(NamedTuple):
    """A picture that is not decoded yet: a path, bytes, a PIL image, an (H, W, 3) uint8 array; or why it is none."""

    source: str
    content: Any


class Movie(NamedTuple):
    """A video file."""

    source: str
    path: Path


Item = Still | Movie


@dataclass
class Sources:
    """Iterating gives the items one after another, once."""

    given: Iterable[Any]
    stdin: BinaryIO | None = None
    """Where the source `-` is read from, if it means that."""
    done: frozenset[str] = frozenset()
    """Sources that are left out, since an earlier run has done them."""
    taken: int = field(default=0, init=False)
    """How many items were given so far."""
    others: int = field(default=0, init=False)
    """How many files in folders were left out, since they are neither pictures nor videos."""

    def __iter__(self) -> Iterator[Item]:
        for source in self.given:
            for item in self._items(source):
                if item.source not in self.done:
                    self.taken += 1
                    yield item

    def _items(self, source: Any) -> Iterator[Item]:
        if isinstance(source, (str, os.PathLike)):
            text = os.fsdecode(source)
            if text == "-" and self.stdin is not None:
                yield Still("-", self.stdin.read(LIMITS.file_bytes + 1))
            elif os.path.isdir(text):
                yield from self._folder(text)
            else:
                yield _file(text)
        else:
            yield Still("", source)

    def _folder(self, folder: str) -> Iterator[Item]:
        refused: list[OSError] = []  # os.walk reports a folder that it cannot list, and goes on
        for path, folders, names in os.walk(folder, onerror=refused.append):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            yield from _unreadable(refused)
            for name in sorted(names):
                full = os.path.join(path, name)
                if name.startswith(".") or not _looks_right(full):
                    self.others += 1
                else:
                    yield _file(full)
        yield from _unreadable(refused)


def name_of(path: str) -> str:
    r"""A path as text that can be printed and sent: bytes in it that are no UTF-8 read \xNN.

    >>> print(name_of("caf\udce9.jpg"))
    caf\xe9.jpg
    """
    return re.sub("[\ud800-\udfff]", lambda found: f"\\x{ord(found[0]) & 0xFF:02x}", path)


def expand(sources: Iterable[str], has_stdin: bool = False) -> list[str]:
    """Paths from a command line: globs resolved, all known to exist; BadRequest names the first that does not."""
    found: list[str] = []
    for source in sources:
        if (source == "-" and has_stdin) or os.path.lexists(source):
            found.append(source)
            continue
        import glob  # seldom needed, since shells resolve patterns themselves

        matches = sorted(glob.glob(source, recursive=True)) if glob.has_magic(source) else []
        if not matches:
            if glob.has_magic(source):
                raise BadRequest(f"nothing matches {name_of(source)}")
            raise BadRequest(f"no such file or folder: {name_of(source)}{_perhaps(source)}")
        found.extend(matches)
    return found


def _perhaps(path: str) -> str:
    """The name in the same folder that was perhaps meant."""
    from difflib import get_close_matches

    folder, name = os.path.split(path)
    try:
        near = get_close_matches(name, os.listdir(folder or "."), 1, cutoff=0.75)
    except OSError:
        return ""
    return f"; did you mean {name_of(os.path.join(folder, near[0]))}?" if near else ""


def count(sources: Iterable[str]) -> int:
    """How many files `Sources` will look at, at most; only names are read."""
    total = 0
    for source in sources:
        if os.path.isdir(source):
            for _, folders, names in os.walk(source):
                folders[:] = [name for name in folders if not name.startswith(".")]
                total += sum(name.lower().endswith(NAMES) for name in names if not name.startswith("."))
        else:
            total += 1
    return total


def watch(folders: Iterable[str], poll_s: float = 1.0) -> Iterator[list[str]]:
    """For ever, files that appear in folders, once they have stopped growing; an empty list when nothing did."""
    watched = list(folders)
    seen = {path for path, _ in _sizes(watched)}
    growing: dict[str, tuple[int, int]] = {}
    while True:
        ready = []
        now = dict(_sizes(watched))
        for path, size in now.items():
            if path in seen:
                continue
            if growing.get(path) == size and size[0]:
                seen.add(path)
                del growing[path]
                if _looks_right(path):
                    ready.append(path)
            else:
                growing[path] = size
        seen &= now.keys()  # a file of the name of one that is gone is a new one
        yield ready
        time.sleep(poll_s)


def to_picture(array: np.ndarray[Any, Any]) -> Image.Image:
    """An (H, W, 3) uint8 array as a picture; BadPicture for any other."""
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise BadPicture(f"an array must be (H, W, 3) uint8 in sRGB; this one is {array.shape} {array.dtype}.")
    return Image.fromarray(np.ascontiguousarray(array))


def _sizes(folders: list[str]) -> Iterator[tuple[str, tuple[int, int]]]:
    for folder in folders:
        for path, inner, names in os.walk(folder):
            inner[:] = sorted(name for name in inner if not name.startswith("."))
            for name in sorted(names):
                full = os.path.join(path, name)
                if not name.startswith("."):
                    try:
                        status = os.stat(full)
                    except OSError:
                        continue
                    yield full, (status.st_size, status.st_mtime_ns)


def _unreadable(refused: list[OSError]) -> Iterator[Still]:
    while refused:
        error = refused.pop()
        yield Still(name_of(str(error.filename)), BadPicture(f"{(error.strerror or 'cannot be opened').lower()}."))


def _file(path: str) -> Item:
    return Movie(name_of(path), Path(path)) if sniff(_head(path)) in VIDEOS else Still(name_of(path), path)


def _looks_right(path: str) -> bool:
    return path.lower().endswith(NAMES) or sniff(_head(path)) in {*FORMATS, *VIDEOS}


def _head(path: str) -> bytes:
    try:
        if os.path.isfile(path):
            with open(path, "rb") as file:
                return file.read(HEAD_BYTES)
    except OSError:
        pass  # reading it will fail again, where it is reported
    return b""
