"""Labeled pictures: readers of many formats, all giving one `Dataset`; and the audit before training."""

from eyebright.data.dataset import Dataset, Item

__all__ = ["Dataset", "Item"]
