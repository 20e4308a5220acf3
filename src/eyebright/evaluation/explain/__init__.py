"""Why a model said so: where in a picture the evidence lies, in numbers, in words and as a picture."""

from eyebright.evaluation.explain.evidence import Evidence, Explanation, explain

__all__ = ["Evidence", "Explanation", "explain"]
