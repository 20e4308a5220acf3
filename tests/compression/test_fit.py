"""A model within a budget: what is made on the way is made once, and what cannot be kept is refused with a way out."""

import json
import shutil

import pytest

pytest.importorskip("torch")

from eyebright import modelfile, selftest
from eyebright.compression import choose, maker
from eyebright.compression.fit import Budget, fit
from eyebright.compression.fit_page import page, page_of_refusal
from eyebright.compression.parts import without_copies
from eyebright.compression.road import Point, Road
from eyebright.data import Dataset
from eyebright.errors import BadRequest, Refused
from eyebright.evaluation.drop import Allowed
from eyebright.modelfile import Figure
from eyebright.training.events import Said
from pictures import write_patterns

KEYS = {"size": 64, "threads": 1, "crop": 1.0, "device": "cpu"}
LENIENT = Allowed(0.5, 0.5)


class Heard(list):
    """What was said."""

    def __call__(self, event):
        if isinstance(event, Said):
            self.append(event.text)


@pytest.fixture(scope="module", autouse=True)
def one_network():
    """Whatever other weights are installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choose, "installed", lambda: iter([maker.USUAL]))
        yield


@pytest.fixture(scope="module")
def data(patterns):
    return Dataset.read(patterns)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fit") / "model.fit"


@pytest.fixture(scope="module")
def fitted(data, folder):
    """Few pictures: the head alone, in 8 bits."""
    return fit(data, folder, Budget(size_bytes=5e6, allowed=LENIENT), 1.0, Heard(), keys=KEYS)


def test_of_few_pictures_the_head_is_fitted_and_little_is_claimed(fitted):
    assert fitted.point.name == "head-int8"
    assert fitted.file.metadata.card.precision == "int8"
    assert len(fitted.file.data) < 5e6
    assert "all that" in fitted.claim
    assert fitted.judged.verdict.word in ("proved", "not contradicted")
    selftest.open_tested(fitted.file)


def test_what_was_done_is_not_done_again(fitted, data, folder):
    """With another budget it goes on from what is there, whatever the number of threads."""
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*.onnx")}
    heard = Heard()
    again = fit(data, folder, Budget(allowed=LENIENT), 1.0, heard, keys={**KEYS, "threads": 2})
    assert again.file.sha256 == fitted.file.sha256
    assert again.claim == fitted.claim  # the same model is no further try
    assert {file: file.stat().st_mtime_ns for file in folder.rglob("*.onnx")} == before
    assert not any("Looking at" in text for text in heard)


def test_a_road_of_other_pictures_is_left_alone(fitted, data, folder):
    fewer = data.only(data.items[1:])
    with pytest.raises(BadRequest, match="holds a fit of other pictures"):
        fit(fewer, folder, Budget(), 1.0, Heard(), keys=KEYS)


def test_what_cannot_be_reached_is_refused_with_the_nearest_that_can(fitted, data, folder):
    budget = Budget(size_bytes=5e4, allowed=LENIENT)
    says = (
        r"Nothing is written. Asked for: 0.05 MB.* What gave: 3\.\d+ MB of 0.05.* The nearest to the budget: 3\.\d+ MB"
    )
    with pytest.raises(Refused, match=says) as refused:
        fit(data, folder, budget, 1.0, Heard(), keys=KEYS)
    text = page_of_refusal(str(refused.value), refused.value.road, budget)
    assert "Not fitted to 0.05 MB" in text
    assert "head-int8" in text
    assert "(written)" not in text


def test_a_smaller_input_is_taken_where_time_is_short(fitted, data, folder, monkeypatch):
    """Of the sizes that the network takes, the largest that is quick enough."""
    monkeypatch.setattr(maker.Maker, "milliseconds", lambda self, file, size=None: file.metadata.input.size / 10)
    heard = Heard()
    quick = fit(data, folder.with_name("quick.fit"), Budget(latency_ms=5.0, allowed=LENIENT), 1.0, heard, keys=KEYS)
    assert quick.point.name == "head-int8@48"
    assert quick.file.metadata.input.size == 48
    selftest.open_tested(quick.file)


def test_points_of_another_machine_are_kept_and_not_chosen_from(data, tmp_path, monkeypatch):
    """One folder, two machines: what was measured on the first tells nothing of the second."""
    two = tmp_path / "two.fit"
    monkeypatch.setattr(maker.Maker, "milliseconds", lambda self, file, size=None: file.metadata.input.size / 10)
    first = fit(data, two, Budget(latency_ms=5.0, allowed=LENIENT), 1.0, Heard(), keys=KEYS)
    assert set(first.road.points) == {"head-int8", "head-int8@48"}
    monkeypatch.setattr(maker, "machine", lambda: "another machine")
    monkeypatch.setattr(maker.Maker, "milliseconds", lambda self, file, size=None: 1.0)
    second = fit(data, two, Budget(latency_ms=5.0, allowed=LENIENT), 1.0, Heard(), keys=KEYS)
    assert second.point.name == "head-int8"
    assert "models were tried" not in first.claim
    assert "2 models were tried on these pictures" in second.claim
    assert set(second.road.points) == {"head-int8"}
    assert set(second.road.state.points) == {"head-int8", "head-int8@48"}
    assert "head-int8@48" not in page(second, Budget(latency_ms=5.0, allowed=LENIENT))


def test_the_page_tells_the_road_and_every_point(fitted):
    budget = Budget(size_bytes=5e6, allowed=LENIENT)
    text = page(fitted, budget)
    assert "http" not in text.replace("http-equiv", "")
    for point in fitted.road.state.points.values():
        assert point.name in text
    assert "5 MB" in text
    assert fitted.claim.split(".")[0] in text


@pytest.mark.parametrize(
    ("budget", "tried", "chosen"),
    [
        ({"size_bytes": 2e6}, ["small"], "small"),  # as good within a point, and nearer to the budget
        ({"size_bytes": 4e6}, ["small"], "efficientnet-lite0"),  # both are within it
        ({"size_bytes": 30e6}, ["small", "large"], "large"),
        ({"size_bytes": 30e6, "latency_ms": 5.0}, ["small"], "efficientnet-lite0"),
        ({}, ["small"], "efficientnet-lite0"),
    ],
)
def test_the_network_that_suits_the_budget_is_taken(data, tmp_path, monkeypatch, budget, tried, chosen):
    heads = {"efficientnet-lite0": (0.90, 3.7e6), "small": (0.895, 2.5e6), "weak": (0.88, 1e6), "large": (0.99, 2e7)}
    costs = {"efficientnet-lite0": (3.6e6, 4e8), "small": (2.4e6, 2e8), "weak": (1e6, 1e8), "large": (2e7, 4e9)}
    monkeypatch.setattr(choose, "installed", lambda: iter(heads))
    monkeypatch.setattr(choose, "cost", lambda name, *how: choose.Cost(*costs[name]))
    asked = Budget(**budget, allowed=Allowed(0.01, 1.0))
    made = maker.Maker(data, Road(tmp_path, "", "here"), asked, 1e12, Heard(), lambda: False, {})

    monkeypatch.setattr(maker.Maker, "one_head", lambda self: self.encoder)
    monkeypatch.setattr(maker.Maker, "of_card", lambda self, name: heads[name][0])

    def int8(self, name, file, how):
        value, size = heads[file]
        self.road.state.points[name] = found = Point(name, how, "", Figure(value), size, 4.0, "here")
        return found

    monkeypatch.setattr(maker.Maker, "int8", int8)
    assert made.head(30.0) == chosen
    assert list(made.road.points) == ["head-int8", *(f"head-{name}-int8" for name in tried)]
    assert made.encoder == chosen
    assert made.named("full") == ("full" if chosen == maker.USUAL else f"full-{chosen}")
    (tmp_path / "full").mkdir()
    assert list(made.others(30.0)) == []  # no network is tried once the whole of another one has begun to learn


@pytest.mark.slow
def test_a_whole_network_learns_is_pruned_and_taught(tmp_path, monkeypatch):
    """The whole road, thin: few pictures count as many, and a minute is a few steps."""
    monkeypatch.setattr(maker, "FEW", 10)
    data = Dataset.read(write_patterns(tmp_path / "patterns"))
    heard = Heard()
    budget = Budget(size_bytes=2.5e6, allowed=Allowed(1.0, 1.0))
    keys = {**KEYS, "batch": 8, "save_s": 0.0}
    found = fit(data, tmp_path / "model.fit", budget, 0.1, heard, keys=keys)
    assert len(found.file.data) <= 2.5e6
    assert found.point.name.startswith("pruned-")
    names = list(found.road.state.points)
    assert names[:2] == ["head-int8", "full-int8"]
    state = json.loads((tmp_path / "model.fit" / "road.json").read_bytes())
    assert set(state["points"]) == set(names)
    assert "slimmed" in " ".join(modelfile.read(tmp_path / "model.fit" / found.point.file).metadata.card.lineage)


def test_who_stops_it_gets_what_there_is(data, tmp_path):
    stopped = fit(data, tmp_path / "model.fit", Budget(allowed=LENIENT), 30.0, Heard(), lambda: True, keys=KEYS)
    assert stopped.point.name == "head-int8"


def test_a_picture_in_two_splits_stays_in_the_later_one(patterns, tmp_path, data):
    moved = shutil.copytree(patterns, tmp_path / "patterns")
    first = next((moved / "train" / "blobs").iterdir())
    (moved / "test" / "blobs" / "again.png").write_bytes(first.read_bytes())
    heard = Heard()
    whole = without_copies(Dataset.read(moved), heard)
    assert any("1 pictures are in two splits" in text for text in heard)
    names = {item.name for item in whole.items}
    assert f"train/blobs/{first.name}" not in names
    assert "test/blobs/again.png" in names
    assert len(whole.items) == len(data.items)
