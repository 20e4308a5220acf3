"""Eyebright names what is in pictures, on this machine, and says how sure it is.

>>> import eyebright
>>> recognizer = eyebright.load()                                           # doctest: +SKIP
>>> recognizer("cat.jpg").summary                                           # doctest: +SKIP
Summary(label='cat', id='n02121620', score=0.92, threshold=0.6)
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eyebright.errors import EyebrightError
    from eyebright.recognize import Failure, Prediction, Recognizer, load

__version__ = "0.1.0"
__all__ = ["EyebrightError", "Failure", "Prediction", "Recognizer", "__version__", "load"]


def __getattr__(name: str) -> Any:
    # numpy, Pillow and the runtime are imported when they are first needed, so that `import eyebright` is instant
    if name == "EyebrightError":
        from eyebright.errors import EyebrightError

        return EyebrightError
    if name in __all__:
        from eyebright import recognize

        return getattr(recognize, name)
    raise AttributeError(f"module 'eyebright' has no attribute {name!r}")
