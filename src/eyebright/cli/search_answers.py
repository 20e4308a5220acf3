"""What `eyebright search` says: hits as text, JSON or a contact sheet; what was taught; how good a search is."""

import json
import os
import shlex
from html import escape
from typing import TYPE_CHECKING, Any

import click

from eyebright.cli import options
from eyebright.errors import BadPicture, BadRequest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from eyebright.cli.search import Asked, Shown
    from eyebright.evaluation.intervals import Interval
    from eyebright.library import Library
    from eyebright.library.matching import Part
    from eyebright.library.retrieval import Quality
    from eyebright.library.search import Floats, Hit
    from eyebright.recognize import Recognizer

SIDE = 180
"""Pixels of a small picture on a contact sheet."""
NEAREST = 3
"""Photos that are named where nothing is similar."""
SHEET = """
.part { position: absolute; border: 3px solid #e8590c; box-shadow: 0 0 0 1px #fff; }
.photo { position: relative; width: fit-content; }
ul.pictures li { width: clamp(8rem, 45%, 180px); }
ul.pictures img { max-width: 100%; height: auto; }
.asked { margin-bottom: 1.5rem; }
"""


def printable(text: str) -> str:
    """Text on one line, whatever bytes a name has."""
    from eyebright.recognize.sources import name_of

    return options.one_line(name_of(text))


def answer(shown: "list[Shown]", near: "Sequence[Hit]", cutoff: float | None, asked: "Asked", form: str) -> str:
    """All that is printed for one search."""
    if form == "html":
        return sheet(shown, near, cutoff, asked)
    if form == "json":
        lines = [json.dumps(as_json(one), ensure_ascii=False) for one in shown]
        return "\n".join(lines) or json.dumps(nothing(near, cutoff), ensure_ascii=False)
    return "\n".join(map(line, shown)) or sentence(near, cutoff)


def line(one: "Shown") -> str:
    hit = one.hit
    at = f" at {hit.time_s:g} s" if hit.time_s else ""
    why = f"  ({printable(hit.why)})" if hit.why else ""
    items = "".join(f"  [{printable(f'{item.name} {item.title}'.strip())}]" for item in one.items[:1])
    more = f"  +{one.variants} variants" if one.variants else ""
    part = f"  alike: {in_words(one.part)}" if one.part else ""
    return f"{hit.score:.3f}  {hit.photo:>6}  {printable(hit.path)}{at}{items}{more}{why}{part}"


def in_words(part: "Part") -> str:
    """Where a part of a photo lies.

    >>> from eyebright.library.matching import Part
    >>> in_words(Part(0.0, 0.5, 0.4, 0.5, 0.8)), in_words(Part(0.1, 0.0, 0.9, 1.0, 0.8))
    ('lower left, 20% of it', 'nearly all of it')
    """
    share = part.width * part.height
    if share > 0.8:
        return "nearly all of it"
    x, y = part.left + part.width / 2, part.top + part.height / 2
    across = "left" if x < 0.4 else "right" if x > 0.6 else ""
    down = "upper" if y < 0.4 else "lower" if y > 0.6 else ""
    return f"{f'{down} {across}'.strip() or 'middle'}, {100 * share:.0f}% of it"


def as_json(one: "Shown") -> dict[str, Any]:
    hit = one.hit
    found: dict[str, Any] = {"source": printable(hit.path), "id": hit.photo, "score": hit.score}
    if hit.why:
        found["why"] = printable(hit.why)
    if hit.time_s:
        found["time_s"] = hit.time_s
    if one.items:
        found["items"] = [{"id": item.name, "title": item.title, **item.attributes} for item in one.items]
    if one.variants:
        found["variants"] = one.variants
    if one.part:
        found["part"] = [round(value, 3) for value in one.part[:4]]
    return found


def nothing(near: "Sequence[Hit]", cutoff: float | None) -> dict[str, Any]:
    nearest = [{"source": printable(hit.path), "id": hit.photo, "score": hit.score} for hit in near[:NEAREST]]
    found: dict[str, Any] = {"nothing_similar": True, "nearest": nearest}
    return found if cutoff is None else {**found, "cutoff": round(cutoff, 4)}


def sentence(near: "Sequence[Hit]", cutoff: float | None) -> str:
    if cutoff is None or not near:
        return "Nothing was found."
    hit = near[0]
    return (
        f"Nothing similar was found. The nearest is {printable(hit.path)} ({hit.score:.3f}); "
        f"pictures of other things come up to {cutoff:.3f} near. --all shows the nearest all the same."
    )


def sheet(shown: "list[Shown]", near: "Sequence[Hit]", cutoff: float | None, asked: "Asked") -> str:
    """A contact sheet: one page that is whole in itself, whose small pictures hold no metadata."""
    from eyebright import htmlpage

    title = described(asked)
    count = "1 photo" if len(shown) == 1 else f"{len(shown):,} photos"
    body = f"<main>\n<h1>{escape(title)}</h1>\n<p>{escape(count if shown else sentence(near, cutoff))}</p>"
    for photo in filter(os.path.exists, (*asked.like, *([asked.image] if asked.image else []))):
        picture = small(photo, os.path.basename(photo))
        body += f'\n<figure class="asked">{picture}<figcaption>asked for</figcaption></figure>'
    if shown:
        body += f'\n<ul class="pictures">{"".join(map(figure, shown))}</ul>'
    return htmlpage.page(title, body + "\n</main>", SHEET)


def described(asked: "Asked") -> str:
    """A search in words."""
    parts = [asked.text] if asked.text else []
    parts += [f"like {os.path.basename(photo)}" for photo in (*asked.like, *([asked.image] if asked.image else []))]
    parts += [f"unlike {os.path.basename(photo)}" for photo in asked.unlike]
    return printable(f"Photos: {', '.join(parts)}" if parts else "Photos")


def small(path: str, alt: str) -> str:
    """A small picture as HTML."""
    from eyebright import htmlpage, images
    from eyebright.library.raw import picture_data

    try:
        return htmlpage.image(images.decode(picture_data(path), SIDE), printable(alt), SIDE)
    except (BadPicture, BadRequest):
        return f'<div class="none" style="width: {SIDE}px; height: {SIDE}px">no picture</div>'


def figure(one: "Shown") -> str:
    name = printable(os.path.basename(one.hit.path))
    frame = ""
    if one.part:
        left, top, width, height = (f"{100 * value:.1f}%" for value in one.part[:4])
        frame = f'<div class="part" style="left: {left}; top: {top}; width: {width}; height: {height}"></div>'
    items = "".join(f"{escape(printable(item.title or item.name))}<br>" for item in one.items[:1])
    more = f"<br>and {one.variants} variants" if one.variants else ""
    why = f"<br>{escape(printable(one.hit.why))}" if one.hit.why else ""
    part = f"<br>alike: {in_words(one.part)}" if one.part else ""
    caption = (
        f"<figcaption>{items}{escape(name)}<br>{one.hit.score:.3f}, id {one.hit.photo}{more}{why}{part}</figcaption>"
    )
    return f'<li><figure><div class="photo">{small(one.hit.path, name)}{frame}</div>{caption}</figure></li>'


def taught(library: "Library", label: str, photos: tuple[str, ...], form: str, how: dict[str, Any]) -> str:
    """Learn a label from photos, of the library or not; of those in the library it is kept as your word, too."""
    from eyebright.cli.search import model_of
    from eyebright.library import decisions
    from eyebright.library.photos import identity_of
    from eyebright.library.teach import teach

    if printable(label) != label:
        raise BadRequest(f"{printable(label)} is no label: it is not plain text.")
    recognizer = options.recognizer(100, **how)
    model = model_of(library, recognizer)
    if photos:
        names = {identity_of(library, photo): photo for photo in reversed(photos)}
        known: dict[bytes, int] = dict(library.rows("SELECT identity, id FROM photo").fetchall())
        examples = {
            photo: example(library, recognizer, model, photo, known.get(who)) for who, photo in reversed(names.items())
        }
        said = [decisions.Said("is", who, label=label) for who in names if who in known]
    else:
        examples, said = examples_before(library, model, label), []
    lesson = teach(library, model, label, examples)
    if said:
        decisions.record(library, said)
    if form == "json":
        return json.dumps({"label": label, "examples": len(examples), "found": lesson.found,
                           "agreement": round(lesson.agreement, 4)})  # fmt: skip
    name = shlex.quote(label)
    return (
        f"Learned {label} from {len(examples)} examples; {lesson.found:,} photos look like it. "
        f"See them: eyebright search {name}. Wrong ones: eyebright correct PHOTO --not {name}."
    )


def example(library: "Library", recognizer: "Recognizer", model: int, photo: str, known: int | None) -> "Floats":
    """The embedding of a photo, of the library (by its id) or not."""
    from eyebright.cli.search import seen
    from eyebright.library.search import stored

    return seen(recognizer, photo, None) if known is None else stored(library, model, known)


def examples_before(library: "Library", model: int, label: str) -> "dict[str, Floats]":
    """Of photos that you said a label of, as far as a model saw them: some may be gone."""
    from eyebright.library.search import stored

    rows = library.rows(
        "SELECT photo.id FROM said JOIN photo ON photo.identity = said.photo "
        "WHERE said.kind = 'label' AND holds AND label = ? COLLATE NOCASE "
        "AND photo.id IN (SELECT embedding.photo FROM embedding WHERE model = ?)",
        " ".join(label.split()),
        model,
    )
    return {f"photo {photo}": stored(library, model, photo) for (photo,) in rows.fetchall()}


def judged(library: "Library", asked: "Asked", queries: str, form: str, how: dict[str, Any]) -> tuple[str, int]:
    """How good the search is, and an exit code: 1 where pictures of queries could not be read."""
    from eyebright.cli.search import model_of
    from eyebright.library import retrieval

    recognizer = options.recognizer(100, **how)
    model = model_of(library, recognizer)
    sought, unreadable = retrieval.read(library, queries, recognizer)
    found = retrieval.evaluate(library, model, sought, asked.top, asked.some)
    for path, why in unreadable:
        click.echo(f"not read: {printable(path)}: {why}", err=True)
    count = found["embedding"].queries
    left_out = len(sought) - count
    if form == "json":
        figures = {way: quality_as_json(one) for way, one in found.items()}
        answer = json.dumps({"queries": count, "left_out": left_out, "k": asked.top, **figures})
    else:
        answer = "\n".join(table(found, left_out, asked.top))
    return answer, 1 if unreadable else 0


def table(found: "dict[str, Quality]", left_out: int, k: int) -> "Iterator[str]":
    """Lines of figures, overall and by kind of query."""
    yield f"{found['embedding'].queries:,} queries, {k} shown; means with 95% intervals."
    if left_out:
        yield f"{left_out:,} more have nothing to find but themselves, and are left out."
    yield f"{'by':<10} {f'precision@{k}':<24} {f'recall@{k}':<24} mAP"
    for way, one in found.items():
        yield f"{way:<10} {interval(one.precision):<24} {interval(one.recall):<24} {interval(one.map)}"
    for group, (count, precision) in found["embedding"].by_group.items():
        beside = ", ".join(f"{way} {found[way].by_group[group][1]:.3f}" for way in ("colors", "chance"))
        yield f"{precision:.3f}  {printable(group)} ({count:,} queries; {beside})"


def interval(found: "Interval") -> str:
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def quality_as_json(one: "Quality") -> dict[str, Any]:
    figures = {
        name: {"value": found.value, "low": found.low, "high": found.high, "n": one.queries, "method": found.method}
        for name, found in (("precision", one.precision), ("recall", one.recall), ("map", one.map))
    }
    groups = {group: {"n": number, "precision": precision} for group, (number, precision) in one.by_group.items()}
    return {**figures, "by_group": groups}
