"""Model files made smaller and faster, with what that costs said.

>>> from eyebright import compression
>>> made = compression.to_int8(file, data, compression.Allowed(), print)    # doctest: +SKIP
>>> made.judged.sentence                                                    # doctest: +SKIP
'proved: top1 0.922 before, ...'
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eyebright.compression.contract import Judged, judge
    from eyebright.compression.int8 import Made, lighter, to_int8
    from eyebright.evaluation.drop import Allowed

__all__ = ["Allowed", "Judged", "Made", "judge", "lighter", "to_int8"]
HOMES = {
    "Allowed": "eyebright.evaluation.drop",
    "Judged": "eyebright.compression.contract",
    "judge": "eyebright.compression.contract",
}
"""Where a name comes from, if not from eyebright.compression.int8."""


def __getattr__(name: str) -> Any:
    # onnx, the quantizer and torch are imported when first needed
    if name in __all__:
        return getattr(import_module(HOMES.get(name, "eyebright.compression.int8")), name)
    raise AttributeError(f"module 'eyebright.compression' has no attribute {name!r}")
