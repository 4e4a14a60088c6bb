"""A mount in trouble: a store that does not answer, and a defect in a handler. The rest goes on."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.mount.mounting import Place, eventually

ROOT = Path(__file__).parents[2]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@contextmanager
def worker(place: Place, deadline_s: float) -> Iterator[Callable[[str], object]]:
    """The mount of a worker; gives the function that tells its store what to do."""
    orders = place.root / "orders"
    orders.write_text("serve")

    def order(what: str) -> None:
        new = place.root / "orders.new"
        new.write_text(what)
        new.replace(orders)

    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fault.mount_worker", place.mountpoint, orders, str(deadline_s)],
        env=place.environ,
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith(b"ready")
            yield order
        finally:
            order("serve")
            process.terminate()
            process.wait(60)


def two_versions(place: Place, names: Sequence[str] = ("one", "two", "three")) -> None:
    for number in range(2):
        source = place.root / f"source-{number}"
        source.mkdir()
        for name in names:
            (source / name).write_bytes(os.urandom(200_000))
        place.commit(source)


def failing(read: Callable[[], object]) -> int:
    with pytest.raises(OSError) as caught:
        read()
    return caught.value.errno or 0


def is_read(path: Path, size: int) -> bool:
    try:
        return len(path.read_bytes()) == size
    except OSError:
        return False


def test_a_stuck_store_gives_eio_while_listing_goes_on(place: Place) -> None:
    # More readers than there are threads for content: all wait, and none of them keeps others from anything else.
    names = ["one", *(f"file-{number}" for number in range(40))]
    two_versions(place, names)
    with worker(place, deadline_s=1.0) as order:
        versions = place.mountpoint / "data"
        assert len(os.listdir(versions / "v0")) == len(names)
        order("block")
        with ThreadPoolExecutor(len(names)) as pool:
            reads = [pool.submit(failing, (versions / "v0" / name).read_bytes) for name in names]
            assert sorted(os.listdir(place.mountpoint)) == [".artfs", "data"]
            assert sorted(os.listdir(versions / "v0")) == sorted(names)
            (versions / "staging/work").mkdir()
            (versions / "staging/work/file").write_bytes(b"goes on")
            assert {read.result() for read in reads} == {errno.EIO}
        order("serve")
        eventually(partial(is_read, versions / "v0/one", 200_000), what="that the store is asked again")
        assert "no answer within 1 s" in (place.mountpoint / ".artfs/errors").read_text()


def test_a_defect_in_a_handler_gives_eio_and_the_mount_lives_on(place: Place) -> None:
    two_versions(place)
    with worker(place, deadline_s=30.0) as order:
        path = place.mountpoint / "data/v1/one"
        path.stat()
        order("break")
        assert failing(path.read_bytes) == errno.EIO
        order("serve")
        assert len(path.read_bytes()) == 200_000
        assert "a defect of artfs" in (place.mountpoint / ".artfs/errors").read_text()
        log = (place.config.log_dir / "worker.log").read_text()
        assert "RuntimeError: nobody expected this" in log


def test_a_damaged_pack_gives_eio_with_the_reason(place: Place) -> None:
    two_versions(place)
    content = (place.root / "source-0/two").read_bytes()
    for pack in Path(place.config.data_dir, "objects/packs").rglob("*"):
        data = pack.read_bytes() if pack.is_file() else b""
        if (at := data.find(content[1000:1100])) >= 0:
            pack.chmod(0o644)
            pack.write_bytes(data[:at] + b"\0" + data[at + 1 :])
    with place.mounted(expect_errors=True) as mountpoint:
        assert failing((mountpoint / "data/v0/two").read_bytes) == errno.EIO
        assert (mountpoint / "data/v0/one").read_bytes() == (place.root / "source-0/one").read_bytes()
        errors = (mountpoint / ".artfs/errors").read_text()
        assert "data/v0/two" in errors
        assert "damaged" in errors
