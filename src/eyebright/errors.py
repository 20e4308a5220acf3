"""What can go wrong that a user can put right.

EyebrightError            one sentence: what, where, what to do
├── BadPicture            the bytes are no picture, broken, or too large to open safely
├── BadModelFile          not a model file, a newer format, or its self-test failed
├── BadRequest            an option, path or combination that cannot be meant
├── CannotWrite           a result has nowhere to go: disk full, no permission, the file exists
├── MissingExtra          a feature whose packages are not installed
└── Refused               a smaller model would lose more than its owner allowed

`kind` is the name that JSON results carry, `exit_code` what the command line ends with.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar


class EyebrightError(Exception):
    """The one family of exceptions that Eyebright raises for what a user can cause."""

    kind: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 2


class BadPicture(EyebrightError):
    kind = "bad_picture"
    exit_code = 1


class BadModelFile(EyebrightError):
    kind = "bad_model_file"


class BadRequest(EyebrightError):
    kind = "bad_request"


class CannotWrite(EyebrightError):
    kind = "cannot_write"


class MissingExtra(EyebrightError):
    kind = "missing_extra"


class Refused(EyebrightError):
    kind = "refused"


@contextmanager
def extra(name: str, feature: str) -> Iterator[None]:
    """Turn a missing package into the line that installs it: `with extra("video", "reading video"): import av`."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"{feature[0].upper()}{feature[1:]} needs the package {error.name}: pip install 'eyebright[{name}]'"
        ) from None
