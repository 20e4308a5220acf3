"""One label a picture, yes or no, or several: what a data set is, and what it can be made into.

A set is `multi` where pictures have several labels, `binary` where there are two of which one denies (normal, no fire),
else `single`. Another task is given where the labels allow it.
"""

from collections.abc import Sequence

from eyebright.data.found import Row, listed
from eyebright.errors import BadRequest
from eyebright.labels import negative_of
from eyebright.modelfile import Label, Task

Settled = tuple[Task, list[Row], tuple[Label, ...]]


def settle(
    rows: list[Row], labels: tuple[Label, ...], several: bool, task: Task | None, positive: str | None, where: str
) -> Settled:
    """The task, with the rows and labels that suit it; `several`: a row may have any number of labels.

    Raises BadRequest where the labels do not allow what was asked.
    """
    if positive is not None and task in ("single", "multi"):
        raise BadRequest(f"--positive is for yes or no (--task binary), not for {task}.")
    if task == "binary" or positive is not None:
        return _yes_or_no(rows, labels, several, positive, where)
    if task == "single":
        _one_each(rows, several, where)
    if task is None and not several and len(labels) == 2:
        negative = _negative(labels)
        return ("single", rows, labels) if negative is None else ("binary", rows, _first(negative, labels))
    return task or ("multi" if several else "single"), rows, labels


def _yes_or_no(rows: list[Row], labels: tuple[Label, ...], several: bool, positive: str | None, where: str) -> Settled:
    yes = next((label for label in labels if positive in (label.id, label.label)), None)
    if positive is not None and yes is None:
        raise BadRequest(f"{where}: there is no label {positive!r} for --positive; there are {_names(labels)}.")
    if len(labels) == 2 and not several:
        negative = _negative(labels) if yes is None else labels[labels[0] == yes]
        if negative is None:
            raise BadRequest(f"{where}: which of {_names(labels)} is looked for? Say it with --positive LABEL.")
        return "binary", rows, _first(negative, labels)
    if yes is None and len(labels) == 1:
        yes = labels[0]
    if yes is None:
        raise BadRequest(f"{where}: yes or no needs to know which of {_names(labels)} is looked for: --positive LABEL.")
    no = Label(f"not {yes.id}", f"not {yes.label}")
    asked = [row for row in rows if yes.id not in row.unknown]
    told = [row._replace(labels=((yes if yes.id in row.labels else no).id,), unknown=()) for row in asked]
    return "binary", told, (no, yes)


def _one_each(rows: list[Row], several: bool, where: str) -> None:
    for row in rows if several else ():
        if len(row.labels) != 1 or row.unknown:
            told = listed(row.labels) or "no label"
            unsure = " and labels that nobody checked" if row.unknown else ""
            raise BadRequest(f"{where}: {row.name} has {told}{unsure}; single takes one label each: try multi.")


def _negative(labels: tuple[Label, ...]) -> Label | None:
    """Of two labels the one that denies; None where neither or both do."""
    at = negative_of(*(label.label for label in labels))
    return None if at is None else labels[at]


def _first(label: Label, labels: tuple[Label, ...]) -> tuple[Label, ...]:
    return (label, *(other for other in labels if other != label))


def _names(labels: Sequence[Label]) -> str:
    return listed(label.label for label in labels)
