"""Other names of things that can be seen: WordNet -> src/eyebright/library/synonyms.txt.gz.

What people say every day comes first (everyday_names.txt): names of one thing, or nearly so, the first of which tells
WordNet's synset. A line is one synset: its id, then its names as they are compared, a tab after each. A name that more
often means something else has ~ before it.

  python tools/synonyms.py WORDNET            the folder with data.noun and index.noun (Debian: wordnet-base)
"""

import argparse
import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from eyebright.labels import imagenet
from eyebright.library.names import normal

EVERYDAY = Path(__file__).with_name("everyday_names.txt")
OUTPUT = Path(__file__).parents[1] / "src" / "eyebright" / "library" / "synonyms.txt.gz"
SEEN = {"05", "06", "11", "13", "15", "17", "19", "20"}
"""Animals, things, events, food, places, objects in nature, phenomena, plants, as WordNet numbers its files of nouns
(lexnames(5WN)). Not people: many of those names hurt."""
RANKS = re.compile(r"(genus|(sub|super|infra)?(family|order|class|phylum|kingdom|division)|tribe|section|variety) ")
"""Groups of biology, of which there are no pictures."""
DISPARAGING = {"06717170", "06718862", "07124340", "07157273"}
"""Synsets that WordNet marks words with: disparagement, ethnic slur, obscenity, slang."""
UNKIND = re.compile(r"\b(negro|squaw|kaff?ir\w*|hottentot\W?s?|jap|gyp|whore\w*|cathouse|bawdyhouse|dog (shit|turd))\b")


class Synset(NamedTuple):
    file: str
    names: list[str]
    marks: set[str]
    """Synsets that say how its words are used."""


def main() -> None:
    arguments = argparse.ArgumentParser(description="Make synonyms.txt.gz from WordNet.")
    arguments.add_argument("wordnet", type=Path, help="the folder with WordNet 3.0's data.noun and index.noun")
    arguments.add_argument("-o", "--output", type=Path, default=OUTPUT)
    asked = arguments.parse_args()

    usual = read_usual(asked.wordnet / "index.noun")
    text = "".join(lines(read_synsets(asked.wordnet / "data.noun"), usual))
    asked.output.write_bytes(gzip.compress(text.encode(), mtime=0))


def lines(synsets: dict[str, Synset], usual: dict[str, str]) -> Iterator[str]:
    """Those of every day, with a second name for something, and labels of ImageNet whatever names they have."""
    for row in EVERYDAY.read_text().splitlines():
        names = row.split(", ")
        yield "\t".join(["n" + usual[names[0]], *map(normal, names), "\n"])
    labels = {node.id for node in (*imagenet()[0], *imagenet()[1])}
    for number, synset in synsets.items():
        names = {
            normal(name): usual[name.lower()] == number for name in synset.names if not UNKIND.search(name.lower())
        }
        known = "n" + number in labels
        shown = synset.file in SEEN and not any(map(RANKS.match, synset.names)) and not synset.marks & DISPARAGING
        if known or (shown and len(names) > 1 and any(names.values())):
            yield "\t".join(["n" + number, *(name if first else f"~{name}" for name, first in names.items()), "\n"])


def read_synsets(path: Path) -> dict[str, Synset]:
    """Every noun synset by its number; the format is described in wndb(5WN)."""
    synsets = {}
    for line in path.read_text(encoding="ascii").splitlines():
        if line.startswith("  "):  # the license
            continue
        fields = line.partition(" | ")[0].split()
        end = 4 + 2 * int(fields[3], 16)
        pointers = fields[end + 1 :]  # four fields each: symbol, offset, part of speech, words
        marks = {pointers[at + 1] for at in range(0, len(pointers), 4) if pointers[at] == ";u"}
        synsets[fields[0]] = Synset(fields[1], [name.replace("_", " ") for name in fields[4:end:2]], marks)
    return synsets


def read_usual(path: Path) -> dict[str, str]:
    """Name -> the synset that it means most often."""
    usual = {}
    for line in path.read_text(encoding="ascii").splitlines():
        if not line.startswith("  "):
            fields = line.split()
            usual[fields[0].replace("_", " ")] = fields[6 + int(fields[3])]
    return usual


if __name__ == "__main__":
    main()
