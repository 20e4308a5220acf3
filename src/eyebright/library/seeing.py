"""What is seen of one file: who it is, what it says, and what the network makes of it.

bytes -> identity -> (unless the model saw it before) metadata, picture, hashes, look, scores, embedding
"""

import os
from collections.abc import Sequence
from collections.abc import Set as Known
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from eyebright import images, phash
from eyebright.bounds import LIMITS
from eyebright.errors import BadPicture, EyebrightError, MissingExtra
from eyebright.library import appearance, identity, metadata
from eyebright.library.metadata import Metadata
from eyebright.library.raw import RAW, preview
from eyebright.library.vectors import unit
from eyebright.library.walk import Found
from eyebright.preprocessing import Pixels, fit, shorter_side
from eyebright.recognize import Recognizer
from eyebright.recognize.sources import NAMES
from eyebright.recognize.video import Every, frames

TOGETHER = 4
"""Pictures that a worker takes at once."""
EVERY, MOST_FRAMES = Every(5.0), 40
"""Of a video, the frames that are looked at."""
SKIPPED = "the extra video is not installed"
"""Of a film that is met again when it is."""


@dataclass
class Looked:
    """What was seen of one file."""

    found: Found
    identity: bytes = b""
    kind: str = "picture"
    format: str = ""
    size: tuple[int, int] = (0, 0)
    metadata: Metadata = field(default_factory=Metadata)
    named: str | None = None
    """When it was taken, by its name."""
    hashes: bytes = b""
    """(8,) uint64: of its forms (phash.py)."""
    look: bytes = b""
    """Its colors and textures (appearance.py)."""
    scores: NDArray[np.float64] | None = None
    """Of labels and parents; None where the library has them already."""
    embeddings: list[tuple[float, NDArray[np.float16]]] = field(default_factory=list)
    error: str | None = None
    passing: bool = False
    """Whether the error lies in the system and not in the file, which is then tried again."""


class Eyes:
    """A recognizer that looks at files; `met` holds the identities of photos that its model has seen already."""

    def __init__(self, recognizer: Recognizer, met: Known[bytes]) -> None:
        self.recognizer = recognizer
        self.met = met
        self.spec = recognizer.metadata.input
        self.shorter = max(shorter_side(self.spec, recognizer.size), phash.SIDE, appearance.SIDE)

    def look(self, some: list[Found]) -> list[Looked]:
        """What one worker does with one handful."""
        looked: list[Looked] = []
        waiting: list[tuple[Looked, float, Pixels]] = []
        for found in some:
            one = Looked(found)
            try:
                waiting += [(one, time_s, pixels) for time_s, pixels in self.see(one)]
            except MissingExtra:
                one.error = SKIPPED
            except EyebrightError as error:
                one.error, one.passing = str(error), of_system(error.__context__)
            looked.append(one)
        for at in range(0, len(waiting), TOGETHER):
            self.ask(waiting[at : at + TOGETHER])
        return looked

    def see(self, one: Looked) -> list[tuple[float, Pixels]]:
        """Who it is and what its file says; its pixels, where the model has not seen them."""
        path = one.found.path
        if not self.worth(one):
            one.error = ""
            return []
        if one.format in images.VIDEOS:
            return self.film(one)
        data = images.read_file(path, LIMITS)
        if path.lower().endswith(RAW):
            one.format, one.identity, shown = "raw", identity.of_all(data), preview(data)
        else:
            one.identity, shown = identity.of_picture(data), data
        header = images.header(shown)
        one.metadata = metadata.of_picture(header, sidecar(one.found))
        one.named = metadata.from_name(os.path.basename(path))
        one.size = images.upright_size(header)
        if one.identity in self.met:
            return []
        picture = images.decode(shown, self.shorter)
        self.describe(one, picture)
        return [(0.0, fit(picture, self.spec, self.recognizer.size))]

    def worth(self, one: Looked) -> bool:
        """Whether its first bytes, or else its name, call it a picture or a video."""
        try:
            with images.opened(one.found.path) as file:
                one.format = images.sniff(file.read(images.HEAD_BYTES)) or ""
        except OSError as error:
            raise BadPicture(f"{(error.strerror or str(error)).lower()}.") from None
        return bool(one.format) or one.found.path.lower().endswith((*NAMES, *RAW))

    def film(self, one: Looked) -> list[tuple[float, Pixels]]:
        """As `see`; what cannot be played is found before all of it is read for its identity."""
        one.kind = "video"
        playing = frames(Path(one.found.path), EVERY, self.shorter)
        first = next(playing)
        one.identity = of_film(one.found.path)
        if one.identity in self.met:
            return []
        one.size = first[1].size
        one.look = appearance.look(first[1]).tobytes()
        return [
            (time_s, fit(picture, self.spec, self.recognizer.size))
            for time_s, picture in islice(chain([first], playing), MOST_FRAMES)
        ]

    def describe(self, one: Looked, picture: Image.Image) -> None:
        """What does not need the network."""
        one.hashes = phash.hashes(phash.gray(picture)[None]).tobytes()
        one.look = appearance.look(picture).tobytes()

    def ask(self, waiting: Sequence[tuple[Looked, float, Pixels]]) -> None:
        """The network, about several pictures at once; of a film the highest score of each label counts."""
        batch = np.stack([pixels for _, _, pixels in waiting])
        scores, embeddings = self.recognizer.runtime.run(batch, ["scores", "embedding"])
        for (one, time_s, _), mine, vector in zip(waiting, scores, embeddings, strict=True):
            all_scores = self.recognizer.words.hierarchy.all_scores(mine)
            one.scores = all_scores if one.scores is None else np.maximum(one.scores, all_scores)
            one.embeddings.append((time_s, unit(vector).astype(np.float16)))


def of_film(path: str) -> bytes:
    """The identity of a film. Raises BadPicture."""
    try:
        with images.opened(path) as file:
            return identity.of_file(file)
    except OSError as error:  # it went, or its disk did, while we looked
        raise BadPicture(f"{(error.strerror or str(error)).lower()}.") from None


def of_system(cause: BaseException | None) -> bool:
    """Whether a file could not be read, whatever is in it; decoders' own errors are OSErrors, too."""
    return isinstance(cause, OSError) and cause.errno is not None and type(cause).__module__ == "builtins"


def sidecar(found: Found) -> bytes:
    """What lies beside a picture; nothing where it cannot be read, or is too large to be one."""
    if not found.sidecar:
        return b""
    try:
        with images.opened(found.sidecar) as file:
            text = file.read(metadata.XMP_BYTES + 1)
    except (OSError, BadPicture):
        return b""
    return text if len(text) <= metadata.XMP_BYTES else b""
