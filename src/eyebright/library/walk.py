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


def walk(folder: str) -> Iterator[Found]:
    """Every file under a folder in the order of names; hidden ones are left out and links to folders not followed.

    Raises BadRequest where the folder itself cannot be listed; one inside it that cannot be is skipped.
    """
    try:
        inside = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise BadRequest(f"{folder} cannot be listed: {(error.strerror or str(error)).lower()}.") from None
    yield from _walk(inside)


def _walk(inside: list[os.DirEntry[str]]) -> Iterator[Found]:
    sidecars = {entry.name.lower(): entry for entry in inside if entry.name.lower().endswith(SIDECAR)}
    folders = []
    for entry in inside:
        if entry.name.startswith("."):
            continue
        try:
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            elif entry.is_file() and not entry.name.lower().endswith(SIDECAR):
                status = entry.stat()
                beside = _sidecar(entry.name.lower(), sidecars)
                said = (beside.path, beside.stat().st_mtime_ns) if beside else ("", 0)
                yield Found(entry.path, status.st_size, status.st_mtime_ns, *said)
        except OSError:
            continue  # it went while we looked
    for folder in folders:
        try:
            below = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            continue
        yield from _walk(below)


def _sidecar(name: str, sidecars: dict[str, os.DirEntry[str]]) -> "os.DirEntry[str] | None":
    return sidecars.get(name + SIDECAR) or sidecars.get(name.rpartition(".")[0] + SIDECAR)


def whole(folder: str) -> str:
    """The one way to write a folder's path, so that a library knows it again. Raises BadRequest where it is none."""
    path = os.path.realpath(folder)
    if not Path(path).is_dir():
        raise BadRequest(f"{folder} is no folder that can be seen now; is its disk connected?")
    return path
