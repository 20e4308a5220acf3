"""Starting is instant, and a plain install is enough: what is imported when."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

HEAVY = ("numpy", "onnxruntime", "onnx", "torch", "PIL", "sklearn", "av", "pi_heif")


def imported(program):
    """Those of HEAVY that are there after a program has run in a process of its own."""
    report = f"import sys; print('@', *[name for name in {HEAVY} if name in sys.modules])"
    child = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{program}\n{report}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(child.stdout.splitlines()[-1].split()[1:])


def test_importing_eyebright_imports_nothing_heavy():
    """`import eyebright` costs milliseconds."""
    assert imported("import eyebright; assert eyebright.__version__; eyebright.EyebrightError") == set()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["nonsense"],
        ["completion", "fish"],
        *([verb, "--help"] for verb in ("predict", "embed", "inspect", "verify", "models", "doctor", "import")),
        ["models", "build", "--help"],
    ],
)
def test_help_is_instant(arguments):
    """Neither torch nor the runtime nor numpy is needed to say what a verb does."""
    assert imported(f"from eyebright.cli import run; run({arguments})") == set()


def test_predict_needs_no_workshop(cat):
    """A plain install has no torch; and reading a model file does not take onnx."""
    found = imported(f"from eyebright.cli import run; assert run(['predict', {str(cat)!r}]) == 0")
    assert found == {"numpy", "onnxruntime", "PIL"}


def test_the_public_names_are_there():
    """What `__all__` promises."""
    import eyebright

    workshop = {name for name, home in eyebright.HOMES.items() if home == "eyebright.training"}
    assert all(getattr(eyebright, name) for name in eyebright.__all__ if name not in workshop)
    for name in workshop:
        if find_spec("torch") is None:
            with pytest.raises(eyebright.EyebrightError, match=r"pip install 'eyebright\[train\]'"):
                getattr(eyebright, name)
        else:
            assert getattr(eyebright, name)
    with pytest.raises(AttributeError, match="no attribute 'laod'"):
        _ = eyebright.laod
