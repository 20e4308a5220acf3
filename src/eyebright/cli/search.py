"""`eyebright search`: photos of the library by a picture, by words, or by both."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eyebright.cli import options
from eyebright.errors import BadRequest

if TYPE_CHECKING:
    from eyebright.library import Library


@click.command(no_args_is_help=True)
@click.argument("words", nargs=-1)
@click.option("--image", metavar="PHOTO", help="Find what looks like this picture, from the library or not.")
@click.option("--crop", metavar="X,Y,W,H", help="Of --image only this part, in pixels or, up to 1, in shares.")
@click.option("--like", metavar="PHOTO", multiple=True, help="A photo of the library, by path or id; may be repeated.")
@click.option("--unlike", metavar="PHOTO", multiple=True, help="Away from this one; may be repeated.")
@click.option("--text", "text_file", metavar="FILE", help="Read the words as free text, by this text encoder.")
@click.option(
    "--by",
    type=click.Choice(["content", "look"]),
    default="content",
    show_default=True,
    help="Compare pictures by what they show, or by their colors and textures.",
)
@click.option(
    "--where", metavar="NAME=VALUE", multiple=True, help="Only these: camera=Canon, taken>=2023, price<50 ..."
)
@click.option("--top", type=click.IntRange(1, 10_000), default=10, show_default=True, help="How many to show.")
@click.option("--all", "also_unlike", is_flag=True, help="Show the nearest also where they are hardly similar.")
@click.option("--variants", is_flag=True, help="Show each color and size of a catalog's item, not the nearest alone.")
@click.option("--explain", is_flag=True, help="Tell which part of each photo is alike.")
@click.option("--teach", metavar="LABEL", hidden=True, help="As eyebright teach does.")
@click.option("--evaluate", metavar="CSV", help="Judge the search of a catalog by queries with known answers.")
@options.library
@options.model
@options.threads
@options.provider
@options.trust
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "html"]),
    default="text",
    show_default=True,
    help="What to print; html is a contact sheet.",
)
@options.output()
@options.force
def command(
    words: tuple[str, ...],
    where: tuple[str, ...],
    top: int,
    teach: str | None,
    evaluate: str | None,
    folder: str,
    form: str,
    output: Path | None,
    force: bool,
    model: str | None,
    threads: int | None,
    provider: str,
    trust: bool,
    **asked: Any,
) -> int:
    """Find photos of the library: by words that are true of them, by what they look like, or by both.

    Words are labels ("dog"), what you said, keywords and captions, dates (2023, 2023-07, july), cameras, file names.
    What is no nearer than pictures of something else come is not shown.

    \b
      eyebright search dog beach 2023
      eyebright search --image mug.jpg --format html -o mugs.html
      eyebright search --like 17 --unlike 23 "golden retriever"
      eyebright search --like 17 --by look --where taken=2023
      eyebright search "a dog catching a frisbee" --text clip-text.onnx
    """
    from eyebright.library import Library

    if output:
        options.must_be_free(output, force)
    if form == "html" and (teach is not None or evaluate):
        raise BadRequest(
            "--format html is a contact sheet of what was found; --teach and --evaluate have text and json."
        )
    how = {"model": model, "threads": threads, "provider": provider, "trust": trust}
    code = 0
    with Library(folder) as library:
        if teach is not None:
            from eyebright.cli.teach import taught

            answer = taught(library, teach, words, form, how)
        elif evaluate:
            if words:
                raise BadRequest("--evaluate takes its queries from the CSV; leave out the words.")
            from eyebright.cli.search_evaluate import judged

            answer, code = judged(library, evaluate, where, top, form, how)
        else:
            answer = searched(library, words, where, top, form, how, **asked)
    if output:
        options.write_bytes(output, (answer + "\n").encode(errors="replace"))
    else:
        click.echo(answer)
    return code


def searched(
    library: "Library",
    words: tuple[str, ...],
    where: tuple[str, ...],
    top: int,
    form: str,
    how: dict[str, Any],
    text_file: str | None,
    image: str | None,
    crop: str | None,
    explain: bool,
    also_unlike: bool,
    variants: bool,
    **asked: Any,
) -> str:
    """What is printed for one search; `how` makes the recognizer."""
    from eyebright.cli import search_answers
    from eyebright.library.filters import some
    from eyebright.library.query import Query, check, find
    from eyebright.recognize import load_text
    from eyebright.recognize.sources import name_of

    text = name_of(" ".join(words))  # as the library has names that are not UTF-8
    tower = load_text(text_file, trust=how["trust"]) if text_file else None
    query = Query(text, tower, image or "", crop or "", some=some(library, where), **asked)
    check(query, explain)
    # which model file belongs to a text encoder only a person knows
    looks = query.needs_model(explain) and not tower
    named = how["model"] and query.by == "content" and (query.pictures or tower)
    recognizer = options.recognizer(100, **how) if looks or named else None
    found = find(library, query, recognizer, top, also_unlike, variants, explain)
    return search_answers.answer(found, query, where, form)
