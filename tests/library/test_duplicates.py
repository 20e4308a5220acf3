"""Files that hold one picture: who is found, who is kept, and what a person said of it."""

import errno
import io
import tempfile

import numpy as np
import pytest
from PIL import Image, ImageFilter

from eyebright.errors import CannotWrite
from eyebright.library import decisions, duplicates
from eyebright.library.decisions import Said
from eyebright.library.indexer import index
from eyebright.library.photos import identity_of
from eyebright.library.shots import best
from pictures import color_recognizer, encoded, opened, plain, video


@pytest.fixture(scope="module")
def coffee(photos):
    return opened(photos / "coffee.jpg").convert("RGB")


@pytest.fixture(scope="module")
def recognizer():
    return color_recognizer()


def jpeg(picture, quality=92, taken="", camera="Canon EOS 5D"):
    exif = Image.Exif()
    if taken:
        exif[0x0110] = camera
        exif.get_ifd(0x8769)[0x9003] = taken
    return encoded(picture, "JPEG", quality=quality, exif=exif)


def part(picture, share=0.1):
    """Less a share of each side."""
    left, top = round(picture.width * share), round(picture.height * share)
    return picture.crop((left, top, picture.width - left, picture.height - top))


def found(library, folder, recognizer, **how):
    """By name of the file that is kept: names of others, with what makes them others."""
    index(library, [str(folder)], recognizer)
    groups = duplicates.find(library, threads=1, **how).groups
    return {
        group.keep.path.rpartition("/")[2]: {
            other.file.path.rpartition("/")[2]: " ".join(other.how) for other in group.others
        }
        for group in groups
    }


def test_every_kind_of_copy_is_found_and_told(library, folder, recognizer, coffee, photos):
    for name in ("cat.jpg", "rocket.jpg"):
        (folder / name).write_bytes((photos / name).read_bytes())
    copies = {
        "coffee.jpg": jpeg(coffee),
        "again.jpg": jpeg(coffee, 40),
        "half.png": encoded(coffee.resize((coffee.width // 2, coffee.height // 2))),
        "part.jpg": jpeg(part(coffee)),
        "mirror.jpg": jpeg(coffee.transpose(Image.Transpose.FLIP_LEFT_RIGHT), 80),
        "rotated.jpg": jpeg(coffee.rotate(2, Image.Resampling.BICUBIC), 80),
    }
    for name, data in {**copies, "coffee copy.jpg": copies["coffee.jpg"]}.items():
        (folder / name).write_bytes(data)
    assert found(library, folder, recognizer) == {
        "coffee.jpg": {
            "coffee copy.jpg": "exact",
            "again.jpg": "re-encoded",
            "half.png": "resized",
            "part.jpg": "cropped",
            "mirror.jpg": "mirrored",
            "rotated.jpg": "rotated",
        }
    }


def test_what_shows_more_than_the_one_to_keep_is_not_spare(library, folder, recognizer, coffee):
    (folder / "part.jpg").write_bytes(jpeg(part(coffee)))
    (folder / "small.jpg").write_bytes(jpeg(coffee.resize((200, 133))))
    index(library, [str(folder)], recognizer)
    (group,) = duplicates.find(library, threads=1).groups
    (other,) = group.others
    assert (group.keep.path.endswith("part.jpg"), other.how, other.spare) == (True, ("shows more", "resized"), False)


def test_what_a_person_parted_never_comes_back(library, folder, recognizer, coffee):
    (folder / "a.jpg").write_bytes(jpeg(coffee))
    (folder / "b.jpg").write_bytes(jpeg(coffee, 40))
    assert found(library, folder, recognizer) == {"a.jpg": {"b.jpg": "re-encoded"}}
    pair = [identity_of(library, str(folder / name)) for name in ("a.jpg", "b.jpg")]
    decisions.record(library, [Said("not-same", *pair)])
    assert found(library, folder, recognizer) == {}
    decisions.undo(library, last=1)
    assert found(library, folder, recognizer) == {"a.jpg": {"b.jpg": "re-encoded"}}


def test_what_a_person_parted_does_not_come_back_by_a_third_picture(library, folder, recognizer, coffee):
    for name, quality in (("a.jpg", 92), ("b.jpg", 60), ("c.jpg", 30)):
        (folder / name).write_bytes(jpeg(coffee, quality))
    index(library, [str(folder)], recognizer)
    pair = [identity_of(library, str(folder / name)) for name in ("a.jpg", "c.jpg")]
    decisions.record(library, [Said("not-same", *pair)])
    assert found(library, folder, recognizer) == {"b.jpg": {"a.jpg": "re-encoded"}}


def test_what_a_person_joined_needs_no_proof(library, folder, recognizer, coffee, photos):
    (folder / "coffee.jpg").write_bytes(jpeg(coffee))
    (folder / "cat.jpg").write_bytes((photos / "cat.jpg").read_bytes())
    index(library, [str(folder)], recognizer)
    pair = [identity_of(library, str(folder / name)) for name in ("coffee.jpg", "cat.jpg")]
    decisions.record(library, [Said("same", *pair)])
    ((others),) = found(library, folder, recognizer).values()
    assert list(others.values()) == ["you said so"]
    ((other,),) = (group.others for group in duplicates.find(library, threads=1).groups)
    assert not other.spare, "nobody saw that the one to keep shows all of it"


def test_what_a_person_joined_with_a_copy_stands_with_it(library, folder, recognizer, coffee, photos):
    for name, data in {"a.jpg": jpeg(coffee), "b.jpg": jpeg(coffee, 40)}.items():
        (folder / name).write_bytes(data)
    (folder / "cat.jpg").write_bytes((photos / "cat.jpg").read_bytes())
    index(library, [str(folder)], recognizer)
    pair = [identity_of(library, str(folder / name)) for name in ("b.jpg", "cat.jpg")]
    decisions.record(library, [Said("same", *pair)])
    assert found(library, folder, recognizer) == {"a.jpg": {"b.jpg": "re-encoded", "cat.jpg": "you said so"}}


def test_two_moments_by_one_camera_are_two_photos(library, folder, recognizer, coffee):
    (folder / "a.jpg").write_bytes(jpeg(coffee, taken="2023:07:01 10:30:00"))
    (folder / "b.jpg").write_bytes(jpeg(coffee, 80, taken="2023:07:01 10:31:00"))
    (folder / "c.jpg").write_bytes(jpeg(coffee, 60))
    assert found(library, folder, recognizer) == {"a.jpg": {"c.jpg": "re-encoded"}}


def test_forms_of_one_picture_that_belong_together_are_no_duplicates(library, folder, recognizer, coffee):
    (folder / "coffee.jpg").write_bytes(jpeg(coffee))
    (folder / "coffee-edited.jpg").write_bytes(jpeg(coffee, 60))
    assert found(library, folder, recognizer) == {}


def test_a_raw_file_is_no_copy_of_a_picture_in_another_folder(library, folder, recognizer, coffee):
    (folder / "IMG_1.jpg").write_bytes(jpeg(coffee))
    for name in ("raw", "again"):
        (folder / name).mkdir()
        shown = jpeg(coffee.resize((coffee.width // 2, coffee.height // 2)), 70)
        (folder / name / "IMG_1.cr2").write_bytes(b"II*\0 sensor " + shown + name.encode() * 100)
    ((kept, others),) = found(library, folder, recognizer).items()
    assert (kept, list(others)) == ("IMG_1.cr2", ["IMG_1.cr2"])


def test_files_that_are_gone_changed_or_torn_are_left_out(library, folder, recognizer, coffee, monkeypatch):
    for name, quality in (("a.jpg", 92), ("b.jpg", 60), ("c.jpg", 40), ("d.jpg", 30)):
        (folder / name).write_bytes(jpeg(coffee, quality))
    index(library, [str(folder)], recognizer)
    (folder / "b.jpg").unlink()
    (folder / "c.jpg").write_bytes(jpeg(plain("red"), 40))
    seen = duplicates.find(library, threads=1)
    assert [len(group.others) for group in seen.groups] == [1]
    assert {path.rpartition("/")[2]: why.partition(";")[0] for path, why in seen.skipped} == {
        "b.jpg": "no such file or directory.",
        "c.jpg": "it changed since it was indexed",
    }


def test_a_link_to_a_file_is_no_copy_of_it(library, folder, recognizer, coffee):
    (folder / "coffee.jpg").write_bytes(jpeg(coffee))
    (folder / "link.jpg").symlink_to(folder / "coffee.jpg")
    assert found(library, folder, recognizer) == {}


def test_a_file_of_two_names_is_no_copy_of_itself(library, folder, recognizer, coffee):
    (folder / "coffee.jpg").write_bytes(jpeg(coffee))
    (folder / "also.jpg").hardlink_to(folder / "coffee.jpg")
    assert found(library, folder, recognizer) == {}


def test_an_empty_library_and_one_with_one_photo_have_none(library, folder, recognizer, coffee):
    assert duplicates.find(library).groups == []
    (folder / "coffee.jpg").write_bytes(jpeg(coffee))
    assert found(library, folder, recognizer) == {}


def test_the_sharpest_shot_of_a_burst_is_proposed(library, folder, recognizer, coffee):
    for at, blur in enumerate((3, 0, 2)):
        shot = coffee.filter(ImageFilter.GaussianBlur(blur)) if blur else coffee
        (folder / f"IMG_{at}.jpg").write_bytes(jpeg(shot, taken=f"2023:07:01 10:30:0{at}"))
    assert found(library, folder, recognizer) == {}
    assert found(library, folder, recognizer, bursts=True) == {"IMG_1.jpg": {"IMG_0.jpg": "", "IMG_2.jpg": ""}}


def test_a_shot_that_light_swallowed_is_not_the_best(coffee):
    bright = Image.fromarray(np.clip(np.asarray(coffee) * 3.0, 0, 255).astype(np.uint8))
    soft = coffee.filter(ImageFilter.GaussianBlur(0.6))
    assert best([bright, soft])[0] == 1


def test_many_pictures_alike_on_plain_ground_are_told_apart(library, folder, recognizer):
    """As garments on white are: one cut in many sizes, folds of their own."""
    for seed in range(12):
        random = np.random.default_rng(seed)
        folds = Image.fromarray(random.integers(60, 140, (9, 7, 3)).astype(np.uint8)).resize(
            (90, 110), Image.Resampling.BICUBIC
        )
        page = Image.new("RGB", (150, 180), "white")
        page.paste(folds, (30 + seed % 3, 30))
        (folder / f"{seed}.png").write_bytes(encoded(page))
    (folder / "copy.jpg").write_bytes(jpeg(part(opened(io.BytesIO((folder / "5.png").read_bytes())), 0.05), 80))
    ((kept, others),) = found(library, folder, recognizer).items()
    assert (kept, list(others)) == ("5.png", ["copy.jpg"])


def kept(library, folder, recognizer, files):
    """The name of the file to keep, why, and by name the others, of some files."""
    for name, data in files.items():
        (folder / name).write_bytes(data)
    index(library, [str(folder)], recognizer)
    (group,) = duplicates.find(library, threads=1).groups
    return (
        group.keep.path.rpartition("/")[2],
        group.why,
        {one.file.path.rpartition("/")[2]: one for one in group.others},
    )


def test_a_gray_copy_that_is_larger_does_not_win(library, folder, recognizer, coffee):
    faint = Image.blend(coffee.convert("L").convert("RGB"), coffee, 0.2)
    large = faint.convert("L").resize((coffee.width * 5 // 4, coffee.height * 5 // 4), Image.Resampling.LANCZOS)
    keep, why, _ = kept(library, folder, recognizer, {"color.jpg": jpeg(faint), "gray.jpg": jpeg(large, 40)})
    assert (keep, why.partition(",")[0]) == ("color.jpg", "in color")


@pytest.mark.parametrize("through", [100, 600], ids="from_100_pixels from_itself".split())
def test_a_copy_that_was_blown_up_does_not_win(library, folder, recognizer, coffee, through):
    small = coffee.resize((through, through * coffee.height // coffee.width))
    large = small.resize((coffee.width * 5 // 4, coffee.height * 5 // 4), Image.Resampling.LANCZOS)
    keep, _, others = kept(library, folder, recognizer, {"a.jpg": jpeg(coffee), "large.jpg": jpeg(large, 40)})
    assert (keep, others["large.jpg"].how, others["large.jpg"].spare) == ("a.jpg", ("larger",), False)


def test_the_sharpest_is_said_to_be(library, folder, recognizer, coffee):
    large = coffee.resize((100, 67)).resize((coffee.width * 5 // 4, coffee.height * 5 // 4))
    _, why, _ = kept(library, folder, recognizer, {"a.jpg": jpeg(coffee), "large.jpg": jpeg(large, 85)})
    assert why == f"the sharpest, {coffee.width} x {coffee.height}"


@pytest.mark.parametrize("sharpened", [False, True])
def test_a_larger_picture_with_more_detail_wins(library, folder, recognizer, coffee, sharpened):
    """Also where the smaller one was sharpened, and compressed less."""
    small = coffee.resize((coffee.width // 2, coffee.height // 2), Image.Resampling.LANCZOS)
    small = small.filter(ImageFilter.UnsharpMask(1, 100, 0)) if sharpened else small
    keep, why, _ = kept(library, folder, recognizer, {"small.jpg": jpeg(small, 97), "large.jpg": jpeg(coffee, 70)})
    assert (keep, why) == ("large.jpg", f"the largest, {coffee.width} x {coffee.height}")


def test_what_was_painted_on_is_not_spare(library, folder, recognizer, coffee):
    """It may be a person's note."""
    noted = coffee.copy()
    noted.paste((255, 255, 255), (200, 130, 300, 200))
    _, _, others = kept(library, folder, recognizer, {"a.jpg": jpeg(coffee), "noted, a.jpg": jpeg(noted, 85)})
    assert [(one.how, one.spare) for one in others.values()] == [(("changed",), False)]


SIDECAR = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:subject><rdf:Bag><rdf:li>breakfast</rdf:li></rdf:Bag>
</dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>"""


def test_of_exact_copies_the_one_with_words_is_kept(library, folder, recognizer, coffee):
    files = {"a.jpg": jpeg(coffee), "a longer name.jpg": jpeg(coffee), "a longer name.jpg.xmp": SIDECAR.encode()}
    keep, why, others = kept(library, folder, recognizer, files)
    assert (keep, why) == ("a longer name.jpg", "the one with words of its own")
    assert [(one.how, one.spare) for one in others.values()] == [(("exact",), True)]


def test_a_copy_with_words_that_the_one_to_keep_lacks_is_not_spare(library, folder, recognizer, coffee):
    small = jpeg(coffee.resize((300, 200)))
    files = {"a.jpg": jpeg(coffee), "small.jpg": small, "small.jpg.xmp": SIDECAR.encode()}
    keep, _, others = kept(library, folder, recognizer, files)
    assert (keep, others["small.jpg"].how, others["small.jpg"].spare) == (
        "a.jpg",
        ("resized", "words of its own"),
        False,
    )


def test_of_exact_copies_a_date_in_the_name_counts_and_bytes_do_not(library, folder, recognizer, coffee):
    files = {"a.jpg": jpeg(coffee, taken="2023:07:01 10:30:00"), "IMG_20230701_103000.jpg": jpeg(coffee)}
    keep, why, _ = kept(library, folder, recognizer, files)
    assert (keep, why) == ("IMG_20230701_103000.jpg", "its name says when it was taken")


def test_a_copy_that_was_saved_again_joins_no_edited_picture(library, folder, recognizer, coffee):
    edited = coffee.point(lambda value: min(255, int(value * 1.1)))
    pictures = {"beach.jpg": coffee, "beach-edited.jpg": edited}
    files = {name: jpeg(picture, taken="2023:07:01 10:30:00") for name, picture in pictures.items()}
    files["backup_of_it.png"] = encoded(opened(io.BytesIO(files["beach.jpg"])))
    keep, why, others = kept(library, folder, recognizer, files)
    assert (keep, list(others)) == ("beach.jpg", ["backup_of_it.png"])
    assert why == "the one that says when and by what it was taken"


def test_the_one_that_says_when_it_was_taken_is_kept(library, folder, recognizer, coffee):
    shot = jpeg(coffee, taken="2023:07:01 10:30:00", camera="")
    again = encoded(opened(io.BytesIO(shot)))
    keep, _, _ = kept(library, folder, recognizer, {"beach.jpg": shot, "backup.png": again})
    assert keep == "beach.jpg"


def test_films_in_two_places_are_exact_copies(library, folder, recognizer):
    for name in ("a.mp4", "copy of a.mp4"):
        video(folder / name, "red", "blue")
    assert found(library, folder, recognizer) == {"a.mp4": {"copy of a.mp4": "exact"}}


def test_where_nothing_may_be_written_pictures_are_compared_all_the_same(
    library, folder, recognizer, coffee, monkeypatch
):
    files, made = {"a.jpg": jpeg(coffee), "b.jpg": jpeg(coffee, 40)}, tempfile.TemporaryFile

    def beside(dir=None):
        if dir:
            raise OSError(errno.EROFS, "Read-only file system")
        return made()

    monkeypatch.setattr(tempfile, "TemporaryFile", beside)
    assert kept(library, folder, recognizer, files)[0] == "a.jpg"


@pytest.mark.parametrize("full", [False, True], ids="read-only full".split())
def test_where_pictures_cannot_be_put_aside_is_one_sentence(library, folder, recognizer, coffee, monkeypatch, full):
    def beside(dir=None):
        if full:
            return open("/dev/full", "w+b", buffering=0)
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(tempfile, "TemporaryFile", beside)
    with pytest.raises(CannotWrite, match=r"^Pictures cannot be put aside .*; TMPDIR names a folder\.$"):
        kept(library, folder, recognizer, {"a.jpg": jpeg(coffee), "b.jpg": jpeg(coffee, 40)})
