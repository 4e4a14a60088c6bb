"""kill -9 of the daemon in mid-write and in mid-commit: after the next mount all that was written is there (I5, I6)."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from artfs.mount.control import start_mount
from artfs.mount.mount_info import MountInfo
from artfs.repository.open import open_repository
from artfs.repository.verify import verify_repository
from tests.mount.mounting import Place, eventually, stop


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def kill(info: MountInfo) -> None:
    os.kill(info.pid, signal.SIGKILL)
    eventually(lambda: not info.is_running(), what="the end of the daemon")


def check_repository(place: Place) -> None:
    with open_repository(place.config) as repository:
        assert verify_repository(repository, read_data=True).problems == []


def test_what_was_written_before_a_kill_is_there_after_the_next_mount(place: Place) -> None:
    info = start_mount(place.config, place.mountpoint)
    written: list[int] = []

    def write(staging: Path) -> None:
        with contextlib.suppress(OSError):
            for number in range(100_000):
                (staging / f"file-{number}").write_bytes(b"%d" % number * 1000)
                written.append(number)

    try:
        (info.mountpoint / "data").mkdir()
        staging = info.mountpoint / "data/staging/work"
        staging.mkdir()
        thread = threading.Thread(target=write, args=(staging,))
        thread.start()
        eventually(lambda: len(written) > 20)
        kill(info)
        thread.join()
    finally:
        stop(place.config, info)
    with place.mounted() as mountpoint:
        staging = mountpoint / "data/staging/work"
        for number in written:
            assert (staging / f"file-{number}").read_bytes() == b"%d" % number * 1000
        (staging / "one-more").write_bytes(b"x")
        os.rename(staging, mountpoint / "data/best")
        assert (mountpoint / "data/best/one-more").read_bytes() == b"x"
        assert (mountpoint / f"data/best/file-{written[-1]}").exists()


@pytest.mark.parametrize("delay_s", [0.0, 0.02, 0.1, 0.3])
def test_a_kill_during_a_commit_leaves_the_staging_directory_or_the_version(place: Place, delay_s: float) -> None:
    content = {f"file-{number}": os.urandom(150_000) for number in range(60)}
    info = start_mount(place.config, place.mountpoint)
    try:
        (info.mountpoint / "data").mkdir()
        staging = info.mountpoint / "data/staging/work"
        staging.mkdir()
        for name, data in content.items():
            (staging / name).write_bytes(data)

        def commit() -> None:
            with contextlib.suppress(OSError):
                os.rename(staging, info.mountpoint / "data/best")

        thread = threading.Thread(target=commit)
        thread.start()
        time.sleep(delay_s)  # somewhere in the commit: where, does not matter
        kill(info)
        thread.join()
    finally:
        stop(place.config, info)
    check_repository(place)
    with place.mounted() as mountpoint:
        root = mountpoint / "data/best"
        if (mountpoint / "data/staging/work").exists():
            root = mountpoint / "data/staging/work"
        assert {path.name: path.read_bytes() for path in root.iterdir()} == content
        if root.name == "work":
            os.rename(root, mountpoint / "data/best")
        assert {path.name: path.read_bytes() for path in (mountpoint / "data/best").iterdir()} == content
    check_repository(place)
