"""Files that are one picture in several forms: RAW beside JPEG, a Live Photo's film, an edited copy, a burst.

Each photo of a stack but the first points at the first (`photo.stack`). Stacks are derived: found anew when a folder
changed, from names, times and embeddings. What a person said comes before: `same` joins, `not-same` parts.
"""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import groupby, zip_longest
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eyebright.library.database import Library, paths_below
from eyebright.library.raw import RAW
from eyebright.library.vectors import usual_model

BURST_S, BURST, FEWEST = 1.0, 0.85, 3
"""Pictures of a burst: the longest time between two, the least cosine of neighbors, and how many they are at least."""
EDITED = 0.8
"""The least cosine of a picture and what is called an edited copy of it."""
_EDITS = (
    re.compile(r"(?P<name>.+?)[ _-]*(?:edited|edit|bearbeitet|modifi\w*|editado|effects|collage|copy|kopie)$"),
    re.compile(r"(?P<name>.+?) ?\((?:\d{1,2})\)$"),
    re.compile(r"(?P<name>.+?)~\d{1,2}$"),
)
_APPLE = re.compile(r"img_e(\d+)$")
"""An edit of IMG_1234 is called IMG_E1234."""


class Member(NamedTuple):
    """A photo that is there, by one of its files."""

    photo: int
    identity: bytes
    kind: str
    folder: str
    stem: str
    """Of its file's name, in small letters."""
    raw: bool
    taken: str | None
    camera: str | None


def stack(library: Library, folder: str) -> int:
    """Find the stacks below a folder anew; how many there are."""
    members = list(there(library, folder))
    leader = {one.photo: one.photo for one in members}
    near = nearness(library)
    parted = {
        frozenset((one, other)) for one, other in library.rows("SELECT one, other FROM pair WHERE NOT same").fetchall()
    }

    def head(photo: int) -> int:
        while leader[photo] != photo:
            photo = leader[photo]
        return photo

    for first, other in (*forms(members), *edits(members, near), *bursts(members, near), *said(library, members)):
        if frozenset((first.identity, other.identity)) not in parted:
            leader[head(other.photo)] = head(first.photo)
    with library.writing() as connection:
        connection.executemany(
            "UPDATE photo SET stack = ? WHERE id = ?",
            [(None if of == photo else head(photo), photo) for photo, of in leader.items()],
        )
    return len({head(photo) for photo, of in leader.items() if of != photo})


def there(library: Library, folder: str) -> Iterator[Member]:
    rows = library.rows(
        "SELECT photo, identity, kind, path, taken, camera FROM file JOIN photo ON photo.id = file.photo "
        "WHERE NOT gone AND path >= CAST(?1 AS TEXT) AND path < CAST(?2 AS TEXT) ORDER BY path",
        *paths_below(folder),
    )  # fmt: skip
    met: set[int] = set()
    for photo, identity, kind, path, taken, camera in rows:
        if photo not in met:
            met.add(photo)
            where, name = os.path.split(path)
            stem, ending = os.path.splitext(name.lower())
            yield Member(photo, identity, kind, where, stem, ending in RAW, taken, camera)


def nearness(library: Library) -> Callable[[Member, Member], float]:
    """The cosine of two photos by the model that saw most of the library; 0 where it did not see both."""
    model = usual_model(library)

    def vector(photo: int) -> NDArray[np.float32] | None:
        found = library.value("SELECT vector FROM embedding WHERE photo = ? AND model = ? LIMIT 1", photo, model)
        return np.frombuffer(found, np.float16).astype(np.float32) if isinstance(found, bytes) else None

    def near(one: Member, other: Member) -> float:
        first, second = vector(one.photo), vector(other.photo)
        return 0.0 if first is None or second is None else float(first @ second)

    return near


def forms(members: list[Member]) -> Iterator[tuple[Member, Member]]:
    """RAW files and films beside a picture of the same name."""
    by_name: dict[tuple[str, str], list[Member]] = defaultdict(list)
    for one in members:
        by_name[one.folder, one.stem].append(one)
    for some in by_name.values():
        pictures = [one for one in some if one.kind == "picture" and not one.raw]
        for other in some if len(pictures) == 1 else ():
            if other is not pictures[0]:
                yield pictures[0], other


def edits(members: list[Member], near: Callable[[Member, Member], float]) -> Iterator[tuple[Member, Member]]:
    """Pictures whose name says that they were made of another one in the folder, and that look like it."""
    by_name = {(one.folder, one.stem): one for one in members if one.kind == "picture" and not one.raw}
    for one in by_name.values():
        names = [found["name"] for form in _EDITS if (found := form.match(one.stem))]
        names += [f"img_{found[1]}" for found in [_APPLE.match(one.stem)] if found]
        for name in names:
            first = by_name.get((one.folder, name))
            if first and near(first, one) >= EDITED:
                yield first, one
                break


def bursts(members: list[Member], near: Callable[[Member, Member], float]) -> Iterator[tuple[Member, Member]]:
    """Pictures by one camera, one after the other within a second each, that look alike."""
    timed = [one for one in members if one.taken and one.camera and one.kind == "picture" and not one.raw]
    timed.sort(key=lambda one: (one.folder, one.camera or "", one.taken or "", one.stem))
    for _, group in groupby(timed, key=lambda one: (one.folder, one.camera)):
        some = list(group)
        row: list[Member] = []
        for one, after in zip_longest(some, some[1:]):
            row.append(one)
            if after and seconds(one, after) <= BURST_S and near(one, after) >= BURST:
                continue
            if len(row) >= FEWEST:
                yield from ((row[0], other) for other in row[1:])
            row = []


def seconds(one: Member, after: Member) -> float:
    return (datetime.fromisoformat(after.taken or "") - datetime.fromisoformat(one.taken or "")).total_seconds()


def said(library: Library, members: list[Member]) -> Iterator[tuple[Member, Member]]:
    """Pairs that a person called the same."""
    known = {one.identity: one for one in members}
    for one, other in library.rows("SELECT one, other FROM pair WHERE same").fetchall():
        if one in known and other in known:
            yield known[one], known[other]
