"""A slimmed network as data: a known encoder, the blocks that were taken out of it, the channels that its layers kept.

It is written as TOML, and stands wherever the name of an encoder may stand. Layers and blocks have the names that the
weights have: `stage3.2` is the third block of the third stage, `stage3.2.look.conv` a convolution in it, `head.hidden`
a layer of the head. A block that stays keeps its name when its neighbor goes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from eyebright import tomlfile
from eyebright.encoders import Encoder, catalog
from eyebright.encoders.count import weightless
from eyebright.encoders.encoder import initialize
from eyebright.errors import BadRequest

SUFFIX = ".toml"
HEAD = "head."
LARGEST_BYTES = 1_000_000
"""Of a genotype's file; the deepest network here takes 30,000."""
Channels = Mapping[str, tuple[int, int]]
Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True, kw_only=True)
class Slim:
    """Every field is a key of the file. A plain encoder is one from which nothing was taken."""

    encoder: str
    """The encoder that it was made from, as `eyebright encoders` lists it."""
    width: float = 1.0
    """Its multiplier of channels."""
    depth: float = 1.0
    """Its multiplier of blocks."""
    colors: int = 3
    """Channels of an image."""
    size: int = 0
    """Pixels a side that it is built for; 0: what it was drawn for."""
    without: tuple[str, ...] = ()
    """The blocks that were taken out."""
    channels: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Of each convolution and dense layer that lost some: the channels that enter it and those that leave it."""

    @property
    def whole(self) -> bool:
        """Whether nothing was taken from it."""
        return not self.without and not self.channels

    def write(self) -> str:
        """As TOML."""
        return tomlfile.dumps(self, {"channels": "entering, leaving"})


def is_genotype(name: str) -> bool:
    """Whether the name of an encoder is that of a genotype's file."""
    return name.endswith(SUFFIX)


def read(path: Path) -> Slim:
    """A genotype's file. Raises BadRequest where it is none; whether its layers fit together, `build` finds out."""
    try:
        with open(path, "rb") as file:
            text = file.read(LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        why = (getattr(error, "strerror", None) or str(error)).lower()
        raise BadRequest(
            f"{path} cannot be read: {why}; an encoder that ends in {SUFFIX} is a genotype's file."
        ) from None
    if len(text) > LARGEST_BYTES:
        raise BadRequest(f"{path} is no genotype: it is larger than {LARGEST_BYTES:,} bytes.")
    try:
        table = tomlfile.table(text.decode(), str(path))
    except UnicodeDecodeError:
        raise BadRequest(f"{path} is no genotype: it is not text.") from None
    slim = tomlfile.checked(table, Slim, str(path))
    if is_genotype(slim.encoder):
        raise BadRequest(f"{path}: encoder is the name of a network, as `eyebright encoders` lists them, and no file.")
    catalog.check(slim.encoder)
    return slim


def asked(name: str, width: float = 1.0, depth: float = 1.0, colors: int = 3, size: int | None = None) -> Slim:
    """The network that somebody asks for by an encoder's name or a genotype's file.

    A genotype has width, depth and colors of its own, and BadRequest is raised where others are wanted; `size` may be
    another, as for any encoder.
    """
    if not is_genotype(name):
        return Slim(encoder=name, width=width, depth=depth, colors=colors, size=size or 0)
    slim = read(Path(name))
    for what, wanted, usual, own in (
        ("width", width, 1.0, slim.width),
        ("depth", depth, 1.0, slim.depth),
        ("colors", colors, 3, slim.colors),
    ):
        if wanted not in (usual, own):
            raise BadRequest(f"{name} has {what} {own:g} once and for all; leave out {what} {wanted:g}.")
    return replace(slim, size=size) if size else slim


def input_size(name: str) -> int:
    """Pixels a side of the images that an encoder, by name or genotype, is built for."""
    return side(asked(name))


def side(slim: Slim) -> int:
    """Pixels a side of the images that it is built for."""
    catalog.check(slim.encoder)
    return slim.size or catalog.input_size(slim.encoder)


def build(slim: Slim) -> Encoder:
    """The encoder with random weights. Raises BadRequest where no such network can be built."""
    size = slim.size or None
    if slim.whole:
        return catalog.build(slim.encoder, slim.width, slim.depth, slim.colors, size)
    encoder = weightless(lambda: catalog.build(slim.encoder, slim.width, slim.depth, slim.colors, size))
    for name in slim.without:
        take_out(encoder, name)
    narrow(encoder, {name: counts for name, counts in slim.channels.items() if not name.startswith(HEAD)})
    encoder.num_features = tried(encoder, slim).shape[1]
    return real(encoder)


def narrow_head(slim: Slim, head: nn.Module) -> nn.Module:
    """The head with the hidden channels that the genotype kept; it gives as many logits as before."""
    own = {name.removeprefix(HEAD): counts for name, counts in slim.channels.items() if name.startswith(HEAD)}
    if not own:
        return head
    layers = dict(head.named_modules())
    last = layers.get("output", head)
    for name, (c_in, _) in own.items():
        if layers.get(name) is last and isinstance(last, nn.Linear | nn.Conv2d):
            own[name] = (c_in, sides(last)[1])
    with torch.device("meta"):
        narrow(head, own)
    return real(head)


def take_out(encoder: Encoder, name: str) -> None:
    """Take a block out of its stage; the others keep their names. Raises BadRequest where there is no such block."""
    stage, _, place = name.rpartition(".")
    row = encoder.stages().get(stage)
    if not isinstance(row, nn.Sequential) or place not in dict(row.named_children()):
        raise BadRequest(f"There is no block {name!r} to take out of this network.")
    delattr(row, place)


def narrow(network: nn.Module, channels: Channels) -> None:
    """Give layers fewer channels, and the norms beside them; their weights become anything.

    Raises BadRequest for a layer that there is not, and for more channels than it has.
    """
    layers = dict(network.named_modules())
    for name, (c_in, c_out) in channels.items():
        layer = layers.get(name)
        if not isinstance(layer, nn.Conv2d | nn.Linear) or not name:
            raise BadRequest(f"There is no convolution or dense layer {name!r} in this network.")
        most_in, most_out = sides(layer)
        if not (1 <= c_in <= most_in and 1 <= c_out <= most_out):
            raise BadRequest(
                f"Of {name}, 1 to {most_in:,} channels may enter and 1 to {most_out:,} leave; {c_in:,} and {c_out:,} "
                "are not."
            )
        group, _, place = name.rpartition(".")
        setattr(layers[group], place, narrowed(layer, name, c_in, c_out))
        norm = getattr(layers[group], "norm", None)
        if place == "conv" and isinstance(norm, nn.BatchNorm2d):
            layers[group].norm = nn.BatchNorm2d(c_out, norm.eps, norm.momentum, device=layer.weight.device)


def narrowed(layer: nn.Conv2d | nn.Linear, name: str, c_in: int, c_out: int) -> nn.Module:
    """The same layer with these channels."""
    bias, device = layer.bias is not None, layer.weight.device
    if isinstance(layer, nn.Linear):
        return nn.Linear(c_in, c_out, bias, device)
    alone = layer.groups == layer.in_channels > 1
    if alone and c_in != c_out:
        raise BadRequest(f"{name} looks at each channel alone: as many enter as leave, not {c_in} and {c_out}.")
    return nn.Conv2d(
        c_in,
        c_out,
        layer.kernel_size,  # type: ignore[arg-type]
        layer.stride,  # type: ignore[arg-type]
        layer.padding,  # type: ignore[arg-type]
        groups=c_in if alone else layer.groups,
        bias=bias,
        device=device,
    )


def sides(layer: nn.Conv2d | nn.Linear) -> tuple[int, int]:
    """The channels that enter a layer and those that leave it."""
    if isinstance(layer, nn.Linear):
        return layer.in_features, layer.out_features
    return layer.in_channels, layer.out_channels


def all_sides(network: nn.Module) -> dict[str, tuple[int, int]]:
    """The same of every convolution and dense layer, by name."""
    return {name: sides(m) for name, m in network.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}


def tried(encoder: Encoder, slim: Slim) -> Tensor:
    """Features of a picture that is sent through on paper. Raises BadRequest where two layers do not fit together."""
    pixels = side(slim)
    try:
        with torch.no_grad():
            return encoder.eval().features(torch.empty(2, slim.colors, pixels, pixels, device="meta"))
    except (RuntimeError, AttributeError, TypeError, ValueError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadRequest(f"The channels and blocks of this genotype do not fit together ({why}).") from None
    finally:
        encoder.train()


def real(network: Network) -> Network:
    """The network off paper, with random weights."""
    network.to_empty(device=torch.get_default_device())
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear | nn.BatchNorm2d):
            module.reset_parameters()
    network.apply(initialize)
    return network
