"""The reserved names and texts of upper/: whatever a user calls things, they are never taken for markers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artfs.vfs.staging.layout import (
    BASE_MARKER,
    format_base_marker,
    format_placeholder,
    format_target,
    gone_marker,
    host_name,
    is_gone_marker,
    parse_base_marker,
    parse_placeholder,
    parse_target,
    user_name,
)

TRICKY = [".artfs-", BASE_MARKER, ".artfs-gone-x", ".artfs-long-x", ".artfs-_", ".artfs-_.artfs-", "x", ".x", "..x"]
names = st.one_of(st.sampled_from(TRICKY), st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1)).filter(
    lambda name: name not in {".", ".."}
)
TRICKY_TEXTS = ["//artfs-file/x", "//artfs-text//artfs-file/x", "//artfs-", "/", "x", "//artfs-text/"]
texts = st.one_of(st.sampled_from(TRICKY_TEXTS), st.text(min_size=1))


@given(names)
def test_names_come_back_as_they_were_and_are_never_markers(name: str) -> None:
    in_upper = host_name(name)
    assert user_name(in_upper) == name
    assert in_upper != BASE_MARKER
    assert not is_gone_marker(in_upper)


@given(names)
def test_gone_markers_are_markers_and_fit_into_a_name(name: str) -> None:
    cut = name.encode()[:255].decode(errors="ignore") or "x"
    marker = gone_marker(cut)
    assert is_gone_marker(marker)
    assert user_name(marker) is None
    assert len(marker.encode()) <= 255


@given(names, names)
def test_different_names_have_different_gone_markers(first: str, second: str) -> None:
    assert (gone_marker(first) == gone_marker(second)) == (first == second)


@given(texts)
def test_targets_come_back_as_they_were_and_are_never_placeholders(target: str) -> None:
    text = format_target(target)
    assert parse_placeholder(text) is None
    assert parse_target(text) == target


@pytest.mark.parametrize("path", ["a", "a/b", "ü"])
def test_placeholders_and_base_markers_say_what_they_stand_for(path: str) -> None:
    assert parse_placeholder(format_placeholder(path)) == path
    assert parse_base_marker(format_base_marker(path)) == path
    assert parse_base_marker(format_base_marker("")) == ""


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_what_is_no_name_is_never_looked_up(name: str) -> None:
    with pytest.raises(FileNotFoundError):
        host_name(name)
