"""Words of a search to photos: labels and what stands above them, what a person said, dates, files, cameras.

"dog beach 2023" asks for photos that all three are true of. Where a label has several words they are taken together
("golden retriever"), and another name for the same thing does as well (synonyms.py). What a person said decides over
any model: a photo that is not a dog is not found as one, nor among dogs.
"""

import calendar
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from eyebright.library.database import Library, Row
from eyebright.library.synonyms import meanings

LONGEST = 4
"""Words of one name that a model or a file gives."""
MARKS = ".,;:!?\"'()*"
"""What may stand around words and is no part of them."""
LEAST, MORE_THAN_CHANCE = 0.15, 1.5
"""Score from which on a model's label is worth showing, the best first; of few labels, so many times an even share."""
TAUGHT = 0.5
"""The same for a label that was learned from examples (teach.py)."""
SAID, WRITTEN, NAMED = 2.0, 1.5, 0.5
"""What counts for how much: said by a person, written into the file, in the name of a file or folder."""
_ACCENTS = re.compile("[\u0300-\u036f]")
_DATE = re.compile(r"((?:18|19|20)\d\d)(?:-(\d\d)(?:-(\d\d))?)?$")
_MONTHS = {
    name.lower(): at for names in (calendar.month_name, calendar.month_abbr) for at, name in enumerate(names) if at
}


class Match(NamedTuple):
    """That one part of a search is true of a photo."""

    score: float
    why: str


Matches = dict[int, Match]
"""By photo."""


class Labels:
    """All names that the models of a library know, and where they stand."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.named: dict[str, list[tuple[int, str, str]]] = {}
        """Name, in small letters -> (model, id, label)."""
        self.others: dict[str, list[tuple[int, str, str]]] = {}
        """The same for each of several names in one label, as "wolf or coyote"."""
        self.by_id: dict[str, list[tuple[int, str, str]]] = {}
        self.said: dict[str, list[str]] = {}
        """Name as it is compared -> labels and albums that a person wrote so."""
        self.least: dict[int, float] = {}
        for model, text, taught in library.rows("SELECT id, labels, id IN (SELECT model FROM taught) FROM model"):
            nodes = msgspec.json.decode(text)
            self.least[model] = TAUGHT if taught else max(LEAST, MORE_THAN_CHANCE / max(len(nodes), 1))
            for node, label, _ in nodes:
                self.by_id.setdefault(node, []).append((model, node, label))
                first, *more = names(label)
                self.named.setdefault(first, []).append((model, node, label))
                for name in more:
                    self.others.setdefault(name, []).append((model, node, label))
        for (label,) in library.rows("SELECT DISTINCT label FROM said"):
            self.said.setdefault(normal(label), []).append(label)
        self.longest = max([LONGEST, *(name.count(" ") + 1 for name in self.said)])
        """Words of a name, at most."""

    def meant(self, words: str) -> list[tuple[int, str, str]]:
        """The nodes that a name means: those called so, else kinds of it ("timber wolf"), else what may be it.

        Where nothing is called so, those that have another name for it.
        """
        forms = singular(normal(words))
        for form in forms:
            if form in self.named:
                return self.named[form]
        for form in forms:
            kinds = [nodes for name, nodes in self.named.items() if name.endswith(f" {form}") and " or " not in name]
            if kinds:
                return [node for nodes in kinds for node in nodes]
        for form in forms:
            if form in self.others:
                return self.others[form]
        for form in forms:
            for meaning in meanings(form):
                same = meaning.names if form in meaning.names else []  # or "dog" would find a frankfurter
                known = [self.by_id.get(meaning.id, []), *(self.named.get(name, []) for name in same)]
                if found := [node for nodes in known for node in nodes]:
                    return list(dict.fromkeys(found))
        return []

    def matches(self, words: str) -> Matches:
        found: Matches = {}
        for model, node, label in self.meant(words):
            rows = self.library.rows(
                "SELECT photo, score FROM label WHERE model = ? AND label = ? AND score >= ?",
                model,
                node,
                self.least[model],
            )
            better(found, {photo: Match(score, f"{label} {score:.2f}") for photo, score in rows})
        return found


def names(label: str) -> list[str]:
    """A label in small letters as people say it, and then each of several alternatives.

    >>> names("weasel, otter or badger"), names("dipper (bird)")
    (['weasel otter or badger', 'weasel', 'otter', 'badger'], ['dipper'])
    """
    plain = re.sub(r"\s*\(.*?\)", "", label)
    parts = re.split(r",| or ", plain)
    return [normal(name) for name in ([plain, *parts] if len(parts) > 1 else [plain])]


def tidy(text: str) -> list[str]:
    """The words of a text in small letters, without the marks around them."""
    words = (word.strip(MARKS) for word in unicodedata.normalize("NFC", text).lower().split())
    return [word for word in words if word]


def normal(text: str) -> str:
    """A name as it is compared: however it is written, with or without accents, it is the same name.

    >>> normal("St. Louis"), normal("Zoë"), normal("STRASSE") == normal("Straße")
    ('st louis', 'zoe', True)
    """
    apart = unicodedata.normalize("NFD", " ".join(tidy(text)).casefold())
    return unicodedata.normalize("NFC", _ACCENTS.sub("", apart))


def singular(words: str) -> list[str]:
    """What may be meant by a word in the plural.

    >>> singular("foxes"), singular("dog")
    (['foxes', 'foxe', 'fox'], ['dog'])
    """
    found = [words]
    if len(words) > 3 and words.endswith("s") and not words.endswith("ss"):
        found.append(words[:-1])
        if words.endswith("ies"):
            found.append(words[:-3] + "y")
        elif words.endswith("es"):
            found.append(words[:-2])
    return found


def better(found: Matches, more: Mapping[int, Match]) -> None:
    for photo, match in more.items():
        if photo not in found or found[photo].score < match.score:
            found[photo] = match


def search(library: Library, text: str) -> Matches:
    """Photos that all parts of a text are true of, with why."""
    labels = Labels(library)
    whole: Matches | None = None
    for part in parts(library, labels, text):
        found = matches(library, labels, part)
        if whole is None:
            whole = found
        else:
            both = whole.keys() & found.keys()
            whole = {
                photo: Match(whole[photo].score + found[photo].score, f"{whole[photo].why}, {found[photo].why}")
                for photo in both
            }
        if not whole:
            break
    return whole or {}


def parts(library: Library, labels: Labels, text: str) -> Iterator[str]:
    """The words of a text, those of one name together."""
    words = tidy(text)
    at = 0
    while at < len(words):
        for count in range(min(labels.longest, len(words) - at), 0, -1):
            name = " ".join(words[at : at + count])
            if count == 1 or said(labels, name) or (count <= LONGEST and (labels.meant(name) or known(library, name))):
                yield name
                at += count
                break


def known(library: Library, name: str) -> bool:
    """Whether a file says just that."""
    return bool(library.value("SELECT EXISTS (SELECT 1 FROM word WHERE value = ? COLLATE NOCASE)", name))


def said(labels: Labels, name: str) -> list[str]:
    """Labels and albums of a person that a name means, in the plural too; those called just so come last."""
    forms = singular(normal(name))
    return [label for form in (*others(forms), *reversed(forms)) for label in labels.said.get(form, ())]


def others(forms: Sequence[str]) -> list[str]:
    """Names that mean what a name usually means.

    >>> others(["sofas", "sofa"])
    ['couch', 'lounge']
    """
    same = [meaning.names for form in forms for meaning in meanings(form) if form in meaning.names]
    return [name for names in same for name in names if name not in forms]


def matches(library: Library, labels: Labels, part: str) -> Matches:
    """Photos that one part is true of."""
    found = labels.matches(part)
    better(found, dated(library, part))
    better(found, written(library, part))
    for name in said(labels, part):
        rows = library.rows(
            "SELECT photo.id, holds, said.kind FROM said JOIN photo ON photo.identity = said.photo WHERE label = ?",
            name,
        )
        for photo, holds, kind in rows:
            if holds:
                better(found, {photo: Match(SAID, f"you said {name}" if kind == "label" else f"album {name}")})
            elif kind == "label":
                found.pop(photo, None)
    return found


def dated(library: Library, part: str) -> Matches:
    """Photos of a year, month or day."""
    month = _MONTHS.get(part)
    if month:
        rows = library.rows("SELECT id, taken FROM photo WHERE substr(taken, 6, 2) = ?", f"{month:02}")
    elif _DATE.match(part):
        rows = library.rows("SELECT id, taken FROM photo WHERE taken LIKE ?", f"{part}%")
    else:
        return {}
    return {photo: Match(NAMED, taken[:10]) for photo, taken in rows}


def written(library: Library, part: str) -> Matches:
    """Photos whose files, folders or camera have a name with these words, or say them.

    Words are whole ones. Where a script puts no spaces between them, any part of a text will do.
    """
    forms = singular(part)
    found: Matches = {}
    for column, score in (("words", WRITTEN), ("names", NAMED), ("camera", NAMED)):
        rows = holding(library, column, forms)
        if not rows and not part.isascii():
            rows = library.rows(f"SELECT rowid, {column} FROM text WHERE instr({column}, ?)", part).fetchall()
        better(found, {photo: Match(score, short(text, part)) for photo, text in rows})
    for other in others(forms):
        better(found, {photo: Match(NAMED, short(text, other)) for photo, text in holding(library, "words", [other])})
    return found


def holding(library: Library, column: str, forms: Sequence[str]) -> list[Row]:
    """(photo, text) of those whose text in a column holds one of some names."""
    quoted = " OR ".join('"{}"'.format(form.replace('"', '""')) for form in forms)
    return library.rows(f"SELECT rowid, {column} FROM text WHERE text MATCH ?", f"{column}: ({quoted})").fetchall()


def short(text: str, part: str, most: int = 60) -> str:
    """The piece of a text that a word stands in.

    >>> short("a cat | the long beach", "beach")
    'the long beach'
    """
    pieces = text.split(" | ")
    piece = next((piece for piece in pieces if part in piece.lower()), pieces[0])
    return piece if len(piece) <= most else f"... {piece[-most:]}"
