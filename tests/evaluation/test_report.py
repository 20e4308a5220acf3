"""The report: whole in itself, every number in it, nothing of the data can break the page."""

import re
from collections import Counter
from html.parser import HTMLParser

import msgspec
import numpy as np
import pytest

from eyebright.data import Dataset, Item
from eyebright.evaluation import judgement
from eyebright.evaluation.answers import Answers
from eyebright.evaluation.report import charts, verdict
from eyebright.evaluation.report import page as report
from eyebright.evaluation.report.charts import Axis, Series
from eyebright.modelfile import Abstain, Label
from models import metadata

EVIL = "<script>alert('x')</script>"


class Pictures:
    """A store of plain colors."""

    def read(self, name):
        return np.full((20, 30, 3), len(name) * 7 % 255, np.uint8)


class Tags(HTMLParser):
    """Whether what is opened is closed, and what stands in attributes."""

    EMPTY = ("meta", "img", "br", "path", "circle", "rect")

    def __init__(self):
        super().__init__()
        self.open, self.attributes, self.seen = [], [], Counter()

    def handle_starttag(self, tag, attrs):
        self.seen[tag] += 1
        self.attributes += attrs
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.EMPTY:
            assert self.open.pop() == tag


def judged(task="single", labels=4, n=120, seed=0, **parts):
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (n, labels)).astype(np.float32)
    if task == "multi":
        scores = 1 / (1 + np.exp(-logits))
        targets = (random.random((n, labels)) < scores).astype(np.float32)
        targets[:3, 0] = np.nan
    else:
        scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        targets = np.eye(labels, dtype=np.float32)[(random.random((n, 1)) < scores.cumsum(axis=1)).argmax(axis=1)]
    items = tuple(
        Item(f"{EVIL}/{at}.jpg", tuple(np.flatnonzero(row == 1).tolist()), "test") for at, row in enumerate(targets)
    )
    told = metadata(task, labels, **parts)
    told = msgspec.structs.replace(told, labels=(Label("evil", EVIL), *told.labels[1:]), name=EVIL)
    answers = Answers(items, {"scores": scores.astype(np.float32), "logits": logits}, targets, (f"{EVIL}: torn",), 1.0)
    columns = {EVIL: ["a" if at % 2 else "b" for at in range(n)]}
    data = Dataset(EVIL, items, told.labels, task, Pictures())
    return judgement.judge(answers, told, columns), data


FACTS = report.Facts("test", 1_000_000, "abc", f"eyebright evaluate {EVIL}", "a machine", "eyebright 1", audit=[EVIL])


@pytest.mark.parametrize(("task", "labels"), [("single", 4), ("single", 60), ("binary", 2), ("multi", 5)])
def test_a_page_is_whole_and_closed(task, labels):
    html = report.page(*judged(task, labels), FACTS)
    tags = Tags()
    tags.feed(html)
    assert tags.open == []
    assert tags.seen["script"] == 1, "the sorting, and nothing of the data"
    for name, value in tags.attributes:
        assert name not in ("href", "srcset")
        assert name != "src" or value.startswith("data:")
    assert "http://" not in html
    assert "https://" not in html
    assert len(html) < 5_000_000


@pytest.mark.parametrize(("task", "labels"), [("single", 4), ("binary", 2), ("multi", 5)])
def test_every_drawing_has_words(task, labels):
    html = report.page(*judged(task, labels), FACTS)
    drawings = re.findall(r"<svg[^>]*>", html)
    assert drawings
    for drawing in drawings:
        assert 'role="img"' in drawing
        assert re.search(r'aria-label="[^"]{20,}"', drawing)
    assert len(re.findall(r"<img[^>]*alt=", html)) == html.count("<img ")


def test_all_figures_are_on_the_page():
    found, data = judged()
    html = report.page(found, data, FACTS)
    for figure in found.figures.values():
        assert verdict.shown(figure) in html
    for sentence in verdict.sentences(found):
        assert report.escape(sentence) in html


def test_mistakes_are_shown_by_how_sure_it_was():
    found, _ = judged()
    kinds = report.surest_and_worst(found)
    said = found.scores.argmax(axis=1)
    (surest, others) = kinds.values()
    scores = [found.scores[row, said[row]] for row, _ in surest]
    assert scores == sorted(scores, reverse=True)
    assert not {row for row, _ in surest} & {row for row, _ in others}
    for row, _ in (*surest, *others):
        assert not found.targets[row, said[row]]


def test_a_model_without_a_mistake():
    scores = np.eye(3, dtype=np.float32)[[0, 1, 2] * 4]
    items = tuple(Item(f"{at}.jpg", (at % 3,), "test") for at in range(12))
    told = metadata()
    found = judgement.judge(Answers(items, {"scores": scores}, scores.copy(), (), 1.0), told)
    html = report.page(found, Dataset("data", items, told.labels, "single", Pictures()), FACTS)
    assert "There are none." in html


def test_one_picture():
    scores = np.array([[0.2, 0.5, 0.3]], np.float32)
    told = metadata()
    items = (Item("a.jpg", (0,), "test"),)
    found = judgement.judge(Answers(items, {"scores": scores}, np.eye(3, dtype=np.float32)[:1], (), 1.0), told)
    assert found.figures["top1"].value == 0
    assert report.page(found, Dataset("data", items, told.labels, "single", Pictures()), FACTS)
    assert judgement.as_json(found)["top1"]["n"] == 1


def test_no_positives():
    """Of yes or no, a set in which nothing is yes."""
    scores = np.array([[0.7, 0.3], [0.4, 0.6]], np.float32)
    told = metadata("binary", 2)
    items = tuple(Item(f"{at}.jpg", (0,), "test") for at in range(2))
    found = judgement.judge(Answers(items, {"scores": scores}, np.array([[1, 0], [1, 0]], np.float32), (), 1.0), told)
    assert "ap" not in found.figures
    assert "too little" in verdict.headline(found)
    assert report.page(found, Dataset("data", items, told.labels, "binary", Pictures()), FACTS)


def test_what_a_model_wrongly_refuses_is_said():
    found, _ = judged(abstain=Abstain("max_logit", 100.0))
    assert found.refused.value == 1
    assert any("none of these" in sentence for sentence in verdict.sentences(found))


def test_a_chart_keeps_to_its_axes():
    drawn = charts.plot([Series("line", [0, 5], [-3, 0.5])], Axis("x"), Axis("y"), "A line that leaves the chart.")
    x, y = charts.LEFT, charts.HEIGHT - charts.BOTTOM
    assert f"M{x}.0 {y}.0" in drawn
    assert f"L{charts.WIDTH - charts.RIGHT}.0" in drawn


def test_scores_that_are_too_sure_are_said_to_be():
    """With how much, and in the words that warn."""
    found, _ = judged(n=600)
    assert "mean what they say" in " ".join(verdict.sentences(found))
    scores = found.scores**4 / (found.scores**4).sum(axis=1, keepdims=True)
    sure = judgement.judge(found.answers._replace(outputs={"scores": scores}), found.metadata)
    told = " ".join(verdict.sentences(sure))
    assert "Its scores do not mean what they say" in told
    assert "too high" in told
    assert any("do not mean" in sentence for sentence in verdict.weaknesses(sure))
    assert not any("mean what they say" in sentence for sentence in verdict.weaknesses(found))


def test_common_labels_count_more_in_one_row():
    """Of many labels, the mean over labels and the average over all answers are both told."""
    found, _ = judged("multi", 5)
    assert found.figures["map_micro"].low < found.figures["map_micro"].value < found.figures["map_micro"].high
