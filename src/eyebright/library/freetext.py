"""Photos by free text: words and pictures are compared by the two encoders of one model.

A text file knows the family of its encoder, the library that of each model that has seen it.
"""

from eyebright.errors import BadRequest
from eyebright.library.database import Library
from eyebright.library.search import Hit, by_picture
from eyebright.texttower import TextTower


def model_of(library: Library, tower: TextTower, sha256: str | None = None) -> int:
    """The row of the model of a text encoder's family that saw most of the library, or of the one with that sha256.

    Raises BadRequest where none of the family has seen it.
    """
    found = library.value(
        "SELECT model.id FROM model JOIN embedding ON embedding.model = model.id "
        "WHERE family = ?1 AND sha256 = coalesce(?2, sha256) GROUP BY model.id ORDER BY count(*) DESC LIMIT 1",
        tower.metadata.family,
        sha256,
    )
    if found is None:
        raise BadRequest(
            f"The image encoder that belongs to {tower.path} has not seen this library; let it: "
            "eyebright index FOLDER --model MODEL, with the model file that was imported with it."
        )
    return int(str(found))


def by_text(library: Library, tower: TextTower, text: str, count: int) -> list[Hit]:
    """The photos nearest to a text, the nearest first; a score is a cosine. Raises BadRequest."""
    return by_picture(library, model_of(library, tower), tower.embed([text])[0], count)
