"""TOML that a person wrote becomes a dataclass, or one sentence that says what is wrong with it."""

from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyebright import tomlfile
from eyebright.errors import BadRequest, EyebrightError


@dataclass(frozen=True)
class Tea:
    """Something to read."""

    leaf: str
    minutes: float = 3.0
    sugars: int = 0
    kind: Literal["black", "green"] = "black"
    with_it: tuple[str, ...] = ()
    note: str | None = None


def read(text):
    return tomlfile.checked(tomlfile.table(text, "tea.toml"), Tea, "tea.toml")


def test_what_is_not_said_is_as_usual():
    assert read('leaf = "assam"\nwith_it = ["milk", "cake"]') == Tea("assam", with_it=("milk", "cake"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "tea.toml: the key 'leaf' is missing."),
        ('leef = "assam"', "tea.toml: there is no key 'leef'; did you mean leaf?"),
        ('leaf = "assam"\nsugars = "two"', "tea.toml: sugars: expected int, got str."),
        ('leaf = "assam"\nsugars = true', "tea.toml: sugars: expected int, got bool."),
        ('leaf = "assam"\nkind = "white"', "tea.toml: kind is one of black, green; 'white' is not."),
        ('leaf = "assam"\nwith_it = ["milk", 2]', "tea.toml: with_it[1]: expected str, got int."),
        ('leaf = "assam"\nleaf = "ceylon"', "tea.toml is not TOML: "),
        ("leaf = " + "9" * 5000, "tea.toml is not TOML: "),
        ("leaf = " + "[" * 100_000, "tea.toml is not TOML: "),
    ],
)
def test_what_is_wrong_is_named(text, sentence):
    with pytest.raises(BadRequest) as error:
        read(text)
    assert str(error.value).startswith(sentence)


@given(st.text(max_size=200))
def test_any_text_is_a_table_or_a_sentence(text):
    try:
        read(text)
    except EyebrightError:
        return


@given(st.text(), st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**60), 2**60), st.lists(st.text()))
def test_what_is_written_is_read_again(leaf, minutes, sugars, with_it):
    """Whatever is in the words; a key without a value is left out."""
    tea = Tea(leaf, minutes, sugars, "green", tuple(with_it))
    assert read(tomlfile.dumps(tea, {"leaf": "What grows."})) == tea


def test_remarks_stand_over_their_keys():
    assert tomlfile.dumps(Tea("assam"), {"leaf": "What grows."}).startswith('# What grows.\nleaf = "assam"\n')


@given(st.text(max_size=50))
def test_any_value_on_a_command_line_is_a_value(text):
    tomlfile.value_of(text)


def test_a_value_too_long_for_a_number_is_a_word():
    assert tomlfile.value_of("9" * 5000) == "9" * 5000
    assert tomlfile.value_of("[" * 100_000) == "[" * 100_000
