"""Shortcuts: what tells the label without looking at what is in a picture, such as the camera it was taken with.

A network learns the shortcut instead, and fails where it is missing. Two plain rules on training pictures, no test of
significance: with the counts that they ask for, chance does not get there.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from math import log2

from eyebright.data.dataset import Dataset, Item
from eyebright.data.finding import Finding
from eyebright.data.look import Look

MOST, FEW = 0.9, 0.1
"""A label has a mark of its own where this share of its pictures have it, and at most this share of all others."""
HALF = 0.5
"""A property is a shortcut where guessing by it alone avoids this share of the errors of guessing the commonest."""
ENOUGH = 20
"""Pictures of a label, and of the rest, that the rules need."""
_SHOWN = 6


def _shape(seen: Look) -> str:
    return "upright" if seen.height > seen.width else "square" if seen.height == seen.width else "lying"


PROPERTIES: dict[str, Callable[[Look], str]] = {
    "camera": lambda seen: seen.camera,
    "day": lambda seen: seen.day,
    "file format": lambda seen: seen.format,
    "size in pixels": lambda seen: f"{seen.width} x {seen.height}",
    "shape": _shape,
    "file size": lambda seen: f"about {_octave(seen.size_bytes / 1000):g} KB",
    "color": lambda seen: "gray" if seen.gray else "colored",
}
"""What is asked of each picture; an empty answer is one that is not known."""


def findings(dataset: Dataset, looks: Sequence[Look]) -> Iterator[Finding]:
    """Properties of training pictures that give labels away."""
    training = [seen for seen in looks if seen.item.split == "train" and not seen.problem]
    for name, of in PROPERTIES.items():
        known = [(of(seen), seen) for seen in training]
        known = [(value, seen) for value, seen in known if value]
        if marks := _marks(dataset, known):
            label, value, inside, outside = marks[0]
            more = f" (and so for {len(marks) - 1} more labels)" if len(marks) > 1 else ""
            yield Finding(
                "shortcut",
                "warn",
                f"The {name} gives labels away: {inside:.0%} of {label} are {value}, {outside:.0%} of the rest{more}; "
                "a network may learn that instead of what is in the pictures. Take others of each label.",
                (_some(known, [value]), _some(known, {other for other, _ in known} - {value})),
            )
        elif dataset.task != "multi" and (gain := _gain(known)):
            guessed, commonest = gain
            values = [value for value, _ in Counter(value for value, _ in known).most_common(_SHOWN)]
            yield Finding(
                "shortcut",
                "warn",
                f"The {name} alone tells the label of {guessed:.0%} of the training pictures (always guessing the "
                f"commonest: {commonest:.0%}); a network may learn that instead of what is in them.",
                tuple(_some(known, [value]) for value in values),
            )


def _marks(dataset: Dataset, known: Sequence[tuple[str, Look]]) -> list[tuple[str, str, float, float]]:
    """(label, value, share inside, share outside) of labels that a value marks."""
    everywhere = Counter(value for value, _ in known)
    by_label: dict[int, list[str]] = defaultdict(list)
    for value, seen in known:
        for label in seen.item.labels:
            by_label[label].append(value)
    marks = []
    for label, values in sorted(by_label.items()):
        rest = len(known) - len(values)
        value, count = Counter(values).most_common(1)[0]
        if min(len(values), rest) < ENOUGH:
            continue
        inside, outside = count / len(values), (everywhere[value] - count) / rest
        if inside >= MOST and outside <= FEW:
            marks.append((dataset.labels[label].label, value, inside, outside))
    return marks


def _gain(known: Sequence[tuple[str, Look]]) -> tuple[float, float] | None:
    """Shares guessed right by the value, and by the commonest label; None where the value says little.

    Each picture is guessed from the others with its value, so that a value that occurs once tells nothing.
    """
    labels = Counter(seen.item.labels for _, seen in known)
    if len(known) < 2 * ENOUGH or len(labels) < 2:
        return None
    by_value: dict[str, Counter[tuple[int, ...]]] = defaultdict(Counter)
    for value, seen in known:
        by_value[value][seen.item.labels] += 1
    right = sum(_right(counts) for counts in by_value.values())
    guessed, commonest = right / len(known), labels.most_common(1)[0][1] / len(known)
    return (guessed, commonest) if guessed - commonest >= HALF * (1 - commonest) else None


def _right(counts: Counter[tuple[int, ...]]) -> int:
    """How many of the pictures with one value have the label that is commonest among the others with it.

    >>> _right(Counter({(0,): 3, (1,): 1})), _right(Counter({(0,): 1}))
    (3, 0)
    """
    (_, most), *rest = counts.most_common(2)
    second = rest[0][1] if rest else 0
    return most if most - 1 > second else 0


def _some(known: Sequence[tuple[str, Look]], values: Collection[str]) -> tuple[Item, ...]:
    """A few pictures with one of these values."""
    return tuple(seen.item for value, seen in known if value in values)[:_SHOWN]


def _octave(value: float) -> float:
    """The nearest power of two.

    >>> _octave(45), _octave(0.4)
    (32.0, 0.5)
    """
    return 2.0 ** round(log2(max(value, 1e-3)))
