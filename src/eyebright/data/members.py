"""What an archive from elsewhere may claim of its members, judged before one is read.

Names stay inside, members are files, what is hidden is left out; anything else ends the reading with a sentence.
"""

import zipfile
import zlib
from lzma import LZMAError
from pathlib import Path
from struct import error as StructError

from eyebright.data.stores import hidden, is_outside
from eyebright.errors import BadRequest

DAMAGE = (zipfile.BadZipFile, StructError, zlib.error, LZMAError, EOFError, OSError, ValueError, NotImplementedError)
"""What the libraries raise on archives that are broken."""


def reason(error: Exception) -> str:
    """Why, in the fewest words that the error has."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def visible(name: str) -> str | None:
    """The name of a member as a tree has it; None for what is hidden."""
    name = name.removeprefix("./")
    return None if any(map(hidden, name.split("/"))) else name


def check_name(path: Path, name: str) -> None:
    """A member stays inside. Raises BadRequest."""
    if is_outside(name):
        raise BadRequest(f"{path}: the member {name} lies outside the archive; make it again from inside its folder.")


def is_link(path: Path, name: str) -> BadRequest:
    return BadRequest(f"{path}: the member {name} is a link or device, which is not followed; pack the file itself.")


def broken(path: Path, error: Exception) -> BadRequest:
    return BadRequest(f"{path}: the archive is broken ({reason(error)}); copy or make it again.")
