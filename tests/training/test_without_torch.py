"""A plain install says what is missing, at the door."""

import subprocess
import sys


def test_training_without_torch_is_one_sentence(tmp_path):
    """With the line that installs it; nothing was read, nothing is left behind."""
    program = (
        "import sys; sys.modules['torch'] = None; from eyebright.cli import run; "
        "sys.exit(run(['train', 'photos', '-o', 'run']))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert ended.returncode == 2
    assert ended.stderr == "eyebright: Training needs the package torch: pip install 'eyebright[train]'\n"
    assert list(tmp_path.iterdir()) == []
