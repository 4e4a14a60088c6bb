"""Commit options: what is understood, and what is said about the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from artfs.errors import UserError
from artfs.vfs.staging.options import StagingOptions, parse_options, read_options


def test_all_keys_are_understood() -> None:
    text = b'{"aliases": ["best", "best", "b"], "description": "d", "metadata": {"k": [1, NaN]}, "type": "model"}'
    assert parse_options(text, "x.json") == StagingOptions(("best", "b"), "d", {"k": [1, None]}, "model")


@pytest.mark.parametrize("text", [b"", b" \n", b"{}", b'{"aliases": null, "description": null, "metadata": null, "type": null}'])
def test_nothing_said_is_nothing_asked(text: bytes) -> None:
    assert parse_options(text, "x.json") == StagingOptions()


def test_one_alias_may_be_given_as_text() -> None:
    assert parse_options(b'{"aliases": "best"}', "x.json").aliases == ("best",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"[]", "JSON object"),
        (b'{"alias": "x"}', "unknown key 'alias'"),
        (b'{"aliases": 3}', "'aliases' must be a list"),
        (b'{"aliases": ["v3"]}', "'v3' is not a valid alias"),
        (b'{"aliases": [3]}', "must be text"),
        (b'{"description": 3}', "'description' must be text"),
        (b'{"metadata": []}', "'metadata' must be an object"),
        (b'{"metadata": {"k": Infinity}}', r"metadata\['k'\] is infinite"),
        (b'{"metadata": {"k": 1e999}}', r"metadata\['k'\] is infinite"),
        (b'{"metadata": {"k": "\\ud800"}}', r"metadata\['k'\] holds text that is not valid Unicode"),
        (b'{"metadata": {"k\\u0000": 1}}', "not valid Unicode, or has a NUL"),
        (b'{"type": "job"}', "reserved"),
        (b'{"type": 3}', "must be text"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(text: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        parse_options(text, "draft.json")
    assert "draft.json" in str(caught.value)


def test_later_options_win_and_aliases_add_up() -> None:
    first = StagingOptions(("a",), "old", {"k": 1, "l": 2}, "dataset")
    merged = first.merged_with(StagingOptions(("b", "a"), "new", {"k": 3}))
    assert merged == StagingOptions(("a", "b"), "new", {"k": 3, "l": 2}, "dataset")
    assert first.merged_with(StagingOptions()) == first


def test_file_that_is_not_there_or_is_no_file(tmp_path: Path) -> None:
    assert read_options(tmp_path / "x.json") == StagingOptions()
    with pytest.raises(UserError, match="cannot be read"):
        read_options(tmp_path)
