"""All names that the models of a library and a person know, and which photos a model or a person calls so."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

import msgspec

from eyebright.library.database import Library
from eyebright.library.names import alternatives, normal, singular
from eyebright.library.synonyms import meanings

LONGEST = 4
"""Words of one name that a model or a file gives."""
LEAST, MORE_THAN_CHANCE = 0.15, 1.5
"""Score from which on a model's label is worth showing, the best first; of few labels, so many times an even share."""
TAUGHT = 0.5
"""The same for a label that was learned from examples (teach.py)."""
SAID = 2.0
"""The score of what a person said."""
Node = tuple[int, str]
"""A model and the id of its label."""


class Match(NamedTuple):
    """That a search, or one part of it, is true of a photo."""

    score: float
    why: tuple[str | tuple[str, tuple[str, ...]], ...]
    """A word for each part; or a text and the names that it holds, which is cut short when it is shown."""


Matches = dict[int, Match]
"""By photo."""


class Vocabulary:
    """All names that the models of a library and a person know, and where they stand."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.names: dict[Node, str] = {}
        self.parents: dict[Node, str | None] = {}
        self.named: dict[str, list[Node]] = defaultdict(list)
        """By names as they are compared; so are the next ones."""
        self.others: dict[str, list[Node]] = defaultdict(list)
        """By each of several names in one label, as "wolf or coyote"."""
        self.by_id: dict[str, list[Node]] = defaultdict(list)
        self.said: dict[str, list[str]] = defaultdict(list)
        """Labels and albums that a person wrote so."""
        self.least: dict[int, float] = {}
        for model, text, taught in library.rows("SELECT id, labels, id IN (SELECT model FROM taught) FROM model"):
            nodes = msgspec.json.decode(text)
            self.least[model] = TAUGHT if taught else max(LEAST, MORE_THAN_CHANCE / max(len(nodes), 1))
            for node, label, parent in nodes:
                self.names[model, node], self.parents[model, node] = label, parent
                self.by_id[node].append((model, node))
                first, *more = alternatives(label)
                self.named[first].append((model, node))
                for name in more:
                    self.others[name].append((model, node))
        self.labels: set[str] = set()
        """Of these, labels."""
        for label, kind in library.rows("SELECT DISTINCT label, kind FROM said ORDER BY kind DESC"):
            if label not in self.said[normal(label)]:
                self.said[normal(label)].append(label)
            if kind == "label":
                self.labels.add(label)
        self.longest = max([LONGEST, *(name.count(" ") + 1 for name in self.said)])
        """Words of a name, at most."""

    def meant(self, name: str) -> list[Node]:
        """What a name means: what is called so, else kinds of it ("timber wolf"), else what has another name for it,
        else what may be it ("wolf or coyote")."""
        forms = singular(name)
        for form in forms:
            if form in self.named:
                return self.named[form]
        for form in forms:
            kinds = [nodes for label, nodes in self.named.items() if label.endswith(f" {form}") and " or " not in label]
            if kinds:
                return [node for nodes in kinds for node in nodes]
        for form in forms:
            usual = (meaning for meaning in meanings(form) if form in meaning.names)  # "dog" seldom means a frankfurter
            for meaning in usual:
                known = [self.by_id.get(meaning.id, []), *(self.named.get(other, []) for other in meaning.names)]
                if found := [node for nodes in known for node in nodes]:
                    return list(dict.fromkeys(found))
        return next((self.others[form] for form in forms if form in self.others), [])

    def above(self, node: Node) -> Iterator[Node]:
        """A node and what stands above it, from below."""
        model, at = node
        here: str | None = at
        while here is not None and (model, here) in self.parents:
            yield model, here
            here = self.parents[model, here]

    def matches(self, name: str) -> Matches:
        """Photos that a model, or a person who used one of its labels, calls so."""
        found: Matches = {}
        nodes = self.meant(name)
        for model, node in nodes:
            sql = "SELECT photo, score FROM label WHERE model = ? AND label = ? AND score >= ?"
            for photo, score in self.library.rows(sql, model, node, self.least[model]):
                if photo not in self.denied or self.left(photo, (model, node), score) >= self.least[model]:
                    better(found, {photo: Match(score, (f"{self.names[model, node]} {score:.2f}",))})
        for label in [label for label, above in self.kinds_said if not above.isdisjoint(nodes)]:
            better(found, {photo: Match(SAID, (f"you said {label}",)) for photo in saying(self.library, label)})
        return found

    @cached_property
    def kinds_said(self) -> list[tuple[str, set[Node]]]:
        """Labels of a person that a model knows, too, each with what stands above it there."""
        return [
            (label, {up for node in self.named[name] for up in self.above(node)})
            for name, labels in self.said.items()
            for label in labels
            if name in self.named and label in self.labels
        ]

    @cached_property
    def denied(self) -> dict[int, set[Node]]:
        """What a person said that is not in a photo."""
        found: dict[int, set[Node]] = defaultdict(set)
        rows = self.library.rows(
            "SELECT photo.id, label FROM said JOIN photo ON photo.identity = said.photo "
            "WHERE said.kind = 'label' AND NOT holds"
        ).fetchall()
        meant = {label: self.meant(normal(label)) for _, label in rows}
        for photo, label in rows:
            found[photo].update(meant[label])
        return {photo: nodes for photo, nodes in found.items() if nodes}

    def left(self, photo: int, node: Node, score: float) -> float:
        """The score of a node without what was denied: of kinds of that nothing, of what stands above it the rest."""
        denied = self.denied[photo]
        if denied.intersection(self.above(node)):
            return 0.0
        rows = self.library.rows("SELECT label, score FROM label WHERE photo = ? AND model = ?", photo, node[0])
        scores = {(node[0], label): value for label, value in rows}
        below = {one: list(self.above(one)) for one in scores}
        gone = [one for one in denied & scores.keys() if node in below[one] and not denied.intersection(below[one][1:])]
        if not gone:
            return score
        groups = {up for ups in below.values() for up in ups[1:]}
        others = [
            value
            for one, value in scores.items()
            if one not in groups and node in below[one] and not denied.intersection(below[one])
        ]
        return float(max([score - sum(scores[one] for one in gone), *others]))


def better(found: Matches, more: Mapping[int, Match]) -> None:
    for photo, match in more.items():
        if photo not in found or found[photo].score < match.score:
            found[photo] = match


def saying(library: Library, label: str) -> list[int]:
    """Photos that a person said a label or album of."""
    sql = "SELECT photo.id FROM said JOIN photo ON photo.identity = said.photo WHERE label = ? AND holds"
    return [photo for (photo,) in library.rows(sql, label)]
