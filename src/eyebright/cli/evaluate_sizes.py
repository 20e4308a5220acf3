"""`eyebright evaluate --sizes`: a table of what smaller inputs cost, and what they save."""

import json
from typing import TYPE_CHECKING, Any

import click

from eyebright.cli import judging, options

if TYPE_CHECKING:
    from eyebright.data import Dataset
    from eyebright.evaluation.sizes import AtSize
    from eyebright.measure import Measured
    from eyebright.modelfile import ModelFile
    from eyebright.runtime import Runtime


def judge_sizes(
    file: "ModelFile",
    runtime: "Runtime",
    data: "Dataset",
    sizes: list[int],
    about: dict[str, Any],
    form: str,
    provider: str,
    threads: int | None,
    timed: bool,
) -> int:
    """Ask a model at each size about the same pictures, print the table, and give the exit code."""
    from eyebright import measure
    from eyebright.evaluation.sizes import at_size, compare_sizes, shared

    files = [at_size(file, size) for size in sizes]
    answers = [judging.asked(data, one, runtime, ["scores"], threads) for one in files]
    rows = shared([[id(item) for item in each.items] for each in answers])
    scores = {size: each.outputs["scores"][kept] for size, each, kept in zip(sizes, answers, rows, strict=True)}
    found = compare_sizes(scores, answers[0].targets[rows[0]], file.metadata)
    turns = measure.TURNS if timed else 0
    costs = measure.in_turns(files, provider, turns, judging.progress("turns"))
    if form == "json":
        entry = {**about, "pictures": len(rows[0]), "sizes": as_json(found, costs)}
        click.echo(json.dumps({**entry, "failed": list(answers[0].failed)}, ensure_ascii=False, allow_nan=False))
    else:
        part = "" if about["split"] == "all" else f", {about['split']} split"
        name = options.one_line(file.metadata.name)
        click.echo(f"{name}, on {len(rows[0]):,} pictures of {options.one_line(data.name)}{part}:\n")
        tell(found, costs)
    return 1 if any(each.failed for each in answers) else 0


def as_json(found: "list[AtSize]", costs: "list[Measured]") -> list[dict[str, Any]]:
    """One object a size: figures by name, `macs`, `latency_ms_p50`; against the first `difference` and `speedup`."""
    import msgspec

    from eyebright import measure

    plain = msgspec.to_builtins
    entries = []
    for one, cost in zip(found, costs, strict=True):
        entry: dict[str, Any] = {"size": one.size, **plain(one.figures)}
        if one.differences:
            entry["difference"] = {
                name: plain(each.difference) | {"p": each.p} for name, each in one.differences.items()
            }
        if cost.macs is not None:
            entry["macs"] = {"value": cost.macs}
        if cost.turns_ms:
            entry["latency_ms_p50"] = plain(measure.latency(cost))
            if one.differences:
                entry["speedup"] = plain(measure.speedup(costs[0], cost))
        entries.append(entry)
    return entries


def tell(found: "list[AtSize]", costs: "list[Measured]") -> None:
    from eyebright import measure
    from eyebright.cli.encoders import print_table
    from eyebright.evaluation.compare.words import change, shown_p
    from eyebright.evaluation.report.verdict import shown

    first = found[0].size
    lines = []
    for name in found[0].figures:
        for one in found:
            against = one.differences.get(name)
            differs = (change(against.difference), shown_p(against.p)) if against else ("", "")
            lines.append((name, str(one.size), shown(one.figures[name]), *differs))
    print_table(("figure", "size", "value", f"less that at {first}", "p"), lines, left={0})
    click.echo()
    rows = []
    for one, cost in zip(found, costs, strict=True):
        cells = [str(one.size), f"{cost.macs / 1e6:,.0f} M" if cost.macs else ""]
        if cost.turns_ms:
            ratio = measure.speedup(costs[0], cost)
            cells.append(f"{measure.latency(cost).value:.2f} ms")
            cells.append(f"{ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f})" if one.differences else "")
        rows.append(cells)
    timed = ("one picture", f"times as fast as {first}") if costs[0].turns_ms else ()
    print_table(("size", "multiply-adds", *timed), rows)
    if costs[0].turns_ms:
        click.echo(f"\nTime is the network alone, on one thread, in turns, with {costs[0].runtime}.")
