"""Eyebright names what is in pictures, on this machine, and says how sure it is.

>>> import eyebright
>>> recognizer = eyebright.load()                                           # doctest: +SKIP
>>> recognizer("cat.jpg").summary                                           # doctest: +SKIP
Summary(label='cat', id='n02121620', score=0.92, threshold=0.6)
>>> eyebright.train("photos/", "run/").figures["top1"].value                # doctest: +SKIP
0.8656
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eyebright.data import Dataset
    from eyebright.errors import EyebrightError
    from eyebright.recognize import Failure, Prediction, Recognizer, load, load_text
    from eyebright.training import Recipe, train

__version__ = "0.1.0"
__all__ = [
    "Dataset",
    "EyebrightError",
    "Failure",
    "Prediction",
    "Recipe",
    "Recognizer",
    "__version__",
    "load",
    "load_text",
    "train",
]
HOMES = {
    "Dataset": "eyebright.data",
    "EyebrightError": "eyebright.errors",
    "Recipe": "eyebright.training",
    "train": "eyebright.training",
}
"""Where a name comes from, if not from eyebright.recognize."""


def __getattr__(name: str) -> Any:
    # numpy, Pillow, the runtime and torch are imported when first needed, so that `import eyebright` is instant
    if name in __all__:
        return getattr(import_module(HOMES.get(name, "eyebright.recognize")), name)
    raise AttributeError(f"module 'eyebright' has no attribute {name!r}")
