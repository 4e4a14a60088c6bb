"""From an address to an object store."""

from __future__ import annotations

from pathlib import Path

import pytest

from artfs.errors import ConfigNotValid
from artfs.objectstore.local import LocalStore
from artfs.objectstore.memory import MemoryStore
from artfs.objectstore.open import open_objects


def test_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    opened = open_objects(f"file://{tmp_path}/50% of it #1")
    assert isinstance(opened, LocalStore)
    opened.put("a", [b"x"])
    assert (tmp_path / "50% of it #1" / "a").read_bytes() == b"x"


def test_memory_is_empty_each_time() -> None:
    first, second = open_objects("memory://"), open_objects("memory://")
    assert isinstance(first, MemoryStore)
    first.put("a", [b"x"])
    assert not second.has("a")


@pytest.mark.parametrize(
    "url", ["", "file://", "file://relative/path", "file:/single", "/plain/path", "ftp://host/x", "file:///a\0b"]
)
def test_any_other_address_is_refused_with_the_remedy(url: str) -> None:
    with pytest.raises(ConfigNotValid, match="file:///"):
        open_objects(url)
