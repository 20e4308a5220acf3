"""A teacher's answers are learned beside the labels, or without any."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from PIL import Image  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from eyebright.data import Dataset  # noqa: E402
from eyebright.errors import BadRequest  # noqa: E402
from eyebright.training import Recipe, train  # noqa: E402
from eyebright.training.distill import Joined, Teacher, imitation, unlabeled  # noqa: E402
from eyebright.training.events import Said  # noqa: E402
from eyebright.training.loop import make_loss  # noqa: E402
from eyebright.training.pixels import Kept  # noqa: E402
from models import sealed  # noqa: E402
from training_learners import targets  # noqa: E402

KEYS = {"encoder": "resnet-8", "width": 0.5, "size": 32, "epochs": 1.0, "batch": 14, "threads": 1, "save_s": 0.0}


@pytest.fixture(scope="module")
def data(patterns):
    return Dataset.read(patterns)


@pytest.fixture(scope="module")
def teacher(data, tmp_path_factory):
    """A run whose model file teaches."""
    run = tmp_path_factory.mktemp("teacher") / "run"
    return train(data, run, Recipe.of("scratch", {**KEYS, "epochs": 4.0})).model


@pytest.mark.parametrize("task", ["single", "multi"])
def test_who_says_what_the_teacher_says_has_nothing_to_learn(task):
    """The gradient is zero there, at any temperature."""
    logits = torch.randn(5, 3, requires_grad=True)
    scores = torch.sigmoid(logits) if task == "multi" else torch.softmax(logits, 1)
    for soften in (1.0, 3.0):
        (slope,) = torch.autograd.grad(imitation(logits, scores.detach(), task, soften).sum(), logits)
        assert slope.abs().max() < 1e-5


def test_imitating_a_sure_teacher_is_the_cross_entropy():
    logits, truth = torch.randn(6, 3), torch.from_numpy(targets(6))
    torch.testing.assert_close(
        imitation(logits, truth, "single", 1.0).mean(), F.cross_entropy(logits, truth.argmax(1)), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("task", ["single", "multi"])
def test_where_nobody_labeled_a_picture_only_the_teacher_counts(task):
    truth = torch.from_numpy(targets(4))
    truth[2:] = torch.nan
    logits, taught = torch.randn(4, 3, requires_grad=True), torch.full((4, 3), 1 / 3)
    loss_of = make_loss(task, Recipe(mode="scratch", distill=0.25, soften=1.0, smoothing=0.0), truth.numpy())
    plain = make_loss(task, Recipe(mode="scratch", smoothing=0.0), truth.numpy())
    found = loss_of(logits, truth, taught)
    alone = imitation(logits, taught, task, 1.0)
    expected = (0.75 * 2 * plain(logits[:2], truth[:2]) + 0.25 * alone[:2].sum() + alone[2:].sum()) / 4
    torch.testing.assert_close(found, expected)
    found.backward()
    assert bool(logits.grad.isfinite().all())


def test_a_teacher_looks_at_the_same_crop_in_its_own_size(tmp_path):
    """And its columns come in the order of the data's labels."""
    file = sealed()
    path = tmp_path / "teacher.onnx"
    path.write_bytes(file.data)
    turned = tuple(reversed(file.metadata.labels))
    teacher = Teacher(str(path), turned, "single")
    images = torch.arange(3.0).mul(100).reshape(1, 1, 1, 3).expand(2, 24, 24, 3)
    ordered = Teacher(str(path), file.metadata.labels, "single")
    torch.testing.assert_close(teacher(images), ordered(images).flip(1))
    torch.testing.assert_close(ordered(images), ordered(images[:, :8, :8]))


def test_a_teacher_must_know_all_labels(tmp_path, data):
    path = tmp_path / "teacher.onnx"
    path.write_bytes(sealed().data)
    with pytest.raises(BadRequest, match=r"does not know blobs, checks, stripes"):
        train(data, tmp_path / "run", Recipe.of("scratch", {**KEYS, "teacher": str(path)}))
    with pytest.raises(BadRequest, match="task single, and the data are multi"):
        Teacher(str(path), sealed().metadata.labels, "multi")


def test_two_rows_of_pictures_are_one():
    pixels = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), np.uint8)
    joined = Joined(Kept(pixels[:2], np.ones(2, np.float32)), Kept(pixels[2:], np.full(3, 2.0, np.float32)), 2)
    taken = joined.take(np.array([4, 0, 3, 1]))
    assert taken.pixels[:, 0, 0, 0].tolist() == [4, 0, 3, 1]
    assert taken.shapes.tolist() == [2, 1, 2, 1]


def test_pictures_without_labels_are_those_that_are_new_and_can_be_read(data, tmp_path, patterns):
    said = []
    Image.new("RGB", (40, 40), "red").save(tmp_path / "new.png")
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    known = next(patterns.rglob("*.png"), None) or next(patterns.rglob("*.jpg"))
    (tmp_path / f"again{known.suffix}").write_bytes(known.read_bytes())
    found = unlabeled(str(tmp_path), data, lambda event: said.append(event.text))
    assert [item.name for item in found.items] == ["new.png"]
    assert np.isnan(found.targets()).all()
    assert said == ["1 pictures without labels teach too (1 are labeled already; 1 cannot be read)."]


def test_a_network_is_taught_with_and_without_labels(data, teacher, tmp_path):
    folder = tmp_path / "more"
    folder.mkdir()
    for number in range(3):
        Image.new("RGB", (40, 40), (80 * number, 10, 10)).save(folder / f"{number}.png")
    said = []
    recipe = Recipe.of("scratch", {**KEYS, "teacher": str(teacher), "unlabeled": str(folder)})
    result = train(data, tmp_path / "run", recipe, tell=said.append)
    assert result.model.exists()
    assert any("3 pictures without labels" in event.text for event in said if isinstance(event, Said))


def test_a_run_goes_on_with_the_teacher_that_it_began_with(data, teacher, tmp_path):
    own = tmp_path / "teacher.onnx"
    own.write_bytes(teacher.read_bytes())
    recipe = Recipe.of("scratch", {**KEYS, "teacher": str(own)})
    train(data, tmp_path / "run", recipe)
    own.write_bytes(sealed().data)
    with pytest.raises(BadRequest, match=r"The teacher of .* was changed"):
        train(data, tmp_path / "run", recipe, resume=True)


def test_pictures_without_labels_need_a_teacher():
    with pytest.raises(BadRequest, match="name a --teacher"):
        Recipe.of("scratch", {"unlabeled": "more"})
    with pytest.raises(BadRequest, match="a teacher is for finetune and scratch"):
        Recipe.of("head", {"teacher": "model.onnx"})
