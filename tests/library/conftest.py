"""An empty library, and an empty folder for photos."""

import pytest

from eyebright.library import Library


@pytest.fixture
def library(tmp_path):
    with Library(tmp_path / "library", make=True) as made:
        yield made


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "photos").mkdir()
    return tmp_path / "photos"
