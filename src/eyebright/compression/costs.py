"""What goes with a channel or a block, in what is aimed at: multiply-adds, weights, or about the time.

On a processor a layer of large maps takes longer than its multiply-adds say, since it waits for memory: of
MobileNet-v2 in float a multiply-add of the first depthwise layer takes seven times that of the last pointwise one.
"""

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from torch import Tensor, nn

from eyebright.compression.norms import watched
from eyebright.encoders.count import macs

Unit = Literal["macs", "weights", "time"]
MOVED = 11.0
"""Multiply-adds that take as long as one number of a map that enters or leaves. By the layers of MobileNet-v2 in ONNX
Runtime on one core of a Xeon: 18 ms for 10^9 multiply-adds, 200 ms for 10^9 numbers."""


class Cost(NamedTuple):
    """Of a layer."""

    reading: float
    """That goes with all channels that enter."""
    making: float
    """That goes with all channels that leave."""
    whole: float


class Costs(dict[nn.Module, Cost]):
    """The cost of each of these layers, noted while a network looks at one picture (`with watched(...)`)."""

    def __init__(self, unit: Unit) -> None:
        super().__init__()
        self.unit = unit

    def watch(self, modules: Iterable[nn.Module]) -> Any:
        """A context in which layers with weights are noted."""
        return watched([one for one in modules if isinstance(one, nn.Conv2d | nn.Linear)], self.note)

    def note(self, layer: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        if self.unit == "weights":
            count = float(layer.weight.numel())  # type: ignore[operator]
            self[layer] = Cost(count, count, count)
            return
        work = float(macs(layer, output))
        if self.unit == "macs":
            self[layer] = Cost(work, work, work)
            return
        enters, leaves = MOVED * given[0].numel(), MOVED * output.numel()
        alone = isinstance(layer, nn.Conv2d) and layer.groups > 1  # its channels enter and leave together
        self[layer] = Cost(work + enters, work + leaves + alone * enters, work + enters + leaves)
