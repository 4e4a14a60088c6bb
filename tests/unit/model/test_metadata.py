"""What metadata may hold, and what changed between two states of it."""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artfs.model.metadata import changed_keys, copy_metadata

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8)
objects = st.dictionaries(texts, values, max_size=4)


@given(metadata=objects)
def test_json_is_copied_as_it_is(metadata: dict[str, Any]) -> None:
    copied = copy_metadata(metadata)
    assert copied == metadata
    assert json.dumps(copied) == json.dumps(metadata)


def test_the_copy_is_deep() -> None:
    inner = {"list": [1, {"deep": 2}]}
    copied = copy_metadata({"inner": inner})
    inner["list"].append(3)
    assert copied == {"inner": {"list": [1, {"deep": 2}]}}


def test_what_json_spells_differently_is_copied_as_json_reads_it() -> None:
    class Colour(StrEnum):
        RED = "red"

    class Number(IntEnum):
        ONE = 1

    given_values: dict[Any, Any] = {
        2: "int",
        True: "bool",
        None: "none",
        1.5: "float",
        "tuple": (1, 2),
        "enums": [Colour.RED, Number.ONE],
    }
    copied = copy_metadata(OrderedDict(given_values))
    assert copied == json.loads(json.dumps(given_values))
    assert type(copied["enums"][0]) is str


def test_not_a_number_becomes_null_and_infinity_is_refused() -> None:
    assert copy_metadata({"a": math.nan, "b": [np.float32("nan")]}) == {"a": None, "b": [None]}
    for infinite in (math.inf, -math.inf, np.float64("inf")):
        with pytest.raises(ValueError, match=r"metadata\['deep'\]\[0\] is infinite"):
            copy_metadata({"deep": [infinite]})


def test_numbers_and_arrays_of_numpy_become_plain() -> None:
    copied = copy_metadata({"i": np.int64(3), "f": np.float32(0.5), "a": np.arange(4).reshape(2, 2), "b": np.bool_(True)})
    assert copied == {"i": 3, "f": 0.5, "a": [[0, 1], [2, 3]], "b": True}
    assert type(copied["i"]) is int


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", datetime.now(UTC), lambda: None, int, 1j])
def test_what_json_cannot_express_is_a_type_error_that_says_where(value: object) -> None:
    with pytest.raises(TypeError, match=r"metadata\['a'\]\[1\]\['b'\]"):
        copy_metadata({"a": [0, {"b": value}]})


def test_a_key_that_is_no_text_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="key"):
        copy_metadata({(1, 2): "pair"})  # type: ignore[dict-item]


def test_metadata_that_contains_itself_is_a_type_error() -> None:
    metadata: dict[str, Any] = {}
    metadata["self"] = metadata
    with pytest.raises(TypeError, match="itself"):
        copy_metadata(metadata)


def test_text_that_no_registry_can_store_is_refused() -> None:
    for text in ("\ud800", "a\0b"):
        with pytest.raises(ValueError, match="Unicode"):
            copy_metadata({"key": text})
        with pytest.raises(ValueError, match="Unicode"):
            copy_metadata({text: "value"})


@given(before=objects, after=objects)
def test_the_changes_make_the_one_of_the_other(before: dict[str, Any], after: dict[str, Any]) -> None:
    to_set, to_remove = changed_keys(before, after)
    made = {key: value for key, value in before.items() if key not in to_remove} | to_set
    assert json.dumps(made, sort_keys=True) == json.dumps(after, sort_keys=True)
    assert changed_keys(after, after) == ({}, [])


def test_values_that_only_python_takes_for_equal_are_changes() -> None:
    assert changed_keys({"a": 1, "b": [1.0], "c": {"d": True}}, {"a": True, "b": [1], "c": {"d": 1}}) == (
        {"a": True, "b": [1], "c": {"d": 1}},
        [],
    )
