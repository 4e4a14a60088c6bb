"""What is written on a command line: durations, metadata, places in a version."""

from __future__ import annotations

from typing import Any

import pytest

from artfs.cli.durations import format_duration, parse_duration
from artfs.cli.options import parse_metadata
from artfs.cli.place import parse_place
from artfs.errors import UserError


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0), ("90", 90), ("90s", 90), ("15m", 900), ("24h", 86400), ("1.5 d", 129600), ("2W", 1209600)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-1s", "1y", "1h30m", "h"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(UserError, match="not a duration"):
        parse_duration(text)


def test_a_duration_that_no_calendar_holds_is_refused() -> None:
    assert parse_duration("36500d") == 36500 * 86400
    with pytest.raises(UserError, match="'999999999d' is longer than 100 years"):
        parse_duration("999999999d")


@pytest.mark.parametrize("text", ["0s", "90s", "15m", "1d", "2w"])
def test_durations_are_written_as_they_are_read(text: str) -> None:
    assert format_duration(parse_duration(text)) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8645", 8645),
        ("1.5", 1.5),
        ("true", True),
        ("null", None),
        ('"8"', "8"),
        ("[1, 2]", [1, 2]),
        ("ISLP", "ISLP"),
        ("", ""),
        ("a=b", "a=b"),
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
        ("{broken", "{broken"),
        pytest.param("[" * 100_000, "[" * 100_000, id="too deep"),
    ],
)
def test_a_value_of_metadata_is_json_if_it_can_be(text: str, value: Any) -> None:
    assert parse_metadata([f"key={text}"]) == {"key": value}


@pytest.mark.parametrize("value", ["1e999", "-1e999", '"\\ud800"', '["\\u0000"]', "\udcff"])
def test_a_value_that_no_metadata_can_hold_is_told_with_its_key(value: str) -> None:
    with pytest.raises(UserError, match=r"metadata\['key'\]"):
        parse_metadata([f"key={value}"])


@pytest.mark.parametrize("pair", ["novalue", "=value", ""])
def test_what_is_no_metadata(pair: str) -> None:
    with pytest.raises(UserError, match="KEY=VALUE"):
        parse_metadata([pair])


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("pets", "e/p/pets:latest"),
        ("q/pets", "e/q/pets:latest"),
        ("f/q/pets:v3", "f/q/pets:v3"),
        ("pets:best/a/b.txt", "e/p/pets:best/a/b.txt"),
        ("q/pets:best//a/./b.txt", "e/q/pets:best/a/b.txt"),
        ("pets:best/", "e/p/pets:best"),
        ("pets:best/.", "e/p/pets:best"),
        ("pets:v0/a:b", "e/p/pets:v0/a:b"),
        ("pets:v0/.hidden", "e/p/pets:v0/.hidden"),
    ],
)
def test_places(text: str, meant: str) -> None:
    assert str(parse_place(text, entity="e", project="p")) == meant


@pytest.mark.parametrize("text", ["", "a/b/c/d", "pets:", "pets:/a", "pets:v0/../x", "pets:v0/..", "pe ts", ":v0", "/pets"])
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(UserError):
        parse_place(text, entity="e", project="p")
