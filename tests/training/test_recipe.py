"""A recipe says what each of its keys means, and refuses what cannot be meant in one sentence."""

from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")

from torch import nn

from eyebright.encoders import ENCODERS
from eyebright.errors import BadRequest
from eyebright.training import Recipe
from eyebright.training.recipe import MODES, REMARKS


def test_every_key_says_what_it_means():
    assert set(REMARKS) == {field.name for field in fields(Recipe)}
    assert all(remark.endswith(".") and "\n" not in remark for remark in REMARKS.values())


@pytest.mark.parametrize("mode", MODES)
def test_a_recipe_survives_its_file(mode, tmp_path):
    """With what each mode does by itself, and with words that TOML must escape."""
    recipe = Recipe.of(mode, {"seed": 7, "rate": 1e-5, "weights": 'a "b" \\ c\n\x7fé.pth', "flip": False})
    file = tmp_path / "recipe.toml"
    file.write_text(recipe.write(), "utf-8")
    assert Recipe.read(file, {}) == recipe
    assert Recipe.read(file, {"seed": 8}).seed == 8


@given(st.text(), st.floats(1e-9, 1e3), st.integers(0, 2**31))
def test_any_value_that_is_allowed_survives(text, rate, seed):
    from eyebright import tomlfile

    recipe = Recipe(weights=text, rate=rate, seed=seed)
    assert tomlfile.checked(tomlfile.table(recipe.write(), "recipe"), Recipe, "recipe") == recipe


def test_a_recipe_of_a_person_may_be_two_lines(tmp_path):
    """The rest is what is good for the mode."""
    file = tmp_path / "mine.toml"
    file.write_text('mode = "scratch"\nepochs = 3')
    assert Recipe.read(file, {}) == Recipe.of("scratch", {"epochs": 3.0})


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"epoch": 3}, "there is no key 'epoch'; did you mean epochs?"),
        ({"zzz": 3}, "there is no key 'zzz'; known are mode, encoder"),
        ({"epochs": "many"}, "epochs: expected float, got str."),
        ({"flip": 1}, "flip: expected bool, got int."),
        ({"seed": 1.5}, "seed: expected int, got float."),
        ({"optimizer": "adam"}, "optimizer is one of sgd, adamw; 'adam' is not."),
        ({"device": "tpu"}, "device is one of auto, cpu, cuda, mps; 'tpu' is not."),
        ({"precision": []}, "precision is one of auto, float32, bf16; [] is not."),
        ({"warmup": 1.5}, "warmup is a number from 0 to 1; 1.5 is not."),
        ({"rate": 0.0}, "rate is a number from 1e-09 to 1000; 0 is not."),
        ({"rate": float("nan")}, "rate is a number from 1e-09 to 1000; nan is not."),
        ({"batch": 0}, "batch is a number from 1 to 65536; 0 is not."),
        ({"seed": -1}, "seed is a number from 0 to"),
        ({"size": 16}, "size is in pixels, 32 or more; 16 is too small"),
        ({"width": 100.0}, "width is a number from 0.05 to 4; 100 is not."),
        ({"colors": 2}, "colors is 3, or 1 for gray; 2 is not."),
        ({"mixup": 0.2, "batch": 31}, "mixup and cutmix take pictures in pairs; batch must be even, 31 is not."),
        ({"head": "svm"}, "With mode scratch the head is one of logistic, paper; 'svm' is not."),
    ],
)
def test_what_cannot_be_meant_is_said_in_one_sentence(given, sentence):
    with pytest.raises(BadRequest) as error:
        Recipe.of("scratch", given)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ENCODERS)
def test_from_nothing_networks_without_norms_learn_more_gently(name):
    normed = any(isinstance(layer, nn.BatchNorm2d) for layer in ENCODERS[name](width=0.25).modules())
    assert Recipe.of("scratch", {"encoder": name}).rate == (0.2 if normed else 0.0005)
    assert Recipe.of("scratch", {"encoder": name, "rate": 0.1}).rate == 0.1


def test_a_head_alone_has_heads_of_its_own():
    """The paper's layers need a network that learns; a GPU has nothing to do."""
    with pytest.raises(BadRequest, match=r"one of logistic, naive-bayes, .*'paper' is not"):
        Recipe.of("head", {"head": "paper"})
    with pytest.raises(BadRequest, match="Mode head computes on the processor"):
        Recipe.of("head", {"device": "cuda"})


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"epochs = ", "is not TOML"),
        (b"\xff\xfe", "is not a recipe: it is not text."),
        (b'mode = "heads"', "mode is one of head, finetune, scratch; 'heads' is not."),
        (b"mode = [1]", "mode is one of head"),
        (b"seed = " + b"9" * 5000, "is not TOML"),
        (b"seed = " + b"[" * 5000, "is not TOML"),
        (b"seed = 99999999999999999999999", "seed"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused(tmp_path, content, sentence):
    file = tmp_path / "mine.toml"
    file.write_bytes(content)
    with pytest.raises(BadRequest) as error:
        Recipe.read(file, {})
    assert sentence in str(error.value)


def test_a_recipe_that_is_not_there(tmp_path):
    with pytest.raises(BadRequest, match=r"mine\.toml cannot be read: no such file or directory"):
        Recipe.read(tmp_path / "mine.toml", {})


def test_a_file_without_an_end_is_read_to_a_bound():
    """Nobody's memory is filled by a recipe."""
    with pytest.raises(BadRequest):
        Recipe.read(Path("/dev/zero"), {})
