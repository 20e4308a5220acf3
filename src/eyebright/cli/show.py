"""What a training, or whatever takes as long, tells on stderr while it goes on."""

import shutil
import sys
import time
from typing import TYPE_CHECKING

import click

from eyebright.cli import options

if TYPE_CHECKING:
    from eyebright.training.events import Event

REDRAW_S = 0.2


class Show:
    """Events on stderr: a line that is redrawn where somebody watches, else a line for what is worth one."""

    def __init__(self, plain: bool, silent: bool = False) -> None:
        self.silent = silent
        self.redraws = sys.stderr.isatty() and not plain and not silent
        self.drawn = 0.0
        self.best = ""
        self.width = 0

    def __call__(self, event: "Event") -> None:
        from eyebright.training.events import Counted, Progress, Said, clock

        if isinstance(event, Said):
            self.say(event.text)
        elif isinstance(event, Counted):
            self.draw(f"{event.what} {event.done:,} of {event.total:,}", event.done == event.total)
        elif isinstance(event, Progress):
            if event.judged:
                mark = " (best so far)" if event.best else ""
                self.best = f"  validation {event.judged.value:.3f}, loss {event.judged.loss:.3f}{mark}"
            line = (
                f"step {event.step:,} of {event.steps:,}  epoch {event.epoch:.1f}  loss {event.loss:.3f}{self.best}  "
                f"{event.images_s:.0f} images a second  {clock(event.left_s)} left"
            )
            if event.judged and not self.redraws:
                self.say(line)
            else:
                self.draw(line, event.step == event.steps)

    def say(self, text: str) -> None:
        """A line that stays."""
        self.clear()
        if not self.silent:
            click.echo(options.one_line(text), err=True)

    def draw(self, text: str, last: bool) -> None:
        """A line that the next one takes the place of."""
        now = time.monotonic()
        if self.redraws and (last or now - self.drawn > REDRAW_S):
            self.drawn = now
            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write("\r" + text[:width].ljust(self.width))
            sys.stderr.flush()
            self.width = min(len(text), width)

    def clear(self) -> None:
        if self.width:
            sys.stderr.write("\r" + " " * self.width + "\r")
            self.width = 0
