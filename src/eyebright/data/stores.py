"""Where the files of a data set lie: a folder or an archive, under one face, `Tree`.

Names are relative to the tree, written with `/`, in the order of the alphabet; hidden files are left out. A folder that
holds all the rest is passed through, so that a set reads the same in its folder and in an archive of it.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from eyebright.bounds import LIMITS
from eyebright.errors import BadPicture, BadRequest
from eyebright.images import HEAD_BYTES, read_file

MAX_FILES = 2_000_000
"""In one data set; ImageNet has 1.4 million."""
MAX_TABLE_BYTES = 1_000_000_000
"""Of one file of annotations or pixels, when it is unpacked."""


class Tree(Protocol):
    """Files by name. Reading is safe from several threads at once."""

    @property
    def path(self) -> Path:
        """What a person named."""
        ...

    @property
    def names(self) -> Sequence[str]:
        """All files, sorted."""
        ...

    def has(self, name: str) -> bool:
        """Whether there is such a file; may be asked for names that somebody wrote."""
        ...

    def read(self, name: str, limit: int = LIMITS.file_bytes) -> bytes:
        """A whole file of at most `limit` bytes; BadPicture says why not, without the name."""
        ...

    def head(self, name: str) -> bytes:
        """The first HEAD_BYTES bytes."""
        ...


class Folder:
    """A folder of the file system. A link to a file is a file; links to folders are not followed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def names(self) -> Sequence[str]:
        found: list[str] = []
        for folder, inner, names in os.walk(self.path, onerror=_refuse):
            inner[:] = [name for name in inner if not hidden(name)]
            below = os.path.relpath(folder, self.path).replace(os.sep, "/")
            prefix = "" if below == "." else below + "/"
            found.extend(prefix + name for name in names if not hidden(name))
            if len(found) > MAX_FILES:
                raise too_many_files(self.path)
        return sorted(found)

    def has(self, name: str) -> bool:
        return os.path.isfile(self.path / name)

    def read(self, name: str, limit: int = LIMITS.file_bytes) -> bytes:
        return read_file(self.path / name, replace(LIMITS, file_bytes=limit))

    def head(self, name: str) -> bytes:
        try:
            if self.has(name):  # and no pipe
                with (self.path / name).open("rb") as file:
                    return file.read(HEAD_BYTES)
        except OSError:
            pass  # reading it will fail again, where it is reported
        return b""


class Below:
    """A tree as seen from one of its folders."""

    def __init__(self, tree: Tree, prefix: str) -> None:
        self.path, self._tree, self._prefix = tree.path, tree, prefix
        self.folder: str = getattr(tree, "folder", "") + prefix
        """Where it lies below `path`, with a slash at its end."""
        self.names = [name.removeprefix(prefix) for name in tree.names if name.startswith(prefix)]

    def has(self, name: str) -> bool:
        return self._tree.has(self._prefix + name)

    def read(self, name: str, limit: int = LIMITS.file_bytes) -> bytes:
        return self._tree.read(self._prefix + name, limit)

    def head(self, name: str) -> bytes:
        return self._tree.head(self._prefix + name)


@dataclass(frozen=True)
class Pixels:
    """A store of formats that hold many pictures in a file: `file#number` is one of them."""

    arrays: dict[str, NDArray[np.uint8]]
    """(N, H, W) gray or (N, H, W, 3) by the name of their file."""

    def read(self, name: str) -> NDArray[np.uint8]:
        file, _, number = name.rpartition("#")
        try:
            pixels: NDArray[np.uint8] = self.arrays[file][int(number)]
            return pixels
        except (KeyError, ValueError, IndexError):
            raise BadPicture("there is no such picture.") from None


def hidden(name: str) -> bool:
    """What a file manager hides, and what that of a Mac leaves in archives."""
    return name.startswith(".") or name == "__MACOSX"


def is_outside(name: str) -> bool:
    """Whether a path that somebody wrote leaves the folder it is meant in, on any system.

    >>> is_outside("../x"), is_outside("C:\\\\x"), is_outside("12:30.jpg")
    (True, True, False)
    """
    parts = name.replace("\\", "/").split("/")
    return not parts[0] or ".." in parts or "\0" in name or re.match("[A-Za-z]:", name) is not None


def _refuse(error: OSError) -> None:
    raise BadRequest(f"{error.filename}: {(error.strerror or 'cannot be opened').lower()}.")


def too_many_files(path: Path) -> BadRequest:
    return BadRequest(f"{path}: more than {MAX_FILES:,} files; name a folder that holds the data set alone.")
