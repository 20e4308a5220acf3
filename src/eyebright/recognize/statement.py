"""From a network's numbers to a Prediction: which statement is made, and what is shown beside it."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from msgspec import UNSET, UnsetType

from eyebright.errors import BadRequest, EyebrightError
from eyebright.labels import SURE, Hierarchy, Statement
from eyebright.modelfile import Metadata
from eyebright.recognize.prediction import Failure, LabelScore, Prediction, Reason, Summary
from eyebright.recognize.silence import is_none, limit_for, members, threshold_for
from eyebright.recognize.video import segments, smooth
from eyebright.runtime import Floats

NEVER = 2.0
"""A score that nothing reaches."""


class Row(NamedTuple):
    """What the network said of one picture: of its outputs those that were asked for, or why there are none."""

    source: str
    time_s: float | None = None
    scores: Floats | None = None
    fitting: float | None = None
    """How well it fits what the model knows (`silence.fitting`)."""
    embedding: Floats | None = None
    error: EyebrightError | None = None


class Words:
    """How one model's numbers are put, by the choices of whoever asks."""

    def __init__(
        self,
        metadata: Metadata,
        top: int = 5,
        threshold: float | None = None,
        none_of_these: bool = False,
        abstain: float | None = None,
        set_coverage: float | None = None,
    ) -> None:
        if threshold is not None and not 0 <= threshold <= 1:
            raise BadRequest(f"a threshold is a score from 0 to 1; {threshold:g} is not (60% is 0.6).")
        if top < 1:
            raise BadRequest(f"--top takes 1 or more labels; {top} is not.")
        if none_of_these and metadata.abstain is None:
            raise BadRequest(f"{metadata.name} was not taught when to say none of these; `eyebright tune` teaches it.")
        if threshold is not None and abstain is not None:
            raise BadRequest("--threshold and --abstain both say how sure is sure enough; give one of them.")
        self.task = metadata.task
        self.hierarchy = Hierarchy.of(metadata)
        self.top = top
        self.needed = (
            self.hierarchy.needed(SURE, metadata.thresholds) if threshold is None else self.hierarchy.needed(threshold)
        )
        if abstain is not None:  # the promise is one of labels alone
            sure = threshold_for(metadata, abstain).threshold
            self.needed = np.where(np.arange(len(self.needed)) < len(metadata.labels), sure, NEVER)
        self.abstain = metadata.abstain if none_of_these else None
        self.sets = metadata.sets if set_coverage is not None else None
        self.limit = 0.0 if set_coverage is None else limit_for(metadata, set_coverage)

    def all_scores(self, row: Row) -> npt.NDArray[np.float64]:
        """Scores of labels and inner nodes, rounded before anything is decided: what is shown is what was compared."""
        assert row.scores is not None
        return self.hierarchy.all_scores(row.scores).round(6)

    def said(self, row: Row) -> tuple[Statement | None, Reason | None]:
        """The statement, or why there is none."""
        if self.abstain and row.fitting is not None and is_none(self.abstain, row.fitting):
            return None, "none_of_these"
        said = self.hierarchy.most_specific(self.all_scores(row), self.needed)
        return said, None if said else "unsure"

    def prediction(self, row: Row, start_s: float | None = None, end_s: float | None = None) -> Prediction:
        """One row, or a stretch of video from `start_s` to `end_s`, as the Prediction that everybody sees."""
        assert row.scores is not None
        said, reason = self.said(row)
        scores = self.all_scores(row).tolist()
        nodes = self.hierarchy.nodes
        inside = self._set(row.scores)
        best = np.argsort(-row.scores, kind="stable")[: max(self.top, len(inside))].tolist()
        above = {node for label in best for node in self.hierarchy.ancestors(label)}
        if said and said.node >= self.hierarchy.num_labels:  # what is said is shown, whatever --top leaves out
            above |= {said.node, *self.hierarchy.ancestors(said.node)}
        return Prediction(
            source=row.source,
            task=self.task,
            labels=tuple(
                LabelScore(nodes[at].label, nodes[at].id, scores[at], self._on(at, scores[at])) for at in best
            ),
            parents=tuple(
                LabelScore(nodes[at].label, nodes[at].id, scores[at])
                for at in sorted(above, key=lambda at: (-scores[at], at))
            ),
            summary=Summary(nodes[said.node].label, nodes[said.node].id, said.score, said.threshold) if said else None,
            reason=reason or UNSET,
            set=tuple(nodes[at].id for at in inside) if self.sets else UNSET,
            time_s=UNSET if row.time_s is None else row.time_s,
            start_s=UNSET if start_s is None else start_s,
            end_s=UNSET if end_s is None else end_s,
        )

    def _set(self, scores: Floats) -> list[int]:
        """Labels of the prediction set, best first; none where no set was asked for."""
        if self.sets is None:
            return []
        inside = np.flatnonzero(members(scores[None], self.sets, self.limit)[0])
        return sorted(inside.tolist(), key=lambda at: (-scores[at], at))

    def _on(self, at: int, score: float) -> bool | UnsetType:
        return (self.task == "multi" and bool(score >= self.needed[at])) or UNSET

    def summarized(self, rows: Iterable[Row]) -> Iterator[Prediction | Failure]:
        """Single pictures as they are; the frames of a video gathered into stretches in which one statement holds."""
        gathered: list[Row] = []
        for row in rows:
            if gathered and (row.error or row.time_s is None or not _goes_on(gathered[-1], row)):
                yield from self._stretches(gathered)
                gathered = []
            if row.error:
                yield Failure.of(row.source, row.error)
            elif row.time_s is None:
                yield self.prediction(row)
            else:
                gathered.append(row)
        if gathered:
            yield from self._stretches(gathered)

    def _stretches(self, rows: list[Row]) -> Iterator[Prediction]:
        times = [row.time_s or 0.0 for row in rows]
        step_s = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 0.0
        scores = np.stack([row.scores for row in rows if row.scores is not None])
        calm = [Row(rows[0].source, None, part, rows[at].fitting) for at, part in enumerate(smooth(scores))]
        said = [statement.node if statement else reason for statement, reason in map(self.said, calm)]
        for first, last in segments(said):
            fitting = [row.fitting for row in rows[first:last] if row.fitting is not None]
            mean = scores[first:last].mean(axis=0, dtype=np.float64).astype(np.float32)
            whole = Row(rows[0].source, None, mean, sum(fitting) / len(fitting) if fitting else None)
            end_s = times[last] if last < len(times) else times[-1] + step_s
            yield self.prediction(whole, times[first], round(end_s, 3))


def _goes_on(before: Row, row: Row) -> bool:
    """Whether a frame belongs to the video of the one before; a video that is named twice begins again."""
    return row.source == before.source and (row.time_s or 0.0) >= (before.time_s or 0.0)
