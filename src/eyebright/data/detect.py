"""Which reader reads this? The format is seen from what lies there, unless a person states it."""

from pathlib import Path

from eyebright.data.dataset import Dataset
from eyebright.errors import BadRequest
from eyebright.modelfile import Task


def read(path: Path, reader: str | None, task: Task | None, positive: str | None, crops: bool) -> Dataset:
    """See `Dataset.read`."""
    raise BadRequest(f"{path}: no reader knows this.")
