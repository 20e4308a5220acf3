"""Runs and model files by how good their cards say they are; only figures of the same pictures stand in one group."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from eyebright import models
from eyebright.data.dataset import SPLITS
from eyebright.errors import BadModelFile, BadRequest
from eyebright.evaluation.metrics import MAIN
from eyebright.modelfile import Figure, Metadata, read

_SPLIT = re.compile(rf"({'|'.join(SPLITS)}) split; ")


class Entry(NamedTuple):
    """A run, or a model file."""

    name: str
    """As it was asked for."""
    file: str
    metadata: Metadata
    size_bytes: int

    @property
    def main(self) -> str:
        """The name of the figure that it is ranked by; empty where its card has none."""
        name = MAIN[self.metadata.task]
        return name if name in self.metadata.card.metrics else ""

    @property
    def value(self) -> float:
        return self.metadata.card.metrics[self.main].value if self.main else 0.0


class Group(NamedTuple):
    """Entries that may be compared, the best first: one task, one data set, one split, as many pictures."""

    main: str
    """The figure that they are ranked by; empty for those without one."""
    data: str
    """As the cards name it; empty where they do not, and then nothing is known of the others' pictures."""
    part: str
    """The split, or else how the main figure was measured, as the card says it."""
    pictures: int | None
    entries: tuple[Entry, ...]


def entry(run: str | Path) -> Entry:
    """A run folder, a model file, or the name of one that ships. Raises BadRequest, BadModelFile."""
    folder = Path(run)
    path = folder / "model.onnx"
    if not folder.is_dir():
        path = models.path(run)
    elif not path.exists():
        if (folder / "recipe.toml").exists():
            raise BadRequest(f"{run}: this run is not finished; go on with it: eyebright train --resume -o {run}")
        raise BadRequest(f"{run}: no run: there is no model.onnx in it.")
    file = read(path)
    return Entry(str(run), str(path), file.metadata, file.stored_bytes)


def entries(runs: Sequence[str | Path]) -> tuple[list[Entry], list[BadRequest | BadModelFile]]:
    """Those that can be read, and what is wrong with the others."""
    found: list[Entry] = []
    failed: list[BadRequest | BadModelFile] = []
    for run in runs:
        try:
            found.append(entry(run))
        except (BadRequest, BadModelFile) as error:
            failed.append(error)
    return found, failed


def groups(found: Sequence[Entry]) -> list[Group]:
    """What may be compared with what; those without a figure come last."""
    together: dict[tuple[str, str, str, int | None], list[Entry]] = {}
    for one in found:
        card = one.metadata.card
        figure = card.metrics[one.main] if one.main else Figure(0)
        data = card.data if one.main else ""
        together.setdefault((one.main, data, split_of(figure) or figure.method, figure.n), []).append(one)
    ranked = [Group(*key, tuple(sorted(some, key=lambda one: -one.value))) for key, some in together.items()]
    return sorted(ranked, key=lambda group: not group.main)


def split_of(figure: Figure) -> str:
    """The part of the data that a figure is of, where its method says so.

    >>> split_of(Figure(0.9, method="test split; Wilson")), split_of(Figure(0.9, method="Wilson"))
    ('test', '')
    """
    said = _SPLIT.match(figure.method)
    return said[1] if said else ""


def title(group: Group) -> str:
    """What a group's figures are of, in words."""
    if not group.main:
        return "No figures in the card; `eyebright evaluate` makes some"
    parts = [group.data or "data that the card does not name"]
    if group.part:
        parts.append(f"{group.part} split" if group.part in SPLITS else f"{group.part}")
    if group.pictures is not None:
        parts.append(f"{group.pictures:,} pictures")
    if group.part == "validation":
        parts.append("on which training was steered: take them for a little high")
    return ", ".join(parts)


def warning(ranked: Sequence[Group]) -> str:
    """Why not all may be compared; empty where they may."""
    judged = [group for group in ranked if group.main]
    if len(judged) > 1:
        return (
            f"The figures are of {len(judged)} different data sets, splits or tasks: compare within a group only; "
            "`eyebright compare A B --data DATA` shows two models the same pictures."
        )
    if judged and not judged[0].data and len(judged[0].entries) > 1:
        return "The cards do not say what data their figures are of, so these may not be the same pictures."
    return ""
