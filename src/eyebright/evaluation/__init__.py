"""How good a model is: figures with intervals, calibration, thresholds. Arrays in, plain values out."""
