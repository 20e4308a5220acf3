"""How good a model is when pictures are bad, and how steady on video."""
