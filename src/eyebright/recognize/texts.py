"""Opening a text file, as `load` opens a model file."""

from pathlib import Path

from eyebright import textfile, texttower, trial
from eyebright.textfile import TextFile
from eyebright.texttower import TextTower


def load_text(file: str | Path | TextFile, *, threads: int | None = None, trust: bool = False) -> TextTower:
    """The text encoder of a two-tower model, from its text file.

    threads   of the processor; one by default, as a text is short
    trust     do not try the file in a child process first

    Raises BadModelFile, MissingExtra.
    """
    file = file if isinstance(file, TextFile) else textfile.read(file)
    if not trust:
        trial.prove_text(file)
    return texttower.open_tested(file, threads or 1)
