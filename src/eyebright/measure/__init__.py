"""What model files cost on this machine: time, memory, multiply-adds; and what they would cost on another (`device`).

`in_turns` measures model files against each other; `latency`, `speedup` and `quantile` read what it found.
"""

from eyebright.measure.machine import machine
from eyebright.measure.macs import count_int8_macs, count_macs
from eyebright.measure.turns import TURNS, Measured, in_turns, latency, quantile, speedup

__all__ = [
    "TURNS",
    "Measured",
    "count_int8_macs",
    "count_macs",
    "in_turns",
    "latency",
    "machine",
    "quantile",
    "speedup",
]
