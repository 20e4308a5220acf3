"""Numbers, texts and arrays out of a pickle, and nothing else: no name in it is ever looked up or called.

A pickle is a program. This runs the few instructions that plain data need; where the program would call something, a
record of the call is made instead, and the three calls by which numpy stores an array are understood from the record.
"""

import pickletools
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MARK = object()
_MOST_ITEMS = 10_000_000
"""Instructions that a file may have; CIFAR-100 has 0.4 million."""

_ARRAY = {("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct")}
_BUFFER = {("numpy.core.numeric", "_frombuffer"), ("numpy._core.numeric", "_frombuffer")}
_DTYPE = {("numpy", "dtype")}
_BYTES = {("_codecs", "encode")}
_KNOWN = _ARRAY | _BUFFER | _DTYPE | _BYTES | {("numpy", "ndarray"), ("builtins", "bytearray")}

_PUSHED = {
    *("BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4", "BINFLOAT", "FLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


@dataclass
class Call:
    """What a pickle would have called, with what; `state` is what it would have given it afterwards."""

    name: tuple[str, str]
    arguments: tuple[Any, ...]
    state: Any = None


def loads(data: bytes) -> Any:
    """The plain data in a pickle; arrays come as `Call`, for `array` to read. Raises ValueError for anything else."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd escapes in old text instructions
            return _run(data)
    except (IndexError, KeyError, TypeError, AttributeError, UnicodeDecodeError, OverflowError, MemoryError) as error:
        raise ValueError(f"it is damaged ({type(error).__name__})") from None


def array(value: Any) -> NDArray[np.uint8]:
    """An array of bytes, as `loads` left it. Raises ValueError."""
    if isinstance(value, Call) and value.name in _ARRAY and isinstance(value.state, tuple) and len(value.state) == 5:
        _, shape, dtype, columns_first, content = value.state
    elif isinstance(value, Call) and value.name in _BUFFER and len(value.arguments) == 4:
        content, dtype, shape, order = value.arguments
        columns_first = order == "F"
    else:
        raise ValueError("an array was expected")
    raw = _bytes(content)
    sides = shape if isinstance(shape, tuple) else ()
    if not isinstance(dtype, Call) or dtype.name not in _DTYPE or dtype.arguments[:1] not in (("u1",), ("uint8",)):
        raise ValueError("an array of bytes was expected")
    if not all(type(side) is int and side >= 0 for side in sides) or np.prod(sides, dtype=object) != len(raw):
        raise ValueError("an array whose size is not what it states")
    return np.frombuffer(raw, np.uint8).reshape(sides, order="F" if columns_first is True else "C")


def _bytes(content: Any) -> bytes:
    """Bytes as Python 2 (a text of characters below 256) and Python 3 stored them."""
    if isinstance(content, Call) and content.name in _BYTES and content.arguments[1:] == ("latin1",):
        content = content.arguments[0]
    if isinstance(content, str):
        return content.encode("latin-1")
    if isinstance(content, (bytes, bytearray)):
        return bytes(content)
    raise ValueError("an array without content")


def _run(data: bytes) -> Any:
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    argument: Any
    for count, (code, argument, _) in enumerate(pickletools.genops(data)):
        name = code.name
        if count > _MOST_ITEMS:
            break
        if name in _PUSHED:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name == "MARK":
            stack.append(_MARK)
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            memo[len(memo) if name == "MEMOIZE" else argument] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name in _TUPLES:
            stack[-_TUPLES[name] :] = [tuple(stack[-_TUPLES[name] :])]
        elif name == "TUPLE":
            stack.append(tuple(_since_mark(stack)))
        elif name in ("APPEND", "APPENDS"):
            items = [stack.pop()] if name == "APPEND" else _since_mark(stack)
            list.extend(stack[-1], items)
        elif name in ("SETITEM", "SETITEMS"):
            items = [stack.pop(-2), stack.pop()] if name == "SETITEM" else _since_mark(stack)
            dict.update(stack[-1], zip(items[::2], items[1::2], strict=True))
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            module, what = argument.split(" ", 1) if name == "GLOBAL" else (stack.pop(-2), stack.pop())
            if (module, what) not in _KNOWN:
                raise ValueError(f"it would run {module}.{what}, which is not done")
            stack.append((module, what))
        elif name == "REDUCE":
            arguments = stack.pop()
            called = stack.pop()
            if called not in _KNOWN or not isinstance(arguments, tuple):
                raise ValueError("it would run something, which is not done")
            stack.append(Call(called, arguments))
        elif name == "BUILD":
            state = stack.pop()
            if not isinstance(stack[-1], Call):
                raise ValueError("it would change something, which is not done")
            stack[-1].state = state
        elif name == "STOP":
            return stack.pop()
        elif name not in ("PROTO", "FRAME"):
            raise ValueError(f"it has the instruction {name}, which plain data do not need")
    raise ValueError("it does not end")


def _since_mark(stack: list[Any]) -> list[Any]:
    at = len(stack) - 1
    while stack[at] is not _MARK:
        at -= 1
        if at < 0:
            raise ValueError("it is damaged (no mark)")
    items = stack[at + 1 :]
    del stack[at:]
    return items
