"""Which part of a photo is like what was looked for."""

import numpy as np
import pytest
from PIL import Image

from eyebright.errors import BadRequest
from eyebright.library.matching import bounds, part
from pictures import color_recognizer, encoded, plain


def test_the_part_is_where_the_thing_is(photos, recognizer, tmp_path):
    """The same photo as a quarter of a gray picture: what is alike lies there."""
    thing = Image.open(photos / "cat.jpg").convert("RGB").resize((112, 112))
    query = recognizer.embed(thing)
    for left, top in ((10, 10), (130, 130)):
        whole = Image.new("RGB", (256, 256), (128, 128, 128))
        whole.paste(thing, (left, top))
        whole.save(tmp_path / "whole.png")
        found = part(recognizer, query, str(tmp_path / "whole.png"))
        assert abs(found.left + found.width / 2 - (left + 56) / 256) < 0.2
        assert abs(found.top + found.height / 2 - (top + 56) / 256) < 0.2
        assert found.score > 0.3


def test_a_raw_file_has_a_part_in_its_preview(photos, recognizer, tmp_path):
    data = (photos / "cat.jpg").read_bytes()
    (tmp_path / "cat.NEF").write_bytes(b"II*\0" + bytes(60) + data)
    query = recognizer.embed(Image.open(photos / "cat.jpg"))
    assert part(recognizer, query, str(tmp_path / "cat.NEF")) == part(recognizer, query, str(photos / "cat.jpg"))


def test_a_model_without_features_cannot_say(tmp_path):
    (tmp_path / "red.png").write_bytes(encoded(plain("red", 40)))
    with pytest.raises(BadRequest, match="gives no features"):
        part(color_recognizer(), np.ones(3, np.float32), str(tmp_path / "red.png"))


def test_the_box_holds_what_hangs_together():
    near = np.zeros((4, 4))
    near[1:3, 1] = 5
    near[0, 3] = 4  # strong, and by itself
    assert bounds(near) == (0.25, 0.25, 0.25, 0.5)
    assert bounds(np.ones((3, 3))) == (0, 0, 1, 1)
