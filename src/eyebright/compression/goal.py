"""How small a network shall be, and how small one is: by the clock, in bytes, or in multiply-adds."""

from dataclasses import dataclass

import onnx

from eyebright.classifier import Classifier
from eyebright.compression.costs import Unit
from eyebright.compression.stand_in import stand_in
from eyebright.encoders import slim
from eyebright.encoders.count import count
from eyebright.errors import BadRequest
from eyebright.measure import in_turns, latency, speedup
from eyebright.modelfile import ModelFile

A_LAYER = 600
"""Bytes that rounding adds to a layer in a graph."""


@dataclass(frozen=True, kw_only=True)
class Goal:
    """How small the network shall be; one of four."""

    latency_ms: float = 0.0
    """Milliseconds a picture on this machine, on one thread."""
    speedup: float = 0.0
    """Times as fast as it is, over 1; likewise."""
    size_bytes: float = 0.0
    """Of the model file."""
    keep: float = 0.0
    """Share of the multiply-adds, 0..1."""
    int8: bool = False
    """Whether the size is that of the model once it is quantized, a byte a weight."""
    parent_bytes: float = 0.0
    """What the model that is pruned takes once it is quantized, where that is known: it makes the estimate exact."""

    def __post_init__(self) -> None:
        given = [value for value in (self.latency_ms, self.speedup, self.size_bytes, self.keep) if value]
        if len(given) != 1:
            raise BadRequest(
                "Say how small: one of a latency, a speed, a size, and a share of the multiply-adds to keep."
            )
        if not given[0] > 0 or self.keep > 1:
            raise BadRequest("A latency and a size are over 0, and the share to keep is at most 1.")
        if self.speedup and not self.speedup > 1:
            raise BadRequest(f"A pruned network is more than once as fast; {self.speedup:g} is no such number.")
        if (self.int8 or self.parent_bytes) and not self.size_bytes:
            raise BadRequest("int8 says how a size is counted; give a size.")

    @property
    def value(self) -> float:
        """The same for all: less is smaller."""
        return 1 / self.speedup if self.speedup else self.latency_ms or self.size_bytes or self.keep

    @property
    def timed(self) -> bool:
        """Whether the clock tells."""
        return bool(self.latency_ms or self.speedup)

    @property
    def unit(self) -> Unit:
        """What channels and blocks cost in it."""
        return "time" if self.timed else "weights" if self.size_bytes else "macs"

    def words(self, value: float) -> str:
        """A value of what is aimed at.

        >>> Goal(latency_ms=3).words(2.345), Goal(size_bytes=2e6).words(1.5e6), Goal(keep=0.5).words(0.41)
        ('2.35 ms', '1.50 MB', '41% of the multiply-adds')
        >>> Goal(speedup=2).words(0.4)
        '2.50 times as fast'
        """
        if self.speedup:
            return f"{1 / value:.2f} times as fast"
        if self.latency_ms:
            return f"{value:.2f} ms"
        return f"{value / 1e6:.2f} MB" if self.size_bytes else f"{value:.0%} of the multiply-adds"


class Scale:
    """How large a network is, in what is aimed at; it begins as the one of a model file."""

    def __init__(self, goal: Goal, file: ModelFile, classifier: Classifier) -> None:
        self.goal = goal
        self.metadata = file.metadata
        self.size = file.metadata.input.size
        self.macs = count(classifier, (self.size, self.size, 3)).num_macs
        self.a_feature_bytes = a_feature(file, classifier)
        beside = self.a_feature_bytes * classifier.encoder.num_features
        if goal.parent_bytes:
            self.around_bytes = goal.parent_bytes - in_int8(classifier) - beside
        else:
            self.around_bytes = len(file.data) - 4 * stored(classifier) - beside
        if goal.timed:
            self.whole = self.stand_in(classifier)
            self.start = latency(in_turns([file])[0]).value if goal.latency_ms else 1.0
        else:
            self.start = self.of(classifier)

    def of(self, classifier: Classifier) -> float:
        """The value of a network."""
        if self.goal.keep:
            return self.share(classifier)
        if self.goal.size_bytes:
            beside = self.a_feature_bytes * classifier.encoder.num_features + self.around_bytes
            return (in_int8(classifier) if self.goal.int8 else 4 * stored(classifier)) + beside
        here = in_turns([self.whole, self.stand_in(classifier)])
        return self.start / speedup(*here).value  # by turns, so that a machine that grew slow does not count

    def stand_in(self, classifier: Classifier) -> ModelFile:
        return stand_in(classifier, self.metadata.labels, self.size, "a network", bool(self.metadata.input.sizes))

    def share(self, classifier: Classifier) -> float:
        """Of the parent's multiply-adds."""
        return count(classifier, (self.size, self.size, 3)).num_macs / self.macs


def stored(classifier: Classifier) -> int:
    """Numbers that a model file holds: its norms are part of its convolutions, as a bias each."""
    layers = slim.all_sides(classifier)
    found = dict(classifier.named_modules())
    return sum(found[name].weight.numel() + c_out for name, (_, c_out) in layers.items())


def a_feature(file: ModelFile, classifier: Classifier) -> int:
    """Bytes that a feature costs beside the network: in what tells which pictures are unlike all that it learned."""
    graph = onnx.load_from_string(file.data).graph
    features = classifier.encoder.num_features
    tables = [one for one in graph.initializer if one.name.startswith("novelty.") and features in one.dims]
    return sum(len(one.raw_data) for one in tables) // features


def in_int8(classifier: Classifier) -> int:
    """About the bytes of its parameters once it is quantized: weights, a bias and a scale a channel, more nodes."""
    layers = slim.all_sides(classifier)
    found = dict(classifier.named_modules())
    return sum(found[name].weight.numel() + 8 * c_out + A_LAYER for name, (_, c_out) in layers.items())
