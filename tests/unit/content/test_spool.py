"""Whole contents on their way: used as early as they may be, waited for, given up, and never longer than they are needed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from artfs.content.spool import Spool
from artfs.errors import ReferenceUnavailable, StoreFull
from tests.unit.content.made_bytes import noise

MIB = 1 << 20
DATA = noise(3 * MIB + 5)


def in_pieces(data: bytes = DATA, gate: threading.Event | None = None, *, then: Exception | None = None) -> Iterator[bytes]:
    """A mebibyte at a time; from the second one on when the gate is open."""
    for start in range(0, len(data), MIB):
        if start and gate is not None:
            assert gate.wait(30)
        yield data[start : start + MIB]
    if then is not None:
        raise then


def filling(spool: Spool, pieces: Iterator[bytes]) -> threading.Thread:
    thread = threading.Thread(target=spool.fill, args=(pieces,))
    thread.start()
    return thread


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spools"


def test_what_has_arrived_is_read_before_the_rest_comes(folder: Path) -> None:
    spool, gate = Spool(folder, "http://x/f", len(DATA), is_usable_early=True), threading.Event()
    thread = filling(spool, in_pieces(gate=gate))
    assert spool.read(10, 1000) == DATA[10:1000]
    assert spool.is_filling
    gate.set()
    assert spool.read(2 * MIB, len(DATA)) == DATA[2 * MIB :]
    assert spool.wait_complete() == len(DATA)
    assert b"".join(spool.iter_bytes()) == DATA
    thread.join(30)


def test_what_only_the_end_tells_is_not_read_before(folder: Path) -> None:
    spool, gate = Spool(folder, "http://x/f", len(DATA), is_usable_early=False), threading.Event()
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(spool.read(0, 10)))
    reader.start()
    thread = filling(spool, in_pieces(gate=gate))
    while spool.size < MIB:  # the first piece is there
        assert thread.is_alive()
    assert not found
    gate.set()
    reader.join(30)
    assert found == [DATA[:10]]
    thread.join(30)


@pytest.mark.parametrize("is_usable_early", [True, False])
def test_an_error_at_the_end_is_that_of_all_who_wait(folder: Path, is_usable_early: bool) -> None:
    spool = Spool(folder, "http://x/f", None, is_usable_early=is_usable_early)
    thread = filling(spool, in_pieces(then=ReferenceUnavailable("it ended early")))
    with pytest.raises(ReferenceUnavailable, match="ended early"):
        spool.wait_complete()
    with pytest.raises(ReferenceUnavailable, match="ended early"):
        list(spool.iter_bytes())
    assert spool.has_failed
    thread.join(30)


def test_fewer_bytes_than_were_announced_are_an_error(folder: Path) -> None:
    spool = Spool(folder, "http://x/f", len(DATA) + 1, is_usable_early=True)
    spool.fill(in_pieces())
    with pytest.raises(ReferenceUnavailable, match=f"ended after {len(DATA)} of {len(DATA) + 1} bytes"):
        spool.read(0, len(DATA) + 1)


def test_a_defect_of_whoever_brings_the_bytes_keeps_nobody_waiting(folder: Path) -> None:
    spool = Spool(folder, "http://x/f", None, is_usable_early=False)
    spool.fill(in_pieces(then=RuntimeError("oops")))
    with pytest.raises(Exception, match="oops"):
        spool.read(0, 1)


def test_nobody_asking_ends_it(folder: Path) -> None:
    spool = Spool(folder, "http://x/f", None, is_usable_early=True, abandoned_s=0.05)
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += MIB
            yield bytes(MIB)

    thread = filling(spool, endless())
    assert spool.read(0, 10) == bytes(10)
    thread.join(30)
    assert not thread.is_alive()
    assert taken < 32 * MIB
    with pytest.raises(ReferenceUnavailable, match="not read to its end"):
        spool.read(100 * MIB, 101 * MIB)


def test_it_goes_on_when_its_reader_has_caught_up(folder: Path) -> None:
    data = noise(40 * MIB)
    spool = Spool(folder, "http://x/f", len(data), is_usable_early=True)
    thread = filling(spool, in_pieces(data))
    assert b"".join(spool.iter_bytes()) == data
    thread.join(30)


def test_it_can_be_cancelled_while_it_waits(folder: Path) -> None:
    spool = Spool(folder, "http://x/f", None, is_usable_early=True)
    thread = filling(spool, (bytes(MIB) for _ in range(1000)))
    spool.cancel()
    thread.join(30)
    assert not thread.is_alive()


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreFull, match="http://x/f cannot be kept in "):
        Spool(tmp_path / "file", "http://x/f", None, is_usable_early=True)


@pytest.mark.parametrize(("size", "asked"), [(40 * MIB, [40 * MIB]), (None, [16 * MIB, 16 * MIB, 16 * MIB])])
def test_bytes_are_reserved_before_they_are_written(size: int | None, asked: list[int], folder: Path) -> None:
    reserved: list[int] = []

    def reserve(size: int) -> object:
        reserved.append(size)
        return object()

    data = noise(40 * MIB)
    spool = Spool(folder, "http://x/f", size, is_usable_early=False, reserve=reserve)
    filling(spool, in_pieces(data)).join(30)
    assert spool.wait_complete() == len(data)
    assert reserved == asked


def test_what_the_limit_leaves_no_room_for_is_one_sentence(folder: Path) -> None:
    spool = Spool(folder, "http://x/f", 10, is_usable_early=True, reserve=lambda size: None)
    spool.fill(iter([b"0123456789"]))
    with pytest.raises(StoreFull, match="http://x/f comes only as a whole, and the limit of the cache leaves no room for it"):
        spool.read(0, 10)
