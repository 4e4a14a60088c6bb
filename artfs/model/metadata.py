"""Metadata of a version: what may be in it, and what changed between two states of it.

Metadata is a JSON object. A caller's dict is copied deeply, so that what is changed in it later does not change what was logged.
Not-a-number, which JSON does not have, becomes null, as the plots and queries that read it treat both as "no value"; infinity has
no such stand-in and is refused. Numbers and arrays of numpy and its relatives become plain numbers and lists.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from artfs.errors import TypeNotValid, UserError
from artfs.model.names import is_utf8


def copy_metadata(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """A deep copy of `metadata` that is JSON; None is empty.

    Raises TypeNotValid (a TypeError) when it is no mapping or holds what JSON cannot express, UserError (a ValueError) for
    infinity.
    """
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping):
        raise TypeNotValid(f"metadata must be a dict, not {type(metadata).__name__}")
    try:
        copied: dict[str, Any] = _copy(metadata, "metadata")
    except RecursionError:
        raise TypeNotValid("the metadata contains itself, or is nested too deeply to be JSON") from None
    return copied


def changed_keys(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """What makes `after` of `before`, key by key at the top level: the keys to set, and those to remove."""
    to_set = {key: value for key, value in after.items() if key not in before or not _equal(before[key], value)}
    return to_set, [key for key in before if key not in after]


def is_storable(text: str) -> bool:
    """True for what every registry can store: text without lone surrogates and without NUL."""
    return "\0" not in text and is_utf8(text)


def _equal(one: Any, two: Any) -> bool:
    # In Python 1 == True == 1.0, in JSON they are three values.
    if type(one) is not type(two):
        return False
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(_equal(one[key], two[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(two) and all(map(_equal, one, two))
    return bool(one == two)


def _copy(value: Any, where: str) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _checked_text(value, where)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return _checked_number(float(value), where)
    if isinstance(value, Mapping):
        return {_key(key, where): _copy(item, f"{where}[{key!r}]") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_copy(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if callable(tolist := getattr(value, "tolist", None)) and not isinstance(value, type):
        return _copy(tolist(), where)
    raise TypeNotValid(
        f"{where} is of type {type(value).__name__}, which JSON cannot express: convert it to text, a number or a list"
    )


def _key(key: Any, where: str) -> str:
    if isinstance(key, str):
        return _checked_text(key, where)
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    if isinstance(key, int):
        return str(int(key))
    if isinstance(key, float):
        return repr(float(key))
    raise TypeNotValid(f"a key in {where} is of type {type(key).__name__}: use text")


def _checked_text(text: str, where: str) -> str:
    if not is_storable(text):
        raise UserError(f"{where} holds text that is not valid Unicode, or has a NUL in it: {text!r}")
    return str.__str__(text)


def _checked_number(number: float, where: str) -> float | None:
    if math.isinf(number):
        raise UserError(f"{where} is infinite, which JSON cannot express: leave it out or use None")
    return None if math.isnan(number) else number
