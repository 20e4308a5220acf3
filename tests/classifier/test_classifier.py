"""A classifier is an encoder and a head; the papers' heads complete the papers' networks."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from eyebright.classifier import Classifier  # noqa: E402
from eyebright.classifier.heads import (  # noqa: E402
    AdaptivePool,
    GoogLeNetAuxiliary,
    InceptionAuxiliary,
    auxiliary_heads,
    linear,
    paper_head,
)
from eyebright.classifier.pixel_features import NORMALIZATION, PixelFeatures, pixel_features  # noqa: E402
from eyebright.encoders import ENCODERS  # noqa: E402
from eyebright.encoders.naming import renamed  # noqa: E402
from oracle import close, lively, torchvision_models  # noqa: E402

PARAMETERS = {  # of the whole network for 1000 labels
    "alexnet": 61_100_840,
    "efficientnet-lite0": 4_652_008,
    "efficientnet-lite1": 5_416_680,
    "efficientnet-lite2": 6_092_072,
    "efficientnet-lite3": 8_197_096,
    "efficientnet-lite4": 13_006_568,
    "googlenet": 6_624_904,
    "inception-v3": 23_834_568,
    "mobilenet-v1": 4_231_976,
    "mobilenet-v2": 3_504_872,
    "mobilenet-v3-large": 5_483_032,
    "mobilenet-v3-small": 2_542_856,
    "nasnet-mobile": 5_289_978,
    "resnet-8": 142_296,
    "resnet-18": 11_689_512,
    "resnet-34": 21_797_672,
    "resnet-50": 25_557_032,
    "resnet-101": 44_549_160,
    "resnet-152": 60_192_808,
    "squeezenet-1.0": 1_248_424,
    "squeezenet-1.1": 1_235_496,
    "vgg-11": 132_863_336,
    "vgg-11-bn": 132_868_840,
    "vgg-13": 133_047_848,
    "vgg-13-bn": 133_053_736,
    "vgg-16": 138_357_544,
    "vgg-16-bn": 138_365_992,
    "vgg-19": 143_667_240,
    "vgg-19-bn": 143_678_248,
}
AUXILIARY = {"googlenet": 13_004_888 - 6_624_904, "inception-v3": 27_161_264 - 23_834_568}


def parameters(*modules):
    return sum(weight.numel() for module in modules for weight in module.parameters())


def built(name, labels=5, size=64, task="single", **options):
    torch.manual_seed(0)
    encoder = ENCODERS[name](width=0.25, size=size, **options)
    head = paper_head(name, encoder, labels, 0.25)
    return Classifier(encoder, head, task, [127.0], [60.0], auxiliary_heads(name, encoder, labels, 0.25))


def pixels(size=64, count=2):
    return torch.randint(0, 256, (count, size, size, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", ENCODERS)
def test_with_its_papers_head_a_network_has_its_papers_size(name):
    with torch.device("meta"):
        encoder = ENCODERS[name]()
        assert parameters(encoder, paper_head(name, encoder, 1000)) == PARAMETERS[name]


@pytest.mark.parametrize("name", AUXILIARY)
def test_auxiliary_heads_have_their_papers_size(name):
    with torch.device("meta"):
        encoder = ENCODERS[name]()
        assert parameters(*auxiliary_heads(name, encoder, 1000).values()) == AUXILIARY[name]


def test_most_networks_have_no_auxiliary_heads():
    assert auxiliary_heads("resnet-8", ENCODERS["resnet-8"](), 10) == {}


@pytest.mark.parametrize("name", AUXILIARY)
def test_auxiliary_heads_learn_and_are_no_part_of_the_answer(name):
    classifier = built(name, size=96).train()
    logits, auxiliary = classifier.training_logits(pixels(96))
    assert logits.shape == (2, 5)
    assert len(auxiliary) == len(classifier.auxiliaries) > 0
    sum(more.sum() for more in auxiliary).backward()
    assert all(weight.grad is not None for weight in classifier.auxiliaries.parameters())
    assert all(weight.grad is None for weight in classifier.head.parameters())
    with torch.inference_mode():
        alone = Classifier(classifier.encoder, classifier.head, "single", [127.0], [60.0]).eval()
        assert torch.equal(classifier.eval()(pixels(96)).scores, alone(pixels(96)).scores)


@pytest.mark.parametrize("name", ["alexnet", "squeezenet-1.1", "mobilenet-v3-small", "resnet-8"])
@torch.inference_mode()
def test_what_is_trained_is_what_answers(name):
    classifier = built(name).eval()
    assert torch.equal(classifier.training_logits(pixels())[0], classifier(pixels()).logits)


@torch.inference_mode()
def test_a_spatial_head_looks_at_the_map_and_the_embedding_is_still_its_mean():
    outputs = built("squeezenet-1.1").eval()(pixels())
    assert torch.allclose(outputs.embedding, outputs.features.mean((2, 3)))
    assert outputs.logits.min() >= 0  # rectified at each place


@pytest.mark.parametrize(("side", "h", "w"), [(6, 6, 6), (7, 5, 13), (6, 1, 1), (4, 14, 7), (64, 97, 33)])
def test_pooling_by_matrices_is_torchs(side, h, w):
    x = torch.randn(2, 3, h, w, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(AdaptivePool(side)(x), F.adaptive_avg_pool2d(x, side), atol=1e-6)


def test_a_map_of_the_right_size_is_left_alone():
    x = torch.randn(1, 2, 6, 6)
    assert AdaptivePool(6)(x) is x


@torch.inference_mode()
def test_googlenets_auxiliary_head_is_torchvisions():
    theirs = lively(torchvision_models().googlenet(num_classes=10, init_weights=False).aux1)
    ours = GoogLeNetAuxiliary(512, 10, 1.0).eval()
    names = {"conv.conv": "reduce.conv", "conv.bn": "reduce.norm", "fc1": "hidden", "fc2": "output"}
    ours.load_state_dict(renamed(theirs.state_dict(), names))
    features = torch.rand(2, 512, 14, 14)
    close(ours(features), theirs(features))


@torch.inference_mode()
def test_inceptions_auxiliary_head_is_torchvisions():
    theirs = lively(torchvision_models().inception_v3(num_classes=10, init_weights=False).AuxLogits)
    ours = InceptionAuxiliary(768, 10, 1.0).eval()
    names = {
        "conv0.conv": "reduce.conv", "conv0.bn": "reduce.norm",
        "conv1.conv": "hidden.conv", "conv1.bn": "hidden.norm", "fc": "output",
    }  # fmt: skip
    ours.load_state_dict(renamed(theirs.state_dict(), names))
    features = torch.rand(2, 768, 17, 17)
    close(ours(features), theirs(features))
    assert ours(features[:, :, :4, :4]).shape == (2, 10)  # of a small picture


@torch.inference_mode()
def test_an_encoder_of_one_color_sees_luminance():
    """A red and a gray picture of one luminance are the same to it."""
    classifier = built("resnet-8", size=32, colors=1).eval()
    colored = torch.zeros(1, 32, 32, 3)
    colored[..., 0] = 200.0
    gray = torch.full((1, 32, 32, 3), 200 * 0.299)
    assert torch.allclose(classifier(colored).logits, classifier(gray).logits, atol=1e-5)
    assert classifier.normalize(colored).shape == (1, 1, 32, 32)


@torch.inference_mode()
def test_one_color_takes_the_normalization_of_three():
    encoder = ENCODERS["resnet-8"](width=0.25, colors=1, size=32)
    classifier = Classifier(encoder, linear(encoder, 2), "binary", [100.0, 100.0, 100.0], [50.0, 50.0, 50.0])
    assert classifier.normalize(torch.full((1, 32, 32, 3), 150.0)).mean() == pytest.approx(1.0)


@pytest.mark.parametrize(("task", "labels"), [("single", 3), ("binary", 2), ("multi", 3)])
@torch.inference_mode()
def test_scores_are_what_the_task_says(task, labels):
    scores = built("resnet-8", labels, 32, task).eval()(pixels(32)).scores
    assert ((scores >= 0) & (scores <= 1)).all()
    assert task == "multi" or torch.allclose(scores.sum(1), torch.ones(2))


def test_the_names_of_the_last_layer_lead_to_its_parameters():
    for name in ("alexnet", "squeezenet-1.1", "mobilenet-v3-small", "resnet-8"):
        classifier = built(name)
        weight, bias = map(classifier.get_parameter, classifier.head_names)
        assert len(weight) == len(bias) == 5
    assert built("resnet-8").head_names == ("head.weight", "head.bias")


def test_hidden_layers_grow_with_width():
    encoder = ENCODERS["alexnet"](width=0.5)
    assert paper_head("alexnet", encoder, 5, 0.5).hidden2.weight.shape == (2048, 2048)


def describe(image):
    """The pixel features of one picture, (colors (64,), edges (7, 7, 4, 9))."""
    classifier = Classifier(pixel_features(64), nn.Linear(1828, 2), "binary", *NORMALIZATION).eval()
    with torch.inference_mode():
        found = classifier(torch.from_numpy(np.asarray(image, np.uint8))[None]).embedding[0].numpy()
    return found[:64], found[64:].reshape(4, 9, 7, 7).transpose(2, 3, 0, 1)


def test_plain_features_know_colors():
    red, green = np.zeros((2, 64, 64, 3))
    red[..., 0] = green[..., 1] = 255
    (of_red, edges), (of_green, _) = describe(red), describe(green)
    assert of_red.argmax() == 3 * 16
    assert of_green.argmax() == 3 * 4
    assert of_red.max() == pytest.approx(1, abs=1e-3)
    assert np.abs(edges).max() < 1e-3  # nothing but one color


def test_plain_features_know_which_way_edges_run():
    """A turned picture's edges are turned by as many of the nine directions."""
    x = np.arange(64)
    for number in range(9):
        angle = number * np.pi / 9
        phase = x[None] * np.cos(angle) + x[:, None] * np.sin(angle)
        image = np.repeat(127 + 100 * np.sin(phase * 0.7)[..., None], 3, 2)
        assert describe(image)[1].sum((0, 1, 2)).argmax() == number


def test_plain_features_do_not_depend_on_the_light():
    image = np.random.default_rng(0).integers(0, 200, (64, 64, 3))
    bright, dark = describe(image)[1], describe(image * 0.6)[1]
    assert np.abs(bright - dark).max() < 0.02


def test_plain_features_have_nothing_to_learn():
    assert parameters(PixelFeatures()) == 0
    assert not PixelFeatures().state_dict()
