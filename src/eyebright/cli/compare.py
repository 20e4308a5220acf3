"""`eyebright compare`: whether one of two models is better, on the same pictures."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eyebright.cli import judging, options

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eyebright.data import Dataset
    from eyebright.evaluation.calibration import Floats
    from eyebright.evaluation.compare.difference import Comparison
    from eyebright.evaluation.compare.words import Side

ENDS = 10
"""Labels that are listed in text of those that gain most, and of those that lose most."""


@click.command(name="compare")
@click.argument("a", type=click.Path(readable=False))
@click.argument("b", type=click.Path(readable=False))
@click.option("--data", required=True, type=click.Path(readable=False), help="Pictures whose labels are known.")
@judging.split
@judging.reader
@judging.crops
@options.text_or_json
@click.option(
    "--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page with the pictures that flip."
)
@options.force
@click.option("--no-latency", is_flag=True, help="Do not time them; it takes some seconds.")
@options.provider
@options.threads
@options.trust
def command(
    a: str,
    b: str,
    data: str,
    split: str,
    reader: str | None,
    crops: bool,
    form: str,
    html: Path | None,
    force: bool,
    no_latency: bool,
    provider: str,
    threads: int | None,
    trust: bool,
) -> int:
    """Compare two model files of the same labels on the same pictures: is B better than A, or is it chance?

    Says which labels gain and lose, which pictures flip, and what both cost in size, memory and time on one thread.

    \b
      eyebright compare old.onnx new.onnx --data photos/
      eyebright compare float.onnx int8.onnx --data photos.zip --html flips.html
    """
    from eyebright import measure
    from eyebright.evaluation.compare.difference import columns, compare
    from eyebright.evaluation.compare.page import page
    from eyebright.evaluation.compare.words import Side
    from eyebright.evaluation.per_class import given

    if html:
        options.must_be_free(html, force)
    (file_a, runtime_a), (file_b, runtime_b) = (judging.opened(model, provider, trust) for model in (a, b))
    order = columns(file_a.metadata, file_b.metadata)
    understood = judging.labeled(data, file_a.metadata, split, reader, crops).data
    first = judging.asked(understood, file_a, runtime_a, ["scores"], threads)
    second = judging.asked(understood.only(first.items), file_b, runtime_b, ["scores"], threads)
    del runtime_a, runtime_b
    both = set(map(id, second.items))
    rows = [at for at, item in enumerate(first.items) if id(item) in both]
    scores_a, scores_b = first.outputs["scores"][rows], second.outputs["scores"]
    said_a, said_b = given(scores_a, file_a.metadata), given(scores_b, file_b.metadata)
    scores_b, said_b = scores_b[:, order], said_b[:, order]
    found = compare(scores_a, scores_b, second.targets, file_a.metadata.task, said_a, said_b)
    turns = 0 if no_latency else measure.TURNS
    measured = measure.in_turns([file_a, file_b], provider, turns, judging.progress("turns"))
    sides = Side(file_a, scores_a, said_a, measured[0]), Side(file_b, scores_b, said_b, measured[1])
    compared = understood.only(second.items)
    part = f"{found.pictures:,} pictures of {understood.name}{'' if split == 'all' else f', {split} split'}"
    if html:
        options.write_bytes(html, page(found, compared, second.targets, *sides, part).encode("utf-8", "replace"))
    if form == "json":
        entry = as_json(found, compared, second.targets, *sides)
        click.echo(json.dumps({"data": data, "split": split, **entry}, ensure_ascii=False))
    else:
        tell(found, compared, *sides, part)
    return 1 if first.failed or second.failed else 0


def tell(found: "Comparison", data: "Dataset", a: "Side", b: "Side", part: str) -> None:
    from eyebright.cli.encoders import print_table
    from eyebright.evaluation.compare import words

    for letter, side in (("A", a), ("B", b)):
        click.echo(options.one_line(f"{letter}  {side.file.path}  ({side.file.metadata.name})"))
    click.echo(options.one_line(f"on {part}"))
    click.echo(f"\n{_wrapped(words.verdict(found))}\n")
    print_table(("", "A", "B", "B - A", "p"), words.figure_rows(found), left={0})
    click.echo()
    print_table(("", "A", "B", ""), words.cost_rows(a, b), left={0, 3})
    click.echo(f"{_wrapped(words.how_measured(a, b))}\n")
    shown, count = found.labels, len(found.labels)
    if count > 2 * ENDS:
        changed = [label for label in found.labels if label.difference.value]
        shown = tuple(changed if len(changed) <= 2 * ENDS else changed[:ENDS] + changed[-ENDS:])
    header = (f"{found.of_labels} of", "pictures", "A", "B", "B - A", "p", "")
    lines = [tuple(options.one_line(cell) for cell in row) for row in words.label_rows(shown, data.labels)]
    print_table(header, lines, left={0, 6})
    if count > len(shown):
        click.echo(f"... those that change most of {count:,} labels: --format json has them all.")
    click.echo(_wrapped(words.by_chance(found, data.labels)))
    click.echo(f"\n{_wrapped(words.flip_counts(found))}")


def as_json(found: "Comparison", data: "Dataset", targets: "Floats", a: "Side", b: "Side") -> dict[str, Any]:
    """One object: `a` and `b` with their figures, `difference` (B - A) with p, `per_class`, `flips`."""
    import msgspec

    from eyebright.evaluation.compare.words import verdict
    from eyebright.measure import speedup

    builtins = msgspec.to_builtins
    return {
        "pictures": found.pictures,
        "verdict": verdict(found),
        "a": _side(a) | {name: builtins(one.a) for name, one in found.figures.items()},
        "b": _side(b) | {name: builtins(one.b) for name, one in found.figures.items()},
        "difference": {name: builtins(one.difference) | {"p": one.p} for name, one in found.figures.items()},
        **({"speedup": builtins(speedup(a.measured, b.measured))} if a.measured.turns_ms else {}),
        "agreement": builtins(found.agreement),
        "per_class": {
            data.labels[one.at].id: {
                found.of_labels: {
                    "a": one.a,
                    "b": one.b,
                    "difference": {**one.difference._asdict(), "n": one.pictures},
                    "p": one.p,
                    "p_adjusted": one.adjusted,
                }
            }
            for one in found.labels
        },
        "flips": {
            "gained": _flips(found.gained, found, data, targets, a, b),
            "lost": _flips(found.lost, found, data, targets, a, b),
        },
    }


def _side(side: "Side") -> dict[str, Any]:
    import msgspec

    from eyebright.measure import latency

    costs = {
        "size_bytes": side.file.stored_bytes,
        "memory_bytes": side.measured.memory_bytes,
        "macs": side.measured.macs,
    }
    found: dict[str, Any] = {"model": side.file.path, "name": side.file.metadata.name, "sha256": side.file.sha256}
    found |= {name: {"value": value} for name, value in costs.items() if value is not None}
    if side.measured.turns_ms:
        found["latency_ms_p50"] = msgspec.to_builtins(latency(side.measured))
    return found


def _flips(
    pairs: "NDArray[Any]", found: "Comparison", data: "Dataset", targets: "Floats", a: "Side", b: "Side"
) -> list[dict[str, Any]]:
    """The true label and what each said instead; of many labels one, whether it holds, and whether each gave it."""
    rows = []
    for row, label in pairs.tolist():
        entry: dict[str, Any] = {"file": data.items[row].name, "label": data.labels[label].id}
        if found.task == "multi":
            entry["holds"] = bool(targets[row, label] == 1)
        for letter, side in (("a", a), ("b", b)):
            if found.task == "multi":
                entry[letter] = {"on": bool(side.said[row, label]), "score": round(float(side.scores[row, label]), 6)}
            else:
                at = int(side.said[row].argmax())
                entry[letter] = {"label": data.labels[at].id, "score": round(float(side.scores[row, at]), 6)}
        rows.append(entry)
    return rows


def _wrapped(text: str) -> str:
    return click.wrap_text(options.one_line(text), 98)
