"""An audit finds what was planted, calls nothing a problem that is none, and changes nothing."""

import io
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eyebright.data import Dataset, Item
from eyebright.data import audit as auditing
from eyebright.data.audit import audit
from eyebright.errors import BadPicture
from eyebright.modelfile import Label
from pictures import encoded, plain

LABELS = (Label("cat", "cat"), Label("dog", "dog"))
CAT, DOG = (0,), (1,)


class Store(dict):
    """Files by name, in memory."""

    def read(self, name):
        return self[name]


def scene(seed, size=(96, 72)):
    """A picture like no other: blots of color, each seed its own."""
    random = np.random.default_rng(seed)
    blots = Image.fromarray(random.integers(0, 256, (9, 12, 3)).astype(np.uint8))
    return blots.resize(size, Image.Resampling.BICUBIC)


def jpeg(picture, quality=90, **options):
    return encoded(picture, "JPEG", quality=quality, **options)


def dataset(pictures, task="single", labels=LABELS):
    """From rows of (name, bytes, labels, split)."""
    items = tuple(Item(name, labels_, split) for name, _, labels_, split in pictures)
    return Dataset("made", items, labels, task, Store({name: content for name, content, _, _ in pictures}))


def good(count=48):
    """A set without fault: two labels, three splits."""
    splits = ("train", "train", "train", "train", "validation", "test")
    return [
        (f"{'cat' if at % 2 else 'dog'}/{at}.jpg", jpeg(scene(at)), CAT if at % 2 else DOG, splits[at // 2 % 6])
        for at in range(count)
    ]


def kinds(found):
    return {finding.kind: finding for finding in found.findings}


def names(finding):
    return [{item.name for item in group} for group in finding.groups]


MADE = {
    "the same bytes": lambda picture: jpeg(picture),
    "half the size": lambda picture: jpeg(picture.resize((48, 36), Image.Resampling.LANCZOS)),
    "compressed again": lambda picture: jpeg(picture, 40),
    "mirrored": lambda picture: jpeg(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
    "turned": lambda picture: jpeg(picture.transpose(Image.Transpose.ROTATE_90)),
    "as PNG": lambda picture: encoded(picture),
}


def test_a_set_without_fault_has_no_findings():
    found = audit(dataset(good()))
    assert not found.findings
    assert found.clean == found.dataset.items
    assert not found.unreadable


@pytest.mark.parametrize("how", MADE)
def test_a_picture_in_train_and_test_stops_training(how):
    rows = good()
    test = next(row for row in rows if row[3] == "test")
    copy = ("cat/copy.jpg", MADE[how](scene(int(test[0].split("/")[1][:-4]))), test[2], "train")
    data = dataset([*rows, copy])
    (leak,) = audit(data).stops
    assert leak.kind == "leak"
    assert names(leak) == [{test[0], "cat/copy.jpg"}]
    clean = audit(data).clean
    assert [item.name for item in data.items if item not in clean] == ["cat/copy.jpg"]


@pytest.mark.parametrize("how", ["the same bytes", "half the size", "compressed again"])
def test_one_picture_under_two_labels_stops_training_and_suggests_multi(how):
    rows = good()
    first = rows[0]
    assert first[3] == "train"
    rows.append(("cat/copy.jpg", MADE[how](scene(0)), CAT, "train"))
    data = dataset(rows)
    (conflict,) = audit(data).stops
    assert conflict.kind == "conflict"
    assert "multi" in conflict.sentence
    assert names(conflict) == [{first[0], "cat/copy.jpg"}]
    assert len(audit(data).clean) == len(rows) - 2, "nobody knows which of the two is right"


def test_a_mirrored_picture_may_have_another_label():
    """A sign that points left, mirrored, points right."""
    rows = [*good(), ("cat/copy.jpg", MADE["mirrored"](scene(0)), CAT, "train")]
    found = audit(dataset(rows))
    assert kinds(found).keys() == {"turned_conflict"}
    assert found.clean == found.dataset.items


def test_in_a_set_of_many_labels_copies_that_disagree_are_worth_a_look():
    rows = [*good(), ("cat/copy.jpg", jpeg(scene(0)), CAT, "train")]
    data = dataset(rows, "multi")
    assert not audit(data).stops
    assert kinds(audit(data))["disagreement"].severity == "warn"
    unknown = replace(
        data, items=(replace(data.items[0], unknown=CAT), *data.items[1:-1], replace(data.items[-1], unknown=DOG))
    )
    assert "disagreement" not in kinds(audit(unknown)), "where nobody checked, nothing disagrees"


def test_a_copy_in_validation_warns_and_one_in_the_same_split_is_noted():
    rows = good()
    validation = next(row for row in rows if row[3] == "validation")
    rows += [("v.jpg", validation[1], validation[2], "train"), ("t.jpg", rows[0][1], rows[0][2], "train")]
    found = kinds(audit(dataset(rows)))
    assert {kind: finding.severity for kind, finding in found.items()} == {
        "leak_validation": "warn",
        "duplicate": "note",
    }


def test_of_three_copies_the_one_that_judges_stays():
    same = jpeg(scene(500))
    rows = [*good(), *((f"{split}.jpg", same, CAT, split) for split in ("train", "validation", "test"))]
    clean = {item.name for item in audit(dataset(rows)).clean}
    assert "test.jpg" in clean
    assert not clean & {"train.jpg", "validation.jpg"}


def test_where_everything_is_alike_only_equal_bytes_are_copies():
    """Cuts of garments on black differ from each other as little as a copy from its original."""
    shape = scene(1)
    rows = [
        (f"{at}.jpg", jpeg(Image.blend(shape, scene(at), 0.1)), CAT if at % 2 else DOG, "train" if at % 3 else "test")
        for at in range(100, 160)
    ]
    again = Image.open(io.BytesIO(rows[2][1]))
    rows.append(("again.jpg", jpeg(again, 85), rows[2][2], "train"))
    found = kinds(audit(dataset(rows)))
    assert found["alike"].severity == "warn"
    assert names(found["alike"])[0] == {rows[2][0], "again.jpg"}, "the likeliest copy comes first"
    assert not {"leak", "conflict"} & found.keys()
    rows.append(("copy.jpg", rows[2][1], rows[2][2], "train"))
    assert rows[2][3] == "test"
    assert names(kinds(audit(dataset(rows)))["leak"]) == [{rows[2][0], "copy.jpg"}]


def test_a_burst_of_copies_is_found_whole():
    same = scene(700)
    rows = [*good(), *((f"burst{q}.jpg", jpeg(same, q), CAT, "train") for q in (50, 60, 70, 80, 90))]
    assert names(kinds(audit(dataset(rows)))["duplicate"]) == [{f"burst{q}.jpg" for q in (50, 60, 70, 80, 90)}]


def test_two_boxes_in_one_picture_are_no_copies():
    content = jpeg(scene(3, (400, 300)))
    items = tuple(Item("a.jpg", CAT, "train", box=(0, 0, 300 + shift, 200)) for shift in (0, 1))
    found = audit(Dataset("made", items, LABELS, "multi", Store({"a.jpg": content})))
    assert not {"duplicate", "alike"} & kinds(found).keys()


def test_broken_blank_tiny_and_gray_pictures_are_found():
    rows = [
        *good(),
        ("torn.jpg", jpeg(scene(90))[:700], CAT, "train"),
        ("words.jpg", b"dear diary", CAT, "train"),
        ("blank.jpg", jpeg(plain((90, 91, 92))), CAT, "train"),
        ("tiny.png", encoded(scene(91, (30, 40))), CAT, "train"),
        ("gray.jpg", jpeg(scene(92).convert("L")), CAT, "train"),
    ]
    found = audit(dataset(rows))
    by_kind = kinds(found)
    assert {kind: names(finding) for kind, finding in by_kind.items()} == {
        "unreadable": [{"torn.jpg"}, {"words.jpg"}],
        "blank": [{"blank.jpg"}],
        "tiny": [{"tiny.png"}],
        "gray": [{"gray.jpg"}],
    }
    assert "words.jpg (not a picture" in by_kind["unreadable"].sentence
    assert found.unreadable == 2
    left_out = {item.name for item in found.dataset.items} - {item.name for item in found.clean}
    assert left_out == {"torn.jpg", "words.jpg", "blank.jpg"}


def test_a_large_picture_is_noted(monkeypatch):
    monkeypatch.setattr(auditing, "HUGE", 10_000)
    rows = [*good(), ("large.jpg", jpeg(scene(80, (200, 100))), CAT, "train")]
    assert names(kinds(audit(dataset(rows)))["huge"]) == [{"large.jpg"}]


def test_a_store_that_cannot_read_is_a_finding_and_no_crash():
    class Gone(Store):
        def read(self, name):
            raise BadPicture("no such file.")

    data = replace(dataset(good()), store=Gone())
    found = audit(data)
    assert found.unreadable == len(data.items)
    assert not found.clean


@pytest.mark.parametrize(
    ("items", "task", "kind", "severity"),
    [
        ([(CAT, "train")] * 20, "single", "one_label", "stop"),
        ([(CAT, "test")] * 20 + [(DOG, "test")], "single", "no_training", "stop"),
        ([(CAT, "train")] * 20 + [(DOG, "train")] * 9, "single", "few", "warn"),
        ([(CAT, "train")] * 20 + [(DOG, "test")] * 9, "multi", "never_taught", "warn"),
        ([(CAT, "train")] * 20 + [(CAT, "test")] * 9, "multi", "empty_label", "warn"),
        ([(CAT, "train")] * 200 + [(DOG, "train")] * 20, "single", "uneven", "note"),
        ([(CAT, "train")] * 20 + [(DOG, "train")] * 20, "single", "no_test", "note"),
    ],
)
def test_counts_of_labels_speak(items, task, kind, severity):
    data = Dataset("made", tuple(Item(str(at), *item) for at, item in enumerate(items)), LABELS, task, Store())
    found = {finding.kind: finding.severity for finding in auditing.labels(data)}
    assert found[kind] == severity


def camera(model, day="2026:05:01 10:00:00"):
    exif = Image.Exif()
    exif[0x0110] = model
    exif.get_ifd(0x8769)[0x9003] = day
    return exif


def test_a_camera_a_label_is_a_shortcut():
    rows = [
        (f"{at}.jpg", jpeg(scene(at), exif=camera("Phone" if at % 2 else "Camera")), CAT if at % 2 else DOG, "train")
        for at in range(60)
    ]
    rows.append(("test.jpg", jpeg(scene(900)), CAT, "test"))
    (shortcut,) = audit(dataset(rows)).findings
    assert shortcut.kind == "shortcut"
    assert "camera" in shortcut.sentence
    assert "Phone" in shortcut.sentence or "Camera" in shortcut.sentence


def test_days_that_each_show_one_label_are_a_shortcut_and_a_day_a_picture_is_none():
    def rows(day):
        made = [
            (f"{at}.jpg", jpeg(scene(at), exif=camera("Phone", f"{day(at)} 10:00:00")), CAT if at % 2 else DOG, "train")
            for at in range(60)
        ]
        return [*made, ("test.jpg", jpeg(scene(900)), CAT, "test")]

    together = audit(dataset(rows(lambda at: f"2026:05:{at % 6 + 1:02}")))
    assert "The day alone tells the label of 100%" in kinds(together)["shortcut"].sentence
    apart = audit(dataset(rows(lambda at: f"2026:{at // 20 + 1:02}:{at % 20 + 1:02}")))
    assert not apart.findings


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_exif_says_nothing():
    content = jpeg(scene(900), exif=b"Exif\0\0II*\0\xff\xff\xff\xff garbage")
    found = audit(dataset([*good(), ("odd.jpg", content, CAT, "train")]))
    assert not found.unreadable
    assert not found.findings


def test_pixels_without_files_are_audited_too():
    pixels = {str(at): np.asarray(scene(at, (28, 28)).convert("L")) for at in range(40)}
    items = tuple(Item(name, CAT if int(name) % 2 else DOG, "train") for name in pixels)
    items += (Item("copy", CAT, "test"),)
    found = audit(Dataset("made", items, LABELS, "single", Store({**pixels, "copy": pixels["1"]})))
    assert names(kinds(found)["leak"]) == [{"1", "copy"}]
    assert kinds(found)["tiny"].severity == "note", "a set of small pictures is what it is"


def outside_of(change, count=30):
    rows = [(f"{at}.jpg", jpeg(change(scene(1000 + at))), (), "test") for at in range(count)]
    return dataset(rows, "multi", ())


def test_pictures_like_the_data_do_not_differ():
    found = kinds(audit(dataset(good(60)), outside_of(lambda picture: picture)))
    assert found["difference"].severity == "note"
    assert "measure like the data" in found["difference"].sentence


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda picture: picture.point(lambda value: value // 3), "darker: brightness"),
        (lambda picture: picture.resize((192, 144)), "larger: shorter side"),
        (lambda picture: picture.crop((0, 0, 36, 72)), "narrower: width to height"),
        (lambda picture: picture.convert("L"), "100% are gray, of the data 0%"),
        (lambda picture: Image.blend(picture, plain("gray", 96, 72), 0.6), "flatter: contrast"),
    ],
)
def test_a_difference_to_what_it_will_meet_is_said_with_numbers(change, word):
    found = audit(dataset(good(60)), outside_of(change))
    differences = [finding for finding in found.findings if finding.kind == "difference"]
    assert any(word in finding.sentence for finding in differences), [finding.sentence for finding in differences]
    assert all(finding.groups and finding.outside for finding in differences)


def test_a_few_pictures_are_too_few_to_compare():
    found = kinds(audit(dataset(good(60)), outside_of(lambda picture: picture, 5)))
    assert "Not compared" in found["difference"].sentence


def test_progress_counts_every_picture():
    told = []
    audit(dataset(good(24)), outside_of(lambda picture: picture, 6), told.append)
    assert told == list(range(1, 31))


@pytest.mark.parametrize("name", [pytest.param("clothing.zip", marks=pytest.mark.slow), "fire.zip"])
def test_real_sets_that_were_cleaned_have_nothing_that_stops(name):
    """They are full of garments that look alike to a hash."""
    if not os.environ.get("EYEBRIGHT_DATA"):
        pytest.skip(f"EYEBRIGHT_DATA with {name} is not set")
    data = Dataset.read(Path(os.environ["EYEBRIGHT_DATA"]) / name)
    assert not {"leak", "conflict", "leak_validation", "duplicate", "shortcut"} & kinds(audit(data)).keys()


def test_a_page_shows_the_pictures_side_by_side():
    from eyebright.data.audit_page import page

    rows = [*good(), ("<b>&.jpg", jpeg(scene(0)), CAT, "train"), ("torn.jpg", jpeg(scene(90))[:700], CAT, "train")]
    text = page(audit(dataset(rows)))
    assert text.count("<img ") == text.count('src="data:image/jpeg;base64,') == text.count(' alt="') == 2
    assert "<b>&.jpg" not in text
    assert "&lt;b&gt;&amp;.jpg" in text
    assert "cannot be read" in text
    assert "<script" not in text
    assert "http:" not in text.replace("http-equiv", "")
