"""Folders named after what is in their pictures: `train/cat/1.jpg`, or `cat/1.jpg` without splits."""

from collections import Counter

from eyebright.data.archives import PACKED
from eyebright.data.found import Found, Row, listed
from eyebright.data.source import Source
from eyebright.data.split import spelled
from eyebright.errors import BadRequest


def read(source: Source) -> Found:
    """`[train|validation|test/]label/.../picture`; deeper folders belong to the label."""
    pictures = source.pictures()
    splits = _splits(pictures)
    rows: list[Row] = []
    loose: list[str] = []
    for name in pictures:
        parts = name.split("/")
        split = spelled(parts[0]) if parts[0] in splits else None
        inner = parts[1:] if split else parts
        if len(inner) < 2 or (splits and not split):
            loose.append(name)
        else:
            rows.append(Row(name, (inner[0],), split))
    if not rows and loose:
        raise BadRequest(
            f"{source.where}: one class at most, for its pictures do not lie in folders of classes; make one for each "
            "(cat/1.jpg, or train/cat/1.jpg), or write a table with the columns file and label."
        )
    nested = [name for name in source.tree.names if name.lower().endswith(PACKED)]
    if not pictures and nested:
        raise BadRequest(f"{source.where}: archives inside it are not opened: {listed(nested, 3)}; unpack it first.")
    remarks = [f"Pictures in no folder of a class, left out: {len(loose):,} ({loose[0]} ...)."] if loose else []
    return Found(rows, source.tree, remarks=remarks + _empty(source, rows, splits))


def _splits(pictures: list[str]) -> set[str]:
    """Top folders that are splits; a class may be called train, too, and has pictures where a split has classes."""
    tops = {name.split("/")[0] for name in pictures if "/" in name}
    if all(map(spelled, tops)):
        return tops
    return {name.split("/")[0] for name in pictures if name.count("/") > 1 and spelled(name.split("/")[0])}


def _empty(source: Source, rows: list[Row], splits: set[str]) -> list[str]:
    """Folders of classes that hold files and no picture."""
    held = Counter((row.name.split("/")[0] if splits else "", row.labels[0]) for row in rows)
    folders = set()
    for name in source.tree.names:
        parts = name.split("/")
        at = 1 if parts[0] in splits else 0
        if len(parts) > at + 1 and (at or not splits):
            folders.add((parts[0] if at else "", parts[at]))
    empty = sorted("/".join(filter(None, folder)) for folder in folders if folder not in held)
    return [f"Folders without a picture: {', '.join(empty)}."] if empty else []
