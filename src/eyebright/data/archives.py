"""Zip and tar archives, read in place: nothing is unpacked to disk."""

import zipfile
from pathlib import Path

from eyebright.data.members import broken
from eyebright.data.stores import Tree
from eyebright.data.tars import Tar, is_tar
from eyebright.data.zips import Zip

PACKED = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
"""What archives are called; whether a file is one, its bytes say."""


def open_archive(path: Path) -> Tree | None:
    """An archive as a tree; None for any other file. Raises BadRequest where it is broken or hostile."""
    if zipfile.is_zipfile(path):
        return Zip(path)
    if is_tar(path):
        return Tar(path)
    if path.name.lower().endswith(PACKED):
        raise broken(path, ValueError("no zip or tar can be seen in it"))
    return None
