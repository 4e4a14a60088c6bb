"""The bytes of an upload as a file: read in any steps, as often as it takes, and never copied."""

from __future__ import annotations

import random
import zlib
from array import array

import pytest
from typing_extensions import Buffer

from artfs.cloud.upload_body import UploadBody

PIECES: list[Buffer] = [b"", random.Random(1).randbytes(300_000), b"x", array("I", [1, 2]), b"", bytearray(70_000)]
WHOLE = b"".join(bytes(memoryview(piece).cast("B")) for piece in PIECES)


def read_all(body: UploadBody, size: int) -> bytes:
    return b"".join(iter(lambda: bytes(body.read(size)), b""))


@pytest.mark.parametrize("size", [1, 16_384, 1 << 20])
def test_all_pieces_are_read_in_order_and_again_after_going_back(size: int) -> None:
    body = UploadBody(PIECES)
    assert len(body) == len(WHOLE)
    assert read_all(body, size) == WHOLE
    assert body.tell() == len(WHOLE)
    assert body.read(size) == b""
    assert body.seek(0) == 0
    assert read_all(body, size) == WHOLE
    assert body.crc32() == zlib.crc32(WHOLE)


@pytest.mark.parametrize("offset", [0, 1, 299_999, 300_000, 300_001, len(WHOLE) - 1, len(WHOLE), len(WHOLE) + 5])
def test_it_goes_on_from_any_place(offset: int) -> None:
    body = UploadBody(PIECES)
    body.seek(offset)
    assert read_all(body, 1000) == WHOLE[offset:]
    body.seek(offset)
    assert bytes(body.read()) == WHOLE[offset:]


def test_the_end_is_found_as_those_do_who_want_to_know_the_size() -> None:
    body = UploadBody(PIECES)
    body.read(10)
    here = body.tell()
    assert body.seek(0, 2) == len(WHOLE)
    assert body.seek(here) == here
    assert body.seek(5, 1) == here + 5


def test_what_is_read_is_the_memory_of_the_caller() -> None:
    memory = bytearray(100_000)
    found = UploadBody([memory]).read(1 << 20)
    assert isinstance(found, memoryview)
    memory[7] = 1
    assert found[7] == 1


def test_nothing_is_an_empty_file() -> None:
    body = UploadBody([])
    assert (len(body), body.read(10), body.read()) == (0, b"", b"")
