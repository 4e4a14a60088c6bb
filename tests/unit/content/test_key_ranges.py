"""Ranges of sort keys hold what lies below a path, and nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from artfs.content.key_ranges import KeyRange, children, covers, grandchildren, just, overlaps, sort_key, unite

PATHS = st.lists(st.sampled_from(["a", "a-", "a.b", "a0", "a/", "b", "~", "é", "\U0010ffff"]), min_size=1, max_size=4).map(
    lambda names: "/".join(name.strip("/") for name in names)
)


def holds(keys: KeyRange, path: str) -> bool:
    return keys[0] <= sort_key(path) < keys[1]


@given(PATHS, PATHS)
def test_the_ranges_of_a_path_hold_it_and_all_below_it(path: str, other: str) -> None:
    assert holds(just(path), other) == (path == other)
    assert holds(children(path), other) == (other.rpartition("/")[0] == path)
    assert holds(grandchildren(path), other) == (other.rpartition("/")[0].startswith(path + "/"))


@given(st.lists(PATHS), PATHS, PATHS)
def test_united_ranges_hold_the_same_keys(paths: list[str], start: str, end: str) -> None:
    ranges = [span for path in paths for span in (just(path), children(path), grandchildren(path))]
    united = unite(ranges)
    for path in [*paths, start, end, f"{start}/x"]:
        key = sort_key(path)
        assert overlaps(united, key, (key[0], key[1] + "\0")) == any(holds(span, path) for span in ranges)
    low, high = sorted([sort_key(start), sort_key(end)])
    if low < high:
        # Only ranges that begin or end at whole names occur, so probing the names is enough for one direction.
        touched = any(first < high and low < last for first, last in ranges)
        assert overlaps(united, low, high) == touched
        assert not covers(united, low, high) or touched
