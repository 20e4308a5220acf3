"""What `eyebright tune` says: thresholds that hold, answers that can be promised, what is none of the labels."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eyebright.cli import options

if TYPE_CHECKING:
    from eyebright.evaluation.goals import Goal, Promise, Refusal
    from eyebright.evaluation.tuning import Calibrated, NoneOfThese, Part
    from eyebright.modelfile import Metadata

SHOWN = (0.9, 0.95, 0.99)
"""Coverages of label sets that the text shows."""


def name_of(metadata: "Metadata", id: str) -> str:
    return next(label.label for label in metadata.labels if label.id == id)


def as_json(
    metadata: "Metadata",
    goal: "Goal | None",
    found: "dict[str, Promise | Refusal]",
    cooled: "Calibrated | None",
    none: "NoneOfThese | None",
    output: Path,
) -> dict[str, Any]:
    import msgspec

    from eyebright.evaluation.goals import Promise

    entry: dict[str, Any] = {"model": str(output)}
    if goal:
        entry["goal"] = str(goal)
        entry["labels"] = {
            id: {"threshold": metadata.thresholds[id], **msgspec.to_builtins(metadata.promises[id])}
            if isinstance(one, Promise)
            else {"refused": one.sentence}
            for id, one in found.items()
        }
    if cooled:
        entry["calibration"] = {
            "temperature": cooled.temperature,
            "nll": {"before": cooled.before, "after": cooled.after},
        }
    entry["selective"] = msgspec.to_builtins(metadata.selective)
    entry["sets"] = msgspec.to_builtins(metadata.sets)
    if none:
        entry["none_of_these"] = {
            **msgspec.to_builtins(metadata.abstain),
            "caught": none.caught._asdict(),
            "auroc": {
                "chosen_on": {name: one._asdict() for name, one in none.chosen_on.items()},
                "reported_on": {name: one._asdict() for name, one in none.reported_on.items()},
            },
        }
    return entry


def tell(
    metadata: "Metadata",
    goal: "Goal | None",
    found: "dict[str, Promise | Refusal]",
    cooled: "Calibrated | None",
    none: "NoneOfThese | None",
    parts: str,
    prove: "Part",
    output: Path,
) -> None:
    click.echo(parts)
    if cooled:
        click.echo(f"\nTemperature {cooled.temperature:.3g}: negative log-likelihood ", nl=False)
        click.echo(f"{cooled.before:.3f} before, {cooled.after:.3f} after.")
    if goal:
        tell_thresholds(metadata, goal, found)
    if metadata.task != "multi":
        tell_selective(metadata)
        tell_sets(metadata, prove)
    if none and metadata.abstain:
        tell_none(none, metadata.abstain.basis)
    click.echo(f"\n{output} is written.")


def tell_thresholds(metadata: "Metadata", goal: "Goal", found: "dict[str, Promise | Refusal]") -> None:
    from eyebright.cli.encoders import print_table
    from eyebright.evaluation.goals import Promise

    kept = {id: one for id, one in found.items() if isinstance(one, Promise)}
    if kept:
        reached, caught = ("recall", "precision") if goal.kind == "recall" else (goal.kind, "recall")
        click.echo(f"\nThresholds for {goal}:")
        header = ("label", "from score", reached, "at least" if goal.least else "95% interval", caught)
        rows = [
            (
                options.one_line(name_of(metadata, id)),
                f"{one.threshold:.3f}",
                f"{one.reached.value:.3f}",
                f"{one.reached.low:.3f}" if goal.least else f"{one.reached.low:.3f} to {one.reached.high:.3f}",
                f"{one.caught.value:.3f} ({one.caught.low:.3f} to {one.caught.high:.3f})",
            )
            for id, one in kept.items()
        ]
        print_table(header, rows, left={0})
    for id, one in found.items():
        if not isinstance(one, Promise):
            click.echo(f"{options.one_line(name_of(metadata, id))}: {one.sentence}")


def tell_selective(metadata: "Metadata") -> None:
    from eyebright.cli.encoders import print_table

    if not metadata.selective:
        click.echo("\nNo accuracy can be promised (predict --abstain): too few pictures, or too many wrong answers.")
        return
    click.echo("\nAnswers that are right so often (predict --abstain):")
    rows = [
        (f"{one.accuracy:g}", f"{one.threshold:.3f}", f"{one.coverage:.1%}", f"{one.n:,}") for one in metadata.selective
    ]
    print_table(("accuracy", "from score", "answered", "answers that proved it"), rows)


def tell_sets(metadata: "Metadata", prove: "Part") -> None:
    from eyebright.cli.encoders import print_table
    from eyebright.evaluation.conformal import figures
    from eyebright.recognize.silence import limit_for

    if metadata.sets is None:
        return
    click.echo("\nSets that hold the right label so often (predict --set-coverage):")
    rows = []
    for coverage in SHOWN:
        if coverage <= metadata.sets.coverages[-1]:
            limit = limit_for(metadata, coverage)
            seen = figures(prove.outputs["scores"], prove.targets, metadata.sets, limit)
            held, size = seen["set_coverage"], seen["set_size"]
            rows.append((f"{coverage:g}", f"{held.value:.3f} ({held.low:.3f} to {held.high:.3f})", f"{size.value:.2f}"))
    print_table(("asked", "seen on what proves", "labels a set"), rows)


def tell_none(none: "NoneOfThese", basis: str) -> None:
    from eyebright.cli.encoders import print_table

    click.echo("\nNone of these (predict --none-of-these): how well it is told from its own pictures, AUROC")
    rows = [
        (name, f"{one.value:.3f}", f"{seen.value:.3f} ({seen.low:.3f} to {seen.high:.3f})")
        for (name, one), seen in zip(none.chosen_on.items(), none.reported_on.values(), strict=True)
    ]
    print_table(("method", "where chosen", "on other pictures"), rows, left={0})
    click.echo(f"Chosen: {none.method}. It says none of these of {none.caught.value:.1%} ", nl=False)
    click.echo(f"({none.caught.low:.1%} to {none.caught.high:.1%}) of such pictures; {basis}.")
