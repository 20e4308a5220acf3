"""From anything that holds a picture to a Prediction.

bytes -> images.decode -> preprocessing.fit -> runtime -> labels.Hierarchy -> Prediction
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from eyebright import images, models, selftest
from eyebright.bounds import LIMITS, Limits
from eyebright.errors import BadModelFile, BadPicture, BadRequest, EyebrightError
from eyebright.modelfile import ModelFile, read
from eyebright.preprocessing import Pixels, fit, shorter_side
from eyebright.recognize.prediction import Failure, Prediction
from eyebright.recognize.silence import NEEDS, fitting
from eyebright.recognize.sources import Movie, Sources, Still, name_of, to_picture
from eyebright.recognize.statement import Row, Words
from eyebright.recognize.stream import in_order
from eyebright.recognize.video import Every, frames
from eyebright.runtime import Floats, Runtime, cores

BATCH = 4  # an int8 network gains nothing from more, and no core waits long for the last handful
_KINDS = "a path, bytes, a PIL image or an (H, W, 3) uint8 array"


class _Frame(NamedTuple):
    """One picture on its way: not decoded (`content`), or a frame that video.py decoded."""

    source: str
    content: Any
    time_s: float | None = None


def load(
    model: str | Path | ModelFile | None = None,
    *,
    provider: str = "cpu",
    threads: int | None = None,
    size: int | None = None,
    top: int = 5,
    threshold: float | None = None,
    none_of_these: bool = False,
    abstain: float | None = None,
    set_coverage: float | None = None,
    limits: Limits = LIMITS,
    trust: bool = False,
) -> "Recognizer":
    """A Recognizer for a model file; for the model that ships when none is named.

    provider       "cpu", "cuda", "coreml", "openvino" ...: what computes (runtime.PROVIDERS)
    threads        of the processor, all by default
    size           of the input in pixels, one that the model file lists
    top            how many labels a prediction shows
    threshold      score from which on a statement is made, 0..1; the model file's own or 0.6 by default
    none_of_these  say so where even the best label does not fit, if the model file knows how
    abstain        answer only where so large a share of the answers is right, if the model file can promise that
    set_coverage   give each prediction a set of labels that holds the right one with this chance, 0..1
    trust          do not try a model file from elsewhere in a child process first

    Raises BadModelFile, BadRequest, MissingExtra.
    """
    file = model if isinstance(model, ModelFile) else read(models.path(model))
    if not trust and file.sha256 not in models.SHIPPED.values():
        from eyebright import trial  # only files from elsewhere need what it imports

        trial.prove(file)
    threads = cores() if threads is None else threads
    words = Words(file.metadata, top, threshold, none_of_these, abstain, set_coverage)
    return Recognizer(file, provider, threads, size, words, limits)


class Recognizer:
    """Names what is in pictures. Call it with a path, bytes, a PIL image, an (H, W, 3) uint8 array, or many of them."""

    def __init__(
        self,
        model: ModelFile,
        provider: str,
        threads: int,
        size: int | None,
        words: Words,
        limits: Limits,
    ) -> None:
        spec = model.metadata.input
        if size is not None and size not in {spec.size, *spec.sizes}:
            allowed = ", ".join(map(str, sorted({spec.size, *spec.sizes})))
            raise BadRequest(f"this model takes pictures of side {allowed}; {size} is not among them.")
        if threads < 1:
            raise BadRequest(f"--threads takes 1 or more; {threads} is not.")
        self.model = model
        self.metadata = model.metadata
        self.words = words
        self.threads = threads
        self.limits = limits
        self.size = size or spec.size
        self._shorter = shorter_side(spec, self.size)
        # one thread a session: workers take whole pictures each, which scales better than sharing one picture
        self.runtime: Runtime = selftest.open_tested(model, provider, threads=1)
        self._outputs = ["scores"]
        if words.abstain:
            needed = NEEDS[words.abstain.method]
            if needed not in self.runtime.outputs:
                raise BadModelFile(f"{model.path}: to say none of these it needs an output `{needed}`, which it lacks.")
            self._outputs.append(needed)

    def __call__(self, source: Any) -> Any:
        """A Prediction for one picture; a list of them for an iterable. Raises BadPicture; `stream` never does."""
        if not _is_one(source):
            return [self.words.prediction(row) for row in self._readable(self._stream_rows(source, self._outputs))]
        name = name_of(os.fsdecode(source)) if isinstance(source, (str, os.PathLike)) else ""
        (row,) = self._readable(self._rows([_Frame(name, source)], self._outputs))
        return self.words.prediction(row)

    def stream(
        self,
        sources: Iterable[Any] | Sources,
        *,
        every: str | Every = "1s",
        all_frames: bool = False,
        summarize: bool = False,
        batch: int = BATCH,
    ) -> Iterator[Prediction | Failure]:
        """A Prediction or Failure for each picture, in order, decoded in parallel, in memory that does not grow.

        Sources are files, folders, video files, bytes, PIL images or arrays. Of a video, one prediction a sampled
        frame (`every`), or with `summarize` one a stretch of time; of an animated picture the first frame, or all.
        """
        rows = self._stream_rows(sources, self._outputs, every, all_frames, batch)
        if summarize:
            return self.words.summarized(rows)
        return (Failure.of(row.source, row.error) if row.error else self.words.prediction(row) for row in rows)

    def embed(self, source: Any) -> Floats:
        """The embedding of one picture (D,), or of an iterable of them (N, D). Raises BadPicture."""
        self._must_embed()
        vectors = [row.embedding for row in self._readable(self._stream_rows(source, ["embedding"]))]
        stacked: Floats = np.stack(vectors) if vectors else np.zeros((0, 0), np.float32)  # type: ignore[arg-type]
        return stacked[0] if _is_one(source) else stacked

    def stream_embeddings(
        self, sources: Iterable[Any] | Sources, *, every: str | Every = "1s", batch: int = BATCH
    ) -> Iterator[tuple[str, Floats | Failure]]:
        """(source, embedding (D,)) or (source, Failure) for each picture; a frame's source is `video.mp4#12.0s`."""
        self._must_embed()
        return map(_embedded, self._stream_rows(sources, ["embedding"], every, batch=batch))

    def _must_embed(self) -> None:
        if "embedding" not in self.runtime.outputs:
            raise BadRequest(f"{self.metadata.name} has no embedding output.")

    def _readable(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows, up to the first that is an error: that is raised, with its source."""
        for row in rows:
            if row.error:
                raise type(row.error)(f"{row.source}: {row.error}" if row.source else str(row.error))
            yield row

    def _stream_rows(
        self,
        sources: Iterable[Any] | Sources,
        outputs: Sequence[str],
        every: str | Every = "1s",
        all_frames: bool = False,
        batch: int = BATCH,
    ) -> Iterator[Row]:
        if batch < 1:
            raise BadRequest(f"--batch takes 1 or more; {batch} is not.")
        every = Every.parse(every) if isinstance(every, str) else every
        items = self._frames(_sources(sources), every)
        return in_order(lambda some: self._rows(some, outputs, all_frames), items, self.threads, batch)

    def _frames(self, items: Iterable[Still | Movie], every: Every) -> Iterator[_Frame]:
        for item in items:
            if isinstance(item, Still):
                yield _Frame(item.source, item.content)
            else:
                try:
                    for time_s, picture in frames(item.path, every, self._shorter, self.threads, self.limits):
                        yield _Frame(item.source, picture, time_s)
                except EyebrightError as error:
                    yield _Frame(item.source, error)

    def _rows(self, some: list[_Frame], outputs: Sequence[str], all_frames: bool = False) -> list[Row]:
        """From bytes to numbers: what one worker does with one handful."""
        rows: list[Row] = []
        waiting: list[tuple[int, Pixels]] = []
        for frame in some:
            try:
                for time_s, picture in self._pictures(frame, all_frames):
                    waiting.append((len(rows), fit(picture, self.metadata.input, self.size)))
                    rows.append(Row(frame.source, time_s))
                    if len(waiting) == 8 * BATCH:  # an animation of a thousand frames
                        self._fill(rows, waiting, outputs)
            except EyebrightError as error:
                rows.append(Row(frame.source, frame.time_s, error=error))
        self._fill(rows, waiting, outputs)
        return rows

    def _pictures(self, frame: _Frame, all_frames: bool) -> Iterator[tuple[float | None, Image.Image]]:
        content = frame.content
        if isinstance(content, EyebrightError):
            raise content
        if isinstance(content, np.ndarray):
            content = to_picture(content)
        if isinstance(content, Image.Image):
            yield frame.time_s, images.upright_srgb(content)
            return
        if isinstance(content, (bytes, bytearray, memoryview)):
            yield from self._decoded(bytes(content), all_frames)
        elif isinstance(content, (str, os.PathLike)):
            try:
                data = images.read_file(os.fsdecode(content), self.limits)
            except ValueError:  # a NUL or a lone surrogate
                raise BadPicture("no file can have this name.") from None
            yield from self._decoded(data, all_frames)
        else:
            raise BadRequest(f"a picture is {_KINDS}, not {type(content).__name__}.")

    def _decoded(self, data: bytes, all_frames: bool) -> Iterator[tuple[float | None, Image.Image]]:
        if images.sniff(data[: images.HEAD_BYTES]) in images.VIDEOS:
            raise BadPicture(
                "this is a video: its frames are named by `eyebright predict` and `stream`, given its path."
            )
        if all_frames:
            yield from images.decode_frames(data, self._shorter, self.limits)
        else:
            yield None, images.decode(data, self._shorter, self.limits)

    def _fill(self, rows: list[Row], waiting: list[tuple[int, Pixels]], outputs: Sequence[str]) -> None:
        if not waiting:
            return
        batch = np.stack([pixels for _, pixels in waiting])
        results = dict(zip(outputs, self.runtime.run(batch, outputs), strict=True))
        abstain = self.words.abstain
        fits = None
        if abstain and NEEDS[abstain.method] in results:
            fits = fitting(abstain.method, results[NEEDS[abstain.method]])
        for number, (at, _) in enumerate(waiting):
            row = rows[at]
            scores, embedding = results.get("scores"), results.get("embedding")
            rows[at] = Row(
                row.source,
                row.time_s,
                None if scores is None else scores[number],
                None if fits is None else float(fits[number]),
                None if embedding is None else embedding[number],
            )
        waiting.clear()


def _embedded(row: Row) -> tuple[str, Floats | Failure]:
    name = row.source if row.time_s is None else f"{row.source}#{row.time_s:g}s"
    if row.error:
        return name, Failure.of(row.source, row.error)
    assert row.embedding is not None
    return name, row.embedding


def _is_one(source: Any) -> bool:
    return isinstance(source, (str, os.PathLike, bytes, bytearray, memoryview, Image.Image, np.ndarray))


def _sources(given: Any) -> Sources:
    if isinstance(given, Sources):
        return given
    if _is_one(given):
        return Sources([given])
    if not isinstance(given, Iterable) or hasattr(given, "read"):  # an open file would be taken for its lines
        raise BadRequest(f"a picture is {_KINDS}, or many of them, not {type(given).__name__}.")
    return Sources(given)
