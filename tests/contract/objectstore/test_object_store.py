"""What every object store does, asked of every body and every wrapper. With ARTFS_TEST_LONG=1 more often of servers."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from artfs.errors import IntegrityError, NameNotValid, NotFound
from artfs.objectstore.protocol import ObjectStore

LONG = bool(os.environ.get("ARTFS_TEST_LONG"))


def test_what_was_put_is_got(objects: ObjectStore) -> None:
    objects.put("packs/aa/01", [b"one", memoryview(b" two "), bytearray(b"three")])
    assert objects.get("packs/aa/01") == b"one two three"
    assert objects.size("packs/aa/01") == 13
    assert objects.has("packs/aa/01")


def test_an_object_may_be_empty(objects: ObjectStore) -> None:
    objects.put("none", [])
    objects.put("nothing", [b"", b""])
    assert objects.get("none") == objects.get("nothing") == b""
    assert objects.read_range("none", 0, 0) == b""


def test_thousands_of_pieces_are_put_in_order(objects: ObjectStore) -> None:
    pieces = [bytes([i % 251]) * (i % 7) for i in range(5000)]
    objects.put("many", pieces)
    assert objects.get("many") == b"".join(pieces)


def test_pieces_may_be_of_any_item_size(objects: ObjectStore) -> None:
    objects.put("words", [memoryview(b"12345678").cast("I"), b"9"])
    assert objects.get("words") == b"123456789"


def test_a_range_is_exact(objects: ObjectStore) -> None:
    objects.put("a", [bytes(range(256))])
    assert objects.read_range("a", 10, 5) == bytes(range(10, 15))
    assert objects.read_range("a", 0, 256) == bytes(range(256))


@pytest.mark.parametrize(("offset", "length"), [(250, 7), (256, 1), (1000, 10), (0, 257)])
def test_a_range_beyond_the_end_is_an_integrity_error(objects: ObjectStore, offset: int, length: int) -> None:
    objects.put("a", [bytes(256)])
    with pytest.raises(IntegrityError, match="ends after 256 bytes"):
        objects.read_range("a", offset, length)


def test_a_key_that_is_not_there_is_not_found(objects: ObjectStore) -> None:
    objects.put("packs/aa/01", [b"x"])
    for key in ("packs/aa/02", "packs/aa", "packs/aa/01/below", "else"):
        assert not objects.has(key)
        with pytest.raises(NotFound, match=key):
            objects.get(key)
        with pytest.raises(NotFound, match=key):
            objects.read_range(key, 0, 1)
        with pytest.raises(NotFound, match=key):
            objects.size(key)
        objects.delete(key)
    assert objects.get("packs/aa/01") == b"x"


@pytest.mark.parametrize(
    "key", ["", "/a", "a/", "a//b", "../a", "a/../b", ".", "a/./b", ".incoming/x", "A", "a b", "a\0", "a\n", "ä", "x" * 600]
)
def test_a_key_that_breaks_the_rules_is_refused(objects: ObjectStore, key: str) -> None:
    for call in (objects.get, objects.size, objects.has, objects.delete):
        with pytest.raises(NameNotValid, match="not a valid key"):
            call(key)
    with pytest.raises(NameNotValid):
        objects.put(key, [b"x"])
    with pytest.raises(NameNotValid):
        objects.read_range(key, 0, 1)
    assert not list(objects.iter_objects())


def test_a_put_can_be_repeated(objects: ObjectStore) -> None:
    objects.put("a", [b"same"])
    assert objects.read_range("a", 0, 4) == b"same"
    objects.put("a", [b"same"])
    assert objects.read_range("a", 0, 4) == b"same"


def test_a_repaired_object_is_read_at_once(objects: ObjectStore) -> None:
    objects.put("a", [b"damaged"])
    assert objects.read_range("a", 0, 7) == b"damaged"
    if objects.is_remote:
        # There the first put of a key is the one that counts: what is damaged is removed before it is put again.
        objects.put("a", [b"mended!"])
        assert objects.read_range("a", 0, 7) == b"damaged"
        objects.delete("a")
    objects.put("a", [b"mended!"])
    assert objects.read_range("a", 0, 7) == b"mended!"


def test_what_was_deleted_is_gone(objects: ObjectStore) -> None:
    objects.put("packs/aa/01", [b"x"])
    objects.put("packs/aa/02", [b"y"])
    assert objects.read_range("packs/aa/01", 0, 1) == b"x"
    objects.delete("packs/aa/01")
    objects.delete("packs/aa/01")
    assert not objects.has("packs/aa/01")
    with pytest.raises(NotFound):
        objects.read_range("packs/aa/01", 0, 1)
    assert objects.get("packs/aa/02") == b"y"
    objects.delete("packs/aa/02")
    objects.put("packs/aa/01", [b"again"])
    assert objects.get("packs/aa/01") == b"again"


def test_objects_come_in_the_order_of_their_keys(objects: ObjectStore) -> None:
    keys = ["a", "a-b/x", "a.b", "b/x/1", "b/x/2", "b/x-1", "b/y", "c0", "c/1"]
    for key in keys:
        objects.put(key, [key.encode()])
    found = list(objects.iter_objects())
    listed = [info.key for info in found]
    # SeaweedFS keeps objects as a tree, in which all of `x/` comes before `x-1`.
    assert listed == sorted(keys) or (objects.is_remote and listed == sorted(keys, key=lambda key: key.split("/")))
    assert [info.size for info in found] == [len(key) for key in listed]
    assert all(info.modified_s > 0 for info in found)


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("b/x/", ["b/x/1", "b/x/2"]),
        ("b/x", ["b/x-1", "b/x/1", "b/x/2"]),
        ("b/", ["b/x-1", "b/x/1", "b/x/2", "b/y"]),
        ("b/x/1", ["b/x/1"]),
        ("b/x/1/", []),
        ("none/at/all", []),
        (".incoming/", []),
    ],
)
def test_a_prefix_is_plain_text(objects: ObjectStore, prefix: str, expected: list[str]) -> None:
    for key in ("a", "b/x/1", "b/x/2", "b/x-1", "b/y"):
        objects.put(key, [b"1"])
    assert sorted(info.key for info in objects.iter_objects(prefix)) == expected


def test_an_empty_store_has_no_objects(objects: ObjectStore) -> None:
    assert not list(objects.iter_objects())
    assert not list(objects.iter_objects("packs/"))


def test_racing_puts_of_one_key_leave_one_of_them_whole(objects: ObjectStore) -> None:
    contents = [bytes([i]) * 100_000 for i in range(8)]
    start = threading.Barrier(len(contents))

    def put(data: bytes) -> None:
        start.wait(30)
        objects.put("packs/aa/01", [data[:50_000], data[50_000:]])

    with ThreadPoolExecutor(len(contents)) as threads:
        list(threads.map(put, contents))
    assert objects.get("packs/aa/01") in contents
    assert [info.key for info in objects.iter_objects()] == ["packs/aa/01"]


def test_many_threads_read_while_objects_come_and_go(objects: ObjectStore) -> None:
    keys = [f"packs/{i:02}/00" for i in range(6)]
    for key in keys:
        objects.put(key, [key.encode() * 1000])

    def work(seed: int) -> None:
        for step in range(40 if objects.is_remote and not LONG else 200):
            key = keys[(seed + step) % len(keys)]
            length = len(key)
            assert objects.read_range(key, length * step, length) == key.encode()
            own = f"packs/{seed:02}/own"
            objects.put(own, [b"x"])
            objects.delete(own)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))
    assert [info.key for info in objects.iter_objects()] == keys
