"""What a metered store counts."""

from __future__ import annotations

import pytest

from artfs.errors import NotFound
from artfs.objectstore.memory import MemoryStore
from artfs.objectstore.metered import COUNTED, MeteredStore


def test_requests_and_bytes_are_counted_by_verb() -> None:
    objects = MeteredStore(MemoryStore())
    objects.put("a", [b"12345", memoryview(b"678")])
    objects.get("a")
    objects.read_range("a", 2, 3)
    objects.size("a")
    objects.has("a")
    list(objects.iter_objects())
    objects.delete("a")
    assert objects.counts() == {**dict.fromkeys(COUNTED, 1), "bytes_read": 11, "bytes_written": 8}


def test_a_request_that_failed_is_counted_without_bytes() -> None:
    objects = MeteredStore(MemoryStore())
    with pytest.raises(NotFound):
        objects.get("a")
    assert objects.counts()["get"] == 1
    assert objects.counts()["bytes_read"] == 0
