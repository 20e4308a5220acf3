"""The report of a run: curves that a person can read, and which judgement's weights were kept."""

import io

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from eyebright.training import report

JUDGED = {10: (0.5, 0.9, True), 20: (0.7, 0.4, True), 30: (0.8, 0.6, False)}
"""step -> measure, loss, whether it was the best so far."""


def history():
    """30 steps with a falling loss, judged three times."""
    events = []
    for step in range(1, 31):
        value, loss, best = JUDGED.get(step, (0, 0, False))
        judged = {"value": value, "loss": loss} if step in JUDGED else None
        events.append({"step": step, "loss": 2 - step / 20, "judged": judged, "best": best})
    return events


def test_what_was_kept_is_the_last_that_was_best():
    assert report.kept_step(history()) == 20
    assert report.kept_step(history()[:9]) == 0
    assert report.kept_step([]) == 0


def test_a_ring_is_around_what_was_kept_and_nothing_else():
    drawn = {name: report.svg(name, curve, 20) for name, curve in report.curves(history(), "single").items()}
    assert {name: chart.count('class="ring"') for name, chart in drawn.items()} == {
        "training loss": 0,
        "validation loss": 1,
        "validation top-1": 1,
    }
    assert all("step 20: 0." in chart for name, chart in drawn.items() if "validation" in name)


def test_the_curves_are_a_picture_whose_ring_can_be_seen():
    """More ink than without it, and nothing else is different."""
    without = [{**event, "best": False} for event in history()]
    ringed, plain = (pixels(report.curves_png(events, "multi")) for events in (history(), without))
    assert ringed.shape == plain.shape == (3 * 2 * report.HEIGHT, 2 * report.WIDTH)
    assert 100 < (ringed < plain).sum() < 1000
    assert not (ringed > plain).any()


def pixels(png):
    return np.array(Image.open(io.BytesIO(png)).convert("L"))
