"""What copies do to a data set: they leak from train into test, or stand under two labels."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from eyebright.data.copies import Copies, Pair
from eyebright.data.dataset import Dataset, Item
from eyebright.data.finding import Finding, pictures
from eyebright.data.look import Look

_KEPT_FIRST = {"test": 0, "validation": 1, "train": 2}
"""Of several copies, the one that judges stays."""


@dataclass(frozen=True)
class Leaks:
    """Copies of a data set, in groups."""

    dataset: Dataset
    looks: Sequence[Look]
    copies: Copies

    @cached_property
    def groups(self) -> list[list[Item]]:
        """Items that show one picture; the one to keep comes first.

        A mirrored or turned copy under another label is none here: on a sign or a letter that may be right.
        """
        return self._joined([pair for pair in self.copies.pairs if not self._may_differ(pair)])

    def findings(self) -> Iterator[Finding]:
        one_label = self.dataset.task != "multi"
        conflicts = [group for group in self.groups if _differ(group)]
        leaks = [group for group in self.groups if len(_splits(group)) > 1]
        if conflicts and one_label:
            yield Finding(
                "conflict",
                "stop",
                f"{pictures(len(conflicts))} under more than one label, where each has one: correct the labels, or "
                "train with the task multi if all of them hold.",
                _tuples(conflicts),
            )
        elif conflicts:
            yield Finding(
                "disagreement",
                "warn",
                f"Copies of {pictures(len(conflicts))} carry different labels: add those that are missing.",
                _tuples(conflicts),
            )
        if into_test := [group for group in leaks if "test" in _splits(group)]:
            tests = sum(item.split == "test" for group in into_test for item in group)
            yield Finding(
                "leak",
                "stop",
                f"{pictures(tests)} of the test split (of {len(self.dataset.part('test').items):,}) also in train or "
                "validation, as a copy: the test would praise what was learned by heart. --write-clean makes a list "
                "that keeps them in test alone.",
                _tuples(into_test),
            )
        if into_validation := [group for group in leaks if "test" not in _splits(group)]:
            yield Finding(
                "leak_validation",
                "warn",
                f"{pictures(len(into_validation))} both in train and validation, as a copy: choices made on validation "
                "lean on what was learned by heart.",
                _tuples(into_validation),
            )
        if within := [group for group in self.groups if group not in leaks and not (one_label and _differ(group))]:
            spare = sum(map(len, within)) - len(within)
            yield Finding(
                "duplicate",
                "note",
                f"{pictures(spare)} that a copy in the same split repeats: nothing more is learned or shown by them.",
                _tuples(within),
            )
        yield from self._turned()
        yield from self._alike()

    def spare(self) -> set[Item]:
        """What a clean list leaves out: all but one of each group; a whole group where its labels conflict."""
        one_label = self.dataset.task != "multi"
        return {item for group in self.groups for item in (group if one_label and _differ(group) else group[1:])}

    def _turned(self) -> Iterator[Finding]:
        turned = [pair for pair in self.copies.pairs if self._may_differ(pair)]
        if turned:
            yield Finding(
                "turned_conflict",
                "warn",
                f"{pictures(len(turned))} mirrored or turned from one under another label: right for signs and letters "
                "(then train without flips), else one label is wrong.",
                self._pairs(turned),
            )

    def _alike(self) -> Iterator[Finding]:
        alike = self.copies.alike
        if not alike:
            return
        across = sum(self.looks[pair.first].item.split != self.looks[pair.second].item.split for pair in alike)
        many = len(alike) > len(self.looks) / 20
        more = (
            "so many that a resized or turned copy cannot be told from a look-alike"
            if many
            else "perhaps taken one after another: a look at them tells"
        )
        yield Finding(
            "alike",
            "warn" if many and across else "note",
            f"{len(alike):,} pairs of pictures look nearly alike, {across:,} of them in two splits; {more}.",
            self._pairs(alike),
        )

    def _may_differ(self, pair: Pair) -> bool:
        return pair.turned and self.dataset.task != "multi" and _differ(self._items(pair))

    def _items(self, pair: Pair) -> list[Item]:
        return [self.looks[place].item for place in (pair.first, pair.second)]

    def _pairs(self, pairs: Sequence[Pair]) -> tuple[tuple[Item, ...], ...]:
        return _tuples([self._items(pair) for pair in pairs])

    def _joined(self, pairs: Sequence[Pair]) -> list[list[Item]]:
        """Groups of items that pairs connect, over others too."""
        top: dict[int, int] = {}

        def find(place: int) -> int:
            while (above := top.setdefault(place, place)) != place:
                top[place] = place = top.setdefault(above, above)
            return place

        for pair in pairs:
            top[find(pair.first)] = find(pair.second)
        groups: dict[int, list[Item]] = defaultdict(list)
        for place in sorted(top):
            groups[find(place)].append(self.looks[place].item)
        return [sorted(group, key=lambda item: (_KEPT_FIRST[item.split], item.name)) for group in groups.values()]


def _splits(group: Sequence[Item]) -> set[str]:
    return {item.split for item in group}


def _differ(group: Sequence[Item]) -> bool:
    """Whether labels of a group differ where somebody checked them."""
    unknown = {label for item in group for label in item.unknown}
    return len({frozenset(item.labels) - unknown for item in group}) > 1


def _tuples(groups: Sequence[Sequence[Item]]) -> tuple[tuple[Item, ...], ...]:
    return tuple(tuple(group) for group in groups)
