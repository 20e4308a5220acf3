"""Folders as a library sees them: files with their size and time, and the sidecars that lie beside them."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from eyebright.errors import BadRequest

SIDECAR = ".xmp"


class Found(NamedTuple):
    """A file that is there."""

    path: str
    size: int
    changed: int
    """When it was last written, ns."""
    sidecar: str = ""
    """Its path, `photo.jpg.xmp` or `photo.xmp`."""
    sidecar_changed: int = 0


class Walk:
    """Every file under a folder in the order of names; hidden ones are left out and links to folders not followed.

    Raises BadRequest where the folder itself cannot be listed; those inside it that cannot be are in `unlisted` then.
    """

    def __init__(self, folder: str) -> None:
        self.unlisted: list[tuple[str, str]] = []
        """Folders, and why."""
        try:
            self._inside = listing(folder)
        except OSError as error:
            raise BadRequest(f"{folder} cannot be listed: {(error.strerror or str(error)).lower()}.") from None

    def __iter__(self) -> Iterator[Found]:
        waiting: list[str] = []
        inside: list[os.DirEntry[str]] | None = self._inside
        while inside is not None:
            below: list[str] = []
            yield from self._files(inside, below)
            waiting += reversed(below)
            inside = None
            while inside is None and waiting:
                inside = self._listing(waiting.pop())

    def listed(self, path: str) -> bool:
        """Whether a file would have been met, were it there."""
        return not any(path.startswith(os.path.join(folder, "")) for folder, _ in self.unlisted)

    def _files(self, inside: list[os.DirEntry[str]], below: list[str]) -> Iterator[Found]:
        """The files of one folder; `below` gets its folders."""
        sidecars = sidecars_among(inside)
        for entry in inside:
            if entry.name.startswith("."):
                continue
            try:
                if entry.is_dir(follow_symlinks=False):
                    below.append(entry.path)
                elif entry.is_file() and not entry.name.lower().endswith(SIDECAR):
                    yield found(entry.path, sidecars)
            except PermissionError as error:  # a folder that may be listed but not entered
                self._unlisted(os.path.dirname(entry.path), error)
                return
            except OSError:
                continue  # it went while we looked

    def _listing(self, folder: str) -> list[os.DirEntry[str]] | None:
        try:
            return listing(folder)
        except OSError as error:
            self._unlisted(folder, error)
            return None

    def _unlisted(self, folder: str, error: OSError) -> None:
        why = (error.strerror or str(error)).lower()
        self.unlisted.append((folder, f"the folder cannot be listed: {why}."))


def listing(folder: str) -> list[os.DirEntry[str]]:
    """What is in a folder, by name. Raises OSError."""
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def sidecars_among(inside: list[os.DirEntry[str]]) -> dict[str, str]:
    """Paths of sidecars, by their names in small letters."""
    return {entry.name.lower(): entry.path for entry in inside if entry.name.lower().endswith(SIDECAR)}


def found(path: str, sidecars: dict[str, str]) -> Found:
    """A file as it is now; a sidecar that is not really there is none. Raises OSError."""
    status = os.stat(path)
    name = os.path.basename(path).lower()
    beside = sidecars.get(name + SIDECAR) or sidecars.get(name.rpartition(".")[0] + SIDECAR)
    try:
        said = (beside, os.stat(beside).st_mtime_ns) if beside else ("", 0)
    except OSError:
        said = ("", 0)
    return Found(path, status.st_size, status.st_mtime_ns, *said)


def whole(folder: str) -> str:
    """The one way to write a folder's path, so that a library knows it again. Raises BadRequest where it is none."""
    if not folder:
        raise BadRequest("A folder has an empty name.")
    path = os.path.realpath(folder)
    if Path(path).is_file():
        raise BadRequest(f"{folder} is a file; index takes folders.")
    if not Path(path).is_dir():
        raise BadRequest(f"{folder} is no folder that can be seen now; is its disk connected?")
    return path
