"""A contact sheet: some pictures of each label, as one HTML page without anything outside it, or as one PNG."""

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from PIL import Image, ImageDraw, ImageFont

from eyebright import htmlpage
from eyebright.data.dataset import Dataset, Item
from eyebright.data.split import place
from eyebright.errors import BadPicture
from eyebright.modelfile import Label

SIDE = 112
"""Pixels of the longer side of a small picture."""
_MOST = 1000  # pictures on a sheet
_EACH = 8  # pictures of a label, where there is room
_GAP = 8
_TEXT = 14


@dataclass(frozen=True)
class Small:
    """An item with its picture made small; or why there is none."""

    item: Item
    picture: Image.Image | None
    error: str = ""


@dataclass(frozen=True)
class Strip:
    """One label with some of its pictures."""

    label: Label
    count: int
    small: list[Small]


def chosen(dataset: Dataset) -> list[tuple[Label, int, list[Item]]]:
    """Of each label how many items it has, and some of them, spread by a hash of the name: the same ones every time.

    Those that stand under another label already come last.
    """
    each = max(min(_MOST // len(dataset.labels), _EACH), 1)
    by: list[list[Item]] = [[] for _ in dataset.labels]
    for item in sorted(dataset.items, key=lambda item: place(item.name)):
        for at in item.labels:
            by[at].append(item)
    shown: set[Item] = set()
    picked: list[tuple[Label, int, list[Item]]] = []
    for label, items in zip(dataset.labels[:_MOST], by[:_MOST], strict=True):
        some = sorted(items, key=lambda item: item in shown)[:each]
        shown.update(some)
        picked.append((label, len(items), some))
    return picked


def strips(dataset: Dataset) -> Iterator[Strip]:
    """The sheet, a label at a time."""
    for label, count, items in chosen(dataset):
        yield Strip(label, count, [_small(dataset, item) for item in items])


def to_html(dataset: Dataset, sheet: list[Strip]) -> str:
    """A page that is whole in itself: pictures are inside, there are no scripts."""
    name = escape(dataset.name)
    parts = "\n".join(_section(dataset, strip) for strip in sheet)
    remarks = "".join(f"<li>{escape(remark)}</li>" for remark in dataset.remarks)
    style = f"""
h2 span {{ font-weight: normal; opacity: .75; }}
ul.strip {{ gap: {_GAP}px; }}
ul.strip li {{ width: {SIDE}px; height: {SIDE}px; display: grid; place-items: center; background: #8882; }}
ul.strip li.unread {{ font-size: .7rem; overflow: auto; padding: .3rem; box-sizing: border-box; }}
"""
    body = f"""<header>
<h1>{name}</h1>
<p>{len(dataset.items):,} pictures, {len(dataset.labels):,} labels, task {dataset.task}, read as {dataset.reader}.</p>
<ul>{remarks}</ul>
</header>
<main>
{parts}
</main>"""
    return htmlpage.page(f"{dataset.name}: contact sheet", body, style)


def to_png(sheet: list[Strip]) -> bytes:
    """Strips below each other, in as many columns as make the sheet about square."""
    each = max(len(strip.small) for strip in sheet)
    width, height = each * (SIDE + _GAP) + _GAP, SIDE + 2 * _TEXT + _GAP
    columns = max(round(math.sqrt(len(sheet) * height / width)), 1)
    rows = -(-len(sheet) // columns)
    page = Image.new("RGB", (columns * width, rows * height + _GAP), "white")
    pen = ImageDraw.Draw(page)
    font = ImageFont.load_default(_TEXT)
    for number, strip in enumerate(sheet):
        left, top = number // rows * width + _GAP, number % rows * height + _GAP
        pen.text((left, top), _fitting(f"{strip.label.label} ({strip.count:,})", width - 2 * _GAP, font), "black", font)
        for at, small in enumerate(strip.small):
            corner = (left + at * (SIDE + _GAP), top + 2 * _TEXT - _GAP)
            if small.picture is None:
                pen.rectangle((*corner, corner[0] + SIDE - 1, corner[1] + SIDE - 1), "white", "gray")
                pen.text((corner[0] + _GAP, corner[1] + _GAP), "not read", "gray", font)
            else:
                page.paste(small.picture, corner)
    file = io.BytesIO()
    page.save(file, "PNG")
    return file.getvalue()


def _small(dataset: Dataset, item: Item) -> Small:
    try:
        picture = dataset.picture(item, SIDE)
    except BadPicture as error:
        return Small(item, None, str(error))
    scale = SIDE / max(picture.size)
    size = (max(round(picture.width * scale), 1), max(round(picture.height * scale), 1))
    return Small(item, picture.resize(size, Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.NEAREST))


def _section(dataset: Dataset, strip: Strip) -> str:
    pictures = "\n".join(_entry(dataset, small) for small in strip.small)
    heading = f"{escape(strip.label.label)} <span>{strip.count:,} pictures</span>"
    return f'<section>\n<h2>{heading}</h2>\n<ul class="pictures strip">\n{pictures}\n</ul>\n</section>'


def _entry(dataset: Dataset, small: Small) -> str:
    if small.picture is None:
        return f'<li class="unread">not read: {escape(small.error)}</li>'
    labels = ", ".join(dataset.labels[at].label for at in small.item.labels)
    said = f"{labels}; {small.item.split}, {small.item.name}"
    return f'<li title="{escape(said, quote=True)}">{htmlpage.image(small.picture, said, SIDE)}</li>'


def _fitting(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """As much of a text as fits a width in pixels."""
    while text and font.getlength(text) > width:
        text = text[:-1]
    return text
