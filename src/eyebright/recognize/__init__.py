"""Names what is in pictures: sources -> Recognizer -> Prediction."""

from eyebright.recognize.prediction import Failure, Prediction
from eyebright.recognize.recognizer import Recognizer, load

__all__ = ["Failure", "Prediction", "Recognizer", "load"]
