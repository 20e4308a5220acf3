"""Classifiers: an encoder, a head and a task."""

from eyebright.classifier.classifier import Classifier, Task

__all__ = ["Classifier", "Task"]
