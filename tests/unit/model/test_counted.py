"""Numbers of things in sentences."""

from __future__ import annotations

import pytest

from artfs.model.counted import counted


@pytest.mark.parametrize(("number", "words"), [(0, "0 files"), (1, "1 file"), (2, "2 files")])
def test_one_is_not_many(number: int, words: str) -> None:
    assert counted(number, "file") == words


def test_a_word_of_another_plural_says_it() -> None:
    assert [counted(number, "entry", "entries") for number in (1, 2)] == ["1 entry", "2 entries"]
