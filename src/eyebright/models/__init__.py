"""The model files that ship, and where to find one by its name."""

from pathlib import Path

from eyebright.errors import BadRequest

DEFAULT = "lite0"
SHIPPED = {"lite0": "ce8fec97c2468c5634b1736a0f81b1389dbb7c542cc626ada155d0048d11a543"}
"""Name -> sha256 of the file: these were made here and need no trial in a child process."""


def path(model: str | Path | None = None) -> Path:
    """The file of a shipped model by its name, or the path itself; BadRequest where there is neither."""
    if model is None or str(model) in SHIPPED:
        return Path(__file__).parent / f"{model or DEFAULT}.onnx"
    if not Path(model).exists():
        raise BadRequest(f"no model file at {model}, and none that ships has this name ({', '.join(SHIPPED)}).")
    return Path(model)
