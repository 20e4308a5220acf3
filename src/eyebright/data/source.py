"""What a reader is given: the files, and ways to find the one that an annotation means."""

import posixpath
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from eyebright.data.found import listed
from eyebright.data.stores import MAX_TABLE_BYTES, Tree, is_outside
from eyebright.errors import BadPicture, BadRequest
from eyebright.images import FORMATS, sniff

ENDINGS = tuple(".jpg .jpeg .jpe .jfif .png .apng .gif .webp .bmp .dib .tif .tiff .heic .heif .hif .avif".split())
"""Names that say picture; a name without any ending is judged by its first bytes."""


@dataclass
class Source:
    """A data set before it is understood."""

    tree: Tree
    where: str
    """What messages call it."""
    focus: str | None = None
    """The one file that a person named, if it is no archive."""
    crops: bool = False
    remarks: list[str] = field(default_factory=list)

    def pictures(self) -> list[str]:
        """Names of all pictures; a remark counts the rest."""
        found = [name for name in self.tree.names if self.is_picture(name)]
        others = sorted(set(self.tree.names) - set(found))
        if others:
            kinds = Counter(posixpath.splitext(name)[1].lower() or "no ending" for name in others)
            told = listed(kind for kind, _ in kinds.most_common())
            self.remarks.append(f"Files that are no pictures, left out: {len(others):,} ({told}).")
        return found

    def unnamed(self, named: set[str]) -> list[str]:
        """A remark on pictures that no annotation speaks of, unless only the annotations were named."""
        left = 0 if self.focus else sum(name not in named and self.is_picture(name) for name in self.tree.names)
        return [f"Pictures that the annotations do not name, left out: {left:,}."] if left else []

    def is_picture(self, name: str) -> bool:
        ending = posixpath.splitext(name)[1].lower()
        return ending in ENDINGS or (not ending and sniff(self.tree.head(name)) in FORMATS)

    def files(self, *endings: str) -> list[str]:
        """The file that was named, or all with these endings: those near the top first."""
        if self.focus is not None:
            return [self.focus] if self.focus.lower().endswith(endings) else []
        found = [name for name in self.tree.names if name.lower().endswith(endings)]
        return sorted(found, key=lambda name: (name.count("/"), name))

    def content(self, name: str) -> bytes:
        """A file of annotations, whole. Raises BadRequest."""
        try:
            return self.tree.read(name, MAX_TABLE_BYTES)
        except BadPicture as error:
            raise BadRequest(f"{self.place(name)}: {error}") from None

    def text(self, name: str) -> str:
        """A file of annotations as text, with or without a byte order mark. Raises BadRequest."""
        try:
            return self.content(name).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise BadRequest(f"{self.place(name)} is no UTF-8 text (byte {error.start:,}); save it as UTF-8.") from None

    def place(self, name: str) -> str:
        """What messages call a file in it."""
        return self.where if name == self.focus else f"{self.where}: {name}"

    def find(self, written: str, beside: str) -> str | None:
        """The file that an annotation in the folder `beside` means; None where there is none. Raises BadRequest.

        Looked for beside the annotation, then from the top, then anywhere by the end of its path if that is unique.
        """
        name = posixpath.normpath(written.strip().replace("\\", "/"))
        if is_outside(name):
            raise BadRequest(f"{self.where}: the picture {written!r} lies outside the data set; give paths inside it.")
        for candidate in (posixpath.normpath(posixpath.join(beside, name)), name):
            if self.tree.has(candidate):
                return candidate
        ends = [whole for whole in self._by_name.get(posixpath.basename(name), ()) if whole.endswith(f"/{name}")]
        if len(ends) > 1:
            raise BadRequest(f"{self.where}: {written} may be {listed(ends, 2)}; give more of its path.")
        return ends[0] if ends else None

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name in self.tree.names:
            found.setdefault(posixpath.basename(name), []).append(name)
        return found

    def missing(self, names: Sequence[str], table: str, total: int) -> None:
        """What a table names and is not there. Raises BadRequest."""
        if names:
            raise BadRequest(
                f"{self.place(table)}: {len(names):,} of the {total:,} pictures in it do not exist: {listed(names, 3)}."
            )


def beside(name: str) -> str:
    """The folder of a file, empty at the top."""
    return posixpath.dirname(name)


def stem(name: str) -> str:
    """The name of a file without folders and ending."""
    return posixpath.splitext(posixpath.basename(name))[0]
