"""From a data set and a recipe to a run: a folder with checkpoints, log, report and model file."""
