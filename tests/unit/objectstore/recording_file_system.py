"""A double of the calls by which a local store changes files: it records them, and fails or dies at the step it is told."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from typing_extensions import Buffer


class Died(BaseException):
    """The process is no more: nothing may catch this and go on."""


class RecordingFileSystem:
    """Does what `os` does. Before the call number `stop_at` (from 0) it raises `error()`; after a death every call dies."""

    def __init__(self, stop_at: int | None = None, error: Callable[[], BaseException] = Died) -> None:
        self.calls: list[tuple[str, str]] = []
        self._stop_at = stop_at
        self._error = error
        self._paths: dict[int, str] = {}
        self._dead = False

    def open(self, path: Path, flags: int, mode: int = 0o777, /) -> int:
        self._step("open", str(path))
        descriptor = os.open(path, flags, mode)
        self._paths[descriptor] = str(path)
        return descriptor

    def writev(self, fd: int, buffers: Sequence[Buffer], /) -> int:
        self._step("writev", self._paths[fd])
        # As little as allowed at a time, so that whoever ignores how much was written is found out.
        first = memoryview(buffers[0])
        return os.write(fd, first[: max(1, first.nbytes // 2)])

    def fsync(self, fd: int, /) -> None:
        self._step("fsync", self._paths[fd])
        os.fsync(fd)

    def rename(self, src: Path, dst: Path, /) -> None:
        self._step("rename", str(dst))
        src.rename(dst)

    def mkdir(self, path: Path, mode: int = 0o777, /) -> None:
        self._step("mkdir", str(path))
        path.mkdir(mode)

    def rmdir(self, path: Path, /) -> None:
        self._step("rmdir", str(path))
        path.rmdir()

    def unlink(self, path: Path, /) -> None:
        self._step("unlink", str(path))
        path.unlink()

    def _step(self, verb: str, path: str) -> None:
        if self._dead:
            raise Died
        if len(self.calls) == self._stop_at:
            error = self._error()
            self._dead = isinstance(error, Died)
            self.calls.append((f"failed {verb}", path))
            raise error
        self.calls.append((verb, path))
