"""What things are called in an artifact."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from artfs.errors import ArtfsError, NameNotValid, NotFound, TypeNotValid, UserError
from artfs.model.entry import Kind, Reference
from artfs.references.naming import name_for, name_found
from artfs.references.protocol import Found

PREFIX = "s3://b/images"


def below(*names: str, size: int = 1, uri: str = PREFIX) -> list[Found]:
    return [Found(name, Reference(f"{uri.rstrip('/')}/{name}", '"e"', None, size), 5) for name in names]


def paths(found: list[Found], *, uri: str = PREFIX, name: str | None = None, max_objects: int = 100) -> list[str]:
    return [entry.path for entry in name_found(uri, found, name=name, max_objects=max_objects)]


def test_one_object_has_its_basename_or_the_name_it_is_given() -> None:
    one = [Found("cat.png", Reference("s3://b/images/cat.png", '"e"', "v", 7), 5)]
    (entry,) = name_found("s3://b/images/cat.png", one, name=None, max_objects=1)
    assert (entry.path, entry.kind, entry.size, entry.mtime_ns) == ("cat.png", Kind.REFERENCE, 7, 5)
    assert entry.reference == one[0].reference
    assert paths(one, uri="s3://b/images/cat.png", name="pets//tom.png") == ["pets/tom.png"]


def test_objects_below_a_prefix_have_their_path_below_it_in_manifest_order() -> None:
    found = below("a-b/x", "a/x", "a/y/z", "b", "ä b?#%.png")
    assert paths(found) == ["b", "ä b?#%.png", "a/x", "a-b/x", "a/y/z"]
    assert paths(found, name="in/here/") == ["in/here/b", "in/here/ä b?#%.png", "in/here/a/x", "in/here/a-b/x", "in/here/a/y/z"]


def test_a_prefix_stays_a_prefix_with_one_object_below_it() -> None:
    assert paths(below("cat.png"), name="pets") == ["pets/cat.png"]


def test_slashes_in_a_row_are_one() -> None:
    assert paths(below("a//b", "/c", "./d")) == ["c", "d", "a/b"]


def test_folder_markers_are_left_out_and_empty_objects_kept() -> None:
    assert paths(below("", "sub/", "sub/empty", size=0)) == ["sub/empty"]


def test_the_marker_of_the_prefix_itself_is_left_out() -> None:
    marker = Found("", Reference("s3://b/images/", '"e"', None, 0), 5)
    assert paths([marker, *below("a")], uri="s3://b/images/") == ["a"]


def test_a_marker_that_holds_bytes_is_refused_by_its_key() -> None:
    with pytest.raises(NameNotValid, match=r"s3://b/images/sub/ cannot .* 3 bytes"):
        paths(below("sub/", size=3))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../x", r"'\.\.' is not allowed"),
        ("a/../x", r"'\.\.' is not allowed"),
        ("a\nb", "control characters"),
        ("n" * 256, "longer than 255 bytes"),
        ("/".join(["n" * 250] * 13), "longer than 3072 bytes"),
        (".", "names nothing"),
        ("\udcff", "UTF-8"),
    ],
)
def test_a_name_that_no_path_can_have_is_refused_with_its_key(name: str, reason: str) -> None:
    with pytest.raises(NameNotValid, match=reason) as caught:
        paths(below("fine", name))
    assert "s3://b/images/" in str(caught.value)
    assert "name=" in str(caught.value)


def test_a_key_that_begins_with_a_slash_is_absolute_in_a_whole_bucket() -> None:
    with pytest.raises(NameNotValid, match=r"s3://b//etc/passwd.*relative"):
        paths(below("/etc/passwd", uri="s3://b"), uri="s3://b")


def test_a_name_that_is_too_long_under_the_name_given_is_refused() -> None:
    with pytest.raises(NameNotValid, match="longer than 3072 bytes"):
        paths(below("/".join(["n" * 250] * 12)), name="p" * 200)


@pytest.mark.parametrize(
    ("names", "place"),
    [
        (["a/b", "a//b"], "a/b"),
        (["a", "./a"], "a"),
        (["x", "x/y"], "x"),
        (["x/y", "x"], "x"),
        (["x/y/z", "x/q", "x"], "x"),
        (["x", "x/y/z"], "x"),
    ],
)
def test_two_objects_in_one_place_are_refused_and_both_named(names: list[str], place: str) -> None:
    with pytest.raises(UserError, match="would both be") as caught:
        paths(below(*names))
    message = str(caught.value)
    assert repr(place) in message
    assert message.count(PREFIX) == 2


def test_too_many_objects_stop_the_listing_early() -> None:
    taken = []

    def endless() -> Iterator[Found]:
        number = 0
        while True:
            taken.append(number)
            yield below(f"{number}")[0]
            number += 1

    with pytest.raises(UserError, match=r"s3://b/images leads to more than 10 objects.*max_objects="):
        name_found(PREFIX, endless(), name=None, max_objects=10)
    assert len(taken) == 11
    with pytest.raises(UserError, match="leads to more than 1 object:"):
        name_found(PREFIX, endless(), name=None, max_objects=1)


def test_exactly_as_many_as_allowed_are_fine_and_markers_do_not_count() -> None:
    assert len(paths([*below("s/", size=0), *below("a", "b", "c")], max_objects=3)) == 3


@pytest.mark.parametrize("limit", [0, -1, True, 1.5, "10"])
def test_the_limit_is_a_number(limit: int) -> None:
    with pytest.raises(TypeNotValid, match="max_objects must be a number"):
        paths(below("a"), max_objects=limit)


@pytest.mark.parametrize("found", [[], below("", "a/", size=0)])
def test_nothing_there_is_not_found(found: list[Found]) -> None:
    with pytest.raises(NotFound, match=r"s3://b/images leads to nothing"):
        paths(found)


def test_progress_tells_objects_and_bytes() -> None:
    told: list[tuple[int, int]] = []
    name_found(PREFIX, below("a", "b", size=4), name=None, max_objects=5, on_progress=lambda *so_far: told.append(so_far))
    assert told == [(1, 4), (2, 8)]


def test_one_thing_without_a_basename_needs_a_name() -> None:
    with pytest.raises(UserError, match=r"https://h/ has no file name.*name="):
        name_for("https://h/", None)
    assert name_for("https://h/", "index.html") == "index.html"
    assert name_for("https://h/a%20b?x", None) == "a b"


@pytest.mark.parametrize("uri", ["https://h/a%0Ab", "https://h/..", "https://h/%FF", "https://h/" + "n" * 256])
def test_a_basename_that_no_path_can_have_is_refused_with_its_uri(uri: str) -> None:
    with pytest.raises(NameNotValid, match="name=") as caught:
        name_for(uri, None)
    assert uri in str(caught.value)


@pytest.mark.parametrize("name", ["", "/abs", "..", "a/../b"])
def test_a_name_given_is_checked(name: str) -> None:
    for call in (lambda: name_for("s3://b/k", name), lambda: paths(below("a"), name=name)):
        with pytest.raises(ArtfsError, match="not a valid path"):
            call()
