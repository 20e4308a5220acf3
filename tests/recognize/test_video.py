"""Video: which frames are looked at, and what is said of stretches of time."""

import itertools
from fractions import Fraction
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyebright.errors import BadPicture, BadRequest
from eyebright.recognize.video import Every, segments, smooth
from pictures import animation, color_recognizer, encoded, plain, video

needs_av = pytest.mark.skipif(find_spec("av") is None, reason="the extra `video` (PyAV) is not installed")


@pytest.mark.parametrize(
    ("text", "every"),
    [
        ("1s", Every(1.0)),
        ("0.5s", Every(0.5)),
        ("200ms", Every(0.2)),
        ("2min", Every(120.0)),
        (" 30 ", Every(None, 30)),
    ],
)
def test_how_often_is_said_in_time_or_frames(text, every):
    """A number alone counts frames, as in most video tools."""
    assert Every.parse(text) == every


@pytest.mark.parametrize("text", ["", "often", "0s", "0", "-1s", "1.5", "1h", "1s2", "9" * 5000, "1e3s"])
def test_anything_else_is_refused(text):
    """With both ways to say it."""
    with pytest.raises(BadRequest, match="--every"):
        Every.parse(text)


@needs_av
@pytest.mark.parametrize(
    ("every", "times"),
    [("1s", [0, 1, 2, 3]), ("500ms", [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5]), ("15", [0, 1.5, 3]), ("1min", [0])],
)
def test_frames_are_taken_at_their_times(tmp_path, every, times):
    """The first frame always; then each tick, at the frame that is nearest."""
    path = video(tmp_path / "film.mp4", "red", "blue", seconds_each=2)
    found = list(color_recognizer(sharp=30).stream([path], every=every))
    assert [one.time_s for one in found] == pytest.approx(times, abs=0.051)
    assert {one.source for one in found} == {str(path)}
    assert [one.summary.label for one in found] == ["red" if time < 2 else "blue" for time in times]


@needs_av
def test_after_a_gap_in_time_nothing_is_caught_up_with(tmp_path):
    """A camera that records on movement leaves gaps; the frames after one are not sampled more densely."""
    import av

    path = tmp_path / "gap.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        frame = av.VideoFrame.from_image(plain("red", 64, 64))
        for tick in (*range(10), *range(200, 230)):
            frame.pts = tick
            frame.time_base = Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    found = list(color_recognizer().stream([path]))
    assert [round(one.time_s) for one in found] == [0, 20, 21, 22]


@needs_av
def test_stretches_say_one_thing_each_and_leave_no_gap(tmp_path):
    """A film is told in sentences, not in frames."""
    path = video(tmp_path / "film.mp4", "red", "blue", "green", seconds_each=3)
    found = list(color_recognizer(sharp=30).stream([path], every="500ms", summarize=True))
    assert [one.summary.label for one in found if one.summary] == ["red", "blue", "green"]
    assert found[0].start_s == 0
    assert found[-1].end_s == pytest.approx(9, abs=0.2)
    assert all(one.end_s == after.start_s for one, after in itertools.pairwise(found))
    assert all(one.time_s.__class__.__name__ == "UnsetType" for one in found)


@needs_av
def test_a_film_that_is_named_twice_is_told_twice(tmp_path):
    """Its second telling begins at 0 again."""
    path = video(tmp_path / "film.mp4", "red", seconds_each=2)
    found = list(color_recognizer(sharp=30).stream([path, path], summarize=True))
    assert [(one.start_s, one.summary.label) for one in found] == [(0, "red"), (0, "red")]


def test_an_animation_without_durations_is_one_stretch():
    """Its frames all begin at 0, and still belong together."""
    data = animation("red", "red", "red", duration_ms=0)
    (found,) = color_recognizer(sharp=30).stream([data], all_frames=True, summarize=True)
    assert (found.start_s, found.end_s, found.summary.label) == (0, 0, "red")


@needs_av
def test_photos_beside_a_film_keep_their_place(tmp_path):
    """Order is kept over all kinds of sources."""
    path = video(tmp_path / "film.mp4", "red", seconds_each=2)
    photo = encoded(plain("blue"))
    found = list(color_recognizer(sharp=30).stream([photo, path, photo, b"?"], summarize=True))
    assert [one.source for one in found] == ["", str(path), "", ""]
    assert [one.summary.label for one in found[:3]] == ["blue", "red", "blue"]
    assert found[3].error.kind == "bad_picture"


@needs_av
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_film_that_was_cut_short_is_an_error_for_that_film(tmp_path, share):
    """An MP4 without its end has no index."""
    path = video(tmp_path / "film.mp4", "red", "blue")
    data = path.read_bytes()
    path.write_bytes(data[: round(share * len(data))])
    found = list(color_recognizer().stream([path, plain("red")]))
    assert found[-2].error.kind == "bad_picture"
    assert str(path) not in found[-2].error.message
    assert found[-1].labels


def test_a_film_without_the_extra_says_what_to_install(tmp_path, monkeypatch):
    """One sentence, for that input alone."""
    import sys

    monkeypatch.setitem(sys.modules, "av", None)
    path = tmp_path / "film.mp4"
    path.write_bytes(b"\0\0\0\x18ftypisom\0\0\0\0isommp41")
    failure, good = color_recognizer().stream([path, plain("red")])
    assert failure.error.kind == "missing_extra"
    assert failure.error.message == "Reading video needs the package av: pip install 'eyebright[video]'"
    assert good.labels


def test_a_film_given_as_one_picture_says_how_films_are_read(tmp_path):
    """A call gives one prediction; a film has many. Bytes cannot be seeked in by FFmpeg as files are."""
    film = b"\0\0\0\x18ftypisom\0\0\0\0isommp41"
    (tmp_path / "film.mp4").write_bytes(film)
    for given_as in (film, tmp_path / "film.mp4"):
        with pytest.raises(BadPicture, match=r"this is a video: its frames are named by .* given its path"):
            color_recognizer()(given_as)


@given(st.lists(st.sampled_from(["cat", "dog", None]), max_size=30))
def test_segments_cover_all_samples_and_never_repeat(said):
    """Put end to end they are what was given."""
    found = segments(said)
    assert [said[first] for first, last in found for _ in range(last - first)] == said
    assert all(said[one[0]] != said[after[0]] for one, after in itertools.pairwise(found))
    assert all(first < last for first, last in found)


@given(st.integers(1, 9), st.integers(1, 5))
def test_smoothed_scores_are_scores(samples, labels):
    """Averages of rows that sum to 1 sum to 1."""
    rows = np.random.default_rng(samples).dirichlet(np.ones(labels), samples).astype(np.float32)
    assert np.allclose(smooth(rows).sum(axis=1), 1, atol=1e-5)
    assert smooth(rows).shape == rows.shape
