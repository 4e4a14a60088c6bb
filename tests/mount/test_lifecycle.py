"""Mounting and unmounting: what is refused and why, who is told, and what is left behind."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from artfs.errors import Busy, NotFound, UserError
from artfs.mount.control import find_mount, list_mounts, start_mount, stop_mount
from artfs.mount.host import check_fuse
from artfs.mount.mount_info import mounted_targets
from tests.mount.conftest import make_source
from tests.mount.mounting import Place, eventually, stop


def test_a_mount_is_found_while_it_is_there(place: Place, source: Path) -> None:
    place.commit(source)
    with place.mounted() as mountpoint:
        (info,) = list_mounts(place.config)
        assert (info.mountpoint, info.target) == (mountpoint, "tester/default")
        assert find_mount(mountpoint / "data/v0/images", place.config) == info
        assert find_mount(place.root, place.config) is None
        with pytest.raises(Busy, match="is mounted already"):
            start_mount(place.config, mountpoint)
    assert list_mounts(place.config) == []
    assert not info.is_running()
    with pytest.raises(NotFound, match="nothing of artfs is mounted"):
        stop_mount(mountpoint, config=place.config)


def test_a_mount_that_does_not_answer_is_found_without_asking_it(place: Place) -> None:
    with place.mounted() as mountpoint:
        (info,) = list_mounts(place.config)
        found: list[object] = []
        asking = threading.Thread(target=lambda: found.append(find_mount(mountpoint / "data/staging/x", place.config)))
        os.kill(info.pid, signal.SIGSTOP)
        try:
            asking.start()
            asking.join(10)
            assert found == [info]
        finally:
            os.kill(info.pid, signal.SIGCONT)
            asking.join()


def test_mount_points_that_cannot_be_are_refused_in_one_sentence(place: Place) -> None:
    (place.root / "file").write_bytes(b"")
    (place.root / "full").mkdir()
    (place.root / "full/something").write_bytes(b"")
    for name, reason in (("missing", "does not exist"), ("file", "is not a directory"), ("full", "is not empty")):
        with pytest.raises(UserError, match=reason):
            start_mount(place.config, place.root / name)


@pytest.mark.parametrize("target", ["no-such-artifact", "no-such:v0", "a/b/c/d", "bad name"])
def test_targets_that_cannot_be_are_refused_with_the_reason(place: Place, target: str) -> None:
    with pytest.raises((UserError, NotFound)):
        start_mount(place.config, place.mountpoint, target)
    assert place.mountpoint not in mounted_targets()
    assert list_mounts(place.config) == []


def test_a_machine_without_fuse_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is missing: load the fuse module"):
        check_fuse(allow_other=False, device=tmp_path / "fuse")


def test_a_mount_in_use_stays_and_says_what_to_do(place: Place, source: Path) -> None:
    place.commit(source)
    with place.mounted() as mountpoint:
        with open(mountpoint / "data/v0/readme.txt", "rb") as file:
            with pytest.raises(Busy, match="close the files"):
                stop_mount(mountpoint, config=place.config)
            assert file.read()
        assert list_mounts(place.config)


def test_sigterm_unmounts_even_while_somebody_uses_the_mount(place: Place, source: Path) -> None:
    place.commit(source)
    info = start_mount(place.config, place.mountpoint)
    try:
        fd = os.open(info.mountpoint / "data/v0/readme.txt", os.O_RDONLY)
        os.kill(info.pid, signal.SIGTERM)
        eventually(lambda: not info.is_running(), what="the end of the daemon")
        assert info.mountpoint not in mounted_targets()
        with contextlib.suppress(OSError):
            os.close(fd)
    finally:
        stop(place.config, info)


def test_umount_by_hand_ends_the_daemon(place: Place) -> None:
    info = start_mount(place.config, place.mountpoint)
    try:
        subprocess.run(["umount", info.mountpoint], check=True)
        eventually(lambda: not info.is_running(), what="the end of the daemon")
        assert list_mounts(place.config) == []
    finally:
        stop(place.config, info)


def test_a_dead_mount_is_cleaned_up_by_the_next_one(place: Place, source: Path) -> None:
    place.commit(source)
    info = start_mount(place.config, place.mountpoint)
    os.kill(info.pid, signal.SIGKILL)
    eventually(lambda: not info.is_running(), what="the end of the daemon")
    with pytest.raises(OSError) as caught:
        os.listdir(info.mountpoint)
    assert caught.value.errno in {errno.ENOTCONN, errno.ECONNABORTED}
    assert list_mounts(place.config) == []
    with place.mounted() as mountpoint:
        assert (mountpoint / "data/v0").is_dir()


def test_a_dead_mount_can_be_unmounted(place: Place) -> None:
    info = start_mount(place.config, place.mountpoint)
    os.kill(info.pid, signal.SIGKILL)
    eventually(lambda: not info.is_running(), what="the end of the daemon")
    stop_mount(info.mountpoint, config=place.config)
    assert info.mountpoint not in mounted_targets()


def test_read_only_mount_refuses_all_changes(place: Place, source: Path) -> None:
    place.commit(source)
    with place.mounted(read_only=True) as mountpoint:
        attempts: list[Callable[[], object]] = [
            lambda: os.mkdir(mountpoint / "data/staging/x"),
            lambda: os.symlink("v0", mountpoint / "data/x"),
            lambda: os.mkdir(mountpoint / "other"),
        ]
        for attempt in attempts:
            with pytest.raises(OSError) as caught:
                attempt()
            assert caught.value.errno == errno.EROFS
        assert (mountpoint / "data/v0/readme.txt").exists()


def test_a_version_can_be_bind_mounted_alone(place: Place, source: Path) -> None:
    if os.geteuid():
        pytest.skip("bind mounts take root")
    place.commit(source, aliases=["best"])
    (place.root / "bind").mkdir()
    with place.mounted() as mountpoint:
        subprocess.run(["mount", "--bind", mountpoint / "data/best", place.root / "bind"], check=True)
        try:
            (source / "more").write_bytes(b"x")
            place.commit(source)
            (mountpoint / "data/tmp").symlink_to("v1")
            os.rename(mountpoint / "data/tmp", mountpoint / "data/best")
            assert (mountpoint / "data/best/more").exists()
            assert sorted(os.listdir(place.root / "bind")) == sorted(set(os.listdir(source)) - {"more"})
            assert (place.root / "bind/readme.txt").read_bytes() == (source / "readme.txt").read_bytes()
        finally:
            subprocess.run(["umount", place.root / "bind"], check=True)


def test_others_may_look_only_when_they_are_allowed_to() -> None:
    if os.geteuid():
        pytest.skip("becoming another user takes root")
    with tempfile.TemporaryDirectory(prefix="artfs-others-") as folder:
        os.chmod(folder, 0o755)
        place = Place(Path(folder))
        make_source(place.root / "source")
        place.commit(place.root / "source")
        for allow_other in (False, True):
            with place.mounted(allow_other=allow_other) as mountpoint:
                command = ["setpriv", "--reuid", "65534", "--clear-groups", "cat", str(mountpoint / "data/v0/readme.txt")]
                done = subprocess.run(command, capture_output=True, check=False)
                assert (done.returncode == 0) is allow_other, done.stderr
