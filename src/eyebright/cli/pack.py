"""`eyebright pack`: a model file as one small packed file."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eyebright.cli import contract, options
from eyebright.cli.contract import of_contract
from eyebright.errors import BadRequest, Refused, extra

if TYPE_CHECKING:
    from eyebright.compression.contract import Judged
    from eyebright.compression.pack import Account
    from eyebright.evaluation.drop import Allowed
    from eyebright.modelfile import ModelFile

DEPTH = 8
"""Bits where a size is asked for and none are named: how many values a tensor needs is then left to their price."""
LEARN = "10m"


@click.command(no_args_is_help=True)
@click.argument("model", type=click.Path(readable=False))
@options.output(required=True, help="The packed file to write; small.eyb, say.")
@click.option(
    "--bits", type=click.IntRange(2, 8), help="First let each large tensor have only 2^BITS different weights."
)
@click.option("--prune", metavar="SHARE", type=float, help="First make this share of the weights 0; 0.3 is 30%.")
@click.option("--max-size", metavar="SIZE", help="Share weights just so far that the file has no more: 480kB, 0.7MB.")
@click.option(
    "--unlabeled",
    metavar="DIR",
    multiple=True,
    type=click.Path(readable=False),
    help="Let shared weights learn from these pictures to answer as before; nobody needs to label them. Repeatable.",
)
@click.option("--time", "learn", metavar="10m", help="With --unlabeled: how long they learn; 10m by default.")
@click.option(
    "--data", metavar="PHOTOS", type=click.Path(readable=False), help="Labeled pictures: say what it cost, or refuse."
)
@of_contract()
@options.text_or_json
@options.plain
@options.trust
@options.force
def command(
    model: str,
    output: Path,
    bits: int | None,
    prune: float | None,
    max_size: str | None,
    unlabeled: tuple[str, ...],
    learn: str | None,
    data: str | None,
    max_drop: float,
    max_class_drop: float,
    strict: bool,
    html: Path | None,
    form: str,
    plain: bool,
    trust: bool,
    force: bool,
) -> int:
    """Pack a model file into one small file, which every other command takes as it is.

    It unpacks into the same bytes. With --bits, --prune or --max-size the weights are changed first, which makes the
    file far smaller and costs accuracy; with --unlabeled some of it is won back. With --data it says how much it costs,
    and writes nothing where more than --max-drop is lost.

    \b
      eyebright pack run/model.onnx -o small.eyb
      eyebright pack run/model.onnx --max-size 480kB -o small.eyb
      eyebright pack int8.onnx --bits 4 --prune 0.3 -o small.eyb --data photos/ --max-drop 2
      eyebright pack run/model.onnx --max-size 480kB --unlabeled holiday/ --time 10m -o small.eyb
    """
    from eyebright import models, trial
    from eyebright.compression.pack import account, pack
    from eyebright.compression.share import with_shared_weights, within
    from eyebright.modelfile import read

    options.must_be_free(output, force)
    allowed = contract.allowed(max_drop, max_class_drop)
    if data is None and (strict or html):
        raise BadRequest("--strict and --html are about what it cost: name labeled pictures with --data.")
    if html:
        options.must_be_free(html, force)
    file = read(models.path(model))
    if prune is not None and not 0 <= prune < 1:
        raise BadRequest(f"--prune takes a share of the weights, 0 to 1; {prune:g} is not (30% is 0.3).")
    seconds = learning_s(learn, unlabeled, shares=bits is not None or max_size is not None)
    changes = any(asked is not None for asked in (bits, prune, max_size))
    most_bytes = int(options.quantity("--max-size", max_size, options.BYTES, "480kB")) or None
    if changes and not trust and file.sha256 not in models.SHIPPED.values():
        trial.prove(file)
    if unlabeled:
        whole = learned(file, bits, prune or 0.0, most_bytes, unlabeled, seconds, plain)
    elif most_bytes is not None:
        whole, _ = within(file, most_bytes, bits or DEPTH, prune or 0.0)
    else:
        whole = with_shared_weights(file, bits, prune or 0.0) if changes else file
    packed = pack(whole)
    if len(packed) >= file.stored_bytes:
        raise Refused(
            f"Nothing is written: packed it has {len(packed):,} bytes, and {file.path} {file.stored_bytes:,}; --bits "
            "or --max-size make it smaller."
        )
    judged = judge_packed(file, packed, data, allowed, plain) if data else None
    if judged:
        contract.show(judged, (), html, form, f"{judged.found.pictures:,} pictures of {judged.data.name}")
        contract.held(judged, (), form, lambda: judged.must_hold(strict))
    options.write_bytes(output, packed)
    found = account(whole, packed)
    if form == "json":
        more = {"contract": contract.as_json(judged, ())} if judged else {}
        click.echo(json.dumps({**as_json(file, whole, found, output), **more}, ensure_ascii=False))
    else:
        tell(file, found, output)
    if judged and form == "text":
        click.echo(click.wrap_text(options.one_line(judged.sentence), 98))
    if changes and not judged:
        click.echo(
            options.one_line(
                f"What this cost in accuracy was not measured: eyebright compare {file.path} {output} --data PHOTOS"
            ),
            err=True,
        )
    return 0


def judge_packed(file: "ModelFile", packed: bytes, path: str, allowed: "Allowed", plain: bool) -> "Judged":
    """The packed model beside the one that it was made from, on the test split, or on all pictures without one."""
    from eyebright.cli.judging import labeled
    from eyebright.cli.show import Show
    from eyebright.modelfile import from_bytes

    with extra("train", "judging"):
        from eyebright.compression.contract import judge

    whole = labeled(path, file.metadata, "all", judges=False).data
    test = whole.part("test")
    return judge(file, from_bytes(packed, "packed"), test if test.items else whole, allowed, Show(plain))


def learning_s(learn: str | None, unlabeled: tuple[str, ...], shares: bool) -> float:
    """Seconds that --time says. Raises BadRequest where there is nothing to learn, or nothing to learn from."""
    if unlabeled and not shares:
        raise BadRequest("--unlabeled teaches weights that are shared: give --bits or --max-size too.")
    if learn is not None and not unlabeled:
        raise BadRequest("--time is how long shared weights learn: say from which pictures with --unlabeled.")
    return 60 * options.minutes(learn or LEARN)


def learned(
    file: "ModelFile",
    bits: int | None,
    prune: float,
    most_bytes: int | None,
    paths: tuple[str, ...],
    seconds: float,
    plain: bool,
) -> "ModelFile":
    """The model file with shared weights that learned from the pictures at these paths."""
    from eyebright.cli.show import Show
    from eyebright.compression.share import with_shared_weights, within

    with extra("train", "learning from pictures"):
        from eyebright.compression.centers import LEANER, taught
        from eyebright.training.distill import unlabeled
    show = Show(plain)
    pictures = [unlabeled(path, None, show) for path in paths]
    if most_bytes is None:
        shared = with_shared_weights(file, bits, prune)
    else:
        shared, _ = within(file, round(LEANER * most_bytes), bits or DEPTH, prune)
    whole = taught(file, shared, pictures, seconds, show, most_bytes)
    show.clear()
    return whole


def tell(file: "ModelFile", found: "Account", output: Path) -> None:
    times = file.stored_bytes / found.size_bytes
    click.echo(
        options.one_line(
            f"{output}: {found.size_bytes / 1e6:.3f} MB, {times:.1f} times smaller than {file.path} "
            f"({file.stored_bytes / 1e6:.3f} MB)"
        )
    )
    click.echo(
        f"  {found.weights:,} weights in {found.tensors} tensors: {found.bits_per_weight:.2f} bits each, "
        f"{found.zeros:.1%} of them 0"
    )
    click.echo(f"  all else (graph, labels, small tensors, codebooks): {found.rest_bytes / 1e6:.3f} MB")


def as_json(file: "ModelFile", whole: "ModelFile", found: "Account", output: Path) -> dict[str, Any]:
    """One object: the packed file's figures, and `unpacked`, the model file that it holds."""
    return {
        "model": file.path,
        "packed": str(output),
        "size_bytes": {"value": found.size_bytes},
        "before": {"size_bytes": {"value": file.stored_bytes}, "sha256": file.sha256},
        "unpacked": {"size_bytes": {"value": len(whole.data)}, "sha256": whole.sha256},
        "ratio": file.stored_bytes / found.size_bytes,
        "weights": found.weights,
        "bits_per_weight": found.bits_per_weight,
        "zeros": found.zeros,
        "rest_bytes": found.rest_bytes,
    }
