"""The contract of every command that shrinks a model: smaller or faster here, and no worse than its owner allowed.

Old and new answer the same pictures, take turns at the clock, and what comes of both stands side by side; without that
nothing is written.
"""

from typing import NamedTuple

from eyebright import measure
from eyebright.data import Dataset
from eyebright.errors import Refused
from eyebright.evaluation import drop
from eyebright.evaluation.answers import ask, in_terms_of
from eyebright.evaluation.compare.difference import Comparison, columns, compare
from eyebright.evaluation.compare.words import Side
from eyebright.evaluation.drop import Allowed, Verdict
from eyebright.evaluation.per_class import given
from eyebright.measure import speedup
from eyebright.modelfile import ModelFile
from eyebright.runtime import cores
from eyebright.selftest import open_tested
from eyebright.training.events import Tell, counting


class Judged(NamedTuple):
    """A smaller model beside the one that it was made from."""

    verdict: Verdict
    found: Comparison
    data: Dataset
    """The pictures that both answered, in the words of the first."""
    before: Side
    after: Side

    @property
    def smaller(self) -> bool:
        return self.after.file.stored_bytes < self.before.file.stored_bytes

    @property
    def faster(self) -> bool:
        """Faster on this machine, by more than turns differ; False where nothing was timed."""
        if not self.after.measured.turns_ms:
            return False
        low = speedup(self.before.measured, self.after.measured).low
        return low is not None and low > 1

    @property
    def sentence(self) -> str:
        said = drop.sentence(self.verdict, self.data.labels)
        return said if self.smaller or self.faster else f"refused: neither smaller nor faster here. ({said})"

    def must_hold(self, strict: bool = False, so: str = "Nothing is written") -> None:
        """Raise Refused where the contract does not hold; `strict`: where it is not proved; `so` says what follows."""
        if not (self.smaller or self.faster) or self.verdict.word == "refused":
            raise Refused(f"{so}. {self.sentence}")
        if strict and self.verdict.word != "proved":
            raise Refused(f"{so}, since --strict takes only what is proved. {self.sentence}")


def judge(
    before: ModelFile,
    after: ModelFile,
    data: Dataset,
    allowed: Allowed,
    tell: Tell,
    turns: int = measure.TURNS,
) -> Judged:
    """Compare a smaller model with the one that it was made from, on pictures that had no say in making it.

    Raises BadRequest where their labels do not fit, or no picture can be read.
    """
    data = in_terms_of(before.metadata, data).data
    order = columns(before.metadata, after.metadata)
    first = ask(data, before, open_tested(before), ["scores"], cores(), counting(tell, "pictures judged"))
    data = data.only(first.items)  # both are judged by what could be read
    second = ask(data, after, open_tested(after), ["scores"], cores(), counting(tell, "pictures judged"))
    a, b = first.outputs["scores"], second.outputs["scores"]
    said_a, said_b = given(a, before.metadata), given(b, after.metadata)[:, order]
    task = before.metadata.task
    verdict = drop.verdict(a, b[:, order], second.targets, task, allowed, (said_a, said_b))
    found = compare(a, b[:, order], second.targets, task, said_a, said_b)
    measured = measure.in_turns([before, after], turns=turns, told=counting(tell, "turns at the clock"))
    sides = Side(before, a, said_a, measured[0]), Side(after, b[:, order], said_b, measured[1])
    return Judged(verdict, found, data, *sides)
