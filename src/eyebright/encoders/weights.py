"""Published weights into an encoder: from a package, a file or Hugging Face, under whatever names they were published.

What a file claims is checked before it is believed: its size and packing before it is read, no pickle that could run
code, and every tensor's name and shape before a number is copied.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from eyebright.encoders import Encoder, catalog, slim
from eyebright.encoders.published import Published, read
from eyebright.errors import BadModelFile, BadRequest

IMAGENET = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))  # mean and std of torchvision's and most of timm's
HALF = ((127.5,) * 3, (127.5,) * 3)  # pixels to -1..1
PIXELS = {  # by how an encoder's name begins
    "efficientnet-lite": ((127.0,) * 3, (128.0,) * 3),
    "googlenet": HALF,
    "inception-v3": HALF,
    "nasnet": HALF,
}
MOST_LABELS = 100_000


class Pretrained(NamedTuple):
    encoder: Encoder
    head: nn.Module | None  # for the labels that it was trained for; None where there is none that fits
    mean: tuple[float, ...]  # (pixel - mean) / std, pixels 0-255: red, green, blue
    std: tuple[float, ...]


def linear(encoder: Encoder, labels: int) -> nn.Module:
    return nn.Linear(encoder.num_features, labels)


def load(
    source: str,
    name: str,
    width: float = 1.0,
    depth: float = 1.0,
    colors: int = 3,
    size: int | None = None,
    make_head: Callable[[Encoder, int], nn.Module] = linear,
) -> Pretrained:
    """The encoder `name`, of `ENCODERS` or a genotype's file, with the weights of `source`.

    `source` is a name of SOURCES, a .safetensors, .pth or .pt file in torchvision's or timm's naming, a checkpoint or a
    float model file of ours, or `hf:OWNER/MODEL`. The head comes along where `make_head` makes one of the same shape.
    Weights for three colors become weights for one by their sum. Raises BadModelFile where the weights are not this
    network's, BadRequest where there are none, MissingExtra where a package is needed.
    """
    shape = slim.asked(name, width, depth, colors, size)
    name = shape.encoder
    encoder = slim.build(shape)
    found = read(source)
    try:
        weights = under_our_names(found, name, encoder)
        head = head_of(weights, lambda labels: make_head(encoder, labels))
        fill(encoder, {key: value for key, value in weights.items() if not key.startswith("head.")})
    except BadModelFile as error:
        raise BadModelFile(f"{source}: {error}") from None
    usual = next((pixels for family, pixels in PIXELS.items() if name.startswith(family)), IMAGENET)
    mean, std = found.pixels or usual
    return Pretrained(encoder.eval(), head, mean, std)


def pretrained(name: str) -> tuple[Encoder, nn.Module]:
    """The encoder of this name with the weights of its package, and the head (features -> ImageNet's 1000 classes)."""
    found = load(name, name)
    assert found.head is not None
    return found.encoder, found.head


def under_our_names(found: Published, name: str, encoder: Encoder) -> Mapping[str, Tensor]:
    if found.names == "theirs":
        return translated(found.weights, name, encoder)
    return found.weights if found.names == "ours" else unfolded(found.weights, encoder)


def translated(published: Mapping[str, Tensor], name: str, encoder: Encoder) -> Mapping[str, Tensor]:
    """Weights under our names, as the family of this encoder reads them."""
    translate = getattr(catalog.family(name), "translate", None)
    if translate is None:
        raise BadRequest(f"Nobody's weights for {name} can be read but ours: a model file or a checkpoint.")
    weights: Mapping[str, Tensor] = translate(published, encoder)
    return weights


def unfolded(weights: Mapping[str, Tensor], encoder: Encoder) -> dict[str, Tensor]:
    """The weights of a model file, each batch norm back beside its convolution as one that only adds the bias."""
    whole = dict(weights)
    for name, layer in encoder.named_modules():
        if isinstance(layer, nn.Conv2d) and layer.bias is not None:
            whole.setdefault(f"{name}.bias", torch.zeros_like(layer.bias))  # the export leaves out a bias of zeros
    for group, module in encoder.named_modules():
        layers = dict(module.named_children())
        conv, norm = layers.get("conv"), layers.get("norm")
        if not isinstance(conv, nn.Conv2d) or not isinstance(norm, nn.BatchNorm2d):
            continue
        bias = whole.pop(f"{group}.conv.bias", torch.zeros_like(norm.bias))
        if conv.bias is not None:
            whole[f"{group}.conv.bias"] = torch.zeros_like(conv.bias)
        whole[f"{group}.norm.bias"] = bias
        whole[f"{group}.norm.weight"] = torch.ones_like(norm.weight)
        whole[f"{group}.norm.running_mean"] = torch.zeros_like(norm.bias)
        whole[f"{group}.norm.running_var"] = torch.full_like(norm.bias, 1 - norm.eps)
    return {key: value.detach() for key, value in whole.items()}


def head_of(weights: Mapping[str, Tensor], make: Callable[[int], nn.Module]) -> nn.Module | None:
    """The head with its weights, if there are any and they fit what `make` makes for so many labels."""
    own = {key.removeprefix("head."): value for key, value in weights.items() if key.startswith("head.")}
    last = own.get("bias", own.get("output.bias"))
    if last is None or last.dim() != 1 or len(last) > MOST_LABELS:
        return None
    with torch.device("meta"):
        places = make(len(last)).state_dict()
    if {key: place.shape for key, place in places.items()} != {key: value.shape for key, value in own.items()}:
        return None
    head = make(len(last))
    fill(head, own)
    return head.eval()


def fill(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy weights into a network that has exactly these. Raises BadModelFile with the first that does not fit."""
    places = {key: place for key, place in network.state_dict().items() if not key.endswith("num_batches_tracked")}
    fitting = {}
    for key, place in places.items():
        if key not in weights:
            raise BadModelFile(f"it has no {key}; these are weights of another network, or of another depth.")
        value = weights[key]
        if value.dim() == 4 and value.shape[1] == 3 and place.shape == (len(value), 1, *value.shape[2:]):
            value = value.sum(1, keepdim=True)  # gray is three equal colors
        if value.shape != place.shape:
            theirs, ours = (" x ".join(map(str, tensor.shape)) for tensor in (value, place))
            raise BadModelFile(f"{key} is {theirs} in it and {ours} here; give the width that it was trained with.")
        if not torch.isfinite(value).all():
            raise BadModelFile(f"{key} holds values that are no numbers.")
        fitting[key] = value
    for key in weights:
        if key not in places and not key.endswith("num_batches_tracked"):
            raise BadModelFile(f"it has {key}, and the network here has not; give the depth that it was trained with.")
    network.load_state_dict(fitting, strict=False)
