"""What `eyebright search` says: hits as text, JSON or a contact sheet."""

import json
import os
from html import escape
from typing import TYPE_CHECKING, Any

import click

from eyebright.cli import options
from eyebright.errors import BadPicture, BadRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eyebright.library.matching import Part
    from eyebright.library.query import Found, One, Query

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


def name_of(path: str) -> str:
    """A name as text, whatever bytes it has."""
    from eyebright.recognize import sources

    return sources.name_of(path)


def printable(text: str) -> str:
    """The same on one line, for a screen."""
    return options.one_line(name_of(text))


def answer(found: "Found", query: "Query", where: "Sequence[str]", form: str) -> str:
    """All that is printed for one search; `where` are its filters, as they were asked for.

    What a person should know of these is told at once.
    """
    for remark in query.some.remarks:
        click.echo(printable(remark), err=True)
    if form == "html":
        return sheet(found, query, where)
    if form == "json":
        lines = [json.dumps(as_json(one), ensure_ascii=False) for one in found.shown]
        return "\n".join(lines) or json.dumps(nothing(found), ensure_ascii=False)
    return "\n".join(map(line, found.shown)) or sentence(found)


def line(one: "One") -> str:
    hit = one.hit
    at = f" at {hit.time_s:g} s" if hit.time_s else ""
    why = f"  ({printable(hit.why)})" if hit.why else ""
    items = "".join(f"  [{printable(f'{item.name} {item.title}'.strip())}]" for item in one.items[:1])
    more = f"  +{options.counted(one.variants, 'variant')}" if one.variants else ""
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


def as_json(one: "One") -> dict[str, Any]:
    hit = one.hit
    found: dict[str, Any] = {"source": name_of(hit.path), "id": hit.photo, "score": hit.score}
    if hit.why:
        found["why"] = name_of(hit.why)
    if hit.time_s:
        found["time_s"] = hit.time_s
    if one.items:
        found["items"] = [{"id": item.name, "title": item.title, **item.attributes} for item in one.items]
    if one.variants:
        found["variants"] = one.variants
    if one.part:
        found["part"] = [round(value, 3) for value in one.part[:4]]
    return found


def nothing(found: "Found") -> dict[str, Any]:
    nearest = [{"source": name_of(hit.path), "id": hit.photo, "score": hit.score} for hit in found.near[:NEAREST]]
    told: dict[str, Any] = {"nothing_similar": True, "nearest": nearest}
    if found.unknown:
        told["unknown"] = [{"word": word, "like": like or None} for word, like in found.unknown]
    return told if found.cutoff is None else {**told, "cutoff": round(found.cutoff, 4)}


def sentence(found: "Found", path: "Callable[[str], str]" = str) -> str:
    if found.unknown:
        words = [f"{printable(word)} (is {like} meant?)" if like else printable(word) for word, like in found.unknown]
        return f"Nothing was found: no photo is known by {' or '.join(words)}."
    if found.cutoff is None or not found.near:
        return "Nothing was found."
    hit = found.near[0]
    return (
        f"Nothing similar was found. The nearest is {printable(path(hit.path))} ({hit.score:.3f}); "
        f"pictures of other things come up to {found.cutoff:.3f} near. --all shows the nearest all the same."
    )


def sheet(found: "Found", query: "Query", where: "Sequence[str]") -> str:
    """A contact sheet: a page that is whole in itself, holds no metadata, and tells no folders but a photo's own."""
    from eyebright import htmlpage

    title = described(query, where)
    count = options.counted(len(found.shown), "photo")
    body = f"<main>\n<h1>{escape(title)}</h1>\n<p>{escape(count if found.shown else sentence(found, near_name))}</p>"
    for photo in filter(os.path.exists, found.asked):
        picture = small(photo, os.path.basename(photo))
        body += f'\n<figure class="asked">{picture}<figcaption>asked for</figcaption></figure>'
    if found.shown:
        body += f'\n<ul class="pictures">{"".join(map(figure, found.shown))}</ul>'
    return htmlpage.page(title, body + "\n</main>", SHEET)


def near_name(path: str) -> str:
    """A file's name and its folder's.

    >>> near_name("/media/2023/beach/1.jpg")
    'beach/1.jpg'
    """
    return os.path.join(*path.split(os.sep)[-2:])


def described(query: "Query", where: "Sequence[str]") -> str:
    """A search in words."""
    parts = [query.text] if query.text else []
    parts += [f"like {os.path.basename(photo)}" for photo in (*query.like, query.image) if photo]
    parts += [f"unlike {os.path.basename(photo)}" for photo in query.unlike]
    parts += where
    return printable(f"Photos: {', '.join(parts)}" if parts else "Photos")


def small(path: str, alt: str) -> str:
    """A small picture as HTML."""
    from eyebright import htmlpage, images
    from eyebright.library.raw import picture_data

    try:
        return htmlpage.image(images.decode(picture_data(path), SIDE), printable(alt), SIDE)
    except (BadPicture, BadRequest):
        return f'<div class="none" style="width: {SIDE}px; height: {SIDE}px">no picture</div>'


def figure(one: "One") -> str:
    name = printable(near_name(one.hit.path))
    frame = ""
    if one.part:
        left, top, width, height = (f"{100 * value:.1f}%" for value in one.part[:4])
        frame = f'<div class="part" style="left: {left}; top: {top}; width: {width}; height: {height}"></div>'
    items = "".join(f"{escape(printable(item.title or item.name))}<br>" for item in one.items[:1])
    more = f"<br>and {options.counted(one.variants, 'variant')}" if one.variants else ""
    why = f"<br>{escape(printable(one.hit.why))}" if one.hit.why else ""
    part = f"<br>alike: {in_words(one.part)}" if one.part else ""
    caption = (
        f"<figcaption>{items}{escape(name)}<br>{one.hit.score:.3f}, id {one.hit.photo}{more}{why}{part}</figcaption>"
    )
    return f'<li><figure><div class="photo">{small(one.hit.path, name)}{frame}</div>{caption}</figure></li>'
