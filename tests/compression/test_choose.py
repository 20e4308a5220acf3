"""Which networks a fit has heads for: what is installed, and what each would cost."""

import pytest

pytest.importorskip("torch")

from eyebright.compression import choose
from eyebright.encoders import published
from eyebright.errors import MissingExtra


def test_a_network_costs_what_its_layers_have():
    usual, small = (choose.cost(name, 10, "single") for name in ("efficientnet-lite0", "mobilenet-v2"))
    assert 3.3e6 < usual.size_bytes < 3.8e6
    assert 2.1e6 < small.size_bytes < 2.6e6
    assert small.macs < usual.macs
    assert choose.cost("mobilenet-v2", 10, "single", 112).macs == pytest.approx(small.macs / 4, rel=0.1)


def test_only_what_is_installed_is_named(monkeypatch):
    def find(source):
        if "mobilenet" not in source.package:
            raise MissingExtra("not here")

    monkeypatch.setattr(choose, "find", find)
    assert list(choose.installed()) == [name for name in published.SOURCES if name.startswith("mobilenet")]
