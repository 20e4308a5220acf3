"""Robustness: the clean figure is that of evaluate, drops are paired, a picture is decoded once."""

import io
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from data.making import folder
from eyebright import modelfile, selftest
from eyebright.data import Dataset
from eyebright.errors import BadRequest
from eyebright.evaluation.answers import ask, in_terms_of
from eyebright.evaluation.intervals import bootstrap_each, wilson
from eyebright.evaluation.metrics import figures, mean_average_precision
from eyebright.evaluation.paired import share_gain
from eyebright.evaluation.robustness import page as robustness_page
from eyebright.evaluation.robustness import robustness
from eyebright.evaluation.robustness import sheet as corruption_sheet
from eyebright.evaluation.robustness.corruptions import SEVERITIES
from pictures import COLORS, color_model, encoded, noise

NAMES = ("darkness", "color_cast")
LEVELS = (1, 5)
LABELS = {"single": 4, "binary": 2, "multi": 4}


def opened(**how):
    """The model that tells colors, and what computes it."""
    model = modelfile.from_bytes(color_model(**how))
    return model, selftest.open_tested(model)


def grainy(color, seed):
    """A PNG of a color and much noise: now and then it is taken for another."""
    pixels = 0.5 * np.array(COLORS[color]) + 0.5 * noise(12, 12, seed)
    return encoded((pixels * np.random.default_rng(seed).uniform(0.3, 1, 3)).astype(np.uint8))


@pytest.fixture
def pictures_of_colors(tmp_path):
    """Sixty pictures of three colors, in the words of the model that tells them."""
    files = {f"{color}/{seed}.png": grainy(color, seed) for color in COLORS for seed in range(20)}
    return Dataset.read(folder(tmp_path / "colors", files))


def made(task, n=50, columns=4, seed=0):
    """What a model might have said of n pictures, clean and in `columns` spoiled versions; its scores, the truth."""
    random = np.random.default_rng(seed)
    labels = LABELS[task]
    if task == "multi":
        targets = (random.random((n, labels)) < 0.3).astype(np.float32)
        targets[:2] = [[1] * labels, [0] * labels]
        targets[random.random((n, labels)) < 0.1] = np.nan
    else:
        targets = np.eye(labels, dtype=np.float32)[random.integers(labels, size=n)]
    truth = np.nan_to_num(targets)[:, None]
    scores = np.clip(0.3 * truth + 0.7 * random.random((n, 1 + columns, labels)), 0, 1).astype(np.float32)
    if task == "single":
        right = np.take_along_axis(targets, scores.argmax(2), axis=1)
        shown = robustness.Shown((), right, targets, (), 0.0)
    elif task == "binary":
        shown = robustness.Shown((), scores[..., 1:], targets[:, 1:], (), 0.0)
    else:
        shown = robustness.Shown((), scores, targets, (), 0.0)
    return shown, scores, targets


@pytest.mark.parametrize("task", LABELS)
def test_the_clean_figure_is_that_of_evaluate(task):
    shown, scores, targets = made(task)
    found = robustness.judged(shown, NAMES, LEVELS, task)
    assert found.clean == figures(scores[:, 0], targets, task)[found.measure]


@pytest.mark.parametrize("task", LABELS)
def test_every_cell_is_the_figure_of_its_column(task):
    shown, scores, targets = made(task)
    found = robustness.judged(shown, NAMES, LEVELS, task)
    cells = [figure for one in found.corruptions for figure in one.figures]
    for at, cell in enumerate(cells, 1):
        assert cell == figures(scores[:, at], targets, task)[found.measure]


@pytest.mark.parametrize("task", LABELS)
def test_means_and_drops_are_those_of_the_cells(task):
    found = robustness.judged(made(task)[0], NAMES, LEVELS, task)
    table = np.array([[figure.value for figure in one.figures] for one in found.corruptions])
    clean = found.clean.value
    assert [one.mean.value for one in found.corruptions] == pytest.approx(table.mean(1))
    assert [one.drop.value for one in found.corruptions] == pytest.approx(clean - table.mean(1))
    assert [[drop.value for drop in one.drops] for one in found.corruptions] == [
        pytest.approx(row) for row in clean - table
    ]
    assert [figure.value for figure in found.means] == pytest.approx(table.mean(0))
    assert (found.mean.value, found.drop.value) == pytest.approx((table.mean(), clean - table.mean()))
    assert found.worst.name == NAMES[int(table.mean(1).argmin())]
    assert found.mildest.name == NAMES[int(table.mean(1).argmax())]
    for one in found.corruptions:
        assert all(figure.low <= figure.value <= figure.high for figure in (*one.figures, *one.drops, one.mean))


def test_a_drop_is_paired():
    """Its interval is that of the same pictures, which is narrower than that of two sets of pictures."""
    shown, _, _ = made("single", n=200)
    outcomes = shown.outcomes.copy()
    outcomes[:, 1] = outcomes[:, 0]
    outcomes[:10, 1] = 0
    found = robustness.judged(shown._replace(outcomes=outcomes), NAMES, LEVELS, "single")
    drop = found.corruptions[0].drops[0]
    assert (drop.value, drop.low, drop.high) == share_gain(outcomes[:, 1], outcomes[:, 0])[0][:3]
    assert drop.high - drop.low < (found.clean.high - found.clean.low) / 2


@pytest.mark.parametrize("task", LABELS)
def test_intervals_of_drops_are_as_wide_as_those_of_a_bootstrap(task):
    """Which draws the pictures again and again; one of a mean is never narrower."""
    shown, _, _ = made(task, n=300)
    outcomes, targets = shown.outcomes, shown.targets

    def measure(weights):
        if task == "single":
            return weights @ outcomes / 300
        return np.stack([mean_average_precision(outcomes[:, at], targets, weights) for at in range(5)], axis=1)

    def drawn(weights):
        values = measure(weights)
        mean = values[:, 1:].mean(axis=1)
        return np.stack([mean, values[:, 0] - mean, values[:, 0] - values[:, 1:3].mean(axis=1)], axis=1)

    found = robustness.judged(shown, NAMES, LEVELS, task)
    mean, *drops = bootstrap_each(drawn, 300)
    for figure, wanted in zip((found.drop, found.corruptions[0].drop), drops, strict=True):
        assert figure.value == pytest.approx(wanted.value)
        assert figure.high - figure.low == pytest.approx(wanted.high - wanted.low, rel=0.12)
    assert found.mean.high - found.mean.low > 0.95 * (mean.high - mean.low)


def test_what_changes_nothing_costs_nothing():
    shown, _, _ = made("multi")
    same = np.repeat(shown.outcomes[:, :1], 5, axis=1)
    found = robustness.judged(shown._replace(outcomes=same), NAMES, LEVELS, "multi")
    assert found.mean.value == pytest.approx(found.clean.value)
    assert (found.drop.value, found.drop.low, found.drop.high) == pytest.approx((0, 0, 0))


def test_one_picture_shows_next_to_nothing():
    shown, _, _ = made("single", n=1)
    found = robustness.judged(shown, NAMES, LEVELS, "single")
    assert (found.clean.low, found.clean.high) == wilson(int(shown.outcomes[0, 0]), 1)[1:3]
    assert found.mean.high - found.mean.low > 0.9
    assert found.drop.low is found.corruptions[0].drop.high is None


def test_what_is_always_right_is_not_surely_always_right():
    """Twelve of twelve, whatever is done to them, may still be nine of ten."""
    shown = robustness.Shown((), np.ones((12, 5), np.float32), np.ones((12, 1), np.float32), (), 0.0)
    found = robustness.judged(shown, NAMES, LEVELS, "single")
    assert found.mean.value == 1
    assert found.mean.low < 0.9
    assert found.corruptions[0].drops[0].high > 0.05


@pytest.mark.parametrize("threads", [1, 3])
def test_the_first_column_is_what_the_model_says_of_clean_pictures(pictures_of_colors, threads):
    """And the number of threads changes nothing."""
    model, runtime = opened()
    data = in_terms_of(model.metadata, pictures_of_colors).data
    shown = robustness.show(data, model, runtime, NAMES, LEVELS, threads=threads)
    answers = ask(data, model, runtime)
    assert shown.items == answers.items
    assert np.array_equal(shown.targets, answers.targets)
    found = robustness.judged(shown, NAMES, LEVELS, "single")
    assert found.clean == figures(answers.outputs["scores"], answers.targets, "single")["top1"]
    assert 0.5 < found.clean.value < 1
    assert np.array_equal(shown.outcomes, robustness.show(data, model, runtime, NAMES, LEVELS).outcomes)


def test_scores_are_kept_where_a_share_of_right_answers_is_not_asked_for(pictures_of_colors):
    model, runtime = opened(task="multi")
    data = replace(in_terms_of(model.metadata, pictures_of_colors).data, task="multi")
    shown = robustness.show(data, model, runtime, NAMES, LEVELS)
    assert shown.outcomes.shape == (60, 5, 3)
    assert shown.outcomes[:, 0] == pytest.approx(ask(data, model, runtime).outputs["scores"], abs=1e-6)
    assert shown.outcomes[:, 2].mean() < shown.outcomes[:, 1].mean()  # the darker, the less of any color


def test_of_yes_or_no_the_score_of_yes_is_kept(tmp_path):
    model, runtime = opened(task="binary", labels=("red", "green"))
    files = {f"{color}/{seed}.png": grainy(color, seed) for color in ("red", "green") for seed in range(3)}
    data = in_terms_of(model.metadata, Dataset.read(folder(tmp_path / "two", files), positive="green")).data
    shown = robustness.show(data, model, runtime, NAMES, LEVELS)
    assert shown.outcomes.shape == (6, 5, 1)
    assert np.array_equal(shown.targets[:, 0], [item.name.startswith("green") for item in shown.items])
    scores = ask(data, model, runtime).outputs["scores"]
    assert shown.outcomes[:, 0, 0] == pytest.approx(scores[:, 1], abs=1e-6)


def test_a_picture_is_read_once(pictures_of_colors, monkeypatch):
    """However often it is shown."""
    read = []
    picture = Dataset.picture
    monkeypatch.setattr(Dataset, "picture", lambda self, item, *how: read.append(item) or picture(self, item, *how))
    model, runtime = opened()
    robustness.show(in_terms_of(model.metadata, pictures_of_colors).data, model, runtime)
    assert sorted(item.name for item in read) == sorted(item.name for item in pictures_of_colors.items)


def test_a_picture_that_cannot_be_read_is_named_and_left_out(tmp_path):
    model, runtime = opened()
    files = {"red/0.png": grainy("red", 0), "red/1.png": b"dear diary", "blue/0.png": grainy("blue", 0)}
    data = in_terms_of(model.metadata, Dataset.read(folder(tmp_path / "torn", files))).data
    heard = []
    shown = robustness.show(data, model, runtime, NAMES, LEVELS, told=lambda done, total: heard.append((done, total)))
    assert len(shown.outcomes) == len(shown.items) == len(shown.targets) == 2
    assert "red/1.png" in shown.failed[0]
    assert heard == [(1, 3), (2, 3), (3, 3)]


def test_pictures_of_which_none_can_be_read(tmp_path):
    model, runtime = opened()
    files = {"red/0.png": b"dear", "blue/0.png": b"diary"}
    data = in_terms_of(model.metadata, Dataset.read(folder(tmp_path / "torn", files))).data
    with pytest.raises(BadRequest, match=r"None of the 2 pictures could be read: blue/0\.png"):
        robustness.show(data, model, runtime, NAMES, LEVELS)


def test_yes_or_no_without_a_yes_is_not_determined(tmp_path):
    """Said before any picture is shown."""
    model, runtime = opened(task="binary", labels=("red", "green"))
    files = {f"{color}/0.png": grainy(color, 0) for color in ("red", "green")}
    data = in_terms_of(model.metadata, Dataset.read(folder(tmp_path / "reds", files), positive="green")).data
    reds = data.only([item for item in data.items if item.labels == (0,)])
    with pytest.raises(BadRequest, match="No picture of reds shows green: ap is not determined"):
        robustness.show(reds, model, runtime, NAMES, LEVELS)
    (tmp_path / "reds" / "green" / "0.png").write_bytes(b"dear diary")  # or none that can be read
    with pytest.raises(BadRequest, match="No picture of reds shows green: ap is not determined"):
        robustness.show(data, model, runtime, NAMES, LEVELS)


def page_of(task="single"):
    found = robustness.judged(made(task)[0], NAMES, LEVELS, task)
    return found, robustness_page.page(found, "<clothes>", "On 50 & more.", noise(8, 8), "<cat>.png")


def test_the_page_says_in_words_what_the_lines_show():
    found, page = page_of()
    (label,) = re.findall(r'<svg [^>]*role="img" aria-label="([^"]*)"', page)
    assert robustness.finding(found) in label
    assert f"{found.worst.name} costs most" in label
    for one in found.corruptions:
        assert page.count(f">{one.name}</t") == 2  # at its line and in the table
        assert f"{one.figures[1].low:.3f} to {one.figures[1].high:.3f}" in page


@pytest.mark.parametrize("value", [0.0, 0.07, 0.7, 1.0])
def test_lines_stay_inside_the_chart(value):
    """Also where nothing is right, or all is."""
    right = np.arange(100)[:, None] < 100 * np.array([value, value, 1 - value, value, value])
    shown = robustness.Shown((), right.astype(np.float32), np.zeros((100, 2), np.float32), (), 0.0)
    chart = robustness_page.chart(robustness.judged(shown, NAMES, LEVELS, "single"))
    points = np.array(re.findall(r"([\d.-]+),([\d.-]+)", " ".join(re.findall(r'points="([^"]*)"', chart))), float)
    assert ((points >= 0) & (points <= [robustness_page.WIDTH, robustness_page.HEIGHT])).all()


def test_names_on_the_page_are_text():
    _, page = page_of()
    assert "<clothes>" not in page
    assert "<cat>" not in page
    assert "&lt;clothes&gt;" in page
    assert page.count("<img ") == page.count("alt=") == 1 + len(NAMES) * len(LEVELS)


@given(wanted=st.lists(st.floats(0, 300), max_size=14))
@example([300, 300, 299])
@example([0, 1, 1])
def test_names_beside_a_chart_are_apart(wanted):
    places = robustness_page.apart(wanted, 16, 0, 300)
    assert len(places) == len(wanted)
    rising = np.sort(places)
    assert (np.diff(rising) >= 16 - 1e-9).all()
    assert all(-1e-9 <= place <= 300 + 1e-9 for place in places)
    assert np.array_equal(np.argsort(places, kind="stable"), np.argsort(wanted, kind="stable"))


def test_names_that_are_apart_stay_where_they_are():
    assert robustness_page.apart([200, 20, 60], 16, 0, 300) == [200, 20, 60]


def test_a_contact_sheet_shows_the_picture_under_all_that_is_done(photos):
    with Image.open(photos / "cat.jpg") as cat:
        pixels = np.asarray(cat.convert("RGB").resize((224, 224)))
    sheet = Image.open(io.BytesIO(corruption_sheet.to_png(pixels, "cat.jpg", ["darkness", "brightness"])))
    sheet.load()
    step = corruption_sheet.SIDE + 8
    light = np.asarray(sheet.convert("L")).astype(float)
    tiles = [
        [light[28 + row * step :, 136 + column * step :][:144, :144].mean() for column in range(1 + len(SEVERITIES))]
        for row in range(2)
    ]
    assert tiles[0] == sorted(tiles[0], reverse=True)
    assert tiles[1] == sorted(tiles[1])
    assert tiles[0][0] == tiles[1][0]
