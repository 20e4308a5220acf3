"""Several forms of one picture stand together, and a person may part or join them."""

import io

import numpy as np
import pytest
from PIL import Image

from eyebright.library import decisions
from eyebright.library.decisions import Said
from eyebright.library.indexer import index
from eyebright.library.photos import identity_of
from pictures import color_recognizer, encoded, noise, plain, video


def stacks(library, folder):
    """Names of files that stand together, by index."""
    index(library, [str(folder)], color_recognizer())
    found = {}
    for photo, of, path in library.rows("SELECT photo.id, stack, path FROM photo JOIN file ON file.photo = photo.id"):
        found.setdefault(of or photo, set()).add(path.rpartition("/")[2])
    return [some for some in found.values() if len(some) > 1]


def shot(seed, taken, camera="Canon EOS 5D"):
    """A JPEG of a color with a little noise, taken at a time."""
    exif = Image.Exif()
    exif[0x0110] = camera
    exif.get_ifd(0x8769)[0x9003] = taken
    pixels = np.clip(
        np.full((64, 64, 3), (180, 90, 40)) + np.random.default_rng(seed).normal(0, 9, (64, 64, 3)), 0, 255
    )
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "JPEG", exif=exif)
    return file.getvalue()


def test_a_raw_file_stands_under_the_picture_of_its_name(library, folder):
    (folder / "IMG_1.JPG").write_bytes(encoded(noise(300, 300), "JPEG"))
    (folder / "IMG_1.ARW").write_bytes(b"II*\0 sensor " + encoded(noise(300, 300), "JPEG") + b" data" * 100)
    (folder / "IMG_2.ARW").write_bytes(b"II*\0 sensor " + encoded(noise(300, 300, seed=2), "JPEG") + b" more" * 100)
    assert stacks(library, folder) == [{"IMG_1.JPG", "IMG_1.ARW"}]
    assert library.value("SELECT count(*) FROM embedding") == 3


def test_a_raw_file_without_a_preview_is_listed(library, folder):
    (folder / "IMG_1.NEF").write_bytes(b"II*\0 sensor " + encoded(noise(40, 40), "JPEG"))
    done = index(library, [str(folder)], color_recognizer())
    assert "without a preview" in done.unreadable[0][1]


def test_the_film_of_a_live_photo_stands_under_it(library, folder):
    pytest.importorskip("av")
    (folder / "IMG_1.JPG").write_bytes(encoded(plain("red"), "JPEG"))
    video(folder / "IMG_1.mov", "red")
    assert stacks(library, folder) == [{"IMG_1.JPG", "IMG_1.mov"}]


def test_an_edited_copy_stands_under_what_it_was_made_of(library, folder):
    for name, color in (
        ("a", (200, 30, 30)),
        ("a-edited", (210, 40, 30)),
        ("b", (9, 9, 250)),
        ("b (1)", (10, 240, 10)),
    ):
        (folder / f"{name}.png").write_bytes(encoded(plain(color)))
    (folder / "IMG_7.png").write_bytes(encoded(plain((90, 90, 10))))
    (folder / "IMG_E7.png").write_bytes(encoded(plain((95, 90, 10))))
    assert sorted(map(sorted, stacks(library, folder))) == [["IMG_7.png", "IMG_E7.png"], ["a-edited.png", "a.png"]]


def test_a_burst_is_three_or_more_within_a_second_each(library, folder):
    times = ("10:00:00", "10:00:00", "10:00:01", "10:00:05", "10:00:05", "11:00:00")
    for number, time in enumerate(times):
        (folder / f"{number}.jpg").write_bytes(shot(number, f"2023:07:01 {time}"))
    assert stacks(library, folder) == [{"0.jpg", "1.jpg", "2.jpg"}]


def test_what_a_person_says_joins_and_parts(library, folder):
    for name, color in (("a", (200, 30, 30)), ("a-edited", (210, 40, 30)), ("b", (9, 9, 250))):
        (folder / f"{name}.png").write_bytes(encoded(plain(color)))
    assert stacks(library, folder) == [{"a.png", "a-edited.png"}]
    a, edited, b = (identity_of(library, str(folder / f"{name}.png")) for name in ("a", "a-edited", "b"))
    decisions.record(library, [Said("not-same", a, edited), Said("same", a, b)])
    (folder / "more.png").write_bytes(encoded(noise()))
    assert stacks(library, folder) == [{"a.png", "b.png"}]
