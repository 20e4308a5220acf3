"""The audit of a data set before anything is learned from it: what would spoil learning, or its figures.

every picture is looked at once (look.py) -> copies.py, leaks.py, shortcuts.py, against.py and the plain counts here
-> findings, each a sentence with pictures. Nothing is changed or deleted.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from statistics import median

from eyebright.data import against, copies, shortcuts
from eyebright.data.dataset import Dataset, Item
from eyebright.data.finding import SEVERITIES, Finding, Severity, pictures
from eyebright.data.found import listed
from eyebright.data.leaks import Leaks
from eyebright.data.look import Look, looks

TINY = 32
"""Pixels of a shorter side, below which networks see little."""
HUGE = 25_000_000
"""Pixels, above which decoding is what training waits for."""
FEW = 10
"""Training pictures of a label."""
UNEVEN = 10
"""Training pictures of the commonest label to those of the rarest."""

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Audit:
    """What was found, the gravest first."""

    dataset: Dataset
    outside: Dataset | None
    """The pictures that the data were compared with."""
    findings: tuple[Finding, ...]
    unreadable: int
    """Pictures that could not be read, here and outside."""
    clean: tuple[Item, ...]
    """Items without unreadable and blank pictures, spare copies and copies whose labels conflict."""

    @property
    def stops(self) -> list[Finding]:
        """What would make the result of training meaningless: leaks into the test split, conflicts, one label."""
        return [finding for finding in self.findings if finding.severity == "stop"]


def audit(dataset: Dataset, outside: Dataset | None = None, progress: Progress | None = None) -> Audit:
    """Look at every picture once and say what is wrong. `outside` (see `against.outside`) is compared with the data.

    `progress` is told how many of both are done. Takes about 2 KB of memory a picture.
    """
    seen = looks(dataset, progress)
    met = looks(outside, progress and (lambda done: progress(len(seen) + done))) if outside else []
    leaks = Leaks(dataset, seen, copies.find(seen))
    found = [*_pictures(seen), *leaks.findings(), *labels(dataset), *shortcuts.findings(dataset, seen)]
    if outside:
        found += [*_unreadable(met, "outside"), *against.findings(seen, met)]
    left_out = leaks.spare() | {look.item for look in seen if look.problem or look.blank}
    return Audit(
        dataset,
        outside,
        tuple(sorted(found, key=lambda finding: list(SEVERITIES).index(finding.severity))),
        sum(bool(look.problem) for look in chain(seen, met)),
        tuple(item for item in dataset.items if item not in left_out),
    )


def labels(dataset: Dataset) -> Iterator[Finding]:
    """What the counts of labels say, without opening a picture."""
    counts = dataset.counts()
    if "train" not in counts:
        yield Finding("no_training", "stop", "There is no training picture.")
        return
    if "test" not in counts:
        yield Finding("no_test", "note", "There is no test split: no figure will say how good the result is.")
    train = {label.id: counts["train"][label.id] for label in dataset.labels}
    name = {label.id: label.label for label in dataset.labels}
    if sum(count > 0 for count in train.values()) < 2 and dataset.task != "multi":
        yield Finding("one_label", "stop", "The training pictures have one label only: there is nothing to tell apart.")
    judged = {label for split in counts if split != "train" for label in counts[split]}
    if never := [name[label] for label, count in train.items() if not count and label in judged]:
        yield Finding(
            "never_taught",
            "warn",
            f"No training picture of {listed(never)}, only pictures in other splits: it cannot be learned.",
        )
    if empty := [name[label] for label, count in train.items() if not count and label not in judged]:
        yield Finding("empty_label", "warn", f"No picture at all of {listed(empty)}.")
    if few := [f"{name[label]} ({count})" for label, count in train.items() if 0 < count < FEW]:
        yield Finding("few", "warn", f"Fewer than {FEW} training pictures of {listed(few)}: take more.")
    some = {label: count for label, count in train.items() if count}
    if some and max(some.values()) >= UNEVEN * min(some.values()):
        most, least = max(some, key=lambda label: some[label]), min(some, key=lambda label: some[label])
        yield Finding(
            "uneven",
            "note",
            f"Labels are uneven: {some[most]:,} training pictures of {name[most]}, {some[least]:,} of {name[least]}; "
            "look at each label's figure, not only at the mean of all.",
        )


def _unreadable(seen: Sequence[Look], where: str = "") -> Iterator[Finding]:
    broken = [look for look in seen if look.problem]
    if broken:
        examples = listed((f"{look.item.name} ({look.problem.rstrip('.')})" for look in broken), 3)
        place = f" {where}" if where else ""
        groups = () if where else tuple((look.item,) for look in broken)
        yield Finding("unreadable", "warn", f"{pictures(len(broken))}{place} cannot be read: {examples}.", groups)


def _pictures(seen: Sequence[Look]) -> Iterator[Finding]:
    """What single pictures are like."""
    yield from _unreadable(seen)
    good = [look for look in seen if not look.problem]
    if not good:
        return
    blank = [look for look in good if look.blank]
    if blank:
        yield _single("blank", "warn", f"{pictures(len(blank))} of one color, nearly: nothing is in them.", blank)
    tiny = [look for look in good if min(look.width, look.height) < TINY]
    if tiny:
        usual = median(min(look.width, look.height) for look in good) < TINY
        text = f"{pictures(len(tiny))} smaller than {TINY} pixels on the shorter side."
        yield _single("tiny", "note" if usual else "warn", text, tiny)
    huge = [look for look in good if look.width * look.height > HUGE]
    if huge:
        text = f"{pictures(len(huge))} of more than {HUGE / 1e6:.0f} megapixels: decoding takes long and shows no more."
        yield _single("huge", "note", text, huge)
    gray = [look for look in good if look.gray and not look.blank]
    if gray and 2 * len(gray) < len(good):
        yield _single("gray", "note", f"{pictures(len(gray))} without color among colored ones.", gray)


def _single(kind: str, severity: Severity, sentence: str, shown: Sequence[Look]) -> Finding:
    return Finding(kind, severity, sentence, tuple((look.item,) for look in shown))
