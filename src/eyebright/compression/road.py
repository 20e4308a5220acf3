"""The way to a model that fits, on the disk: what was done and what came of it, so that nothing is done twice.

FOLDER/road.json has a line of history a step and a point a model that was measured; runs are folders beside it.
"""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from eyebright.errors import BadRequest, CannotWrite
from eyebright.modelfile import Figure, ModelFile, read
from eyebright.training.run import Run

HEAD = "head"
MORE = 1.5
"""So many times the minutes are worth learning anew."""


class Point(msgspec.Struct, frozen=True):
    """A model that was made on the way, as it is on this machine."""

    name: str
    how: str
    """In a sentence."""
    file: str
    """Beside road.json."""
    figure: Figure
    """The task's main figure, on the validation split."""
    size_bytes: int
    latency_ms: float
    """One picture, one thread."""
    made_for: str = ""
    """On which machine or device, and with how much that may be lost."""


class Step(msgspec.Struct, frozen=True):
    """Something that was done, and why."""

    said: str
    seconds: float


class State(msgspec.Struct):
    """What road.json holds."""

    asked: str = ""
    """A hash of the data and of what decides how it is learned; the budget is not part of it."""
    points: dict[str, Point] = {}
    steps: list[Step] = []
    tried: list[str] = []
    """Hashes of the models that were tried on the test split."""
    minutes: float = 0.0
    """That what is there was given, or had when it was stopped."""


class Road:
    """The folder of a fit on one machine, or for one device. Raises BadRequest where it belongs to other data."""

    def __init__(self, folder: Path, asked: str, made_for: str, force: bool = False) -> None:
        self.folder = folder
        self.made_for = made_for
        self.state = State(asked)
        self.began = time.monotonic()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            found = (folder / "road.json").read_bytes()
        except FileNotFoundError:
            self.save()
            return
        except OSError as error:
            raise CannotWrite(f"{folder} cannot be used: {(error.strerror or str(error)).lower()}.") from None
        try:
            state = msgspec.json.decode(found, type=State)
        except msgspec.DecodeError:
            raise BadRequest(f"{folder / 'road.json'} is not what a fit leaves; take another output.") from None
        if state.asked != asked and not force:
            raise BadRequest(
                f"{folder} holds a fit of other pictures or for another task; name another output, or begin anew with "
                "--force."
            )
        if state.asked != asked:
            self.clear(state)
            return
        self.state = state

    def clear(self, old: State, but: str = "") -> None:
        """Take away what another fit left, and nothing else; what has a name that begins with `but` stays."""
        for point in old.points.values():
            if not (but and point.name.startswith(but)):
                (self.folder / Path(point.file).name).unlink(missing_ok=True)
        for run in self.folder.iterdir():
            if (run / "run.json").is_file() and not (but and run.name.startswith(but)):
                shutil.rmtree(run, ignore_errors=True)
        self.save()

    def given(self, minutes: float) -> bool:
        """Whether there was far less time before: then what learned in it is taken away, all but the head."""
        old, more = self.state, 0 < self.state.minutes < minutes / MORE
        if more:
            kept = {name: point for name, point in old.points.items() if name.startswith(HEAD)}
            steps = [step for step in old.steps if step.said.startswith(HEAD)]
            self.state = State(old.asked, kept, steps, old.tried)
            self.clear(old, HEAD)
        if more or not self.state.minutes:
            self.had(minutes)
        return more

    def had(self, minutes: float) -> None:
        self.state.minutes = minutes
        self.save()

    def save(self) -> None:
        Run(self.folder).write("road.json", msgspec.json.encode(self.state))

    @property
    def points(self) -> dict[str, Point]:
        """What was seen on this machine."""
        return {name: point for name, point in self.state.points.items() if point.made_for == self.made_for}

    def point(self, name: str, make: Callable[[], tuple[bytes, str, Figure, float]]) -> Point:
        """The point of this name; made by `make` (bytes, how, figure, milliseconds) where it is not there yet."""
        known = self.points.get(name)
        if known and (self.folder / known.file).is_file():
            return known
        began = time.monotonic()
        data, how, figure, latency_ms = make()
        file = f"{name}.onnx"
        Run(self.folder).write(file, data)
        found = Point(name, how, file, figure, len(data), latency_ms, self.made_for)
        self.state.points[name] = found
        self.state.steps.append(Step(how, time.monotonic() - began))
        self.save()
        return found

    def note(self, said: str, seconds: float = 0.0) -> None:
        """A step that made no model, once."""
        if all(step.said != said for step in self.state.steps):
            self.state.steps.append(Step(said, seconds))
            self.save()

    def tries(self, file: ModelFile) -> int:
        """How many models were tried on the test split, with this one."""
        if file.sha256 not in self.state.tried:
            self.state.tried.append(file.sha256)
            self.save()
        return len(self.state.tried)

    def open(self, point: Point) -> ModelFile:
        return read(self.folder / point.file)


def as_json(road: Road) -> list[dict[str, Any]]:
    return [msgspec.to_builtins(point) for point in road.points.values()]
