"""Video to single frames and back to stretches of time: PyAV decodes (the extra `video`), `segments` smooths."""

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from eyebright.bounds import LIMITS, Limits
from eyebright.errors import BadPicture, BadRequest, extra
from eyebright.images import HEAD_BYTES, SPARE, VIDEOS, sniff


@dataclass(frozen=True)
class Every:
    """How often a video is looked at: every so many seconds, or every so many frames."""

    seconds: float | None = 1.0
    frames: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Every":
        """From "1s", "0.5s", "200ms", "2min", or a number of frames.

        >>> Every.parse("500ms"), Every.parse("30")
        (Every(seconds=0.5, frames=None), Every(seconds=None, frames=30))
        """
        match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|min)?", text.strip())
        if not match or not float(match[1]):
            raise BadRequest(f"--every takes a time (1s, 500ms, 2min) or a number of frames (30); {text!r} is neither.")
        if match[2]:
            return cls(float(match[1]) * {"ms": 0.001, "s": 1, "min": 60}[match[2]])
        if "." in match[1]:
            raise BadRequest(f"--every {text} is no whole number of frames; for seconds say {text}s.")
        return cls(None, int(match[1]))


def frames(
    path: Path, every: Every, shorter: int, threads: int = 1, limits: Limits = LIMITS
) -> Iterator[tuple[float, Image.Image]]:
    """The sampled frames of a video, upright sRGB, each with its time in seconds; BadPicture when it cannot go on."""
    with extra("video", "reading video"):
        import av

    try:
        with open(path, "rb") as file:
            kind = sniff(file.read(HEAD_BYTES))
            if kind not in VIDEOS:
                raise BadPicture("not a video in a container that Eyebright reads.")
            file.seek(0)
            # the container is stated, so that no playlist or script demuxer can be talked into opening anything else
            with av.open(file, format=kind) as container:
                yield from _sampled(container, every, shorter, threads, limits)
    except OSError as error:  # PyAV's errors are OSErrors or ValueErrors too
        raise BadPicture(f"{_reason(error)}.") from None
    except (av.FFmpegError, ValueError, MemoryError) as error:
        raise BadPicture(f"the video is damaged ({_reason(error)}).") from None


def _sampled(
    container: Any, every: Every, shorter: int, threads: int, limits: Limits
) -> Iterator[tuple[float, Image.Image]]:
    if not container.streams.video:
        raise BadPicture("there is sound in it, but no picture.")
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = threads
    width, height = stream.codec_context.width, stream.codec_context.height
    if not 0 < width * height <= limits.pixels:
        raise BadPicture(
            f"{width:,} x {height:,} pixels a frame are over the limit of {limits.pixels / 1e6:,.0f} megapixels."
        )
    rate = float(stream.average_rate or 25)
    start_s = float(stream.start_time * stream.time_base) if stream.start_time else 0.0
    step_s = every.seconds or 0.0
    due_s, seen = 0.0, 0
    for index, frame in enumerate(container.decode(stream)):
        time_s = float(frame.time) if frame.time is not None else index / rate
        time_s = max(time_s - start_s, 0.0)
        wanted = index % every.frames == 0 if every.frames else time_s >= due_s - 0.5 / rate
        if not wanted:
            continue
        seen += 1
        if step_s:  # the next tick that is still to come: after a gap there is nothing to catch up with
            due_s = (math.floor((time_s + 0.5 / rate) / step_s) + 1) * step_s
        yield round(time_s, 3), _picture(frame, shorter, limits)
    if not seen:
        raise BadPicture("no frame of it could be decoded.")


def _picture(frame: Any, shorter: int, limits: Limits) -> Image.Image:
    if frame.width * frame.height > limits.pixels:
        raise BadPicture("a frame in it is larger than it first said.")
    scale = min(1.0, 2 * SPARE * shorter / min(frame.width, frame.height))
    size = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
    picture = Image.fromarray(frame.to_ndarray(format="rgb24", width=size[0], height=size[1]))
    rotation = int(getattr(frame, "rotation", 0) or 0)
    return picture.rotate(rotation, expand=True) if rotation else picture


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower().rstrip(".")[:120]


def smooth(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Scores of neighboring samples (T, L), each averaged with the one before and the one after it."""
    padded = np.concatenate([scores[:1], scores, scores[-1:]])
    averaged: npt.NDArray[np.float32] = (padded[:-2] + padded[1:-1] + padded[2:]) / np.float32(3)
    return averaged


def segments(said: Sequence[object]) -> list[tuple[int, int]]:
    """Stretches of equal statements, one a sample: each as its first sample and the one after its last.

    >>> segments(["cat", "cat", None, "dog"])
    [(0, 2), (2, 3), (3, 4)]
    """
    found, at = [], 0
    for _, group in itertools.groupby(said):
        length = len(list(group))
        found.append((at, at + length))
        at += length
    return found
