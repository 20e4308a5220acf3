"""Photos looked at again, small, and compared in pairs.

Made small they lie on a shelf, a file beside the library: all of a large library would fill the memory. Photos are
numbered in the order of their ids, as in likenesses.py; such a number is called a place.
"""

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from eyebright import images
from eyebright.errors import BadPicture, CannotWrite
from eyebright.library import placement
from eyebright.library.database import Library
from eyebright.library.likenesses import Likely
from eyebright.library.placement import Placed, Small
from eyebright.library.raw import RAW, preview
from eyebright.phash import FORMS
from eyebright.recognize.stream import in_order

TOGETHER = 8
"""Files that a worker looks at together."""
READY = 512
"""Pictures that are kept ready to be compared."""
Tell = Callable[[int, int], None]
Skipped = list[tuple[str, str]]
"""Files that could not be compared, with the reason."""


class File(NamedTuple):
    """A file that is there, with its photo."""

    path: str
    photo: int
    identity: bytes
    size: int
    """Bytes."""
    width: int
    height: int
    camera: str
    taken: str
    stack: int
    """The first photo of its stack, or itself."""
    sidecar: bool
    words: frozenset[tuple[str, str]]
    """Kind and value of what it and its sidecar say."""

    @property
    def pixels(self) -> int:
        return self.width * self.height

    def says_more(self, than: "File") -> bool:
        """Whether words of a person would go with it."""
        return bool(self.words - than.words) or (self.sidecar and not than.sidecar)

    @property
    def raw(self) -> bool:
        return self.path.lower().endswith(RAW)


@contextmanager
def shelf(library: Library) -> Iterator[BinaryIO]:
    """A file without a name beside the library or, where nothing may be written there, where the system has such files.

    Raises CannotWrite.
    """
    with ExitStack() as open_files:
        try:
            try:
                file = open_files.enter_context(tempfile.TemporaryFile(dir=library.folder))
            except OSError:
                file = open_files.enter_context(tempfile.TemporaryFile())
        except OSError as error:
            raise unwritable(error) from None
        yield file


def unwritable(error: OSError) -> CannotWrite:
    return CannotWrite(
        f"Pictures cannot be put aside to be compared: {(error.strerror or str(error)).lower()}; TMPDIR names a folder."
    )


def opened(file: File, shorter: int, skipped: Skipped) -> Image.Image | None:
    """A picture, its shorter side not much smaller than asked for; None for one that cannot be read now."""
    try:
        data = images.read_file(file.path)
        return images.decode(preview(data) if file.raw else data, shorter)
    except BadPicture as error:
        skipped.append((file.path, str(error)))
        return None


class Open:
    """Which pairs are worth comparing: the answer of the others is known.

    Forms of one picture (stacks.py) and a RAW file with any other are no duplicates, two moments by one camera are two
    photos, and of some pairs a person said whether they are the same.
    """

    def __init__(self, library: Library, files: dict[int, list[File]]) -> None:
        some = [files[photo][0] for photo in sorted(files)]
        self.stacks = np.array([file.stack for file in some], np.int64)
        self.raw = np.array([file.raw for file in some], bool)
        self.moments = np.unique([f"{file.camera} {file.taken}" for file in some], return_inverse=True)[1]
        self.cameras = np.unique([file.camera if file.taken else "" for file in some], return_inverse=True)[1]
        self.dated = np.array([bool(file.camera and file.taken) for file in some], bool)
        places = {file.identity: place for place, file in enumerate(some)}
        self.said: dict[tuple[int, int], bool] = {}
        """By places, the first before the second: whether they are the same."""
        for one, other, same in library.rows("SELECT one, other, same FROM pair"):
            if one in places and other in places:
                first, second = sorted((places[one], places[other]))
                self.said[first, second] = bool(same)
        self._said = np.array([first * len(some) + second for first, second in self.said], np.int64)

    def among(self, pairs: Likely) -> Likely:
        one, other = pairs.first, pairs.second
        moments = self.dated[one] & self.dated[other] & (self.cameras[one] == self.cameras[other])
        moments &= self.moments[one] != self.moments[other]
        answered = np.isin(one * len(self.stacks) + other, self._said)
        apart = (self.stacks[one] != self.stacks[other]) & (self.raw[one] == self.raw[other])
        keep = apart & ~moments & ~answered
        return Likely(*(part[keep] for part in pairs))


class Comparison:
    """Which photos are one picture, and how they lie to each other."""

    def __init__(self, library: Library, files: dict[int, list[File]], shelf: BinaryIO, skipped: Skipped) -> None:
        self.open = Open(library, files)
        self.files = [files[photo][0] for photo in sorted(files)]
        self.shelf = shelf
        self.skipped = skipped
        self.shelved: dict[int, tuple[int, tuple[int, ...]]] = {}
        """By place, where on the shelf its pixels begin, and their shape."""
        self.ready: dict[int, Small] = {}
        self.same: dict[tuple[int, int], Placed] = {}
        """Of pairs of places that are one picture, the first before the second."""

    def run(self, pairs: Likely, threads: int, tell: Tell) -> None:
        """Look at each photo once, and compare all pairs that are open."""
        pairs = self.open.among(pairs)
        wanted = np.unique(np.concatenate(pairs[:2])).tolist()
        total = len(wanted) + len(pairs.first)
        seen = in_order(lambda places: [self.shrunk(place) for place in places], wanted, threads, TOGETHER)
        for number, (place, pixels) in enumerate(zip(wanted, seen, strict=True), 1):
            if pixels is not None:
                self.shelved[place] = self.shelf.tell(), pixels.shape
                self.put(pixels.tobytes())
            tell(number, total)
        for number, (first, second, forms) in enumerate(zip(*pairs, strict=True), len(wanted) + 1):
            found = self.placed(int(first), int(second), [form for form in range(FORMS) if forms >> form & 1])
            if found:
                self.same[int(first), int(second)] = found
            tell(number, total)

    def put(self, pixels: bytes) -> None:
        try:
            self.shelf.write(pixels)
            self.shelf.flush()  # what does not fit on a disk is told here, not when it is read
        except OSError as error:
            raise unwritable(error) from None

    def shrunk(self, place: int) -> NDArray[np.uint8] | None:
        picture = opened(self.files[place], placement.SIDE, self.skipped)
        return None if picture is None else placement.shrunk(picture)

    def placed(self, first: int, second: int, forms: Sequence[int]) -> Placed | None:
        if first not in self.shelved or second not in self.shelved:
            return None
        return placement.placed(self.small(first), self.small(second), forms)

    def small(self, place: int) -> Small:
        """A photo as it is compared."""
        if place not in self.ready:
            if len(self.ready) == READY:
                del self.ready[next(iter(self.ready))]
            start, shape = self.shelved[place]
            self.shelf.seek(start)
            pixels = np.frombuffer(self.shelf.read(math.prod(shape)), np.uint8).reshape(shape)
            self.ready[place] = placement.small(pixels)
        return self.ready[place]

    def between(self, one: int, other: int) -> Placed | None:
        """How the second lies to the first, also of an unlikely pair; None where they are not one picture."""
        first, second = min(one, other), max(one, other)
        found = self.same.get((first, second))
        if not found:
            pair = Likely(np.array([first]), np.array([second]), np.zeros(1, np.uint8))
            found = self.placed(first, second, range(FORMS)) if len(self.open.among(pair).first) else None
        return found._replace(of_first=found.of_second, of_second=found.of_first) if found and one > other else found
