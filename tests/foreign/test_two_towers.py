"""A two-tower model becomes a model file and a text file of one family; what is none is one sentence."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import eyebright
import two_towers
from eyebright import cli, textfile
from eyebright.foreign import Choices, wrap_towers
from eyebright.foreign.export import CLIP_CONTEXT, context_of, padding_of, pictures_of
from eyebright.modelfile import ModelFile, from_bytes
from eyebright.texttower import TextTower
from pictures import COLORS, plain

NAMES = tuple(two_towers.COLORS)


def wrapped(folder: Path, scale: float | None = None, **other: Any) -> tuple[ModelFile, textfile.TextFile]:
    made = wrap_towers(two_towers.write(folder / "clip", **other), Choices(label_names=NAMES), scale)
    return from_bytes(made.image, "clip.onnx"), textfile.from_bytes(made.text, "clip-text.onnx")


def test_texts_become_a_head_that_names_pictures(tmp_path: Path) -> None:
    """logits = scale * cosine of picture and text; the embedding is what the texts are compared with."""
    image, text = wrapped(tmp_path, scale=10)
    recognizer = eyebright.load(image, trust=True, threads=1)
    tower = TextTower(text)
    for color in NAMES:
        pixels = np.asarray(plain(color).resize((8, 8)))[None]
        logits, embedding, scores = recognizer.runtime.run(pixels, ["logits", "embedding", "scores"])
        mean = np.array(COLORS[color]) / np.linalg.norm(COLORS[color])
        assert np.allclose(embedding[0], mean, atol=1e-5)
        texts = tower.embed(f"a photo of a {name}" for name in NAMES)
        assert np.allclose(logits[0], 10 * texts @ mean, atol=1e-4)
        assert np.allclose(scores[0], np.exp(logits[0]) / np.exp(logits[0]).sum(), atol=1e-5)
        assert recognizer(plain(color)).labels[0].label == color
    assert image.metadata.head is not None
    assert image.metadata.card.calibration == "not established"


def test_imagenets_names_are_the_labels_where_none_are_given(tmp_path: Path) -> None:
    made = wrap_towers(two_towers.write(tmp_path / "clip"), Choices())
    image = from_bytes(made.image)
    assert len(image.metadata.labels) == 1000
    assert image.metadata.hierarchy
    assert any("1,000" in remark for remark in made.remarks)


def test_both_files_are_of_one_family_and_other_towers_of_another(tmp_path: Path) -> None:
    image, text = wrapped(tmp_path / "one")
    assert image.metadata.family == text.metadata.family
    assert len(image.metadata.family) == 64
    again = wrap_towers(tmp_path / "one" / "clip", Choices(label_names=("sea", "sky")))
    assert from_bytes(again.image).metadata.family == image.metadata.family
    other = two_towers.vision()
    other.producer_name = "another"
    assert wrapped(tmp_path / "two", vision_model=other)[0].metadata.family != image.metadata.family


def test_the_text_file_goes_through_a_trial_in_a_child(tmp_path: Path) -> None:
    _, text = wrapped(tmp_path)
    (tmp_path / "clip-text.onnx").write_bytes(text.data)
    assert eyebright.load_text(tmp_path / "clip-text.onnx").embed("blue").shape == (1, 3)


def test_a_text_is_filled_where_no_mask_hides_what_fills_it(tmp_path: Path) -> None:
    """An encoder without a mask learned from full texts; one that takes a fixed length takes nothing else."""
    plainly, masked, fixed = (
        wrapped(tmp_path / name, text_model=graph)[1]
        for name, graph in {
            "plain": two_towers.text(masked=False),
            "masked": two_towers.text(),
            "fixed": two_towers.text(length=9),
        }.items()
    )
    assert (plainly.metadata.padding, plainly.metadata.context) == (0, 12)
    assert (masked.metadata.padding, masked.metadata.context) == (None, 12)
    assert (fixed.metadata.padding, fixed.metadata.context) == (0, 9)
    for text in (plainly, masked, fixed):
        red = TextTower(text).embed("a red")[0]
        assert np.allclose(red, np.array([1.01, 0.01, 0.01]) / np.linalg.norm([1.01, 0.01, 0.01]), atol=1e-5)


def test_a_filling_of_none_does_where_a_text_is_not_filled(tmp_path: Path) -> None:
    said = {"config": {"text_config": {"pad_token_id": -1}}, "tokenizer_config": {}}
    assert wrapped(tmp_path, **said)[1].metadata.padding is None


def test_smaller_forms_of_the_graphs_do_where_the_plain_ones_are_missing(tmp_path: Path) -> None:
    folder = two_towers.write(tmp_path / "clip", vision_model=two_towers.vision(half=True))
    for name, other in (("vision_model", "vision_model_fp16"), ("text_model", "text_model_quantized")):
        (folder / "onnx" / f"{name}.onnx").rename(folder / "onnx" / f"{other}.onnx")
    made = wrap_towers(folder, Choices(label_names=NAMES))
    recognizer = eyebright.load(from_bytes(made.image), trust=True, threads=1)
    assert [recognizer(plain(color)).labels[0].label for color in NAMES] == [*NAMES]
    assert recognizer.embed(plain("red")).dtype == np.float32


def test_what_the_user_says_comes_before_what_the_files_say(tmp_path: Path) -> None:
    choices = Choices(label_names=NAMES, crop=0.5, size=16, mean=(0.1, 0.1, 0.1), name="mine", licence="MIT")
    made = wrap_towers(two_towers.write(tmp_path / "clip"), choices)
    told = from_bytes(made.image).metadata
    assert (told.name, told.input.size, told.input.crop, told.card.licence) == ("mine", 16, 0.5, "MIT")
    assert made.remarks[0] == "pictures: 16 pixels, the middle 50.0% of the shorter side, bicubic (--size, --crop)"
    assert textfile.from_bytes(made.text).metadata.licence == "MIT"


def test_a_long_text_is_cut_to_the_context(tmp_path: Path) -> None:
    tower = TextTower(wrapped(tmp_path)[1])
    assert np.array_equal(tower.embed("red " * 12 + "blue " * 500), tower.embed("red " * 12))
    with pytest.raises(eyebright.EyebrightError, match="too long to look for"):
        tower.embed("red " * 5000)


def test_texts_do_not_change_each_other(tmp_path: Path) -> None:
    tower = TextTower(wrapped(tmp_path)[1])
    texts = ["red", "a green and blue one", "blue blue"]
    assert np.array_equal(tower.embed(texts), np.concatenate([tower.embed([text]) for text in texts]))


HALF = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
JINA = {"mean": [0.4] * 3, "std": [0.2] * 3, "interpolation": "bicubic", "resize_mode": "shortest", "size": 224}
PICTURES: dict[str, tuple[dict[str, Any], tuple[Any, ...]]] = {
    "CLIP, as it was": ({"crop_size": 224, "do_center_crop": True, "size": 224}, (224, 1.0, "bicubic", 0.48145466)),
    "CLIP": (
        {"crop_size": {"height": 224, "width": 224}, "do_center_crop": True, "size": {"shortest_edge": 256}, **HALF},
        (224, 0.875, "bicubic", 0.5),
    ),
    "Chinese-CLIP": (
        {"crop_size": 224, "do_center_crop": False, "size": {"height": 336, "width": 336}},
        (336, 0.0, "bicubic", 0.48145466),
    ),
    "Chinese-CLIP, as it was": ({"do_center_crop": False, "size": 224, **HALF}, (224, 0.0, "bicubic", 0.5)),
    "SigLIP": ({"size": {"height": 384, "width": 384}, "resample": 3, **HALF}, (384, 0.0, "bicubic", 0.5)),
    "MobileCLIP": (
        {"crop_size": 256, "do_center_crop": True, "do_normalize": False, "resample": 2, "size": 256},
        (256, 1.0, "bilinear", 0),
    ),
    "jina-clip": (JINA, (224, 1.0, "bicubic", 0.4)),
}


@pytest.mark.parametrize("case", PICTURES)
def test_pictures_are_prepared_as_the_files_say(case: str) -> None:
    said, expected = PICTURES[case]
    found = pictures_of(said)
    assert (found.size, found.crop, found.interpolation, found.mean[0]) == expected


TOKENS = {"added_tokens": [{"id": 7, "content": "<end>"}], "model": {"vocab": {"!": 3}}, "padding": {"pad_id": 5}}
UNIGRAM = {"model": {"vocab": [["<s>", 0.0], ["<pad>", 0.0]]}}


@pytest.mark.parametrize(
    ("config", "tokens", "tokenizer", "expected"),
    [
        ({}, {"pad_token": {"content": "<end>"}}, TOKENS, 7),
        ({}, {"pad_token": "!"}, TOKENS, 3),
        ({}, {"pad_token": "<pad>"}, UNIGRAM, 1),
        ({"text_config": {"pad_token_id": 9}}, {}, TOKENS, 9),
        ({}, {}, TOKENS, 5),
        ({}, {}, UNIGRAM, 0),
    ],
)
def test_what_fills_a_text_is_found(config: Any, tokens: Any, tokenizer: Any, expected: int) -> None:
    assert padding_of(config, tokens, tokenizer) == expected


def maps() -> onnx.ModelProto:
    """All of the words' embeddings, not the text's."""
    graph = two_towers.text()
    graph.graph.output[0].CopyFrom(helper.make_tensor_value_info("text_embeds", TensorProto.FLOAT, ["N", "T", 3]))
    return graph


def with_input(graph: onnx.ModelProto, name: str) -> onnx.ModelProto:
    graph.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 1]))
    return graph


def outside() -> onnx.ModelProto:
    graph = two_towers.text()
    graph.graph.initializer[0].data_location = TensorProto.EXTERNAL
    return graph


FOLDERS: dict[str, tuple[dict[str, Any], str]] = {
    "no config": ({"config": None}, "config.json: no such file"),
    "no preprocessor": ({"preprocessor_config": None}, "preprocessor_config.json: no such file"),
    "no tokenizer": ({"tokenizer": None}, "tokenizer.json: no such file"),
    "no image encoder": ({"vision_model": None}, "has no onnx/vision_model.onnx"),
    "no text encoder": ({"text_model": None}, "has no onnx/text_model.onnx"),
    "a config that is no JSON": ({"config": b"{"}, "config.json: not JSON"),
    "a config nested without end": ({"config": b"[" * 100_000}, "config.json: not JSON"),
    "a config that is a list": ({"config": []}, "config.json: not what such exports have"),
    "an oblong size": ({"preprocessor_config": {"size": {"height": 8, "width": 9}}}, "not what such exports have"),
    "a size of nothing": ({"preprocessor_config": {"size": 0}}, "not what such exports have"),
    "two means": ({"preprocessor_config": {"image_mean": [1, 2]}}, "not what such exports have"),
    "an unknown resampling": ({"preprocessor_config": {"resample": 9}}, "not what such exports have"),
    "a mean of 401 digits": ({"preprocessor_config": {"image_mean": [10**400] * 3}}, "not what such exports have"),
    "a mean beyond all pictures": ({"preprocessor_config": {"image_mean": [1e300] * 3}}, "not what such exports have"),
    "an endless std": ({"preprocessor_config": {"image_std": [float("inf")] * 3}}, "not what such exports have"),
    "a size of 401 digits": ({"preprocessor_config": {"size": 10**400}}, "not what such exports have"),
    "a size below nothing": ({"preprocessor_config": {"crop_size": -8}}, "not what such exports have"),
    **{
        f"filled with {number}": (
            {"config": {"text_config": {"pad_token_id": number}}, "tokenizer_config": {}},
            "not what such exports have",
        )
        for number in (float("inf"), float("nan"), 10**30, -7)
    },
    "filled with nothing": (
        {
            "config": {"text_config": {"pad_token_id": -1}},
            "tokenizer_config": {},
            "text_model": two_towers.text(masked=False),
        },
        "padding",
    ),
    "a damaged tokenizer": ({"tokenizer": {"model": {"type": "Frob"}}}, "its tokenizer cannot be used"),
    "a tokenizer that is a list": ({"tokenizer": []}, "not what such exports have"),
    "two widths": ({"vision_model": two_towers.vision(width=5)}, "have 5 numbers, those of texts 3"),
    "no embedding": ({"vision_model": two_towers.vision("last_hidden_state")}, "gives last_hidden_state, and no embed"),
    "words, not texts": ({"text_model": maps()}, "has 3 dimensions; an embedding has 2"),
    "something else goes in": (
        {"text_model": with_input(two_towers.text(), "audio")},
        "this takes input_ids, ",
    ),
    "pictures twice": ({"text_model": two_towers.vision("text_embeds")}, "takes `input_ids`; this takes pixel_values"),
    "weights in another file": ({"text_model": outside()}, "weights are in another file"),
    "a graph that is a folder": ({"text_model": None, "onnx/text_model.onnx/config": {}}, "text_model.onnx: "),
    "no ONNX": ({"text_model": b"hello"}, "not an ONNX model"),
    "words that it does not know": ({"tokenizer": None}, ""),
}
FOLDERS["words that it does not know"] = (
    {"tokenizer": two_towers.tokenizer() | {"model": {"type": "WordLevel", "vocab": {"cat": 99}, "unk_token": "cat"}}},
    "it failed on a text of",
)


@pytest.mark.parametrize("case", FOLDERS)
def test_a_folder_that_is_no_two_tower_model(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other, sentence = FOLDERS[case]
    folder = two_towers.write(tmp_path / "clip", **other)
    (tmp_path / "labels.txt").write_text("red\ngreen\n")
    output = tmp_path / "clip.onnx"
    assert (
        cli.run(["import", "--two-tower", str(folder), "--labels", str(tmp_path / "labels.txt"), "-o", str(output)])
        == 2
    )
    said = capsys.readouterr().err
    assert said.startswith("eyebright: ")
    assert said.count("\n") == 1
    assert sentence in said
    assert not list(tmp_path.glob("*.onnx"))


def test_a_tokenizer_of_a_gigabyte_is_not_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = two_towers.write(tmp_path / "clip")
    with (folder / "tokenizer.json").open("ab") as file:
        file.truncate(1 << 30)
    assert cli.run(["import", "--two-tower", str(folder), "-o", str(tmp_path / "new.onnx")]) == 2
    assert "tokenizer.json: over 40 MB" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_not_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = two_towers.write(tmp_path / "clip", tokenizer=None)
    os.mkfifo(folder / "tokenizer.json")
    assert cli.run(["import", "--two-tower", str(folder), "-o", str(tmp_path / "new.onnx")]) == 2
    assert "tokenizer.json: not a regular file" in capsys.readouterr().err


@pytest.mark.parametrize("number", [10**400, -5, 0.5, float("inf"), float("nan")])
def test_a_context_that_cannot_be_is_not_believed(number: float) -> None:
    assert context_of({}, {"model_max_length": number}) == CLIP_CONTEXT


def test_no_such_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["import", "--two-tower", str(tmp_path / "none"), "-o", str(tmp_path / "new.onnx")]) == 2
    assert "none is no folder" in capsys.readouterr().err


def test_a_text_file_that_is_there_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = two_towers.write(tmp_path / "clip")
    (tmp_path / "new-text.onnx").write_text("mine")
    assert cli.run(["import", "--two-tower", str(folder), "-o", str(tmp_path / "new.onnx")]) == 2
    assert "new-text.onnx exists" in capsys.readouterr().err
    assert (tmp_path / "new-text.onnx").read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--two-tower", "clip", "model.onnx"], "takes one model"),
        ([], "takes one model"),
        (["--two-tower", "clip", "--layout", "nhwc"], "not for --two-tower"),
        (["model.onnx", "--scale", "10"], "--scale is for --two-tower"),
    ],
)
def test_a_request_that_cannot_be_meant(options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["import", "-o", "new.onnx", *options]) == 2
    assert sentence in capsys.readouterr().err


def test_one_label_is_no_choice(tmp_path: Path) -> None:
    with pytest.raises(eyebright.EyebrightError, match="no choice"):
        wrap_towers(two_towers.write(tmp_path / "clip"), Choices(label_names=["cat"]))
