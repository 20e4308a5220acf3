"""Three sets of pictures that have none in common, or one sentence that says which are in two."""

import shutil

import pytest

pytest.importorskip("torch")

from eyebright.compression.parts import parts, readable, together
from eyebright.data import Dataset
from eyebright.errors import BadRequest
from pictures import encoded, noise, write_patterns


@pytest.fixture
def folder(tmp_path):
    return write_patterns(tmp_path / "photos", (("train", 4), ("validation", 4), ("test", 2)))


def count(data):
    return [len(data.part(split).items) for split in ("train", "validation", "test")]


def test_data_with_three_splits_stay_as_they_are(folder):
    data = Dataset.read(folder)
    assert parts(data) == data


def test_without_a_test_split_half_of_the_validation_pictures_report_always_the_same_ones(folder):
    shutil.rmtree(folder / "test")
    data = Dataset.read(folder)
    found = parts(data)
    train, validation, test = count(found)
    assert (train, validation + test) == (12, 12)
    assert min(validation, test) > 1
    assert parts(data.only(data.items[::-1])).items == found.items[::-1]


def test_data_without_training_pictures_cannot_calibrate_but_can_report(folder):
    data = Dataset.read(folder)
    data = data.only([item for item in data.items if item.split != "train"])
    with pytest.raises(BadRequest, match=r"photos has no train pictures; some must calibrate \(train\), others choose"):
        parts(data)
    assert parts(data, needed=("test",)) == data
    with pytest.raises(BadRequest, match="has no test pictures; some must report"):
        parts(data.only([]), needed=("test",))


def test_one_picture_in_two_splits_is_found_whatever_its_name(folder):
    (folder / "test" / "checks" / "seen before.png").write_bytes((folder / "train" / "blobs" / "1.png").read_bytes())
    with pytest.raises(
        BadRequest,
        match=r"1 pictures would calibrate or choose and report too \(test.checks.seen before.png = train.blobs.1.png",
    ):
        parts(Dataset.read(folder))


def test_many_such_pictures_are_counted(folder):
    for number in range(4):
        shutil.copy(
            folder / "train" / "blobs" / f"{number}.png", folder / "validation" / "blobs" / f"again{number}.png"
        )
    with pytest.raises(BadRequest, match=r"^4 pictures would .* and 1 more\): take them out"):
        parts(Dataset.read(folder))


def test_the_same_picture_twice_in_one_split_does_no_harm(folder):
    shutil.copy(folder / "train" / "blobs" / "0.png", folder / "train" / "blobs" / "again.png")
    assert count(parts(Dataset.read(folder))) == [13, 12, 6]


def test_a_picture_that_is_none_is_named_and_left_out(folder):
    (folder / "train" / "checks" / "torn.jpg").write_text("dear diary")
    (folder / "test" / "checks" / "cut.jpg").write_bytes(encoded(noise(), "JPEG")[:200])
    said = []
    found = readable(Dataset.read(folder), lambda event: said.append(event.text))
    assert count(found) == [12, 12, 6]
    assert sorted(text.split(":")[1].rpartition("/")[2] for text in said) == ["cut.jpg", "torn.jpg"]


def test_sets_from_several_places_are_one(folder, tmp_path):
    other = write_patterns(tmp_path / "others", (("test", 3),), seed=1)
    one, two = Dataset.read(folder), Dataset.read(other)
    found = together([(one.part("train"), "train"), (one.part("validation"), "validation"), (two, "test")])
    assert found.name == "photos and others"
    assert count(found) == [12, 12, 9]
    for item in found.items[:: len(found.items) // 7]:
        at, _, name = item.name.partition("/")
        source = two if at == "2" else one
        (before,) = [some for some in source.items if some.name == name and (at == "2" or some.split == item.split)]
        assert found.picture(item).tobytes() == source.picture(before).tobytes()
        assert found.identity(item) == source.identity(before)
    assert parts(found) == found


def test_a_set_beside_itself_is_in_two(folder):
    one = Dataset.read(folder)
    with pytest.raises(BadRequest, match="would calibrate or choose and report too"):
        parts(together([(one.part("train"), "train"), (one.part("validation"), "validation"), (one, "test")]))


def test_sets_of_other_labels_are_not_joined(folder, tmp_path):
    other = write_patterns(tmp_path / "others", (("test", 3),), seed=1)
    (other / "test" / "blobs").rename(other / "test" / "dots")
    with pytest.raises(BadRequest, match="others has other labels than photos"):
        together([(Dataset.read(folder), "train"), (Dataset.read(other), "test")])
