"""Folders named after what is in their pictures, and what holds for every format: splits, tasks, remarks."""

import os

import pytest

from data.making import folder, picture, pictures, said
from eyebright.data import Dataset
from eyebright.data.detect import READERS
from eyebright.errors import BadRequest

CATS_AND_DOGS = [f"{split}/{label}/{n}.png" for split in ("train", "val", "test") for label in "cd" for n in "12"]


def many(label, count, start=0):
    return [f"{label}/{number}.png" for number in range(start, start + count)]


def counts(dataset):
    return {split: len(dataset.part(split).items) for split in ("train", "validation", "test")}


def test_folders_of_splits_and_classes_are_read(tmp_path):
    """The layout that most tools share."""
    dataset = Dataset.read(folder(tmp_path / "pets", pictures(*CATS_AND_DOGS)))
    assert [label.label for label in dataset.labels] == ["c", "d"]
    assert (dataset.name, dataset.task, dataset.reader, dataset.remarks) == ("pets", "single", "folders", ())
    assert said(dataset)["val/d/2.png"] == (("d",), "validation")
    assert counts(dataset) == {"train": 4, "validation": 4, "test": 4}
    assert dataset.picture(dataset.items[0]).size == (8, 8)


@pytest.mark.parametrize("word", ["val", "valid", "validation", "dev", "Val"])
def test_validation_is_spelled_in_several_ways(tmp_path, word):
    """Every tool has its own."""
    names = [name.replace("val/", f"{word}/") for name in CATS_AND_DOGS]
    assert counts(Dataset.read(folder(tmp_path / "pets", pictures(*names))))["validation"] == 4


def test_a_picture_never_moves_when_others_are_added(tmp_path):
    """Else a test picture would be trained on after the next walk with the camera."""
    few = Dataset.read(folder(tmp_path / "pets", pictures(*many("cat", 40), *many("dog", 40))))
    more = Dataset.read(folder(tmp_path / "pets", pictures(*many("cat", 40, 40), *many("bird", 40))))
    assert said(few).items() < said(more).items()


def test_without_splits_a_fifth_validates_and_a_fifth_tests(tmp_path):
    """And the set says so."""
    dataset = Dataset.read(folder(tmp_path / "pets", dict.fromkeys((*many("cat", 500), *many("dog", 500)), b"")))
    assert all(150 < counts(dataset)[split] < 250 for split in ("validation", "test"))
    assert any("a fifth validates and a fifth tests" in remark for remark in dataset.remarks)


def test_without_validation_a_fifth_of_train_validates_and_test_stays(tmp_path):
    """The test split is never chosen on."""
    names = [f"{split}/{label}" for split in ("train", "test") for label in (*many("cat", 250), *many("dog", 250))]
    dataset = Dataset.read(folder(tmp_path / "pets", dict.fromkeys(names, b"")))
    assert counts(dataset)["test"] == 500
    assert 70 < counts(dataset)["validation"] < 130
    assert {item.name.split("/")[0] for item in dataset.part("validation").items} == {"train"}


def test_a_train_can_be_a_class(tmp_path):
    """Beside planes; a split has folders of classes in it, a class has pictures."""
    files = pictures("train/1.png", "train/2.png", "plane/1.png", "car/x/1.png")
    assert [label.label for label in Dataset.read(folder(tmp_path / "set", files)).labels] == ["car", "plane", "train"]


def test_one_picture_a_label_can_test_and_not_teach(tmp_path):
    """As the photos that show what each class of ImageNet is."""
    dataset = Dataset.read(folder(tmp_path / "pets", pictures("cat/1.png", "dog/1.png", "fish/1.png")))
    assert counts(dataset) == {"train": 0, "validation": 0, "test": 3}


def test_a_folder_that_holds_all_the_rest_is_passed_through(tmp_path):
    """An archive of a folder has that folder in it; the pictures are the same."""
    deep = {f"a/b/{name}": content for name, content in pictures(*CATS_AND_DOGS).items()}
    shallow = Dataset.read(folder(tmp_path / "pets", pictures(*CATS_AND_DOGS)))
    assert said(Dataset.read(folder(tmp_path / "more", deep))) == said(shallow)
    assert Dataset.read(tmp_path / "more").content_hash == shallow.content_hash


def test_deeper_folders_belong_to_their_class(tmp_path):
    """People sort by year or camera below the class."""
    dataset = Dataset.read(folder(tmp_path / "pets", pictures("cat/2023/1.png", "cat/2024/1.png", "dog/1.png")))
    assert {labels for labels, _ in said(dataset).values()} == {("cat",), ("dog",)}


def test_what_is_no_picture_is_counted_and_what_is_hidden_is_not_seen(tmp_path):
    """Thumbnails, notes and the droppings of file managers."""
    files = pictures("cat/1.png", "cat/._1.png", ".git/x.png", "dog/1", "__MACOSX/cat/._1.png", "dog/.DS_Store")
    dataset = Dataset.read(folder(tmp_path / "pets", {**files, "cat/notes.txt": "", "dog/Thumbs.db": ""}))
    assert set(said(dataset)) == {"cat/1.png", "dog/1"}  # one without an ending, known by its bytes
    assert "Files that are no pictures, left out: 2 (.txt, .db)." in dataset.remarks


def test_an_empty_class_is_told(tmp_path):
    """It may be a download that failed."""
    files = {**pictures(*CATS_AND_DOGS), "train/fish/readme.txt": "soon"}
    dataset = Dataset.read(folder(tmp_path / "pets", files))
    assert "Folders without a picture: train/fish." in dataset.remarks


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"cat/notes.txt": b"", "dog/notes.txt": b""}, r"no pictures with labels"),
        ({"notes.txt": b""}, r"no pictures with labels"),
        (pictures("cat/1.png", "cat/2.png"), r"one class at most"),
        (pictures("train/cat/1.png", "test/cat/2.png"), r"there is one class only \(cat\)"),
        (pictures("train/1.png", "test/2.png"), r"one class at most"),
        (pictures("1.png", "2.png"), r"do not lie in folders of classes; make one for each"),
        (pictures("train/cat/1.png", "train/dog/1.png", "test/fish/1.png"), r"test has labels .* not have: fish"),
        ({"cat/all.zip": b"PK", "dog/all.tar.gz": b""}, r"archives inside .* are not opened: cat/all.zip"),
    ],
)
def test_nothing_to_learn_from_is_one_sentence(tmp_path, files, sentence):
    """What, where, what to do."""
    with pytest.raises(BadRequest, match=sentence) as caught:
        Dataset.read(folder(tmp_path / "pets", files))
    assert str(tmp_path / "pets") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_path_that_does_not_exist_is_named(tmp_path):
    """With nothing else said."""
    with pytest.raises(BadRequest, match=r"no such file or folder: .*nowhere"):
        Dataset.read(tmp_path / "nowhere")


@pytest.mark.parametrize("reader", READERS)
def test_a_reader_that_is_stated_says_what_it_misses(tmp_path, reader):
    """Whoever states it expects something to be there."""
    with pytest.raises(BadRequest, match=r"^[^\n]*set: .* in it"):
        Dataset.read(folder(tmp_path / "set", {"cat/notes.md": "", "dog/notes.md": ""}), reader)


def test_crops_of_what_has_no_boxes_are_refused(tmp_path):
    """Rather than silently given whole."""
    with pytest.raises(BadRequest, match=r"read as folders, which has no boxes to crop; coco and voc have"):
        Dataset.read(folder(tmp_path / "pets", pictures(*CATS_AND_DOGS)), crops=True)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_named_pipe_does_not_hang(tmp_path):
    """Nobody writes into it; in a folder it is no picture."""
    root = folder(tmp_path / "pets", pictures(*CATS_AND_DOGS))
    os.mkfifo(root / "pipe")
    os.mkfifo(root / "train" / "c" / "pipe")
    assert len(Dataset.read(root).items) == 12
    with pytest.raises(BadRequest, match="pipe: neither a file nor a folder"):
        Dataset.read(root / "pipe")


def test_a_folder_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    """Half a set is none."""
    root = folder(tmp_path / "pets", pictures(*CATS_AND_DOGS))
    listed = os.scandir

    def refusing(path):
        if str(path).endswith("d"):
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(BadRequest, match=r"pets/.*/d: permission denied"):
        Dataset.read(root)


def test_the_name_of_a_set_is_that_of_its_folder(tmp_path, monkeypatch):
    """With its dots, and where it is called `.`."""
    root = folder(tmp_path / "v1.2 pets", pictures(*CATS_AND_DOGS))
    assert Dataset.read(root).name == "v1.2 pets"
    monkeypatch.chdir(root)
    assert Dataset.read(".").name == "v1.2 pets"


def test_an_unknown_reader_is_refused_with_the_known_ones(tmp_path):
    """Whoever mistypes wants to see the list."""
    with pytest.raises(BadRequest, match=r"no reader 'foldrs'; known are .*coco.*folders"):
        Dataset.read(folder(tmp_path / "pets", pictures(*CATS_AND_DOGS)), "foldrs")


@pytest.mark.parametrize("negative", ["normal", "no fire", "not-fire", "nofire", "other", "0", "background"])
def test_a_label_that_denies_makes_yes_or_no(tmp_path, negative):
    """The negative one is first, whatever the alphabet says."""
    dataset = Dataset.read(folder(tmp_path / "set", pictures("fire/1.png", "fire/2.png", f"{negative}/1.png")))
    assert (dataset.task, [label.label for label in dataset.labels]) == ("binary", [negative, "fire"])


def test_two_classes_that_deny_nothing_stay_two_classes(tmp_path):
    """Noodles are not the absence of rice."""
    files = pictures("noodles/1.png", "noodles/2.png", "rice/1.png")
    assert Dataset.read(folder(tmp_path / "set", files)).task == "single"
    with pytest.raises(BadRequest, match=r"which of noodles, rice is looked for.* --positive"):
        Dataset.read(tmp_path / "set", task="binary")
    asked = Dataset.read(tmp_path / "set", task="binary", positive="noodles")
    assert [label.label for label in asked.labels] == ["rice", "noodles"]
    assert Dataset.read(tmp_path / "set", positive="noodles").items == asked.items
    with pytest.raises(BadRequest, match="no label 'pasta' for --positive; there are noodles, rice"):
        Dataset.read(tmp_path / "set", positive="pasta")
    with pytest.raises(BadRequest, match="--positive is for yes or no"):
        Dataset.read(tmp_path / "set", task="single", positive="rice")


def test_yes_or_no_can_be_asked_of_one_label_among_many(tmp_path):
    """All others are what it is not."""
    files = pictures("cat/1.png", "cat/2.png", "dog/1.png", "fish/1.png")
    dataset = Dataset.read(folder(tmp_path / "set", files), positive="cat")
    assert [label.label for label in dataset.labels] == ["not cat", "cat"]
    assert dataset.targets().sum(axis=0).tolist() == [2, 2]
    with pytest.raises(BadRequest, match="which of cat, dog, fish"):
        Dataset.read(tmp_path / "set", task="binary")


def test_one_label_each_can_be_read_as_several(tmp_path):
    """The other way round only where each picture has one."""
    dataset = Dataset.read(folder(tmp_path / "set", pictures("cat/1.png", "cat/2.png", "dog/1.png")), task="multi")
    assert dataset.task == "multi"
    assert dataset.targets().tolist() == [[1, 0], [1, 0], [0, 1]]


def test_a_link_to_a_picture_is_a_picture(tmp_path):
    """Many keep splits as links; links to folders are not followed, for they may go in circles."""
    files = folder(tmp_path / "store", {"1.png": picture()})
    root = folder(tmp_path / "set", pictures("cat/1.png", "dog/1.png"))
    (root / "cat" / "linked.png").symlink_to(files / "1.png")
    (root / "cat" / "round").symlink_to(root, target_is_directory=True)
    assert set(said(Dataset.read(root))) == {"cat/1.png", "cat/linked.png", "dog/1.png"}
