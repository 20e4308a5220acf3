"""COCO, Pascal VOC, Open Images and ImageNet: sets that others annotated."""

import io
import json

import numpy as np
import pytest

from data.making import KINDS, folder, made, picture, pictures, said
from eyebright.data import Dataset, matfile
from eyebright.errors import BadPicture, BadRequest
from pictures import encoded, noise, plain, turned


def names_of(dataset):
    return [label.label for label in dataset.labels]


def coco(*boxes, images=("a.png", "b.png", "c.png"), **more):
    """A COCO file: boxes are (image, category, left, top, width, height)."""
    return json.dumps(
        {
            "info": {"year": 2017},
            "images": [{"id": n, "file_name": name, "width": 64, "height": 48} for n, name in enumerate(images)],
            "categories": [{"id": 7, "name": "cat"}, {"id": 9, "name": "dog"}, {"id": 11, "name": "emu"}],
            "annotations": [
                {"id": n, "image_id": image, "category_id": category, "bbox": box, "area": 1, **more}
                for n, (image, category, *box) in enumerate(boxes)
            ],
        }
    )


BOXES = ((0, 7, 0, 0, 32, 48), (0, 9, 32, 0, 32, 48), (1, 7, 0, 0, 10, 10), (1, 7, 5, 5, 10, 10))
COCO = {**pictures("a.png", "b.png", "c.png"), "annotations.json": coco(*BOXES)}


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_has_the_labels_of_its_boxes(tmp_path, kind):
    """Several, or none; a label without a box is left out, and said."""
    dataset = Dataset.read(made(kind, tmp_path, COCO))
    assert (dataset.reader, dataset.task, names_of(dataset)) == ("coco", "multi", ["cat", "dog"])
    found = {name: labels for name, (labels, _) in said(dataset).items()}
    assert found == {"a.png": ("cat", "dog"), "b.png": ("cat",), "c.png": ()}
    assert "Labels without a picture, left out: emu." in dataset.remarks


def test_crops_are_pictures_of_their_own(tmp_path):
    """Each box with its one label, cut from the upright picture."""
    halves = plain("red", 64, 48)
    halves.paste((20, 200, 40), (32, 0, 64, 48))
    files = {**COCO, "a.png": turned(halves, 6), "b.png": picture(1, 64, 48)}
    dataset = Dataset.read(folder(tmp_path / "set", files), crops=True)
    assert (dataset.task, len(dataset.items)) == ("single", 4)
    left, right = (dataset.picture(item) for item in dataset.items if item.name == "a.png")
    assert left.size == right.size == (32, 48)
    assert left.getpixel((16, 24)) == (220, 20, 20)
    assert right.getpixel((16, 24)) == (20, 200, 40)
    assert len({dataset.identity(item) for item in dataset.items}) == 4


def test_a_box_around_a_crowd_is_no_crop(tmp_path):
    """It holds many of them."""
    files = {**COCO, "annotations.json": coco(*BOXES, iscrowd=1)}
    with pytest.raises(BadRequest, match="no pictures with labels"):
        Dataset.read(folder(tmp_path / "set", files), crops=True)


def test_the_layout_of_coco_itself_is_read(tmp_path):
    """Annotations in one folder, pictures in others; splits by the names of the files."""
    files = {
        **{f"train2017/{name}": data for name, data in pictures("a.png", "b.png").items()},
        **{f"val2017/{name}": data for name, data in pictures("c.png").items()},
        "annotations/instances_train2017.json": coco(*BOXES, images=("a.png", "b.png")),
        "annotations/instances_val2017.json": coco((0, 9, 1, 1, 2, 2), images=("c.png",)),
        "annotations/captions_val2017.json": '{"images": [], "annotations": []}',
    }
    dataset = Dataset.read(folder(tmp_path / "coco", files))
    assert said(dataset)["val2017/c.png"] == (("dog",), "validation")
    assert said(dataset)["train2017/b.png"][1] == "train"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "not COCO JSON"),
        ("[" * 100_000, "not COCO JSON"),
        ('{"images": [], "annotations": []}', r"not COCO JSON \(Object missing required field `categories`"),
        (coco((0, 8, 0, 0, 1, 1)), "there is no category 8"),
        (coco((9, 7, 0, 0, 1, 1)), "boxes of images that it does not list: 9"),
        (coco(*BOXES, images=("a.png", "b.png", "zebra.png")), "1 of the 3 pictures in it do not exist: zebra.png"),
        (coco(*BOXES, images=("a.png", "b.png", "../../c.png")), "lies outside the data set"),
        (coco((0, 7, 0, 0, "wide", 1)), r"not COCO JSON \(Expected `float`, got `str`"),
        (b"\xff\xfe{}", "not COCO JSON"),
    ],
)
def test_a_coco_file_that_is_wrong_says_how(tmp_path, text, sentence):
    """In the words of who has to mend it."""
    root = folder(tmp_path / "set", {**COCO, "annotations.json": text})
    with pytest.raises(BadRequest, match=sentence):
        Dataset.read(root / "annotations.json")


def test_boxes_outside_and_without_end(tmp_path):
    """One is an error of that picture, the other of the file."""
    outside = {**COCO, "annotations.json": coco(*BOXES, (2, 9, 99, 99, 5, 5))}
    dataset = Dataset.read(folder(tmp_path / "outside", outside), crops=True)
    (item,) = (item for item in dataset.items if item.name == "c.png")
    with pytest.raises(BadPicture, match=r"c.png: the box lies outside the picture"):
        dataset.picture(item)
    endless = {**COCO, "annotations.json": coco(*BOXES, (2, 9, 1e308, 0, 1e308, 5))}
    with pytest.raises(BadRequest, match=r"c.png has a box whose sides are no numbers"):
        Dataset.read(folder(tmp_path / "endless", endless), crops=True)


def voc(name, *objects, head=""):
    """An annotation: objects are (label, difficult)."""
    found = "".join(
        f"<object><name>{label}</name><difficult>{difficult}</difficult><part><name>head</name></part>"
        f"<bndbox><xmin>1</xmin><ymin>{top}</ymin><xmax>8</xmax><ymax>{top + 3}</ymax></bndbox></object>"
        for top, (label, difficult) in enumerate(objects, 1)
    )
    return f"{head}<annotation><folder>VOC</folder><filename>{name}</filename>{found}</annotation>"


VOC = {
    **{f"JPEGImages/{name}.jpg": encoded(noise(8, 8, n), "JPEG") for n, name in enumerate("abcd")},
    "Annotations/a.xml": voc("a.jpg", ("cat", 0), ("dog", 0)),
    "Annotations/b.xml": voc("b.jpg", ("cat", 0), ("dog", 1), ("cat", 1)),
    "Annotations/c.xml": voc("c.jpg", ("dog", 0)),
    "Annotations/d.xml": voc("d.jpg", ("cat", 0)),
    "ImageSets/Main/train.txt": "a\nb\n",
    "ImageSets/Main/val.txt": "c\n",
    "ImageSets/Main/trainval.txt": "a\nb\nc\n",
    "ImageSets/Main/cat_train.txt": "a 1\nb 1\n",
}


@pytest.mark.parametrize("kind", KINDS)
def test_pascal_voc_is_read_with_its_splits(tmp_path, kind):
    """What is difficult is unknown, unless the same label is there plainly; a picture in no list is left out."""
    dataset = Dataset.read(made(kind, tmp_path, {f"VOCdevkit/VOC2007/{name}": data for name, data in VOC.items()}))
    assert (dataset.reader, dataset.task, names_of(dataset)) == ("voc", "multi", ["cat", "dog"])
    assert said(dataset) == {
        "JPEGImages/a.jpg": (("cat", "dog"), "train"),
        "JPEGImages/b.jpg": (("cat",), "train"),
        "JPEGImages/c.jpg": (("dog",), "validation"),
    }
    assert str(dataset.targets().tolist()) == "[[1.0, 1.0], [1.0, nan], [0.0, 1.0]]"
    assert "Pictures that no list in ImageSets/Main names, left out: 1." in dataset.remarks


def test_pascal_voc_gives_crops(tmp_path):
    """Pixels are counted from 1 there."""
    dataset = Dataset.read(folder(tmp_path / "set", VOC), crops=True)
    assert dataset.task == "single"
    assert dataset.items[0].box == (0, 0, 8, 4)
    assert {dataset.picture(item).size for item in dataset.items} == {(8, 4)}


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {longer} "{f"&{shorter};" * 10}">' for shorter, longer in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (voc("a.jpg", ("&i;", 0), head=BOMB + "]>"), "declares a document type or entities, which are not read"),
        (voc("a.jpg", ("&x;", 0), head='<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]>'), "document type"),
        (voc("a.jpg", ("cat", 0), head='<!DOCTYPE x SYSTEM "http://example.org/x.dtd">'), "document type"),
        (voc("a.jpg", ("cat", 0), head="<!DOCTYPE x []>").encode("utf-16"), "document type"),
        ("<annotation>", "not XML"),
        ("<a>" * 200_000, "not XML"),
        ("<a>" * 400_000, "1,200,000 bytes of XML"),
        (voc("a.jpg", ("", 0)), "an object without a name"),
        (voc("zebra.jpg", ("cat", 0)), "1 of the 4 pictures in it do not exist: zebra.jpg"),
        (voc("../../a.jpg", ("cat", 0)), "lies outside the data set"),
    ],
)
def test_xml_that_is_wrong_or_hostile_ends_in_a_sentence(tmp_path, text, sentence):
    """Nothing in it is expanded or fetched."""
    with pytest.raises(BadRequest, match=sentence):
        Dataset.read(folder(tmp_path / "set", {**VOC, "Annotations/a.xml": text}))


def test_a_voc_box_without_numbers_is_named(tmp_path):
    """Only crops need it."""
    text = voc("a.jpg", ("cat", 0), ("dog", 0)).replace("<xmin>1", "<xmin>one")
    root = folder(tmp_path / "set", {**VOC, "Annotations/a.xml": text})
    assert Dataset.read(root)
    with pytest.raises(BadRequest, match=r"a.xml: an object without the four numbers of its bndbox"):
        Dataset.read(root, crops=True)


HEADER = "ImageID,Source,LabelName,Confidence\n"
OPEN_IMAGES = {
    **{f"images/{name}.jpg": encoded(noise(8, 8, n), "JPEG") for n, name in enumerate("abc")},
    "train-annotations-human-imagelabels.csv": HEADER
    + "a,verification,/m/01,1\na,verification,/m/02,0\nb,verification,/m/02,1\n"
    + "b,machine,/m/01,0.7\nz,verification,/m/01,1\n",
    "validation-annotations-human-imagelabels.csv": HEADER + "c,verification,/m/01,1\nc,verification,/m/02,0\n",
    "class-descriptions.csv": "/m/01,Cat\n/m/02,Dog\n/m/03,Emu\n",
}


@pytest.mark.parametrize("kind", KINDS)
def test_open_images_tell_yes_no_and_unknown(tmp_path, kind):
    """What a machine guessed is not known; images that are not here are counted."""
    dataset = Dataset.read(made(kind, tmp_path, OPEN_IMAGES))
    assert (dataset.reader, dataset.task, names_of(dataset)) == ("openimages", "multi", ["Cat", "Dog"])
    assert str(dataset.targets().tolist()) == "[[1.0, 0.0], [nan, 1.0], [1.0, 0.0]]"
    assert [item.split for item in dataset.items] == ["train", "train", "validation"]
    assert "Images in the table whose picture is not here, left out: 1." in dataset.remarks


def test_open_images_answer_yes_or_no(tmp_path):
    """Only what was checked counts."""
    dataset = Dataset.read(folder(tmp_path / "set", OPEN_IMAGES), positive="Dog")
    assert names_of(dataset) == ["not Dog", "Dog"]
    dataset = Dataset.read(tmp_path / "set", task="binary", positive="/m/02")
    assert {name: labels for name, (labels, _) in said(dataset).items()} == {
        "images/a.jpg": ("not Dog",),
        "images/b.jpg": ("Dog",),
        "images/c.jpg": ("not Dog",),
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (HEADER + "a,verification,/m/01,yes\n", "line 2: an image, a label and a number"),
        (HEADER + ",verification,/m/01,1\n", "line 2: an image, a label and a number"),
        (HEADER + "a\n", "line 2: an image, a label and a number"),
        (HEADER + "y,verification,/m/01,1\n", "1 of the 1 pictures in it do not exist: y"),
        (HEADER, "no pictures with labels"),
    ],
)
def test_an_open_images_table_that_is_wrong_says_where(tmp_path, text, sentence):
    """The line."""
    root = folder(tmp_path / "set", {**OPEN_IMAGES, "train.csv": text})
    with pytest.raises(BadRequest, match=sentence):
        Dataset.read(root / "train.csv")


TENCH, GOLDFISH, OWN = "n01440764", "n01443537", "n99999999"


def test_wordnet_ids_get_the_names_that_people_use(tmp_path):
    """In the order of ImageNet's classes; what is not among them keeps its id."""
    names = (f"{wnid}/{wnid}_{number}.JPEG" for wnid in (GOLDFISH, TENCH, OWN) for number in range(3))
    dataset = Dataset.read(folder(tmp_path / "set", pictures(*(f"train/{name}" for name in names))))
    assert (dataset.reader, dataset.task) == ("imagenet", "single")
    assert [(label.id, label.label) for label in dataset.labels] == [
        (TENCH, "tench"),
        (GOLDFISH, "goldfish"),
        (OWN, OWN),
    ]


def test_a_class_of_imagenet_is_called_bullet_train(tmp_path):
    """What a picture is called says nothing of its split."""
    files = pictures(*(f"data/val/{wnid}/{wnid}_bullet_train_{n}.JPEG" for wnid in (TENCH, GOLDFISH) for n in (1, 2)))
    dataset = Dataset.read(folder(tmp_path / "set", {**files, "readme.txt": ""}))
    assert {split for _, split in said(dataset).values()} == {"validation"}


def test_pictures_that_begin_with_an_id_are_known_by_it(tmp_path):
    """Samples lie in one folder."""
    dataset = Dataset.read(folder(tmp_path / "set", pictures(f"{TENCH}_tench.JPEG", f"{GOLDFISH}_goldfish.JPEG")))
    assert names_of(dataset) == ["tench", "goldfish"]


TRUTH = "ILSVRC2012_validation_ground_truth.txt"
VALIDATION = pictures(*(f"val/ILSVRC2012_val_{number:08}.JPEG" for number in (1, 2, 3)))


def test_kaggle_s_list_says_what_is_in_validation_pictures(tmp_path):
    """An id, then a box."""
    rows = f"ILSVRC2012_val_00000002,{GOLDFISH} 1 2 3 4 \nILSVRC2012_val_00000001,{TENCH} 1 2 3 4 {TENCH} 5 6 7 8 \n"
    table = f"ImageId,PredictionString\n{rows}"
    dataset = Dataset.read(folder(tmp_path / "set", {**VALIDATION, "LOC_val_solution.csv": table}))
    assert [(labels, split) for labels, split in said(dataset).values()] == [
        (("tench",), "validation"),
        (("goldfish",), "validation"),
    ]
    assert "Pictures without a WordNet id, left out: 1." in dataset.remarks


def mat(packed=True, **columns):
    """meta.mat as MATLAB writes it: a struct array with columns."""
    savemat = pytest.importorskip("scipy.io").savemat
    rows = np.zeros((len(columns["WNID"]), 1), [(name, object) for name in columns])
    for name, values in columns.items():
        rows[name][:, 0] = values
    file = io.BytesIO()
    savemat(file, {"synsets": rows}, do_compression=packed)
    return file.getvalue()


@pytest.mark.parametrize("packed", [True, False])
def test_the_development_kit_says_what_is_in_validation_pictures(tmp_path, packed):
    """Its numbers are its own: meta.mat has the ids that they stand for."""
    words = ["goldfish", "tench, Tinca tinca", ""]
    meta = mat(packed, ILSVRC2012_ID=[1.0, 2.0, 300.0], WNID=[GOLDFISH, TENCH, OWN], words=words)
    kit = {"kit/data/meta.mat": meta, f"kit/data/{TRUTH}": "2\n1\n300\n"}
    dataset = Dataset.read(folder(tmp_path / "set", {**VALIDATION, **kit}))
    assert [labels[0] for labels, _ in said(dataset).values()] == ["tench", "goldfish", OWN]


def test_columns_of_a_matlab_table_are_what_scipy_wrote():
    """Numbers of all kinds, long and short texts, and what is neither."""
    numbers = [1, np.float32(2.5), np.uint8(7), np.int16(-3)]
    texts = ["a", "four", "a longer one", "Grüße"]
    found = matfile.table(mat(WNID=texts, number=numbers, other=[np.zeros((0, 0))] * 4), "synsets")
    assert found == {"WNID": texts, "number": [1, 2.5, 7, -3], "other": [0, 0, 0, 0]}


@pytest.mark.parametrize(
    ("kit", "sentence"),
    [
        ({}, f"nothing says what is in the validation pictures; put {TRUTH} and meta.mat"),
        ({TRUTH: "1\n"}, "meta.mat of the development kit is missing"),
        ({TRUTH: "1\n", "meta.mat": b"MATLAB"}, "not the meta.mat of the development kit"),
        ({TRUTH: "1\n", "meta.mat": bytes(126) + b"IM"}, "it has no table synsets"),
    ],
)
def test_a_kit_that_is_not_there_or_not_one_is_named(tmp_path, kit, sentence):
    """And what to put where."""
    with pytest.raises(BadRequest, match=sentence):
        Dataset.read(folder(tmp_path / "set", {**VALIDATION, **kit}))
