"""Examples in docstrings are run, so that they cannot drift."""

import doctest
import pkgutil
from importlib import import_module
from importlib.util import find_spec

import pytest

import eyebright

WORKSHOP = tuple(f"eyebright.{part}" for part in ("encoders", "classifier", "training", "export", "compression"))
MODULES = [
    module.name
    for module in pkgutil.walk_packages(eyebright.__path__, "eyebright.", onerror=lambda name: None)
    if not module.name.endswith("__main__") and (find_spec("torch") or not module.name.startswith(WORKSHOP))
]


@pytest.mark.parametrize("name", ["eyebright", *MODULES])
def test_the_examples_of_a_module_are_true(name):
    """Whoever reads one may rely on it. The workshop's are run where torch is."""
    assert doctest.testmod(import_module(name)).failed == 0
