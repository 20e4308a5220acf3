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
        return self._walk(self._inside)

    def listed(self, path: str) -> bool:
        """Whether a file would have been met, were it there."""
        return not any(path.startswith(os.path.join(folder, "")) for folder, _ in self.unlisted)

    def _walk(self, inside: list[os.DirEntry[str]]) -> Iterator[Found]:
        sidecars = {entry.name.lower(): entry for entry in inside if entry.name.lower().endswith(SIDECAR)}
        folders = []
        for entry in inside:
            if entry.name.startswith("."):
                continue
            try:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif entry.is_file() and not entry.name.lower().endswith(SIDECAR):
                    yield found(entry, _sidecar(entry.name.lower(), sidecars))
            except OSError:
                continue  # it went while we looked
        for folder in folders:
            try:
                below = listing(folder)
            except OSError as error:
                self.unlisted.append(
                    (folder, f"the folder cannot be listed: {(error.strerror or str(error)).lower()}.")
                )
            else:
                yield from self._walk(below)


def listing(folder: str) -> list[os.DirEntry[str]]:
    """What is in a folder, by name. Raises OSError."""
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def found(entry: os.DirEntry[str], sidecar: "os.DirEntry[str] | None") -> Found:
    """A file as it is now. Raises OSError."""
    status = entry.stat()
    beside = (sidecar.path, sidecar.stat().st_mtime_ns) if sidecar else ("", 0)
    return Found(entry.path, status.st_size, status.st_mtime_ns, *beside)


def _sidecar(name: str, sidecars: dict[str, os.DirEntry[str]]) -> "os.DirEntry[str] | None":
    return sidecars.get(name + SIDECAR) or sidecars.get(name.rpartition(".")[0] + SIDECAR)


def whole(folder: str) -> str:
    """The one way to write a folder's path, so that a library knows it again. Raises BadRequest where it is none."""
    path = os.path.realpath(folder)
    if not Path(path).is_dir():
        raise BadRequest(f"{folder} is no folder that can be seen now; is its disk connected?")
    return path
