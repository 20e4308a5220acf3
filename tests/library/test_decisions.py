"""What a person said: it is kept, it is undone, and it means the same wherever its log is read."""

import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyebright.errors import BadRequest
from eyebright.library import decisions
from eyebright.library.database import Library
from eyebright.library.decisions import Said

CAT, DOG, OWL = (bytes([number]) * 16 for number in (1, 2, 3))
LINE = f'''{{"id":"s","at":"2026-01-01T00:00:00.000000","what":"is","photo":"{CAT.hex()}","label":"Rex"}}'''


def holds(library):
    rows = library.rows("SELECT photo, label, holds FROM said WHERE kind = 'label'")
    said = {(photo, label): bool(yes) for photo, label, yes in rows}
    pairs = {(one, two): bool(same) for one, two, same in library.rows("SELECT one, other, same FROM pair")}
    return said, pairs


def test_of_two_decisions_about_one_thing_the_later_counts(library):
    decisions.record(library, [Said("is", CAT, label="Rex")])
    decisions.record(library, [Said("not", CAT, label=" Rex ")])
    decisions.record(library, [Said("same", DOG, CAT)])
    assert holds(library) == ({(CAT, "Rex"): False}, {(CAT, DOG): True})


def test_what_was_said_in_one_go_is_undone_in_one_go(library):
    decisions.record(library, [Said("is", OWL, label="bird")])
    decisions.record(library, [Said("is", CAT, label="Rex"), Said("is", DOG, label="Rex")])
    taken = decisions.undo(library, last=1)
    assert {one.photo for one in taken} == {CAT.hex(), DOG.hex()}
    assert holds(library)[0] == {(OWL, "bird"): True}


def test_an_undo_brings_back_what_was_said_before(library):
    decisions.record(library, [Said("is", CAT, label="Rex")])
    decisions.record(library, [Said("not", CAT, label="Rex")])
    decisions.undo(library, last=1)
    assert holds(library)[0] == {(CAT, "Rex"): True}


def test_an_undo_can_itself_be_undone(library):
    decisions.record(library, [Said("is", CAT, label="Rex")])
    before = holds(library)
    decisions.undo(library, last=1)
    assert holds(library) == ({}, {})
    decisions.undo(library, last=1, again=True)
    assert holds(library) == before


def test_undoing_twice_goes_further_back(library):
    for label in ("one", "two", "three"):
        decisions.record(library, [Said("is", CAT, label=label)])
    decisions.undo(library, last=1)
    decisions.undo(library, last=1)
    assert holds(library)[0] == {(CAT, "one"): True}


def test_what_was_undone_comes_back_one_step_after_the_other(library):
    for label in ("one", "two", "three"):
        decisions.record(library, [Said("is", CAT, label=label)])
    decisions.undo(library, last=1)
    decisions.undo(library, last=1)
    assert [one.label for one in decisions.undo(library, last=1, again=True)] == ["two"]
    assert [one.label for one in decisions.undo(library, last=1, again=True)] == ["three"]
    assert set(holds(library)[0]) == {(CAT, "one"), (CAT, "two"), (CAT, "three")}
    with pytest.raises(BadRequest, match="Nothing was undone"):
        decisions.undo(library, last=1, again=True)


def test_a_label_is_one_thing_however_it_is_written(library):
    decisions.record(library, [Said("is", CAT, label="LION")])
    decisions.record(library, [Said("not", CAT, label="lion")])
    assert holds(library)[0] == {(CAT, "lion"): False}
    decisions.undo(library, last=1)
    assert holds(library)[0] == {(CAT, "LION"): True}


def test_a_thing_and_its_opposite_are_not_said_in_one_go(library):
    with pytest.raises(BadRequest, match="lion is both said and denied"):
        decisions.record(library, [Said("is", CAT, label="LION"), Said("not", CAT, label="lion")])
    assert holds(library)[0] == {}


def test_all_since_a_moment_is_undone(library):
    decisions.record(library, [Said("is", CAT, label="early")])
    late = decisions.record(library, [Said("is", CAT, label="late")])
    decisions.record(library, [Said("is", CAT, label="later")])
    decisions.undo(library, since=late[0].at)
    assert holds(library)[0] == {(CAT, "early"): True}


def test_an_album_is_what_was_put_into_it(library):
    decisions.record(
        library, [Said("in", CAT, label="trip"), Said("in", DOG, label="trip"), Said("is", CAT, label="trip")]
    )
    decisions.record(library, [Said("out", DOG, label="trip")])
    inside = library.rows("SELECT photo FROM said WHERE kind = 'album' AND label = 'trip' AND holds").fetchall()
    assert inside == [(CAT,)]
    assert holds(library)[0] == {(CAT, "trip"): True}


def test_nothing_to_undo_is_said(library):
    with pytest.raises(BadRequest, match="nothing to undo"):
        decisions.undo(library, last=1)
    with pytest.raises(BadRequest, match="Nothing was undone"):
        decisions.undo(library, last=1, again=True)


def test_a_clock_that_is_set_back_reorders_nothing(library):
    ahead = (datetime.now(UTC) + timedelta(hours=12)).strftime("%Y-%m-%dT%H:%M:%S.000000")
    decisions.merge(library, [LINE.replace("2026-01-01T00:00:00.000000", ahead)], "elsewhere")
    decisions.record(library, [Said("not", CAT, label="Rex")])
    assert holds(library)[0] == {(CAT, "Rex"): False}


def test_rows_of_the_log_can_be_neither_changed_nor_deleted(library):
    decisions.record(library, [Said("is", CAT, label="Rex")])
    for statement in ("DELETE FROM decision", "UPDATE decision SET label = 'cat'"):
        with pytest.raises(sqlite3.IntegrityError, match="never"):
            library.connection.execute(statement)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (Said("is", CAT, label=" \n"), "1 to 200 letters"),
        (Said("not", CAT, label="a" * 201), "1 to 200 letters"),
        (Said("in", CAT, label="?!"), "1 to 200 letters"),
        (Said("not", CAT, label="b\udcff"), "text in UTF-8"),
        (Said("same", CAT, CAT), "one picture already"),
    ],
)
def test_what_cannot_be_meant_is_refused(library, said, why):
    with pytest.raises(BadRequest, match=why):
        decisions.record(library, [Said("is", DOG, label="fine"), said])
    assert holds(library) == ({}, {})


@pytest.mark.parametrize(
    "line",
    [
        "Rex",
        "[]",
        "{}",
        '{"id":"a","at":"2026-01-01T00:00:00.000000","what":"is","photo":"01","label":"Rex"}',
        f'{{"id":"a","at":"2026-01-01T00:00:00.000000","what":"same","photo":"{CAT.hex()}","other":"{CAT.hex()}"}}',
        LINE.replace("Rex", "\\udcff"),
        '{"id":"a","at":"yesterday","what":"undo","undoes":"b"}',
        '{"id":"a","at":"2026-01-01T00:00:00.000000","what":"undo"}',
        '{"id":"a","at":"2026-01-01T00:00:00.000000","what":"undo","undoes":"b","more":1}',
        '{"id":"a","at":"2026-01-01T00:00:00.000000","what":"forget","undoes":"b"}',
        '{"id":"' + "a" * 3000 + '"}',
    ],
)
def test_a_broken_log_adds_nothing(library, line):
    with pytest.raises(BadRequest, match=r"log, line 2 is .*; nothing was added\.$"):
        decisions.merge(library, [LINE, line], "log")
    assert holds(library) == ({}, {})


@pytest.mark.parametrize(
    "at",
    ["9999-12-31T23:59:59.999999", "2090-01-01T00:00:00.000000", "2026-01-01T00:00:00.000000+00:00",
     "0001-01-01T00:00:00.000000"],
)  # fmt: skip
def test_a_moment_that_nothing_can_come_after_or_that_is_none_is_refused(library, at):
    with pytest.raises(BadRequest, match=r"nothing was added\.$"):
        decisions.merge(library, [LINE.replace("2026-01-01T00:00:00.000000", at)], "elsewhere")
    decisions.record(library, [Said("is", CAT, label="Rex")])
    assert holds(library)[0] == {(CAT, "Rex"): True}


def test_a_pair_is_one_whichever_was_named_first(library):
    line = '{{"id":"{}","at":"2026-01-0{}T00:00:00.000000","what":"{}","photo":"{}","other":"{}"}}'
    same = line.format("a", 1, "same", CAT.hex(), DOG.hex())
    parted = line.format("b", 2, "not-same", DOG.hex(), CAT.hex())
    decisions.merge(library, [same, parted], "elsewhere")
    assert holds(library)[1] == {(CAT, DOG): False}


photos = st.sampled_from([CAT, DOG, OWL])
about_one = st.tuples(st.sampled_from(["is", "not", "in", "out"]), photos, st.just(b""), st.sampled_from(["a", "b"]))
about_two = st.tuples(st.sampled_from(["same", "not-same"]), st.just(CAT), st.sampled_from([DOG, OWL]))
saids = (about_one | about_two).map(lambda values: Said(*values))
steps = st.lists(st.one_of(st.lists(saids, min_size=1, max_size=3), st.sampled_from(["undo", "redo"])), max_size=12)


def play(library, steps):
    for step in steps:
        try:
            if step in ("undo", "redo"):
                decisions.undo(library, last=1, again=step == "redo")
            else:
                decisions.record(library, step)
        except BadRequest:
            pass


@settings(deadline=None, max_examples=60)
@given(steps)
def test_what_holds_follows_from_the_log_alone(tmp_path_factory, steps):
    with Library(tmp_path_factory.mktemp("library"), make=True) as library:
        play(library, steps)
        before = holds(library)
        with library.writing() as connection:
            decisions.derive(connection)
        assert holds(library) == before


@settings(deadline=None, max_examples=40)
@given(steps, steps)
def test_two_logs_that_were_merged_say_the_same_in_both_places(tmp_path_factory, here, there):
    folder = tmp_path_factory.mktemp("libraries")
    with Library(folder / "one", make=True) as one, Library(folder / "two", make=True) as two:
        play(one, here)
        play(two, there)
        ours = list(decisions.lines(one))
        decisions.merge(one, decisions.lines(two), "two")
        decisions.merge(two, ours, "one")
        assert holds(one) == holds(two)
        assert decisions.merge(two, decisions.lines(one), "one") == 0
