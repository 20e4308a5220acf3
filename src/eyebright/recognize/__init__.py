"""Names what is in pictures: sources -> Recognizer -> Prediction."""

from eyebright.recognize.prediction import Failure, Prediction
from eyebright.recognize.recognizer import Recognizer, load
from eyebright.recognize.texts import load_text

__all__ = ["Failure", "Prediction", "Recognizer", "load", "load_text"]
