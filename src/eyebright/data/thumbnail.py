"""A small picture of an item, for a page."""

from eyebright import htmlpage
from eyebright.data.dataset import Dataset, Item
from eyebright.errors import BadPicture

SIDE = 144
"""Pixels of the longer side."""


def thumbnail(dataset: Dataset, item: Item, about: str = "", side: int = SIDE) -> str:
    """An HTML element; `about` is what a person who cannot see it should be told beside its name."""
    try:
        picture = dataset.picture(item, shorter=side)
    except BadPicture:
        return f'<div class="none" style="width: {side}px; height: {side}px">cannot be read</div>'
    return htmlpage.image(picture, f"{item.name}, {about}" if about else item.name, side)
