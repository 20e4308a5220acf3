"""Words of a search to photos: labels and what stands above them, what a person said, places, dates, files, cameras.

"dog beach 2023" asks for photos that all three are true of. Where a label has several words they are taken together
("golden retriever"), and another name for the same thing does as well (synonyms.py). What a person said decides over
any model: a photo that is not a dog is not found as one, as a terrier, or as an animal for that reason.
"""

import difflib
import re
from collections.abc import Sequence
from typing import NamedTuple

from eyebright.library.database import Library, Row
from eyebright.library.dates import beginning
from eyebright.library.names import normal, singular, tidy
from eyebright.library.synonyms import meanings
from eyebright.library.vocabulary import LONGEST, SAID, Match, Matches, Vocabulary, better, saying

WRITTEN, NAMED = 1.5, 0.5
"""What counts for how much: written into the file, or in its name or folder; what was said counts more."""
AROUND = {"a", "an", "the", "of", "in", "at", "on", "with", "and", "my", "photo", "photos", "picture", "pictures"}
"""Words around what is looked for, and no more than that where there are others."""
CLOSE = 0.75
"""How much a word is like another one that may have been meant, as difflib counts it."""


class Part(NamedTuple):
    """Words of a search that belong together."""

    name: str
    dates: list[str]
    """What they may mean as a date."""
    only_a_date: bool = False


def search(library: Library, text: str) -> Matches:
    """Photos that all parts of a text are true of, with why."""
    labels = Vocabulary(library)
    whole: Matches | None = None
    for part in parts(labels, text):
        found = matches(labels, part)
        if whole is None:
            whole = found
        else:
            both = whole.keys() & found.keys()
            whole = {
                photo: Match(whole[photo].score + found[photo].score, whole[photo].why + found[photo].why)
                for photo in both
            }
        if not whole:
            break
    return whole or {}


def because(match: Match) -> str:
    """Why a search is true of a photo, in words."""
    return ", ".join(dict.fromkeys(why if isinstance(why, str) else short(*why) for why in match.why))


def unknown(library: Library, text: str) -> list[tuple[str, str]]:
    """Parts of a text that are true of no photo, each with a word that may have been meant, or nothing."""
    labels = Vocabulary(library)
    found = [part.name for part in parts(labels, text) if not matches(labels, part)]
    if not found:
        return []
    known = list(dict.fromkeys((*labels.said, *labels.named, *labels.others, *written_words(library))))
    return [(name, like_it(name, known)) for name in found]


def written_words(library: Library) -> list[str]:
    """All words that files and catalogs say."""
    library.connection.execute("CREATE VIRTUAL TABLE IF NOT EXISTS temp.term USING fts5vocab(main, text, col)")
    return [word for (word,) in library.rows("SELECT term FROM temp.term WHERE col = 'words'").fetchall()]


def like_it(name: str, known: Sequence[str]) -> str:
    """The known name that is most like another one, or nothing."""
    close = difflib.get_close_matches(name, known, 1, CLOSE)
    return close[0] if close and close[0] != name else ""


def parts(labels: Vocabulary, text: str) -> list[Part]:
    """The words of a text, those of one name or date together."""
    found, at = [], 0
    words = tidy(text)
    while at < len(words):
        dated, dates = beginning(words[at:])
        count = max(long_name(labels, words[at:]), 1)
        if dated > count:
            found.append(Part(normal(" ".join(words[at : at + dated])), dates, only_a_date=True))
            at += dated
            continue
        name = normal(" ".join(words[at : at + count]))
        if count == 1 and " " in name and not dates and not is_name(labels, name, words[at]):
            found += [Part(piece, []) for piece in name.split()]  # bull-terrier
        elif name:
            found.append(Part(name, dates if dated == count else []))
        at += count
    needed = [part for part in found if part.name not in AROUND or part.name in labels.said]
    return needed or found


def long_name(labels: Vocabulary, words: Sequence[str]) -> int:
    """How many of the first words are one name; 0 where not even two are."""
    for count in range(min(labels.longest, len(words)), 1, -1):
        written = " ".join(words[:count])
        name = normal(written)
        if said(labels, name) or (count <= LONGEST and is_name(labels, name, written)):
            return count
    return 0


def is_name(labels: Vocabulary, name: str, written: str) -> bool:
    """Whether a person, a model or just so a file calls something so."""
    sql = "SELECT EXISTS (SELECT 1 FROM word WHERE value = ? COLLATE NOCASE)"
    return bool(said(labels, name) or labels.meant(name) or labels.library.value(sql, written))


def said(labels: Vocabulary, name: str) -> list[str]:
    """Labels and albums of a person that a name means, in the plural too; those called just so come last."""
    forms = singular(name)
    return [label for form in (*others(forms), *reversed(forms)) for label in labels.said.get(form, ())]


def others(forms: Sequence[str]) -> list[str]:
    """Names that mean what a name usually means.

    >>> others(["sofas", "sofa"])
    ['couch', 'settee', 'lounge']
    """
    same = [meaning.names for form in forms for meaning in meanings(form) if form in meaning.names]
    return list(dict.fromkeys(name for names in same for name in names if name not in forms))


def matches(labels: Vocabulary, part: Part) -> Matches:
    """Photos that one part is true of."""
    library, name = labels.library, part.name
    if part.only_a_date:
        return dated(library, part.dates)
    found = labels.matches(name)
    better(found, dated(library, part.dates))
    better(found, written(library, name))
    inside = [label for known, same in labels.said.items() for label in same if name in re.split("[ '’]", known)]
    for one in inside:  # Mary of Aunt Mary
        better(found, {photo: Match(WRITTEN, (f"you said {one}",)) for photo in saying(library, one)})
    for one in said(labels, name):
        rows = library.rows(
            "SELECT photo.id, holds, said.kind FROM said JOIN photo ON photo.identity = said.photo WHERE label = ?", one
        )
        for photo, holds, kind in rows:
            if holds:
                better(found, {photo: Match(SAID, (f"you said {one}" if kind == "label" else f"album {one}",))})
            elif kind == "label":
                found.pop(photo, None)
    return found


def dated(library: Library, dates: Sequence[str]) -> Matches:
    """Photos of a year, month or day."""
    found: Matches = {}
    for date in dates:
        rows = library.rows("SELECT id, taken FROM photo WHERE taken LIKE ? || '%'", date)
        better(found, {photo: Match(NAMED, (taken[:10],)) for photo, taken in rows})
    return found


def written(library: Library, name: str) -> Matches:
    """Photos whose files, folders or camera have a name with these words, or say them.

    Words are whole ones. Where a script puts no spaces between them, any part of a text will do.
    """
    forms = singular(name)
    found: Matches = {}
    for column, score in (("words", WRITTEN), ("names", NAMED), ("camera", NAMED)):
        rows = holding(library, column, forms)
        if not rows and not name.isascii():
            rows = library.rows(f"SELECT rowid, {column} FROM text WHERE instr({column}, ?)", name).fetchall()
        better(found, {photo: Match(score, ((text, tuple(forms)),)) for photo, text in rows})
    if more := others(forms):
        for column in ("words", "names"):
            rows = holding(library, column, more)
            better(found, {photo: Match(NAMED, ((text, tuple(more)),)) for photo, text in rows})
    return found


def holding(library: Library, column: str, names: Sequence[str]) -> list[Row]:
    """(photo, text) of those whose text in a column holds one of some names."""
    quoted = " OR ".join('"{}"'.format(name.replace('"', '""')) for name in names)
    return library.rows(f"SELECT rowid, {column} FROM text WHERE text MATCH ?", f"{column}: ({quoted})").fetchall()


def short(text: str, names: Sequence[str], most: int = 60) -> str:
    """The piece of a text that a name stands in, or what is around the name.

    >>> short("a cat | the long beach", ["beach"]), short("so we went " * 9 + "to the beach and home", ["beach"], 20)
    ('the long beach', '... nt to the beach and ...')
    """
    pieces = text.split(" | ")
    whole = [piece for piece in pieces if any(f" {name} " in f" {normal(piece)} " for name in names)]
    piece = next((one for one in (*whole, *pieces) if any(name in normal(one) for name in names)), pieces[0])
    if len(piece) <= most:
        return piece
    at = max(piece.lower().find(name) for name in names)
    start = max(min(at - most // 2, len(piece) - most), 0)
    cut = piece[start : start + most].strip()
    return f"{'... ' if start else ''}{cut}{' ...' if start + most < len(piece) else ''}"
