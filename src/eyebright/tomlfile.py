"""Typed TOML: recipes and what else a person may write by hand, read into frozen dataclasses.

Every key and type is checked; an unknown key is refused with the nearest one that is known.
"""

import difflib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from eyebright.errors import BadRequest

T = TypeVar("T")


def table(text: str, where: str) -> dict[str, Any]:
    """TOML text as a table; `where` is what messages call it."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: also of numbers with thousands of digits
        raise BadRequest(f"{where} is not TOML: {error}.") from None


def checked(given: Mapping[str, Any], kind: type[T], where: str) -> T:
    """A table as a dataclass of this kind: known keys, right types, and the dataclass's own checks."""
    assert is_dataclass(kind)
    known = [field.name for field in fields(kind)]
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1, 0.5)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}."
            raise BadRequest(f"{where}: there is no key {key!r}; {hint}")
    for field in fields(kind):
        if field.name not in given and field.default is MISSING and field.default_factory is MISSING:
            raise BadRequest(f"{where}: the key {field.name!r} is missing.")
    for key, hint in get_type_hints(kind).items():
        if get_origin(hint) is Literal and key in given and given[key] not in get_args(hint):
            raise BadRequest(f"{where}: {key} is one of {', '.join(get_args(hint))}; {given[key]!r} is not.")
    try:
        value: T = msgspec.convert(dict(given), kind)
    except msgspec.ValidationError as error:  # "Expected `int`, got `str` - at `$.seed`"
        what, _, key = str(error).replace("`", "").partition(" - at $.")
        raise BadRequest(f"{where}: {key}: {what[0].lower()}{what[1:]}.") from None
    return value


def value_of(text: str) -> Any:
    """What a person wrote after `key=`: TOML, or else a plain word.

    >>> value_of("0.1"), value_of("[1, 2]"), value_of("cosine"), value_of("true")
    (0.1, [1, 2], 'cosine', True)
    """
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text


def dumps(value: Any, remarks: Mapping[str, str] | None = None) -> str:
    """A flat dataclass as TOML, a key a line; keys without a value (None) are left out, mappings become tables."""
    lines: list[str] = []
    tables: list[str] = []
    for field in fields(value):
        content = getattr(value, field.name)
        if content is None:
            continue
        into = tables if isinstance(content, Mapping) else lines
        if remarks and field.name in remarks:
            into.append(f"# {remarks[field.name]}")
        if isinstance(content, Mapping):
            tables += [f"[{field.name}]", *(f"{_toml(key)} = {_toml(part)}" for key, part in content.items())]
        else:
            lines.append(f"{field.name} = {_toml(content)}")
    return "\n".join(lines + tables) + "\n"


def _toml(content: Any) -> str:
    if isinstance(content, (list, tuple)):
        return f"[{', '.join(_toml(part) for part in content)}]"
    if isinstance(content, str):
        return json.dumps(content, ensure_ascii=False).replace("\x7f", "\\u007f")  # TOML's basic strings are JSON's
    return json.dumps(content)
