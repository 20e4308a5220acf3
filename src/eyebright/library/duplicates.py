"""Duplicates: files that hold one picture, the one of them to keep, and how the others differ from it.

photos that are there -> likely pairs (likenesses.py) -> each is looked at again, small, and compared (comparison.py)
-> groups: one to keep, and what was found to be that picture

Every copy was compared with the one to keep, so that no chain of likenesses joins strangers. What a person called not
the same never comes back; what a person called the same needs no proof. Nothing is moved or deleted here.
"""

import os
import stat
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np

from eyebright.library import shots
from eyebright.library.comparison import Comparison, File, Skipped, Tell, opened, shelf
from eyebright.library.database import Library, text_of
from eyebright.library.keeping import Known, Look, best, look
from eyebright.library.likenesses import likely
from eyebright.library.placement import Placed

How = Literal[
    "exact", "re-encoded", "resized", "larger", "cropped", "shows more", "rotated", "turned", "mirrored",
    "changed", "you said so", "words of its own",
]  # fmt: skip
CROPPED, RESIZED = 0.95, 1.03
"""Share that is left of what was cropped, at most, and how many times as large what was resized is, at least."""


class Other(NamedTuple):
    """A file beside the one to keep."""

    file: File
    how: tuple[How, ...] = ()
    """What makes it another file; nothing for a shot of a burst."""

    @property
    def spare(self) -> bool:
        """Whether all that it shows and says was seen to be in the one to keep.

        What was changed may be a person's note, and nobody knows which of the two is the clean one.
        """
        return not {"larger", "shows more", "changed", "you said so", "words of its own"}.intersection(self.how)


class Group(NamedTuple):
    """Files that are one picture, or shots of one burst."""

    kind: Literal["copies", "burst"]
    keep: File
    why: str
    others: list[Other]


@dataclass
class Found:
    """What was found."""

    groups: list[Group] = field(default_factory=list)
    skipped: Skipped = field(default_factory=list)


def find(library: Library, *, bursts: bool = False, threads: int = 0, tell: Tell = lambda done, total: None) -> Found:
    """The duplicates among all pictures that are there, and, if asked for, the best shot of each burst.

    `tell` hears how many of how many pictures and pairs were looked at. Raises CannotWrite, BadRequest.
    """
    found = Found()
    files = there(library, "picture", found.skipped)
    with shelf(library) as pixels:
        comparison = Comparison(library, files, pixels, found.skipped)
        comparison.run(likely(library, np.array(sorted(files), np.int64)), threads or os.cpu_count() or 1, tell)
        found.groups += groups(files, comparison)
    found.groups += films(there(library, "video", found.skipped))
    if bursts:
        found.groups += best_shots(library, files, found.skipped)
    found.groups.sort(key=lambda group: (group.kind == "burst", group.keep.path))
    return found


def there(library: Library, kind: str, skipped: Skipped) -> dict[int, list[File]]:
    """By photo, the files that are there and as they were when they were indexed; links to files are none.

    A file that has several paths, by hard links or mounts, is no copy of itself: moved away, it may be gone from all.
    """
    words: dict[int, set[tuple[str, str]]] = defaultdict(set)
    for file, *said in library.rows("SELECT file, kind, value FROM word"):
        words[file].add(tuple(said))
    files: dict[int, list[File]] = defaultdict(list)
    met: set[tuple[int, int, int]] = set()
    rows = library.rows(
        "SELECT file.id, changed, path, photo.id, identity, size, coalesce(width, 0), coalesce(height, 0), "
        "coalesce(camera, ''), coalesce(taken, ''), coalesce(stack, photo.id), sidecar "
        "FROM file JOIN photo ON photo.id = file.photo WHERE NOT gone AND kind = ? ORDER BY path",
        kind,
    )
    for number, changed, *values, sidecar in rows:
        file = File(*(*values, bool(sidecar), frozenset(words[number])))
        try:
            status = os.lstat(text_of(file.path))
        except OSError as error:
            skipped.append((file.path, f"{(error.strerror or str(error)).lower()}."))
            continue
        if stat.S_ISLNK(status.st_mode):
            continue  # to move the file away that it leads to would lose the picture
        if (status.st_size, status.st_mtime_ns) != (file.size, changed):
            skipped.append((file.path, "it changed since it was indexed; eyebright index looks again."))
        elif (one := (file.photo, status.st_dev, status.st_ino)) not in met:
            met.add(one)
            files[file.photo].append(file)
    return files


def groups(files: dict[int, list[File]], comparison: Comparison) -> Iterator[Group]:
    """One to keep, and what is the same as it; of what is left of those that are alike, again."""
    photos = sorted(files)
    stacks = comparison.open.stacks.tolist()
    alike: dict[int, set[int]] = defaultdict(set)
    said: dict[int, set[int]] = defaultdict(set)
    parted: dict[int, set[int]] = defaultdict(set)
    for one, other in comparison.same:
        join(alike, one, other)
    for (one, other), true in comparison.open.said.items():
        if true:
            join(alike, one, other)
            join(said, one, other)
        else:
            join(parted, one, other)
    heads = {place for place, photo in enumerate(photos) if stacks[place] == photo}
    plain = Counter(
        photos[place]
        for pair, placed in comparison.same.items()
        if placed.plain and heads.issuperset(pair)
        for place in pair
    )
    done: set[int] = set()
    for begun in sorted({*alike, *(place for place, photo in enumerate(photos) if len(files[photo]) > 1)}):
        some = reached({begun}, alike) - done
        done |= some
        while some:
            seen = {place for place in some if alike[place] - said[place]} or some
            seen = seen & heads or seen  # what was edited is not the original
            keep, why = kept([file for place in seen for file in files[photos[place]]], plain)
            first = int(np.searchsorted(photos, keep.photo))
            others = exact_copies(keep, files)
            placed = {place: comparison.between(first, place) for place in some - {first}}
            same = reached({first, *(place for place, found in placed.items() if found)}, said) & some
            mine = {first}
            for place in sorted(same - mine, key=lambda place: (stacks[place] != photos[place], place)):
                forms = {stacks[one] for one in mine - said[place]}  # an edited picture is no copy of what it was
                if not parted[place] & mine and stacks[place] not in forms:
                    mine.add(place)
                    others += [Other(file, how(keep, file, placed[place])) for file in files[photos[place]]]
            some -= mine
            if others:
                yield Group("copies", keep, why, others)


def films(files: dict[int, list[File]]) -> Iterator[Group]:
    """Those that lie in several places; nothing else is known of two films."""
    for some in files.values():
        if len(some) > 1:
            keep, why = kept(some, {})
            yield Group("copies", keep, why, exact_copies(keep, files))


def exact_copies(keep: File, files: Mapping[int, list[File]]) -> list[Other]:
    return [Other(file, ("exact", *own_words(keep, file))) for file in files[keep.photo] if file != keep]


def kept(files: Sequence[File], plain: Mapping[int, int]) -> tuple[File, str]:
    """The one to keep, and why; several photos are looked at again, whole."""
    first = {file.photo: file for file in files}
    sizes = {photo: max(file.size for file in files if file.photo == photo) for photo in first}
    looks: dict[int, Look] = {}
    if len(first) > 1:
        longer = max(max(file.width, file.height) for file in files)
        for photo, file in first.items():
            if picture := opened(file, max(file.width, file.height), []):
                looks[photo] = look(picture, longer)
    return best(files, Known(sizes, looks, plain))


def join(pairs: dict[int, set[int]], one: int, other: int) -> None:
    pairs[one].add(other)
    pairs[other].add(one)


def reached(begun: set[int], pairs: dict[int, set[int]]) -> set[int]:
    """All that pairs lead to from some."""
    found, waiting = set(begun), list(begun)
    while waiting:
        new = pairs.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found


def how(keep: File, other: File, placed: Placed | None) -> tuple[How, ...]:
    """What makes one file another than the one to keep."""
    if placed is None:
        return ("you said so", *own_words(keep, other))
    larger = (keep.pixels * placed.of_first) / max(other.pixels * placed.of_second, 1)
    finer = larger**0.5 <= 1 / RESIZED and other.pixels > keep.pixels
    facts: dict[How, bool] = {
        "mirrored": placed.mirrored,
        "turned": placed.turned,
        "rotated": placed.rotated,
        "cropped": placed.of_first < CROPPED,
        "shows more": placed.of_second < CROPPED,
        "larger": finer,
        "resized": not finer and not 1 / RESIZED < larger**0.5 < RESIZED,
        "changed": placed.written,
    }
    seen: tuple[How, ...] = tuple(word for word, true in facts.items() if true) or ("re-encoded",)
    return *seen, *own_words(keep, other)


def own_words(keep: File, other: File) -> tuple[How, ...]:
    return ("words of its own",) if other.says_more(keep) else ()


def best_shots(library: Library, files: dict[int, list[File]], skipped: Skipped) -> Iterator[Group]:
    """Each burst, the best shot first."""
    for burst in shots.all_bursts(library):
        seen = [(files[photo][0], opened(files[photo][0], shots.SIDE, skipped)) for photo in burst if photo in files]
        shown = [(file, picture) for file, picture in seen if picture]
        if len(shown) > 1:
            chosen, why = shots.best([picture for _, picture in shown])
            others = [Other(file) for at, (file, _) in enumerate(shown) if at != chosen]
            yield Group("burst", shown[chosen][0], why, others)
