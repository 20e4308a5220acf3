"""From a data set and a recipe to a run: a folder with checkpoints, log, report and model file."""

from eyebright.training.recipe import Recipe
from eyebright.training.run import Result, train

__all__ = ["Recipe", "Result", "train"]
