"""What the verbs that judge a model share: opening it, reading labeled pictures in its words, asking it."""

import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from eyebright.cli import options
from eyebright.errors import BadRequest

if TYPE_CHECKING:
    from eyebright.data import Dataset
    from eyebright.evaluation.answers import Answers, Told
    from eyebright.modelfile import Metadata, ModelFile
    from eyebright.runtime import Runtime

split = click.option(
    "--split",
    type=click.Choice(["train", "validation", "test", "all"]),
    default="test",
    show_default=True,
    help="The pictures to judge by; those that it learned from prove nothing.",
)
reader = click.option(
    "--reader", metavar="NAME", help="The format, where it is detected wrongly: folders, csv, coco ..."
)
crops = click.option("--crops", is_flag=True, help="Of COCO and VOC: each box is a picture of its own.")


def opened(model: str, provider: str, trust: bool) -> "tuple[ModelFile, Runtime]":
    """A model file by path or name, its self-test passed."""
    from eyebright import models, selftest, trial
    from eyebright.modelfile import read

    file = read(models.path(model))
    if not trust and file.sha256 not in models.SHIPPED.values():
        trial.prove(file)
    return file, selftest.open_tested(file, provider)


def labeled(
    path: str,
    metadata: "Metadata",
    split: str,
    reader: str | None = None,
    crops: bool = False,
    judges: bool = True,
) -> "Told":
    """The pictures of a split in the words of a model; what had to be left out is said on stderr.

    Of several labels, the one that a model of yes or no looks for is the yes. If the model is to be judged by them all,
    it is said where it learned from some.
    """
    from eyebright.data import Dataset
    from eyebright.evaluation.answers import in_terms_of

    data = Dataset.read(path, reader, crops=crops)
    if metadata.task == "binary" and data.task == "single":
        wanted = (metadata.labels[1].id, metadata.labels[1].label)
        for label in data.labels:
            if label.id in wanted or label.label in wanted:
                data = Dataset.read(path, reader, positive=label.id, crops=crops)
                break
    part = data if split == "all" else data.part(split)  # type: ignore[arg-type]
    if not part.items:
        have = ", ".join(data.counts())
        raise BadRequest(f"{data.name} has no {split} split; it has {have}, and --split all takes every picture.")
    told = in_terms_of(metadata, part)
    say(told.remarks)
    if judges and split in ("train", "all") and data.content_hash[:16] in metadata.card.data:
        say([f"{metadata.name} learned from pictures of {data.name}: what it says of those proves nothing."])
    return told


def asked(
    data: "Dataset", file: "ModelFile", runtime: "Runtime", outputs: Sequence[str], threads: int | None, **how: Any
) -> "Answers":
    """What the model says of every picture, with progress on a terminal; what could not be read is said on stderr."""
    from eyebright.evaluation.answers import ask
    from eyebright.runtime import cores

    answers = ask(data, file, runtime, outputs, threads or cores(), progress(), **how)
    say(answers.failed)
    return answers


def say(sentences: Sequence[str]) -> None:
    for sentence in sentences:
        click.echo(options.one_line(sentence), err=True)


def progress(what: str = "seen") -> Callable[[int, int], None]:
    """How far it is and how long it will take, on stderr, for whoever waits at a terminal."""
    if not sys.stderr.isatty():
        return lambda done, total: None
    began = time.monotonic()

    def told(done: int, total: int) -> None:
        minutes, seconds = divmod(int((time.monotonic() - began) / max(done, 1) * (total - done)), 60)
        line = f"{done:,} of {total:,} {what}, {minutes}:{seconds:02} left" if done < total else ""
        click.echo(f"\r{line:<60}\r", nl=False, err=True)

    return told
