"""Published weights under our names: each family has a table of patterns, from their layers to its own."""

import re
from collections.abc import Mapping

from torch import Tensor, nn

from eyebright.errors import BadModelFile


def renamed(published: Mapping[str, Tensor], names: Mapping[str, str]) -> dict[str, Tensor]:
    r"""The same tensors, each layer's name replaced by that of the first pattern that it matches as a whole.

    The last word of a key (`weight`, `bias`, `running_mean`) stays. Raises BadModelFile at a layer that no pattern
    knows: these are weights of another family.

    >>> list(renamed({"layer2.0.bn1.bias": Tensor()}, {r"layer(\d)\.(\d+)\.bn1": r"stage\1.\2.norm"}))
    ['stage2.0.norm.bias']
    """
    ours = {}
    for key, value in published.items():
        layer, _, part = key.rpartition(".")
        for pattern, name in names.items():
            if match := re.fullmatch(pattern, layer):
                ours[f"{match.expand(name)}.{part}"] = value
                break
        else:
            raise BadModelFile(f"these weights are of another network; the one here has no layer {layer or key!r}.")
    return ours


def numbers(published: Mapping[str, Tensor]) -> list[int]:
    """The places in a row of layers without names: every n of keys `features.n. ...`, sorted.

    >>> numbers({"features.10.weight": Tensor(), "features.2.weight": Tensor(), "features.2.bias": Tensor()})
    [2, 10]
    """
    return sorted({int(found[1]) for key in published if (found := re.match(r"features\.(\d+)\.", key))})


TIMM_MOBILE = {
    r"conv_stem": r"stem.conv",
    r"bn1": r"stem.norm",
    r"conv_head": r"top.conv",
    r"bn2": r"top.norm",
    r"classifier": r"head",
}
TIMM_PARTS = {"widen": "conv_pw", "look": "conv_dw", "narrow": "conv_pwl"}
TIMM_PARTS_WITHOUT_WIDEN = {"look": "conv_dw", "narrow": "conv_pw"}


def timm_mobile(encoder: nn.Module) -> dict[str, str]:
    """timm's names of the layers of a mobile network whose blocks widen, look, weigh and narrow, for `renamed`."""
    names = dict(TIMM_MOBILE)
    for block, module in encoder.named_modules():
        if hasattr(module, "narrow"):
            stage, place = block.removeprefix("stage").split(".")
            theirs = rf"blocks\.{int(stage) - 1}\.{place}"
            parts = TIMM_PARTS_WITHOUT_WIDEN if isinstance(module.widen, nn.Identity) else TIMM_PARTS
            for number, (part, conv) in enumerate(parts.items(), 1):
                names[rf"{theirs}\.{conv}"] = f"{block}.{part}.conv"
                names[rf"{theirs}\.bn{number}"] = f"{block}.{part}.norm"
            names[rf"{theirs}\.se\.conv_reduce"] = f"{block}.weigh.squeeze"
            names[rf"{theirs}\.se\.conv_expand"] = f"{block}.weigh.excite"
    return names
