"""What a model may cost, and what it may lose."""

from dataclasses import dataclass, field

from eyebright.compression.road import Point
from eyebright.evaluation.drop import Allowed
from eyebright.measure import device


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a model may cost; 0: whatever it takes."""

    latency_ms: float = 0.0
    """One picture on one thread: on this machine, or on `device`."""
    size_bytes: float = 0.0
    """Of the model file."""
    allowed: Allowed = field(default_factory=lambda: Allowed(0.01, 0.03))
    """What may be lost against the full-size transfer, in float."""
    device: "device.Device | None" = None
    """Another machine to design for, by its profile."""

    def over(self, point: Point) -> list[str]:
        """In words, what of a point is over the budget."""
        found = []
        if self.size_bytes and point.size_bytes > self.size_bytes:
            found.append(f"{point.size_bytes / 1e6:.2f} MB of {self.size_bytes / 1e6:g}")
        if self.latency_ms and point.latency_ms > self.latency_ms:
            found.append(f"{point.latency_ms:.2f} ms of {self.latency_ms:g}")
        return found

    def distance(self, point: Point) -> float:
        """How many times the budget a point costs, of what it costs most of."""
        size = point.size_bytes / self.size_bytes if self.size_bytes else 0.0
        return max(size, point.latency_ms / self.latency_ms if self.latency_ms else 0.0)

    @property
    def words(self) -> str:
        asked = [f"{self.latency_ms:g} ms a picture" if self.latency_ms else "", f"{self.size_bytes / 1e6:g} MB"]
        said = " and ".join(filter(None, asked if self.size_bytes else asked[:1]))
        return said or "as small and fast as it comes"
