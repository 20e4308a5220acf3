"""`eyebright search --evaluate CSV`: how good the search of a catalog is, by queries with known answers."""

import json
from typing import TYPE_CHECKING, Any

import click

from eyebright.cli import options
from eyebright.cli.search_answers import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eyebright.evaluation.intervals import Interval
    from eyebright.library import Library
    from eyebright.library.retrieval import Quality


def judged(
    library: "Library", queries: str, where: tuple[str, ...], top: int, form: str, how: dict[str, Any]
) -> tuple[str, int]:
    """How good the search is, and an exit code: 1 where pictures of queries could not be read."""
    from eyebright.library import retrieval
    from eyebright.library.filters import some
    from eyebright.library.query import model_of

    recognizer = options.recognizer(100, **how)
    model = model_of(library, recognizer)
    sought, unreadable = retrieval.read(library, queries, recognizer)
    among = some(library, where)
    found = retrieval.evaluate(library, model, sought, top, among)
    for remark in among.remarks:
        click.echo(printable(remark), err=True)
    for path, why in unreadable:
        click.echo(f"not read: {printable(path)}: {why}", err=True)
    count = found["embedding"].queries
    left_out = len(sought) - count
    if form == "json":
        figures = {way: quality_as_json(one) for way, one in found.items()}
        answer = json.dumps({"queries": count, "left_out": left_out, "k": top, **figures})
    else:
        answer = "\n".join(table(found, left_out, top))
    return answer, 1 if unreadable else 0


def table(found: "dict[str, Quality]", left_out: int, k: int) -> "Iterator[str]":
    """Lines of figures, overall and by kind of query."""
    yield f"{options.counted(found['embedding'].queries, 'query')}, {k} shown; means with 95% intervals."
    if left_out:
        yield f"Left out, since nothing but themselves is to be found: {options.counted(left_out, 'query')}."
    yield f"{'by':<10} {f'precision@{k}':<24} {f'recall@{k}':<24} mAP"
    for way, one in found.items():
        yield f"{way:<10} {interval(one.precision):<24} {interval(one.recall):<24} {interval(one.map)}"
    for group, (count, precision) in found["embedding"].by_group.items():
        beside = ", ".join(f"{way} {found[way].by_group[group][1]:.3f}" for way in ("colors", "chance"))
        yield f"{precision:.3f}  {printable(group)} ({options.counted(count, 'query')}; {beside})"


def interval(found: "Interval") -> str:
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def quality_as_json(one: "Quality") -> dict[str, Any]:
    figures = {
        name: {"value": found.value, "low": found.low, "high": found.high, "n": one.queries, "method": found.method}
        for name, found in (("precision", one.precision), ("recall", one.recall), ("map", one.map))
    }
    groups = {group: {"n": number, "precision": precision} for group, (number, precision) in one.by_group.items()}
    return {**figures, "by_group": groups}
