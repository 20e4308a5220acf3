"""`eyebright explain`: where in a picture the evidence for a label lies."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eyebright.cli import judging, options
from eyebright.errors import BadPicture, BadRequest

if TYPE_CHECKING:
    from eyebright.bounds import Limits
    from eyebright.data import Dataset
    from eyebright.evaluation.explain import Evidence, Explanation
    from eyebright.evaluation.nearest import Near


@click.command(name="explain", no_args_is_help=True)
@click.argument("model", type=click.Path(readable=False))
@click.argument("photo", type=click.Path(readable=False))
@options.output(help="Draw it into this PNG file: a heat map over the picture, and the nearest pictures.")
@click.option("--label", "labels", metavar="LABEL", multiple=True, help="What to explain; up to three times.")
@click.option("--beside", metavar="LABEL", help="Explain why it is not this.")
@click.option("--data", type=click.Path(readable=False), help="Find the nearest pictures of this data set, too.")
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test", "all"]),
    default="train",
    show_default=True,
    help="The pictures of --data to look among.",
)
@judging.reader
@judging.crops
@options.text_or_json
@options.megapixels
@options.provider
@options.threads
@options.trust
@options.force
def command(
    model: str,
    photo: str,
    output: Path | None,
    labels: tuple[str, ...],
    beside: str | None,
    data: str | None,
    split: str,
    reader: str | None,
    crops: bool,
    form: str,
    megapixels: int,
    provider: str,
    threads: int | None,
    trust: bool,
    force: bool,
) -> int:
    """Show where in a picture the evidence for a label lies.

    It is said in words, and drawn with -o. Without --label it is the best label, or those that are on where a model
    gives many.

    \b
      eyebright explain lite0 photo.jpg -o why.png
      eyebright explain run/model.onnx jacket.jpg --beside coat --data photos/ -o why.png
    """
    from eyebright.bounds import Limits
    from eyebright.evaluation.explain import explain
    from eyebright.evaluation.nearest import nearest
    from eyebright.runtime import cores

    path = one_picture(photo)
    if output:
        must_be_drawable(output, path, force)
    known = looked_among(data, reader, crops, split) if data else None
    limits = Limits(pixels=megapixels * 1_000_000)
    file, runtime = judging.opened(model, provider, trust)
    if known and "embedding" not in runtime.outputs:
        raise BadRequest(f"{file.metadata.name} gives no embedding to compare pictures by; leave --data out.")
    found = explain(path, file, runtime, labels, beside, threads or cores(), limits, judging.progress("places hidden"))
    near: list[Near] = []
    failed = False
    if known and found.embedding is not None:
        answers = judging.asked(known, file, runtime, ["embedding"], threads)
        near, failed = nearest(found.embedding, answers, known.labels), bool(answers.failed)
    where = f"{known.name}{'' if split == 'all' else f', {split} split'}" if known else ""
    if output:
        options.write_bytes(output, drawn(path, found, near, known, where, limits))
    if form == "json":
        click.echo(json.dumps(as_json(path, found, near), ensure_ascii=False))
    else:
        tell(found, near, where)
    return 1 if failed else 0


def one_picture(photo: str) -> str:
    """The path of the one file that was meant."""
    from eyebright.recognize.sources import expand

    found = expand([photo])
    if len(found) > 1 or os.path.isdir(found[0]):
        raise BadRequest(f"{photo} is not one picture; explain takes one at a time.")
    return found[0]


def must_be_drawable(output: Path, photo: str, force: bool) -> None:
    if output.suffix.lower() != ".png":
        raise BadRequest(f"{output}: explanations are drawn as PNG; choose a name that ends in .png.")
    if output.exists() and os.path.samefile(output, photo):
        raise BadRequest(f"{output} is the photo itself, and originals are never written; choose another name.")
    options.must_be_free(output, force, over="picture")


def looked_among(path: str, reader: str | None, crops: bool, split: str) -> "Dataset":
    """The pictures of a split with the data's own labels: what the model calls them does not matter here."""
    from eyebright.data import Dataset

    data = Dataset.read(path, reader, crops=crops)
    part = data if split == "all" else data.part(split)  # type: ignore[arg-type]
    if not part.items:
        have = ", ".join(data.counts())
        raise BadRequest(f"{data.name} has no {split} split; it has {have}, and --split all takes every picture.")
    return part


def drawn(
    photo: str, found: "Explanation", near: "list[Near]", data: "Dataset | None", where: str, limits: "Limits"
) -> bytes:
    from eyebright import images
    from eyebright.evaluation.explain import picture as explain_picture
    from eyebright.evaluation.explain.words import sentences

    neighbors = []
    for one in near:
        assert data is not None
        try:
            picture = data.picture(one.item, explain_picture.NEIGHBOR_SIDE)
        except BadPicture:  # it was read a moment ago
            picture = None
        lines = (f"{', '.join(one.labels)} {one.similarity:.2f}", os.path.basename(one.item.name))
        neighbors.append(explain_picture.Neighbor(picture, lines))
    picture = images.decode(images.read_file(photo, limits), explain_picture.SIDE, limits)
    title = f"Nearest pictures of {where}, with how alike they are:"
    return explain_picture.png(picture, os.path.basename(photo), found, sentences(found), neighbors, title)


def as_json(photo: str, found: "Explanation", near: "list[Near]") -> dict[str, Any]:
    from eyebright.recognize.sources import name_of

    entry: dict[str, Any] = {"source": name_of(photo), "size": found.size, "box": found.box}
    entry["evidence"] = [evidence_as_json(evidence, found) for evidence in found.evidence]
    if near:
        entry["nearest"] = [
            {"source": one.item.name, "labels": one.labels, "similarity": round(one.similarity, 6)} for one in near
        ]
    return entry


def evidence_as_json(evidence: "Evidence", found: "Explanation") -> dict[str, Any]:
    from eyebright.evaluation.explain.words import sentence, shares

    entry: dict[str, Any] = {"label": evidence.label.label, "id": evidence.label.id, "score": round(evidence.score, 6)}
    if evidence.against:
        entry["against"] = {"label": evidence.against.label, "id": evidence.against.id}
    entry |= {"method": evidence.method, "logit": evidence.logit}
    if evidence.method == "class activation map":
        entry |= {"bias": evidence.bias, "exact": evidence.exact}
    return entry | {
        "places": [share._asdict() for share in shares(evidence.map, found.box, found.size)],
        "sentence": sentence(evidence, found),
        "map": [[round(float(value), 6) for value in row] for row in evidence.map],
    }


def tell(found: "Explanation", near: "list[Near]", where: str) -> None:
    from eyebright.evaluation.explain.words import sentences

    for text in sentences(found):
        click.echo(options.one_line(text))
    if near:
        click.echo(f"Nearest pictures of {options.one_line(where)}:")
    for one in near:
        click.echo(options.one_line(f"  {one.similarity:.2f}  {one.item.name}  {', '.join(one.labels)}"))
