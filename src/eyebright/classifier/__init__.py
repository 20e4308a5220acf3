"""Classifiers: an encoder, a head and a task."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eyebright.classifier.classifier import Classifier

__all__ = ["Classifier"]


def __getattr__(name: str) -> Any:
    # torch is imported when it is first needed: a statistical head is fitted and written without
    if name in __all__:
        from eyebright.classifier import classifier

        return getattr(classifier, name)
    raise AttributeError(f"module 'eyebright.classifier' has no attribute {name!r}")
