"""Other people's ONNX classifiers, wrapped into the model file's contract so that they work here from day one.

A foreign file -> told.py: what the user says (choices.py), else what its first steps (front.py) and its last (back.py)
tell, else a guess -> batch.py: any number of pictures -> wrapping.py: bytes in front, scores, logits and embedding
behind, named by names.py -> a model file. Two encoders that were trained together: export.py -> towers.py.
"""

from eyebright.foreign.choices import Choices
from eyebright.foreign.hub import fetched
from eyebright.foreign.names import read_labels
from eyebright.foreign.towers import Towers, wrap_towers
from eyebright.foreign.wrapping import Wrapped, wrap

__all__ = ["Choices", "Towers", "Wrapped", "fetched", "read_labels", "wrap", "wrap_towers"]
