"""How a frontier begins: in a folder of its own, as new, or as it was left."""

import contextlib
from pathlib import Path
from typing import Any

from eyebright import measure
from eyebright.compression.frontier import state
from eyebright.compression.frontier.points import Asked, Network, networks
from eyebright.compression.frontier.state import Home, State
from eyebright.data import Dataset
from eyebright.encoders import catalog
from eyebright.encoders.published import SOURCES
from eyebright.errors import BadRequest, CannotWrite
from eyebright.evaluation import metrics
from eyebright.training import Recipe
from eyebright.training.recipe import Mode


def opened(
    data: Dataset, folder: Path, asked: Asked | None, resume: bool, force: bool, source: dict[str, Any] | None
) -> Home:
    """The frontier's folder, new or as it was left."""
    if resume:
        known = state.read(folder)
        other = state.differing(known, asked) if asked else None
        if other:
            raise BadRequest(f"{folder} was begun with other {other}; leave that out, or begin in another folder.")
        if known.content_hash != data.content_hash:
            raise BadRequest(f"The pictures of {folder} were changed since it began; begin anew in another folder.")
        return Home(folder, known)
    if asked is None:
        raise BadRequest("Which networks? Name encoders, widths and sizes.")
    for encoder in asked.encoders:
        catalog.check(encoder)
    tried = networks(asked, SOURCES)
    for network in tried:
        recipe_of(asked, network)
    state.may_begin(folder, force)
    new = State(
        asked=asked,
        data=source or {},
        content_hash=data.content_hash,
        measure=metrics.MAIN[data.task],
        machine=measure.machine(),
        networks=tried,
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWrite(f"{folder} cannot be made: {(error.strerror or str(error)).lower()}.") from None
    return Home(folder, new, replaces=(folder / state.NAME).exists())


def forget(home: Home) -> None:
    """Of a request that cannot be meant nothing stays; what it would have replaced does."""
    if home.replaces:
        return
    (home.path / state.NAME).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # something of somebody else's is in it
        home.path.rmdir()


def recipe_of(asked: Asked, network: Network, epochs: float = 0.0, seed: int = 0) -> Recipe:
    """How one network is trained; 0 passes: as many as its recipe says."""
    own = {key: getattr(network, key) for key in ("encoder", "width", "depth", "size")}
    mode: Mode = "finetune" if network.mode == "finetune" else "scratch"
    return Recipe.of(mode, {**asked.keys, **own, "seed": seed, **({"epochs": epochs} if epochs else {})}, "the recipe")
