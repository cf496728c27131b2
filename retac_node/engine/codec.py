"""Writes a frozen dataclass into a folder and reads it back by its annotations.  Never pickles, never guesses a type.

`value.json` holds the plain fields; each array is a raw `value.<field>.npy` that is mapped, not read, so that a run of
frames costs no memory until it is looked at.  Held are numpy arrays, str, int, float (NaN too), bool, None, Fraction,
Literal, tuples, dicts with str keys and nested dataclasses.  A str field named `folder` is a path inside the folder
that is written to: it is kept relative, so the folder may move.
"""

import dataclasses
import json
import operator
import os
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.lib import format as npy

Value = TypeVar("Value")

MAP_FROM = 1 << 16  # bytes; smaller arrays are read at once: a mapping keeps a file open


class Damaged(Exception):
    """The folder does not hold the value; the message says which file and why."""


def save(folder: Path, value: Any) -> None:
    """Writes a dataclass.  Raises TypeError, naming the field, where a value is not what the annotation says."""
    tree = pack(value, type(value), "value", folder)
    (folder / "value.json").write_text(json.dumps(tree))


def load(folder: Path, kind: type[Value]) -> Value:
    """Reads a dataclass of that type; its arrays are read-only.  Raises Damaged."""
    try:
        tree = json.loads((folder / "value.json").read_bytes())
        return unpack(tree, kind, "value", folder)
    except (OSError, ValueError, EOFError, LookupError, TypeError, AttributeError) as error:
        raise Damaged(f"{folder} does not hold a {kind.__name__}: {error}") from error


# ---- writing


def pack(value: Any, kind: Any, name: str, folder: Path) -> Any:
    """Gives the JSON tree of a value; arrays go to files of their own, and their file name into the tree."""
    if is_record(kind):
        expect(type(value) is kind, name, kind, value)
        return {
            field: pack_folder(getattr(value, field), folder)
            if is_folder(field, inner)
            else pack(getattr(value, field), inner, f"{name}.{field}", folder)
            for field, inner in fields(kind).items()
        }
    origin, inner = get_origin(kind) or kind, get_args(kind)
    if origin is np.ndarray:
        return pack_array(value, kind, name, folder)
    if origin is tuple:
        expect(isinstance(value, tuple), name, kind, value)
        kinds = tuple_kinds(inner, len(value))
        each = enumerate(zip(value, kinds, strict=True))
        return [pack(item, one, f"{name}.{n}", folder) for n, (item, one) in each]
    if origin is dict:
        expect(isinstance(value, dict), name, kind, value)
        return {pack(key, str, name, folder): pack(item, inner[1], f"{name}.{n}", folder)
                for n, (key, item) in enumerate(value.items())}  # fmt: skip
    if origin in (Union, UnionType):
        return None if value is None else pack(value, optional(kind), name, folder)
    if origin is Literal:
        expect(value in inner, name, kind, value)
        return value
    return pack_plain(value, kind, name)


def pack_plain(value: Any, kind: Any, name: str) -> Any:
    """Gives a plain value; a numpy scalar becomes the Python number that the annotation names."""
    try:
        return PACK_PLAIN[kind](value)
    except (KeyError, TypeError, ValueError) as error:
        raise TypeError(f"{name} is annotated {kind} and holds {type(value).__name__} {value!r:.60}") from error


def pack_str(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return str(value)


def pack_bool(value: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise TypeError
    return bool(value)


PACK_PLAIN: dict[Any, Callable[[Any], Any]] = {
    str: pack_str,
    bool: pack_bool,
    int: operator.index,
    float: float,
    Fraction: lambda value: [value.numerator, value.denominator],
}


def pack_array(value: Any, kind: Any, name: str, folder: Path) -> str:
    """Writes the array and gives its file's name.  Written by hand: ndarray.tofile hides why a write failed."""
    expect(isinstance(value, np.ndarray) and value.dtype == dtype(kind), name, kind, value)
    array = np.ascontiguousarray(value).reshape(value.shape)
    with open(folder / f"{name}.npy", "wb") as file:
        npy.write_array_header_1_0(file, npy.header_data_from_array_1_0(array))
        file.write(array.data)
    return f"{name}.npy"


def pack_folder(path: str, folder: Path) -> str:
    relative = os.path.relpath(path, folder)
    assert not relative.startswith(".."), f"the result's folder {path} lies outside its task's folder {folder}"
    return relative


def expect(holds: bool, name: str, kind: Any, value: Any) -> None:
    if not holds:
        what = f"{value.dtype} array" if isinstance(value, np.ndarray) else type(value).__name__
        raise TypeError(f"{name} is annotated {kind} and holds a {what}")


# ---- reading


def unpack(tree: Any, kind: Any, name: str, folder: Path) -> Any:
    """Gives the value of a JSON tree.  Raises ValueError, TypeError or LookupError where it does not fit the type."""
    if is_record(kind):
        return kind(**{
            field: os.path.normpath(folder / tree[field])
            if is_folder(field, inner)
            else unpack(tree[field], inner, f"{name}.{field}", folder)
            for field, inner in fields(kind).items()
        })  # fmt: skip
    origin, inner = get_origin(kind) or kind, get_args(kind)
    if origin is np.ndarray:
        return unpack_array(folder / f"{name}.npy", dtype(kind))
    if origin is tuple:
        kinds = tuple_kinds(inner, len(tree))
        each = enumerate(zip(tree, kinds, strict=True))
        return tuple(unpack(item, one, f"{name}.{n}", folder) for n, (item, one) in each)
    if origin is dict:
        return {key: unpack(item, inner[1], f"{name}.{n}", folder) for n, (key, item) in enumerate(tree.items())}
    if origin in (Union, UnionType):
        return None if tree is None else unpack(tree, optional(kind), name, folder)
    if kind is Fraction:
        return Fraction(*tree)
    if origin is not Literal and type(tree) is not kind:
        raise ValueError(f"{name} is a {type(tree).__name__}, not a {kind.__name__}")
    return tree


def unpack_array(path: Path, expected: np.dtype[Any]) -> np.ndarray:
    """Maps a large array, reads a small one; neither can be written to."""
    mode: Literal["r"] | None = "r" if path.stat().st_size >= MAP_FROM else None
    try:
        array = np.load(path, mmap_mode=mode, allow_pickle=False).view(np.ndarray)
    except SystemError:
        # numpy parses a header, and Python 3.11 miscounts where two threads, or one and a finaliser, parse at once
        array = np.load(path, mmap_mode=mode, allow_pickle=False).view(np.ndarray)
    if array.dtype != expected:
        raise ValueError(f"{path.name} holds {array.dtype}, not {expected}")
    array.flags.writeable = False
    return array


# ---- annotations


@cache
def fields(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def is_record(kind: Any) -> bool:
    return dataclasses.is_dataclass(kind)


def is_folder(field: str, kind: Any) -> bool:
    return field == "folder" and kind is str


def dtype(kind: Any) -> np.dtype[Any]:
    return np.dtype(get_args(get_args(kind)[1])[0])  # NDArray[x] is ndarray[shape, dtype[x]]


def tuple_kinds(inner: tuple[Any, ...], count: int) -> tuple[Any, ...]:
    return (inner[0],) * count if inner[-1] is Ellipsis else inner


def optional(kind: Any) -> Any:
    """Gives X of `X | None`; other unions cannot be told apart in JSON."""
    held = [one for one in get_args(kind) if one is not NoneType]
    assert len(held) == 1, f"{kind} cannot be stored; use X | None"
    return held[0]
