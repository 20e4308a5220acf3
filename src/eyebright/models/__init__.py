"""The model files that ship, and where to find one by its name."""

from pathlib import Path

from eyebright.errors import BadRequest

DEFAULT = "lite0"
SHIPPED = {"lite0": "97318dc05f9a821f72827b5a985ad2d6e9351ad17816a1cd812319328da76ca6"}
"""Name -> sha256 of the file: these were made here and need no trial in a child process."""


def path(model: str | Path | None = None) -> Path:
    """The file of a shipped model by its name, or the path itself; BadRequest where there is neither."""
    if model is None or str(model) in SHIPPED:
        return Path(__file__).parent / f"{model or DEFAULT}.onnx"
    if not Path(model).exists():
        raise BadRequest(f"no model file at {model}, and none that ships has this name ({', '.join(SHIPPED)}).")
    return Path(model)
