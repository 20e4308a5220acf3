"""ImageNet's 1000 labels under names and parents that people use: WordNet + imagenet_labels.tsv -> imagenet.json.

WordNet is the start and the table has the last word. A row of the table is a group (an inner node) or a label; an empty
name is WordNet's first word for it, an empty parent is its nearest group in WordNet, and the parent "-" is none.

  python tools/imagenet_labels.py WORDNET            the folder with data.noun (Debian: wordnet-base)
  python tools/imagenet_labels.py WORDNET --show     print the hierarchy instead, with how many labels a group has
"""

import argparse
import csv
import json
import re
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

SOURCE = (
    "Names and hierarchy are adapted from WordNet 3.0, Copyright 2006 by Princeton University, renamed and regrouped "
    "for Eyebright; ids are WordNet 3.0 noun synsets, labels stand in the class order of ImageNet-1k (ILSVRC 2012)."
)
TABLE = Path(__file__).with_suffix(".tsv")
OUTPUT = Path(__file__).parents[1] / "src" / "eyebright" / "models" / "imagenet.json"


class Synset(NamedTuple):
    name: str  # its first word
    above: list[str]  # ids of its hypernyms


class Row(NamedTuple):
    kind: str  # "group" or "label"
    id: str  # "n" and the synset's offset, or "everyday:..." where no synset fits
    name: str
    parent: str  # the name of a group


class Node(NamedTuple):
    id: str
    label: str
    parent: str | None  # the id of a group


def main() -> None:
    arguments = argparse.ArgumentParser(description="Make imagenet.json from WordNet and imagenet_labels.tsv.")
    arguments.add_argument("wordnet", type=Path, help="the folder with WordNet 3.0's data.noun")
    arguments.add_argument("-o", "--output", type=Path, default=OUTPUT)
    arguments.add_argument("--show", action="store_true", help="print the hierarchy; write nothing")
    asked = arguments.parse_args()

    groups, labels = resolve(read_table(TABLE), read_wordnet(asked.wordnet / "data.noun"))
    if faults := list(find_faults(groups, labels)):
        raise SystemExit("\n".join(faults))
    if asked.show:
        print("\n".join(outline(groups, labels)))
    else:
        asked.output.write_text(to_json(groups, labels), encoding="utf-8")


def read_wordnet(path: Path) -> dict[str, Synset]:
    """Every noun synset by its id; the format is described in wndb(5WN)."""
    synsets = {}
    for line in path.read_text(encoding="ascii").splitlines():
        if line.startswith("  "):  # the license
            continue
        fields = line.partition(" | ")[0].split()
        pointers = fields[5 + 2 * int(fields[3], 16) :]  # four fields each: symbol, offset, part of speech, words
        above = ["n" + pointers[i + 1] for i in range(0, len(pointers), 4) if pointers[i] in ("@", "@i")]
        synsets["n" + fields[0]] = Synset(fields[4].replace("_", " "), above)
    return synsets


def read_table(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        _header, *rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
    return [Row(*row) for row in rows]


def resolve(rows: list[Row], synsets: dict[str, Synset]) -> tuple[list[Node], list[Node]]:
    """The groups and the labels, with WordNet's word and its nearest group where the table is silent."""
    named = [row._replace(name=row.name or synsets[row.id].name) for row in rows]
    groups = {row.name: row.id for row in named if row.kind == "group"}

    def node(row: Row) -> Node:
        if row.parent == "-":
            return Node(row.id, row.name, None)
        parent = groups[row.parent] if row.parent else nearest(row.id, groups.values(), synsets)
        return Node(row.id, row.name, parent)

    return [node(row) for row in named if row.kind == "group"], [node(row) for row in named if row.kind == "label"]


def nearest(wnid: str, groups: Collection[str], synsets: dict[str, Synset]) -> str:
    """The group that is the fewest steps above a synset."""
    level = synsets[wnid].above
    while level:
        for above in level:
            if above in groups:
                return above
        level = [higher for above in level for higher in synsets[above].above]
    raise SystemExit(f"{wnid} has no group above it in WordNet; name its parent in the table, or '-' for none.")


def find_faults(groups: list[Node], labels: list[Node]) -> Iterator[str]:
    """What would make the labels ambiguous or the hierarchy useless, a sentence each."""
    nodes = groups + labels
    parents = {node.id: node.parent for node in nodes}
    children = Counter(parents.values())

    wnids = [label.id for label in labels]
    if len(wnids) != 1000 or wnids != sorted(wnids) or not all(re.fullmatch(r"n\d{8}", wnid) for wnid in wnids):
        yield "The labels are not 1000 synsets in sorted order."
    for wnid, times in Counter(node.id for node in nodes).items():
        if times > 1:
            yield f"The id {wnid} stands for {times} nodes."
    for name, times in Counter(node.label.casefold() for node in nodes).items():
        if times > 1:
            yield f"The name {name!r} stands for {times} nodes."
    for group in groups:
        if children[group.id] < 2:
            yield f"The group {group.label!r} says no more than its only child."
    for node in nodes:
        if loops(node.id, parents):
            yield f"{node.label!r} is above itself."


def loops(wnid: str, parents: dict[str, str | None]) -> bool:
    seen: set[str] = set()
    above: str | None = wnid
    while above is not None and above not in seen:
        seen.add(above)
        above = parents[above]
    return above is not None


def to_json(groups: list[Node], labels: list[Node]) -> str:
    """One entry a line, so that a change of one name is a change of one line."""

    def lines(nodes: list[Node]) -> str:
        entries = ({key: value for key, value in node._asdict().items() if value is not None} for node in nodes)
        return ",\n".join(json.dumps(entry, ensure_ascii=False, separators=(",", ":")) for entry in entries)

    return f'{{"source":{json.dumps(SOURCE)},\n"labels":[\n{lines(labels)}\n],\n"hierarchy":[\n{lines(groups)}\n]}}\n'


def outline(groups: list[Node], labels: list[Node], parent: str | None = None, depth: int = 0) -> Iterator[str]:
    indent = "  " * depth
    for group in groups:
        if group.parent == parent:
            below = list(outline(groups, labels, group.id, depth + 1))
            count = sum(line.lstrip().startswith("- ") for line in below)
            yield f"{indent}{group.label} ({count})"
            yield from below
    for label in labels:
        if label.parent == parent:
            yield f"{indent}- {label.label}"


if __name__ == "__main__":
    main()
