"""A frontier from end to end: networks are drawn, planned, trained, quantized, measured, and trained once more.

all are drawn and measured untrained -> how many passes fit -> trained, the fastest first -> int8 -> measured in turns
-> those that none beats are trained with other seeds -> the test split is opened, once

Going from fast to slow, whoever could stop a network has been where it is: nothing waits for anything.
"""

import math
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from eyebright import modelfile
from eyebright.compression.frontier import cost, page, words
from eyebright.compression.frontier.begin import forget, opened, recipe_of
from eyebright.compression.frontier.points import (
    FLOAT,
    INT8,
    RUNGS,
    Asked,
    Network,
    Point,
    Scored,
    how_many_fit,
    model_name,
    on_frontier,
    passes_that_fit,
    points,
    stopped_by,
)
from eyebright.compression.frontier.state import Home, State
from eyebright.compression.frontier.words import MEASURES
from eyebright.compression.int8 import converted
from eyebright.compression.parts import parts
from eyebright.data import Dataset
from eyebright.data.dataset import SPLITS
from eyebright.errors import BadModelFile, BadRequest, CannotWrite, Refused
from eyebright.evaluation import metrics
from eyebright.evaluation.drop import Allowed
from eyebright.measure import in_turns, latency, speedup
from eyebright.modelfile import Figure, ModelFile
from eyebright.training import train
from eyebright.training.checks import checked
from eyebright.training.distill import unlabeled
from eyebright.training.events import Counted, Enough, Event, Progress, Said, Tell, clock, counting
from eyebright.training.finish import scores_of
from eyebright.training.loop import Diverged
from eyebright.training.run import MODEL, Run

AT_ONCE = 7
"""Model files that take turns at the clock, one of them always the first network's."""
QUICK = 7
"""Turns of networks that are not trained yet."""
JUDGING = 1 / 3
"""What a picture costs that is judged, against one that is learned from."""
LOST = Allowed(0.02, 1.0)
"""What int8 may cost; layers go back to float where it would be more."""


class Found(NamedTuple):
    """What a frontier ends with."""

    folder: Path
    state: State
    points: tuple[Point, ...]
    """Every model file, in the order in which they were asked for."""
    frontier: tuple[Point, ...]
    """Those that none beats on the validation split."""


def frontier(
    data: Dataset,
    folder: str | Path,
    asked: Asked | None = None,
    *,
    resume: bool = False,
    force: bool = False,
    anyway: bool = False,
    tell: Tell = lambda event: None,
    source: dict[str, Any] | None = None,
) -> Found:
    """Train every network of `asked` on `data` and find those that are best for what they cost, into `folder`.

    `resume` goes on with what was stopped, and repeats nothing that is finished; `asked` may then be left out. `force`
    replaces a frontier that is there; `anyway` trains although the audit found what spoils the result. Raises
    BadRequest, CannotWrite, MissingExtra.
    """
    home = opened(data, Path(folder), asked, resume, force, source)
    search = Search(home, data, tell)
    try:
        search.look(anyway or resume)
        search.draw()
        search.plan()
    except (BadRequest, CannotWrite, BadModelFile):
        if not resume:
            forget(home)
        raise
    home.replace()
    search.train_all()
    search.measure()
    search.repeat()
    search.open_test()
    return search.end()


class Search:
    """The way to a frontier; each step does what the state does not have yet."""

    def __init__(self, home: Home, data: Dataset, tell: Tell) -> None:
        self.home = home
        self.state = home.state
        self.asked = home.state.asked
        self.networks = home.state.networks
        self.data = data
        self.tell = tell

    def say(self, text: str) -> None:
        self.tell(Said(text))

    def look(self, anyway: bool) -> None:
        """Three sets of pictures that can be read, have none in common, and tell what a network is worth."""
        self.data = data = parts(checked(self.data, anyway, self.tell)[0])
        for split in SPLITS[1:]:
            targets = data.part(split).targets()
            nothing = np.full(targets.shape, 1 / targets.shape[1])
            if self.state.measure not in metrics.figures(nothing, targets, data.task):
                raise BadRequest(
                    f"No picture of the {split} split has what is looked for, so nothing can be judged by it."
                )

    @property
    def open(self) -> Dataset:
        """All but the test split."""
        return self.data.only([item for item in self.data.items if item.split != "test"])

    @property
    def closed(self) -> list[str]:
        """Identities of the test split."""
        return [self.data.identity(item) for item in self.data.part("test").items]

    def draw(self) -> None:
        """Every network with random weights: its size, its latency, what a pass over the pictures takes."""
        todo = [one for one in self.networks if not one.pass_s]
        if not todo:
            return
        self.say(f"{len(self.networks)} networks to try; drawing and measuring {len(todo)} of them ...")
        learned, more = len(self.data.part("train").items), self.asked.keys.get("unlabeled")
        learned += len(unlabeled(more, self.data, self.quietly).items) if more else 0
        first: ModelFile | None = None
        done, count = 0, counting(self.tell, "networks drawn")
        for at in range(0, len(todo), AT_ONCE - 1):
            group = todo[at : at + AT_ONCE - 1]
            began = time.monotonic()
            files = [cost.untrained(network, self.asked, self.data) for network in group]
            drawn_s = (time.monotonic() - began) / len(files)
            same = group[0] is self.networks[0]
            first = first or (files[0] if same else cost.untrained(self.networks[0], self.asked, self.data))
            found = in_turns([first, *files], turns=QUICK)
            here_ms = self.networks[0].latency_ms or latency(found[0]).value
            for network, file, measured in zip(group, files, found[1:], strict=True):
                network.size_bytes = len(file.data)
                network.latency_ms = here_ms / speedup(found[0], measured).value
                judged = len(self.data.part("validation").items)
                network.around_s = cost.around_s(network, self.asked, self.open, drawn_s)
                network.pass_s = cost.picture_s(network, self.asked, self.data) * (learned + JUDGING * judged)
                done += 1
                count(done, len(todo))
            self.home.save()

    def plan(self) -> None:
        """How many passes each network has; raises BadRequest where one a network does not fit into the time."""
        if self.state.epochs:
            return
        most = recipe_of(self.asked, self.networks[0]).epochs
        if self.asked.minutes:
            fit_in = passes_that_fit(self.networks, self.asked.seeds, self.home.left_s)
            if fit_in < 1:
                raise BadRequest(self.too_short())
            most = min(math.floor(fit_in), self.asked.keys.get("epochs", math.inf))
        self.state.epochs = float(most)
        scratch = [one for one in self.networks if one.mode == "scratch"]
        if self.asked.mode == "finetune" and scratch:
            names = ", ".join(one.name for one in scratch[:3]) + (" ..." if len(scratch) > 3 else "")
            self.remark(f"From nothing, since there are no pretrained weights of them: {len(scratch)} ({names}).")
        needs_s = sum(one.training_s(self.state.epochs) for one in self.networks)
        pictures, again = len(self.data.part("train").items), self.asked.seeds - 1
        self.say(
            f"{len(self.networks)} networks learn for {self.state.epochs:g} pass{'es' * (self.state.epochs != 1)} over "
            f"{pictures:,} pictures each, about {clock(needs_s)} in all, the fastest first"
            + (f"; then those on the frontier with {again} more seed{'s' * (again > 1)}." if again else ".")
        )
        self.home.save()

    def too_short(self) -> str:
        count = how_many_fit(self.networks, self.home.left_s)
        needed_s = sum(one.pass_s + one.around_s for one in self.networks)
        again = 1 + (self.asked.seeds - 1) / 4
        return (
            f"In this time {count} of {len(self.networks)} networks can have one pass over the pictures; give about "
            f"{clock(needed_s * again + self.home.spent_s)} at least (--time), fewer seeds, or fewer networks."
        )

    def remark(self, sentence: str) -> None:
        if sentence not in self.state.remarks:
            self.state.remarks.append(sentence)
            self.say(sentence)

    def train_all(self) -> None:
        """Every network once, the first one and then the fastest first; it may be stopped where others are better."""
        first, *others = self.networks
        order = [first, *sorted(others, key=lambda one: one.latency_ms)]
        for at, network in enumerate(order, 1):
            if network.failed or 0 in network.runs:
                continue
            self.say(f"{at} of {len(order)}: {network.name}, {self.time_left()}")
            began = time.monotonic()
            self.learn(network, 0, may_stop=network is not first and not self.asked.whole)
            network.took_s = round(time.monotonic() - began, 1)
            self.home.save()
        if not any(one.runs for one in self.networks):
            raise BadRequest(f"No network could be trained: {self.networks[0].failed}")

    def time_left(self) -> str:
        spent_s, left_s = self.home.spent_s, self.home.left_s
        return f"{clock(left_s)} left" if math.isfinite(left_s) else f"{clock(spent_s)} so far"

    def learn(self, network: Network, seed: int, may_stop: bool) -> None:
        """One training, and the model files that come of it."""
        run = self.home.path / "points" / network.run(seed)
        if not Run(run).about():  # killed before it began
            shutil.rmtree(run, ignore_errors=True)
        recipe = recipe_of(self.asked, network, self.state.epochs, seed)
        try:
            if not (run / MODEL).exists():
                told = self.watch(network, may_stop) if not seed else self.quietly
                train(self.open, run, recipe, resume=run.exists(), anyway=True, tell=told, apart=self.closed)
        except Diverged as error:
            shutil.rmtree(run, ignore_errors=True)
            if not seed:
                network.failed = str(error)
            self.remark(f"{network.name} with seed {seed} could not be trained: {error}")
            return
        network.runs[seed] = self.scored(network, run)
        self.home.save()
        values = (
            f"{one.validation.value:.3f}{' in int8' * (bits == INT8)}" for bits, one in network.runs[seed].items()
        )
        self.say(f"  {MEASURES[self.state.measure]} {', '.join(values)} on validation")
        for checkpoint in (run / "checkpoints").glob("step-*"):
            checkpoint.unlink(missing_ok=True)  # the best weights stay

    def quietly(self, event: Event) -> None:
        """Of what a training tells, how far it is."""
        if isinstance(event, Progress):
            self.tell(replace(event, judged=None))  # what is judged gets a line where it has ended
        elif isinstance(event, Counted):
            self.tell(event)

    def watch(self, network: Network, may_stop: bool) -> Tell:
        """A listener that notes what a network is worth at each rung, and stops it where another one was better."""

        def told(event: Event) -> None:
            self.quietly(event)
            if not isinstance(event, Progress) or event.step == event.steps:
                return
            if network.stopped:  # and killed before it had finished
                raise Enough
            for rung in RUNGS:
                if event.judged and f"{rung:g}" not in network.rungs and event.step >= rung * event.steps:
                    network.rungs[f"{rung:g}"] = event.judged.value
                    winner = stopped_by(network, self.networks, rung) if may_stop else None
                    if winner:
                        network.stopped = (
                            f"at {rung:.0%} of the way: {winner.name}, smaller and faster, had "
                            f"{winner.rungs[f'{rung:g}']:.3f} there, against {event.judged.value:.3f}"
                        )
                    self.home.save()
                    if winner:
                        self.say(f"{network.name} is stopped {network.stopped}.")
                        raise Enough

        return told

    def scored(self, network: Network, run: Path) -> dict[int, Scored]:
        """The model files of a run; int8 is made here, the quick way."""
        file = modelfile.read(run / MODEL)
        found = {}
        if FLOAT in self.asked.bits:
            found[FLOAT] = Scored(len(file.data), file.metadata.card.metrics[self.state.measure])
        if INT8 in self.asked.bits:
            path = run / model_name(INT8)
            try:
                if not path.exists():
                    Run(run).write(path.name, converted(file, self.open, LOST, self.quietly)[0])
                small = modelfile.read(path)
                found[INT8] = Scored(len(small.data), self.figure(small, self.data.part("validation")))
            except (BadRequest, BadModelFile, Refused) as error:
                why = f"it would lose over {100 * LOST.whole:g} points" if isinstance(error, Refused) else str(error)
                self.remark(f"{run.name} is not shown in int8: {why.rstrip('.')}.")
                if not found:
                    found[FLOAT] = Scored(len(file.data), file.metadata.card.metrics[self.state.measure])
        return found

    def figure(self, file: ModelFile, data: Dataset) -> Figure:
        """The main figure of a model file on some pictures."""
        scores = scores_of(file.data, data)
        return metrics.figures(scores, data.targets(), data.task)[self.state.measure]

    def measure(self) -> None:
        """The latency of each first model file, in turns with the first of them."""
        here = points(self.networks, self.bits)
        todo = [one for one in here if one.bits not in one.network.latencies]
        if not todo:
            return
        self.say(f"Measuring {len(todo)} model files on one thread ...")
        first = self.read(here[0])
        for at in range(0, len(todo), AT_ONCE - 1):
            group = todo[at : at + AT_ONCE - 1]
            found = in_turns([first, *map(self.read, group)], told=counting(self.tell, "turns at the clock"))
            known = here[0].network.latencies.get(here[0].bits)
            base_ms = known.value if known else latency(found[0]).value
            for point, measured in zip(group, found[1:], strict=True):
                ratio = speedup(found[0], measured)
                low, high = ratio.low or ratio.value, ratio.high or ratio.value
                method = f"one thread, {measured.runtime}; in turns with {here[0].name}"
                point.network.latencies[point.bits] = Figure(
                    base_ms / ratio.value, base_ms / high, base_ms / low, ratio.n, method
                )
            self.home.save()

    @property
    def bits(self) -> tuple[int, ...]:
        """Float also where int8 was wanted alone and could not be made."""
        return self.asked.bits if FLOAT in self.asked.bits else (*self.asked.bits, FLOAT)

    def read(self, point: Point) -> ModelFile:
        return modelfile.read(self.home.path / point.file)

    def repeat(self) -> None:
        """The other seeds of the first network and of all on the frontier, which moves meanwhile; as time allows."""
        if self.state.opened:
            return
        while wanted := self.unsure():
            fits = [(one, seed) for one, seed in wanted if one.training_s(self.state.epochs) <= self.home.left_s]
            if not fits:
                count = len(wanted)
                self.remark(f"The time was too short for {count} more training{'s' * (count > 1)} with other seeds.")
                break
            network, seed = fits[0]
            self.say(f"{network.name} with seed {seed}; {len(wanted)} to repeat, {self.time_left()}")
            self.learn(network, seed, may_stop=False)
            network.runs.setdefault(seed, {})  # one that failed is not tried again
            self.home.save()

    def unsure(self) -> list[tuple[Network, int]]:
        """Which networks are to be trained with which seeds, those first that matter most."""
        best = on_frontier(points(self.networks, self.bits))
        names = [one.network.name for one in sorted(best, key=lambda point: -point.validation)]
        wanted = dict.fromkeys([self.networks[0].name, *names])
        by_name = {one.name: one for one in self.networks}
        seeds = range(1, self.asked.seeds)
        found = [(by_name[name], seed) for seed in seeds for name in wanted if seed not in by_name[name].runs]
        return [(one, seed) for one, seed in found if not one.failed and not one.stopped]

    def open_test(self) -> None:
        """The figures on the test split, of every model file that is shown."""
        self.state.opened = True
        self.home.save()
        test = self.data.part("test")
        todo = [
            (network, seed, bits)
            for network in self.networks
            for seed, run in network.runs.items()
            for bits, scored in run.items()
            if scored.test is None
        ]
        if todo:
            self.say(f"Opening the test split, {len(test.items):,} pictures, for {len(todo)} model files ...")
        count = counting(self.tell, "model files judged")
        for at, (network, seed, bits) in enumerate(todo, 1):
            file = modelfile.read(self.home.path / "points" / network.run(seed) / model_name(bits))
            network.runs[seed][bits].test = self.figure(file, test)
            self.home.save()
            count(at, len(todo))

    def end(self) -> Found:
        """Write what came of it."""
        here = points(self.networks, self.bits)
        best = on_frontier(here)
        validation, test = (len(self.data.part(split).items) for split in ("validation", "test"))
        self.state.says = words.sentences(self.state, here, best, validation, test)
        self.state.points = [words.as_json(self.state, one, one in best) for one in here]
        self.home.write("frontier.png", page.png(self.state, here, best))
        self.home.write("frontier.html", page.html(self.state, here, best, self.data.name, validation, test))
        self.home.save()
        return Found(self.home.path, self.state, tuple(here), tuple(best))
