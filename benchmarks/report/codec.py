"""Frozen values to JSON and back, by the types of their fields."""

import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

__all__ = ["decode", "encode"]

_T = TypeVar("_T")


def encode(value: Any) -> Any:
    """A dataclass as the object that `json.dumps` writes; tuples become lists."""
    if is_dataclass(value) and not isinstance(value, type):
        found: dict[str, Any] = {}
        for each in fields(value):
            own, how = getattr(value, each.name), each.metadata
            if how.get("apart"):
                continue
            if how.get("inline"):
                found |= dict.fromkeys(how["null"]) if own is None else encode(own)
            elif own is not None or not how.get("optional"):
                found[_key(each)] = encode(own)
        return found
    if isinstance(value, Mapping):
        return {key: encode(each) for key, each in value.items()}
    return [encode(each) for each in value] if isinstance(value, list | tuple) else value


def decode(kind: type[_T], data: Any) -> _T:
    """The dataclass `kind` from such an object; keys that it has no field for are ignored.

    Raises:
        KeyError: A key is missing.
        TypeError: A value has another type than its field.
    """
    found: _T = _decode(kind, data, kind.__name__)
    return found


def _decode(kind: Any, data: Any, name: str) -> Any:
    if kind is Any:
        return data
    if is_dataclass(kind):
        return _decode_fields(kind, data, name)
    if get_origin(kind) in (types.UnionType, Union):
        (inner,) = (each for each in get_args(kind) if each is not types.NoneType)
        return None if data is None else _decode(inner, data, name)
    if get_origin(kind) is tuple:
        inner, *rest = get_args(kind)
        if not isinstance(data, list) or not (rest == [...] or len(data) == 1 + len(rest)):
            raise TypeError(f"{name} is {data!r}")
        return tuple(_decode(inner, each, name) for each in data)
    allowed = (int, float) if kind is float else get_origin(kind) or kind
    if not isinstance(data, allowed) or (isinstance(data, bool) and kind is not bool):
        raise TypeError(f"{name} is {data!r}")
    return data


def _decode_fields(kind: Any, data: Any, name: str) -> Any:
    if not isinstance(data, dict):
        raise TypeError(f"{name} is {data!r}")
    found = {}
    for each, type_ in _fields_of(kind):
        key = _key(each)
        if each.metadata.get("apart"):
            continue
        if each.metadata.get("inline"):
            null = each.metadata["null"]
            absent = bool(null) and all(data[key] is None for key in null)
            found[each.name] = None if absent else _decode(type_, data, name)
        elif key in data or each.default is MISSING:
            found[each.name] = _decode(type_, data[key], key)
    return kind(**found)


def _key(field: "Field[Any]") -> str:
    key: str = field.metadata.get("key", field.name)
    return key


@cache
def _fields_of(kind: Any) -> list[tuple["Field[Any]", Any]]:
    hints = get_type_hints(kind)
    return [(each, hints[each.name]) for each in fields(kind)]
