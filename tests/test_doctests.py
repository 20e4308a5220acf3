"""Examples in docstrings are run, so that they cannot drift."""

import doctest
import pkgutil
from importlib import import_module

import pytest

import eyebright

WORKSHOP = ("eyebright.encoders", "eyebright.classifier", "eyebright.training", "eyebright.export")
MODULES = [
    module.name
    for module in pkgutil.walk_packages(eyebright.__path__, "eyebright.", onerror=lambda name: None)
    if not module.name.startswith((*WORKSHOP, "eyebright.compression")) and not module.name.endswith("__main__")
]


@pytest.mark.parametrize("name", ["eyebright", *MODULES])
def test_the_examples_of_a_module_are_true(name):
    """Whoever reads one may rely on it. The workshop's are run where torch is."""
    assert doctest.testmod(import_module(name)).failed == 0
