"""What is known so far, in frontier.json: written anew, whole or not at all, after every finished piece of work."""

import shutil
import time
from pathlib import Path
from typing import Any

import msgspec

from eyebright import __version__
from eyebright.compression.frontier.points import Asked, Network
from eyebright.errors import BadRequest, CannotWrite
from eyebright.training.run import Run

NAME = "frontier.json"
FILES = (NAME, "frontier.html", "frontier.png")


class State(msgspec.Struct, kw_only=True):
    """All that a later `--resume` needs."""

    eyebright: str = __version__
    asked: Asked
    data: dict[str, Any] = {}
    """Where the pictures are and how they are read."""
    content_hash: str
    measure: str
    """The main figure of the task: top1, ap or map."""
    machine: str = ""
    epochs: float = 0.0
    """Passes that each network was given; 0: not planned yet."""
    spent_s: float = 0.0
    opened: bool = False
    """Whether the test split was opened; from then on nothing is trained."""
    remarks: list[str] = []
    networks: list[Network] = []
    points: list[dict[str, Any]] = []
    """What came of it, for other programs."""
    says: list[str] = []


class Home:
    """The folder of a frontier and its state."""

    def __init__(self, path: Path, state: State, replaces: bool = False) -> None:
        self.path = path
        self.replaces = replaces
        """Another frontier is there, and stays until this one is planned: nothing is written so far."""
        self.state = state
        self.earlier_s = state.spent_s
        self.began = time.monotonic()

    @property
    def spent_s(self) -> float:
        """All starts together."""
        return self.earlier_s + time.monotonic() - self.began

    @property
    def left_s(self) -> float:
        """Of the promised time; infinite where none was promised."""
        minutes = self.state.asked.minutes
        return minutes * 60 - self.spent_s if minutes else float("inf")

    def replace(self) -> None:
        """Take away the other frontier."""
        if self.replaces:
            shutil.rmtree(self.path / "points", ignore_errors=True)
            for name in FILES:
                (self.path / name).unlink(missing_ok=True)
            self.replaces = False
            self.save()

    def save(self) -> None:
        if self.replaces:
            return
        self.state.spent_s = round(self.spent_s, 1)
        self.write(NAME, msgspec.json.format(msgspec.json.encode(self.state), indent=1))

    def write(self, name: str, content: str | bytes) -> None:
        """A whole file or none. Raises CannotWrite."""
        Run(self.path).write(name, content)


def read(folder: Path) -> State:
    """The state of a frontier. Raises BadRequest where the folder holds none."""
    try:
        return msgspec.json.decode((folder / NAME).read_bytes(), type=State)
    except OSError:
        raise BadRequest(f"{folder} holds no frontier to go on with; leave out --resume to begin one.") from None
    except (msgspec.MsgspecError, RecursionError):
        raise BadRequest(f"{folder / NAME} is not what a frontier writes; begin anew in another folder.") from None


def differing(state: State, asked: Asked) -> str | None:
    """Which part of what is asked is other than at the beginning."""
    return next((key for key in Asked.__struct_fields__ if getattr(state.asked, key) != getattr(asked, key)), None)


def may_begin(folder: Path, force: bool) -> None:
    """Raise CannotWrite where the folder is taken."""
    if folder.exists() and not folder.is_dir():
        raise CannotWrite(f"{folder} is a file; take another name for the frontier's folder.")
    if (folder / NAME).exists():
        if not force:
            raise CannotWrite(f"{folder} holds a frontier; --resume goes on with it, --force replaces it.")
    elif folder.exists() and any(folder.iterdir()):
        raise CannotWrite(f"{folder} is not empty and no frontier; take another folder.")
