"""A server of references that takes requests and never answers: who waits for it is told so in the end, and nobody else waits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from artfs.mount.control import start_mount, stop_mount
from tests.mount.failures import errno_of_failure, told_errors
from tests.mount.mounting import Place, eventually, stop
from tests.servers.faulty_http import Asked, FaultyHttp, Reply, content

#: More than the kernel's read-ahead of one file, so that each reader has several requests under way.
DATA = os.urandom(3 << 20)
STUCK = [f"stuck-{number}" for number in range(40)]
DEADLINE_S = 3.0


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


class StuckHttp(FaultyHttp):
    """Answers what it is asked before `get_stuck` and after `go_on`; a HEAD always unless told otherwise."""

    def __init__(self) -> None:
        self._goes = threading.Event()
        self._goes.set()
        self.stuck_heads = False
        super().__init__()

    def get_stuck(self, *, heads: bool = False) -> None:
        self.stuck_heads = heads
        self._goes.clear()

    def go_on(self) -> None:
        self._goes.set()

    def serve_content(self, path: str, data: bytes) -> str:
        answers = content(data)

        def answer(asked: Asked) -> Reply:
            if asked.method != "HEAD" or self.stuck_heads:
                self._goes.wait()
            return answers(asked)

        return self.serve(path, answer)

    def stop(self) -> None:
        self.go_on()
        super().stop()


@pytest.fixture
def stuck_http() -> Iterator[StuckHttp]:
    server = StuckHttp()
    yield server
    server.stop()


def test_readers_of_a_stuck_server_keep_nobody_from_reading_anything_else(
    place: Place, stuck_http: StuckHttp, faulty_http: FaultyHttp
) -> None:
    (place.root / "own").mkdir()
    (place.root / "own/stored").write_bytes(DATA)
    uris: dict[str, str | None] = {stuck_http.serve_content(f"/{name}", DATA): name for name in STUCK}
    uris[faulty_http.serve("/served", content(DATA))] = "served"
    place.refer(uris, source=place.root / "own")
    stuck_http.get_stuck()
    with place.mounted(expect_errors=True, deadline_s=DEADLINE_S) as mountpoint, ThreadPoolExecutor(len(STUCK)) as pool:
        version = mountpoint / "data/v0"
        reads = [pool.submit(errno_of_failure, (version / name).read_bytes) for name in STUCK]
        eventually(lambda: stuck_http.methods().count("GET") > 24, what="many requests")
        assert (version / "stored").read_bytes() == DATA
        assert (version / "served").read_bytes() == DATA
        assert len(os.listdir(version)) == len(STUCK) + 2
        (mountpoint / "data/staging/work").mkdir()
        (mountpoint / "data/staging/work/file").write_bytes(b"goes on")
        assert not any(read.done() for read in reads)
        assert {read.result() for read in reads} == {"EIO"}
        told = told_errors(mountpoint)
        assert {f"no answer from {stuck_http.url}" in reason for reason in told.values()} == {True}
        stuck_http.go_on()
        assert eventually(lambda: _read_if_possible(version / STUCK[0])) == DATA


def _read_if_possible(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_readers_of_one_range_wait_for_one_request(place: Place, stuck_http: StuckHttp) -> None:
    place.refer({stuck_http.serve_content("/shared", DATA[:200_000]): "a"})
    stuck_http.asked.clear()
    stuck_http.get_stuck()
    with place.mounted() as mountpoint, ThreadPoolExecutor(12) as pool:
        paths = [mountpoint / "data" / selector / "a" for selector in ("v0", "latest")]
        reads = [pool.submit(path.read_bytes) for path in paths * 6]
        eventually(lambda: stuck_http.methods() == ["GET"], what="the request")
        stuck_http.go_on()
        assert {read.result() for read in reads} == {DATA[:200_000]}
        assert stuck_http.methods() == ["GET"]


def test_a_size_that_nobody_tells_is_an_error_and_names_are_listed_all_the_same(place: Place, stuck_http: StuckHttp) -> None:
    place.refer({stuck_http.serve_content(f"/{name}", DATA): name for name in STUCK}, checksum=False)
    stuck_http.get_stuck(heads=True)
    with place.mounted(expect_errors=True, deadline_s=DEADLINE_S) as mountpoint, ThreadPoolExecutor(len(STUCK)) as pool:
        version = mountpoint / "data/v0"
        looks = [pool.submit(errno_of_failure, (version / name).stat) for name in STUCK]
        eventually(stuck_http.methods, what="a request")
        assert sorted(os.listdir(version)) == sorted(STUCK)
        assert {look.result() for look in looks} == {"EIO"}
        assert f"no answer from {stuck_http.url}" in told_errors(mountpoint)[f"data/v0/{STUCK[0]}"]
        stuck_http.go_on()
        assert eventually(lambda: _read_if_possible(version / STUCK[0])) == DATA


def test_a_copy_that_does_not_come_keeps_nobody_from_writing(place: Place, stuck_http: StuckHttp) -> None:
    version = place.refer({stuck_http.serve_content(f"/{name}", DATA): name for name in STUCK})
    with place.mounted() as mountpoint, ThreadPoolExecutor(len(STUCK)) as pool:
        stage = [str(Path(sys.executable).with_name("artfs")), "stage", "data", "--from", version.label, "--name", "work"]
        subprocess.run(stage, env=place.environ, check=True, capture_output=True)
        work = mountpoint / "data/staging/work"
        stuck_http.get_stuck()
        edits = [pool.submit(_overwrite, work / name, b"edited") for name in STUCK]
        eventually(lambda: stuck_http.methods().count("GET") > 2, what="a copy")
        (work / "file").write_bytes(b"goes on")
        (work / "file").rename(work / "renamed")
        os.truncate(work / "renamed", 4)
        assert sorted(os.listdir(work)) == sorted([*STUCK, "renamed"])
        assert not any(edit.done() for edit in edits)
        stuck_http.go_on()
        for edit, name in zip(edits, STUCK, strict=True):
            edit.result()
            assert (work / name).read_bytes() == b"edited" + DATA[6:]


def _overwrite(path: Path, data: bytes) -> None:
    with path.open("r+b") as file:
        file.write(data)


def test_a_read_that_nobody_waits_for_any_more_does_not_keep_the_mount_from_ending(place: Place, stuck_http: StuckHttp) -> None:
    place.refer({stuck_http.serve_content("/a", DATA): "a"})
    stuck_http.get_stuck()
    info = start_mount(place.config, place.mountpoint)
    try:
        with subprocess.Popen(["cat", info.mountpoint / "data/v0/a"], stdout=subprocess.DEVNULL) as reader:
            eventually(lambda: "GET" in stuck_http.methods(), what="a request")
            reader.kill()
        # A third of what the request and the mount would wait for the server.
        stop_mount(info.mountpoint, 15, place.config)
        assert not info.is_running()
    finally:
        stop(place.config, info)


def test_a_signal_ends_the_mount_although_somebody_waits_for_a_server(place: Place, stuck_http: StuckHttp) -> None:
    place.refer({stuck_http.serve_content("/a", DATA): "a"})
    stuck_http.get_stuck()
    info = start_mount(place.config, place.mountpoint)
    try:
        with subprocess.Popen(
            ["cat", info.mountpoint / "data/v0/a"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as reader:
            eventually(lambda: "GET" in stuck_http.methods(), what="a request")
            os.kill(info.pid, signal.SIGTERM)
            eventually(lambda: not info.is_running(), what="the end of the daemon")
            assert reader.wait(20) != 0
    finally:
        stop(place.config, info)
