"""From a data set and a recipe to a run: a folder with checkpoints, log, report and model file."""

from importlib.util import find_spec

from eyebright.errors import extra

with extra("train", "training"):
    if find_spec("torch") is None:  # imported only where it is needed, but missed at the door
        raise ModuleNotFoundError(name="torch")

from eyebright.training.recipe import Recipe
from eyebright.training.run import Result, train

__all__ = ["Recipe", "Result", "train"]
