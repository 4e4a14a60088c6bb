"""What artifacts, aliases, types and paths may be called."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from artfs.errors import NameNotValid, TypeNotValid
from artfs.model.names import (
    ArtifactName,
    VersionName,
    check_alias,
    check_aliases,
    check_artifact_name,
    check_names,
    check_type,
    normalise_path,
    parse_artifact_name,
    parse_version_label,
    parse_version_name,
)
from tests.unit.model.entries import names, paths, property_test


@pytest.mark.parametrize("name", ["a", "bike-dataset", "A.b_c-9", "..a", "...", "x" * 128])
def test_a_good_artifact_name_is_taken_as_it_is(name: str) -> None:
    assert check_artifact_name(name) == name


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("my data", "my-data"),
        ("a/b", "a-b"),
        ("name\n", "name"),
        ("", "my-artifact"),
        (".", "my-artifact"),
        ("..", "my-artifact"),
        (".artfs", "my-artifact"),
        ("ä", "my-artifact"),
        ("x" * 129, "x" * 128),
        ("a:v0", "a-v0"),
    ],
)
def test_a_bad_artifact_name_is_refused_with_a_valid_spelling(name: str, suggestion: str) -> None:
    with pytest.raises(ValueError, match="is not a valid artifact name") as caught:
        check_artifact_name(name)
    assert f"for example {suggestion!r}" in str(caught.value)
    assert check_artifact_name(suggestion) == suggestion


@pytest.mark.parametrize("alias", ["latest", "best-ap50", "v", "v1.0", "version 2", "V7", "ä", "v-7"])
def test_a_good_alias_is_taken_as_it_is(alias: str) -> None:
    assert check_alias(alias) == alias


@pytest.mark.parametrize(
    "alias", ["", "v7", "v007", "a/b", "a:b", "staging", ".hidden", ".", "..", "a\n", "a\0", "x" * 129, "ä" * 65, "\udcff"]
)
def test_a_bad_alias_is_refused(alias: str) -> None:
    with pytest.raises(NameNotValid, match="is not a valid alias"):
        check_alias(alias)


def test_a_str_is_one_alias_and_a_list_is_kept_in_order_without_repetition() -> None:
    assert check_aliases("best") == ["best"]
    assert check_aliases(["b", "a", "b"]) == ["b", "a"]
    assert check_aliases(None) == []
    with pytest.raises(TypeNotValid, match="aliases must be a list of text, not int"):
        check_aliases(5)  # type: ignore[arg-type]


@pytest.mark.parametrize("type_name", ["", "job", "wandb-history", "a/b", "x" * 129, "a\n", "\udcff"])
def test_a_bad_type_is_refused(type_name: str) -> None:
    with pytest.raises(NameNotValid):
        check_type(type_name)


@pytest.mark.parametrize("check", [check_artifact_name, check_alias, check_type, normalise_path])
@pytest.mark.parametrize("value", [None, 1, b"name", ["name"]])
def test_what_is_no_text_is_a_type_error(check: Any, value: Any) -> None:
    with pytest.raises(TypeNotValid) as caught:
        check(value)
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize(
    ("path", "normal"), [("a", "a"), ("./a//b/./c/", "a/b/c"), ("a..b", "a..b"), ("...", "..."), ("ä b#?%", "ä b#?%")]
)
def test_a_path_is_made_normal(path: str, normal: str) -> None:
    assert normalise_path(path) == normal


@pytest.mark.parametrize(
    "path", ["", ".", "./", "//", "/a", "..", "a/..", "a/../b", "a\0b", "a\nb", "x" * 256, "x/" * 1600, "\udcff", "a\x7f"]
)
def test_a_bad_path_is_refused(path: str) -> None:
    with pytest.raises(NameNotValid, match="is not a valid path in an artifact"):
        normalise_path(path)


@property_test
@given(paths)
def test_a_normal_path_stays_as_it_is(path: str) -> None:
    assert normalise_path(path) == path


@property_test
@given(st.lists(st.text(max_size=6) | names), st.sampled_from(["", "d", "d/e", "ä/" * 1000 + "d"]))
@example(["x" * 255], "")
@example(["x" * 256], "")
@example(["ä" * 127 + "x"], "")
@example(["ä" * 128], "")
@example(["x" * 70], "ä/" * 1000 + "d")
@example(["x" * 71], "ä/" * 1000 + "d")
@example(["\ud800"], "d")
def test_names_checked_together_are_judged_like_their_paths(together: list[str], directory: str) -> None:
    prefix = f"{directory}/" if directory else ""

    def is_good(name: str) -> bool:
        try:
            return "/" not in name and normalise_path(prefix + name) == prefix + name and name != ""
        except NameNotValid:
            return False

    try:
        check_names(directory, together)
    except NameNotValid:
        assert not all(map(is_good, together))
    else:
        assert all(map(is_good, together))


def test_a_name_is_completed_from_the_right() -> None:
    assert parse_artifact_name("n", entity="e", project="p") == ArtifactName("e", "p", "n")
    assert parse_artifact_name("q/n", entity="e", project="p") == ArtifactName("e", "q", "n")
    assert parse_artifact_name("f/q/n", entity="e", project="p") == ArtifactName("f", "q", "n")


@pytest.mark.parametrize("text", ["", "a/b/c/d", "/n", "n/", "a//n"])
def test_a_name_of_other_parts_is_refused(text: str) -> None:
    with pytest.raises(NameNotValid):
        parse_artifact_name(text, entity="e", project="p")


@pytest.mark.parametrize(("text", "selector"), [("n", "latest"), ("n:v0", "v0"), ("n:best", "best"), ("q/n:v12", "v12")])
def test_a_version_is_named_by_label_or_alias(text: str, selector: str) -> None:
    version = parse_version_name(text, entity="e", project="p")
    assert isinstance(version, VersionName)
    assert version.selector == selector


@pytest.mark.parametrize("text", ["n:", "n:a:b", "n:a/b", "n:v01", ":v0", "n:staging"])
def test_a_version_name_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(NameNotValid):
        parse_version_name(text, entity="e", project="p")


@pytest.mark.parametrize(
    ("text", "number"), [("v0", 0), ("v12", 12), ("v01", None), ("v", None), ("V1", None), ("v1\n", None), ("v-1", None)]
)
def test_a_label_is_v_and_a_number(text: str, number: int | None) -> None:
    assert parse_version_label(text) == number
