"""Which networks are best for what they cost: the rule, the plan, and a small frontier from end to end."""

import json
import math
import os
import re
from dataclasses import replace
from html import unescape
from types import SimpleNamespace

import msgspec
import pytest

pytest.importorskip("torch")

from hypothesis import given
from hypothesis import strategies as st

from eyebright import modelfile
from eyebright.compression.frontier import Asked, Network, drawing, frontier, search, state, words
from eyebright.compression.frontier.points import (
    FASTER,
    LEAD,
    SMALLER,
    Point,
    Scored,
    beats,
    networks,
    on_frontier,
    passes_that_fit,
    points,
    staircase,
    stopped_by,
)
from eyebright.data import Dataset
from eyebright.errors import BadRequest, CannotWrite
from eyebright.modelfile import Figure
from eyebright.training.events import Enough, Judged, Progress, Said

SMALL = Asked(
    encoders=("resnet-8",),
    widths=(0.25, 0.5),
    sizes=(32,),
    seeds=2,
    keys={"epochs": 2, "batch": 14, "threads": 1},
)


def network(name="a", **keys):
    return Network(name, "resnet-8", 1.0, 1.0, 32, "scratch", **keys)


def point(name, value, ms, size, test=()):
    scored = tuple(Scored(size, Figure(value), Figure(one)) for one in test) or (Scored(size, Figure(value)),)
    return Point(network(name), 32, value, ms, size, scored)


SOME = st.lists(
    st.tuples(st.sampled_from([0.5, 0.6, 0.7, 0.8]), st.floats(1, 3), st.sampled_from([100, 200, 300])),
    min_size=1,
    max_size=12,
).map(lambda rows: [point(str(at), *row) for at, row in enumerate(rows)])


@given(SOME)
def test_none_beats_a_point_on_the_frontier_and_every_other_one_is_beaten(some):
    """Latencies that differ by less than two measurements of one file do not count, and still somebody is left."""
    best = on_frontier(some)
    assert best
    for one in some:
        assert (one in best) != any(beats(other, one) for other in some)
    top = max(some, key=lambda one: (one.validation, -one.size_bytes, -one.latency_ms))
    assert any(one.validation == top.validation for one in best)


@given(SOME, st.sampled_from(["latency_ms", "size_bytes"]))
def test_along_the_line_of_a_chart_what_costs_more_is_better(some, cost):
    line = staircase(some, cost)
    values = [one.validation for one in line]
    assert values == sorted(set(values))
    assert [getattr(one, cost) for one in line] == sorted(getattr(one, cost) for one in line)
    assert values[-1] == max(one.validation for one in some)


def test_as_good_as_and_smaller_beats():
    """The same latency, as far as a clock tells, leaves the size to decide."""
    large, small = point("large", 0.8, 2.00, 200), point("small", 0.8, 2.04, 100)
    assert beats(small, large)
    assert not beats(large, small)
    assert not beats(point("slow", 0.9, 2.5, 100), large)


RUNG = st.fixed_dictionaries(
    {"size_bytes": st.integers(80, 100), "latency_ms": st.floats(0.8, 1), "value": st.floats(0.5, 0.56)}
)


@given(RUNG, RUNG)
def test_who_stops_a_network_is_smaller_faster_and_well_ahead(first, second):
    a, b = (
        network(name, size_bytes=row["size_bytes"], latency_ms=row["latency_ms"], rungs={"0.25": row["value"]})
        for name, row in (("a", first), ("b", second))
    )
    stops = stopped_by(a, [a, b], 0.25) is b
    smaller = b.size_bytes <= SMALLER * a.size_bytes and b.latency_ms <= FASTER * a.latency_ms
    assert stops == (smaller and b.rungs["0.25"] >= a.rungs["0.25"] + LEAD)
    assert stopped_by(a, [network("unknown", size_bytes=1, latency_ms=0.1)], 0.25) is None


@given(
    st.lists(st.tuples(st.floats(0.1, 100), st.floats(0, 50)), min_size=1, max_size=30),
    st.integers(1, 4),
    st.floats(1, 1e5),
)
def test_what_is_planned_fits_into_the_time(rows, seeds, left_s):
    tried = [network(pass_s=pass_s, around_s=around_s) for pass_s, around_s in rows]
    passes = passes_that_fit(tried, seeds, left_s)
    again = 1 + (seeds - 1) * math.ceil(len(tried) / 4) / len(tried)
    assert passes >= 0
    if passes:
        assert sum(one.around_s + passes * one.pass_s for one in tried) * again <= left_s * 1.0001


def test_only_what_has_pretrained_weights_is_fine_tuned():
    found = networks(Asked(encoders=("a", "b"), widths=(1, 0.5), sizes=(64,), mode="finetune"), ["a"])
    assert [(one.name, one.mode) for one in found] == [
        ("a-64", "finetune"),
        ("a-w0.5-64", "scratch"),
        ("b-64", "scratch"),
        ("b-w0.5-64", "scratch"),
    ]


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"encoders": ()}, "There is nothing in encoders to try"),
        ({"bits": (16,)}, "bits is 32 (float), 8 (int8) or both; 16 is neither."),
        ({"seeds": 0}, "seeds is a number from 1 to 100"),
        ({"mode": "head"}, "mode scratch or finetune; 'head' is neither."),
        ({"sizes": (32, 32)}, "Something stands twice in sizes"),
        ({"keys": {"width": 2.0}}, "A frontier decides width by itself"),
    ],
)
def test_what_cannot_be_meant_is_refused(keys, sentence):
    with pytest.raises(BadRequest, match=re.escape(sentence)):
        Asked(**{"encoders": ("resnet-8",), **keys})


@pytest.fixture(scope="module")
def data(patterns):
    return Dataset.read(patterns)


@pytest.fixture(scope="module")
def few_turns():
    """Nobody here minds how long a picture takes."""
    with pytest.MonkeyPatch.context() as patch:
        whole = search.in_turns
        patch.setattr(search, "in_turns", lambda files, turns=3, **how: whole(files, turns=3, **how))
        yield


@pytest.fixture(scope="module")
def ended(data, few_turns, tmp_path_factory):
    """A frontier that was interrupted when its second network had begun, and then gone on with."""
    folder = tmp_path_factory.mktemp("frontiers") / "frontier"
    said, shas = [], {}

    def interrupted(event):
        if isinstance(event, Said):
            said.append(event.text)
        if isinstance(event, Progress) and any("2 of 2" in text for text in said):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        frontier(data, folder, SMALL, tell=interrupted)
    first = folder / "points" / "resnet-8-w0.25-32" / "model.onnx"
    shas["first"] = (first.read_bytes(), os.stat(first).st_mtime_ns)
    assert not (folder / "points" / "resnet-8-w0.5-32" / "model.onnx").exists()
    found = frontier(data, folder, SMALL, resume=True, tell=lambda event: None)
    return SimpleNamespace(folder=folder, found=found, first=first, before=shas["first"], said=said)


def test_what_was_finished_before_a_stop_is_not_trained_again(ended):
    assert (ended.first.read_bytes(), os.stat(ended.first).st_mtime_ns) == ended.before
    assert sorted(one.name for one in ended.found.points) == [
        "resnet-8-w0.25-32",
        "resnet-8-w0.25-32 int8",
        "resnet-8-w0.5-32",
        "resnet-8-w0.5-32 int8",
    ]


def test_it_says_what_it_is_going_to_do(ended):
    assert any(text.startswith("2 networks learn for 2 passes over 42 pictures each") for text in ended.said)


def test_the_first_network_and_the_frontier_have_all_seeds(ended):
    trained = {one.name: sorted(one.runs) for one in ended.found.state.networks}
    assert trained["resnet-8-w0.25-32"] == [0, 1]
    for one in (one for one in ended.found.frontier if not one.network.stopped):
        assert trained[one.network.name] == [0, 1]
        assert len(one.test) == 2


def test_a_frontier_that_has_ended_repeats_nothing(ended, data, monkeypatch):
    """Asked again, it only writes its page; no network is trained, measured or judged."""
    for name in ("train", "in_turns", "scores_of", "converted"):
        monkeypatch.setattr(search, name, lambda *a, **k: pytest.fail("done already"))
    again = frontier(data, ended.folder, resume=True)
    assert again.state.points == ended.found.state.points


def test_the_page_holds_every_point_and_leads_to_its_run(ended):
    page = (ended.folder / "frontier.html").read_text("utf-8")
    for one in ended.found.points:
        assert f"<title>{words.told(one)}</title>" in unescape(page)
        assert f">{one.name}</a>" in page
    for target in re.findall(r'href="([^"]+)"', page):
        assert (ended.folder / target).exists(), target
    assert "default-src 'none'" in page
    assert page.count("<svg ") == 2
    assert (ended.folder / "frontier.png").read_bytes().startswith(b"\x89PNG")


def test_json_has_every_figure(ended):
    known = json.loads((ended.folder / "frontier.json").read_bytes())
    assert {one["name"]: one["frontier"] for one in known["points"]} == {
        one.name: one in ended.found.frontier for one in ended.found.points
    }
    for one in known["points"]:
        assert (ended.folder / one["model"]).stat().st_size == one["size_bytes"]["value"]
        assert one["latency_ms_p50"]["low"] <= one["latency_ms_p50"]["value"] <= one["latency_ms_p50"]["high"]
        assert set(one["top1"][0]) >= {"value", "low", "high", "n", "method"}


def test_the_test_split_had_no_say(ended):
    """Cards of the model files speak of the validation split: whoever trained them did not see the other."""
    for one in ended.found.points:
        card = modelfile.read(ended.folder / one.file).metadata.card
        assert card.metrics["top1"].method.startswith("validation split")
        assert one.scored[0].validation.value == pytest.approx(card.metrics["top1"].value, abs=1e-4)


def test_another_wish_is_refused_when_going_on(ended, data):
    with pytest.raises(BadRequest, match="was begun with other widths"):
        frontier(data, ended.folder, Asked(encoders=("resnet-8",)), resume=True)
    fewer = data.only(data.items[1:])
    with pytest.raises(BadRequest, match=r"pictures of .* were changed"):
        frontier(fewer, ended.folder, resume=True)


def test_a_taken_folder_is_refused(ended, data, tmp_path):
    with pytest.raises(CannotWrite, match="--resume goes on with it"):
        frontier(data, ended.folder, SMALL)
    (tmp_path / "letter.txt").write_text("dear diary")
    with pytest.raises(CannotWrite, match="is not empty and no frontier"):
        frontier(data, tmp_path, SMALL)
    assert (tmp_path / "letter.txt").exists()


def test_a_time_that_is_too_short_leaves_nothing(data, few_turns, tmp_path):
    asked = Asked(encoders=("resnet-8",), sizes=(32,), minutes=0.0001, keys=SMALL.keys)
    with pytest.raises(
        BadRequest, match=r"In this time 0 of 1 networks can have one pass over the pictures; give about"
    ):
        frontier(data, tmp_path / "new", asked)
    assert not (tmp_path / "new").exists()


def test_what_would_be_replaced_stays_where_nothing_else_can_be_planned(ended, data):
    before = {file: file.read_bytes() for file in ended.folder.rglob("*") if file.is_file()}
    asked = Asked(encoders=("resnet-8",), sizes=(32,), minutes=0.0001, keys=SMALL.keys)
    with pytest.raises(BadRequest, match="In this time 0 of 1 networks"):
        frontier(data, ended.folder, asked, force=True)
    assert {file: file.read_bytes() for file in ended.folder.rglob("*") if file.is_file()} == before


def test_a_damaged_state_is_one_sentence(data, tmp_path):
    (tmp_path / "frontier.json").write_text('{"asked": 3}')
    with pytest.raises(BadRequest, match="is not what a frontier writes"):
        frontier(data, tmp_path, resume=True)
    with pytest.raises(BadRequest, match="holds no frontier to go on with"):
        frontier(data, tmp_path / "nothing", resume=True)


@pytest.fixture
def watched(data, tmp_path):
    """A search of two networks, of which the second is twice as large and slow."""
    small, large = (network(name, size_bytes=size, latency_ms=size / 100) for name, size in (("s", 100), ("l", 200)))
    known = state.State(asked=SMALL, content_hash="", measure="top1", networks=[small, large])
    return search.Search(state.Home(tmp_path, known), data, lambda event: None), small, large


def progress(step, value=None):
    return Progress(step, 8, 0.0, 1.0, 0.1, 1.0, 1.0, None if value is None else Judged(value, 1.0))


def test_a_network_is_stopped_where_a_smaller_one_was_better(watched):
    """And stays so: one that was killed before its file was written learns no further when it is gone on with."""
    here, small, large = watched
    listen = here.watch(small, may_stop=True)
    for step, value in ((1, 0.3), (2, 0.5), (4, 0.6)):
        listen(progress(step, value))
    assert small.rungs == {"0.25": 0.5, "0.5": 0.6}
    listen = here.watch(large, may_stop=True)
    listen(progress(2, 0.49))
    with pytest.raises(Enough):
        listen(progress(4, 0.55))
    assert large.stopped == "at 50% of the way: s, smaller and faster, had 0.600 there, against 0.550"
    assert state.read(here.home.path).networks[1].stopped == large.stopped
    with pytest.raises(Enough):
        here.watch(large, may_stop=True)(progress(5))


@pytest.mark.parametrize("whole", [False, True])
def test_for_a_whole_curve_none_is_stopped(watched, monkeypatch, whole):
    here, small, large = watched
    here.asked = msgspec.structs.replace(here.asked, whole=whole)
    found = {}

    def learned(one, seed, may_stop):
        found[one.name] = may_stop
        one.runs[seed] = {}

    monkeypatch.setattr(here, "learn", learned)
    here.train_all()
    assert found == {small.name: False, large.name: not whole}


def test_the_first_network_is_never_stopped(watched):
    here, small, large = watched
    here.watch(small, may_stop=True)(progress(2, 0.9))
    here.watch(large, may_stop=False)(progress(2, 0.1))
    assert not large.stopped


def test_seeds_are_drawn_as_whiskers_and_kinds_as_shapes():
    """Not by color alone: who is beaten is hollow, who was stopped a cross, int8 a square."""
    best = point("best", 0.9, 2.0, 200, test=(0.8, 0.9))
    small = point("small", 0.8, 1.0, 100)._replace(bits=8)
    beaten = point("beaten", 0.7, 3.0, 300)
    stopped = point("stopped", 0.6, 3.0, 300)
    stopped.network.stopped = "at 25% of the way"
    drawn = drawing.chart([best, small, beaten, stopped], [best, small], "latency_ms", "top-1")
    kinds = [(mark.kind, mark.square, mark.number) for mark in drawn.marks]
    assert kinds == [("frontier", False, "1"), ("frontier", True, "2"), ("beaten", False, ""), ("stopped", False, "")]
    assert drawn.marks[0].low > drawn.marks[0].high  # pixels go downwards
    page = drawing.svg(drawn, "said")
    assert page.count('class="whisker"') == 1
    assert page.count("<rect") == 1
    assert page.count('class="mark on"') == 2
    assert 'class="joined"' in page


def test_a_split_that_can_judge_nothing_is_refused_at_once(watched, data, monkeypatch):
    """Of yes or no, average precision has no meaning without a yes."""
    here, *_ = watched
    few = replace(
        data,
        task="binary",
        labels=data.labels[:2],
        items=tuple(item for item in data.items if max(item.labels) < (1 if item.split == "test" else 2)),
    )
    monkeypatch.setattr(search, "checked", lambda data, anyway, tell: (data, []))
    here.data, here.state.measure = few, "ap"
    with pytest.raises(BadRequest, match="No picture of the test split has what is looked for"):
        here.look(anyway=False)


def test_points_without_a_file_are_no_points():
    failed = network("failed", failed="its loss is nan")
    assert points([failed], (32, 8)) == []
