"""Other people's ONNX classifiers, wrapped into the model file's contract so that they work here from day one.

A foreign file -> told.py: what the user says, else what the file tells, else a guess -> names.py: its labels
-> wrapping.py: bytes in front, scores, logits and embedding behind -> a model file.
"""

from eyebright.foreign.names import read_labels
from eyebright.foreign.told import Choices
from eyebright.foreign.wrapping import Wrapped, wrap

__all__ = ["Choices", "Wrapped", "read_labels", "wrap"]
