"""Proof that resuming changes nothing, for the run at hand: do it again, kill it on the way, resume, compare bytes."""

import contextlib
import filecmp
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from eyebright.errors import EyebrightError
from eyebright.training.events import Said, Tell
from eyebright.training.run import MODEL, PARTS, Run

POLL_S = 0.02


def prove(run: Path, tell: Tell) -> str:
    """A sentence that says that the killed and resumed twin of a finished run ends in the same bytes.

    Raises EyebrightError where it does not. Takes as long as the run took.
    """
    twin = run / "twin"
    shutil.rmtree(twin, ignore_errors=True)
    twin.mkdir()
    for name in ("recipe.toml", "run.json", *PARTS):
        if (run / name).exists():
            shutil.copy(run / name, twin / name)  # with the planned number of steps
    steps = Run(run).history()[-1]["step"]
    kill_at = random.SystemRandom().randrange(1, max(steps, 2))
    tell(Said(f"Proving that it can be resumed: the same run again, killed at about step {kill_at:,} of {steps:,} ..."))
    killed_at = kill_after(command(twin), twin, kill_at)
    tell(Said(f"Killed at step {killed_at:,}; resuming ..."))
    ended = subprocess.run(command(twin), capture_output=True, text=True, check=False)
    if ended.returncode:
        raise EyebrightError(f"The killed run could not be resumed: {ended.stderr.strip()[-500:]}")
    different = [str(file) for file in results(run) if not filecmp.cmp(run / file, twin / file, shallow=False)]
    if different:
        raise EyebrightError(
            f"The run that was killed at step {killed_at:,} and resumed ended otherwise, in {', '.join(different)}; "
            f"both are kept in {run}. Please report this."
        )
    shutil.rmtree(twin)
    return (
        f"The same run was killed (SIGKILL) at step {killed_at:,} of {steps:,} and resumed: its last checkpoint, its "
        "best weights and its model file are the same, byte for byte."
    )


def command(run: Path) -> list[str]:
    """What resumes a run, in a process of its own."""
    return [sys.executable, "-m", "eyebright", "train", "--resume", "--anyway", "-o", str(run)]


def kill_after(command: list[str], run: Path, step: int) -> int:
    """Start a run and kill it, without warning, once its log tells of `step`; the last step that it told of."""
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while child.poll() is None and last_step(run) < step:
            time.sleep(POLL_S)
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(signal.SIGKILL)
    finally:
        child.wait()
    return last_step(run)


def last_step(run: Path) -> int:
    """The last step in a log that is being written."""
    with contextlib.suppress(OSError, ValueError, KeyError, IndexError), open(run / "log.jsonl", "rb") as log:
        log.seek(max(log.seek(0, 2) - 2000, 0))
        whole = log.read().rpartition(b"\n")[0].splitlines()
        for line in reversed(whole):
            event = json.loads(line)
            if event["event"] == "progress":
                return int(event["step"])
    return 0


def results(run: Path) -> list[Path]:
    """What must be the same, relative to the run."""
    last = max((run / "checkpoints").glob("step-*.safetensors"))
    return [last.relative_to(run), Path("checkpoints/best.safetensors"), Path(MODEL)]
