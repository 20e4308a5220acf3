"""Names as they are compared, however a person, a model or a file writes them."""

import re
import unicodedata

MARKS = ".,;:!?%&+|=~#@\\\"'`()*[]{}<>“”‘’„‚«»‹›…·•\0"
"""What may stand around words and is no part of them."""
_BETWEEN = re.compile(r"[-‐‑–—_/]")
"""What joins words as a space does."""
_ACCENTS = re.compile("[\u0300-\u036f]")


def tidy(text: str) -> list[str]:
    """The words of a text in small letters, without the marks around them."""
    words = (word.strip(MARKS) for word in re.split(r"[\s,;]+", unicodedata.normalize("NFC", text).lower()))
    return [word for word in words if word]


def normal(text: str) -> str:
    """A name as it is compared: with or without accents, hyphens and marks it is the same name.

    >>> normal("St. Louis"), normal("Zoë"), normal("T-Shirt"), normal("STRASSE") == normal("Straße")
    ('st louis', 'zoe', 't shirt', True)
    """
    plain = " ".join(tidy(_BETWEEN.sub(" ", text))).casefold()
    return unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", plain)))


def singular(words: str) -> list[str]:
    """What may be meant by a word in the plural, or by somebody's.

    >>> singular("foxes"), singular("dog"), singular("dog's")
    (['foxes', 'foxe', 'fox'], ['dog'], ["dog's", 'dog'])
    """
    found = [words]
    if re.search(r"\w['’]s$", words):
        return [*found, words[:-2]]
    if len(words) > 3 and words.endswith("s") and not words.endswith("ss"):
        found.append(words[:-1])
        if words.endswith("ies"):
            found.append(words[:-3] + "y")
        elif words.endswith("es"):
            found.append(words[:-2])
    return found


def alternatives(label: str) -> list[str]:
    """A label as people say it, and then each of several names in it.

    >>> alternatives("weasel, otter or badger"), alternatives("dipper (bird)")
    (['weasel otter or badger', 'weasel', 'otter', 'badger'], ['dipper'])
    """
    plain = re.sub(r"\s*\(.*?\)", "", label)
    parts = re.split(r",| or ", plain)
    return [normal(name) for name in ([plain, *parts] if len(parts) > 1 else [plain])]
