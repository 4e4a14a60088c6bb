"""Local files as sources: what is noticed while one is read."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from artfs.content.source import open_source, stat_source, unreadable
from artfs.errors import SourceNotReadable


def test_a_whole_file_is_read_with_its_stamp(tmp_path: Path) -> None:
    place = tmp_path / "f"
    place.write_bytes(b"bytes")
    with open_source(str(place)) as source:
        assert bytes(source.read_whole(memoryview(bytearray(6)))) == b"bytes"
    assert source.stamp == stat_source(str(place))
    assert source.stamp.size == 5


@pytest.mark.parametrize("change", ["grow", "shrink", "touch", "rewrite"])
def test_a_change_while_the_file_is_open_is_noticed(tmp_path: Path, change: str) -> None:
    place = tmp_path / "f"
    place.write_bytes(b"bytes")
    os.utime(place, ns=(1, 1))
    with open_source(str(place)) as source:
        if change == "grow":
            place.write_bytes(b"bytes and more")
        elif change == "shrink":
            os.truncate(place, 2)
        elif change == "touch":
            os.utime(place, ns=(2, 2))
        else:
            place.write_bytes(b"other")
        with pytest.raises(SourceNotReadable, match="f changed while it was read"):
            source.read_whole(memoryview(bytearray(6)))


def test_a_pipe_in_a_files_place_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceNotReadable, match="pipe is a named pipe"), open_source(str(tmp_path / "pipe")):
        pass


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FileNotFoundError(errno.ENOENT, "x"), "does not exist"),
        (PermissionError(errno.EACCES, "x"), "may not be read by this user"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (ValueError("embedded null byte"), "embedded null byte"),
    ],
)
def test_each_reason_is_one_sentence_with_the_place(error: Exception, words: str) -> None:
    message = unreadable("/data/f", error).message
    assert "/data/f" in message
    assert words in message
