"""What is special about a local store: folders, descriptors, leftovers, and a disk that is full."""

from __future__ import annotations

import contextlib
import fcntl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from artfs.errors import NotFound, StoreFull, StoreUnavailable
from artfs.objectstore.local import INCOMING, LocalStore
from tests.rights import small_disk as small_disk_at

MIB = 1 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    with small_disk_at(tmp_path / "small-disk", 4) as mountpoint:
        yield mountpoint


def open_below(folder: Path) -> int:
    """How many descriptors this process has open below `folder`."""
    places = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one that lists the folder
            places.append(descriptor.readlink())
    return sum(place.is_relative_to(folder) for place in places)


@pytest.mark.mounts
def test_a_full_disk_is_said_with_the_path_and_leaves_nothing(small_disk: Path) -> None:
    objects = LocalStore(small_disk / "objects")
    objects.put("packs/aa/01", [bytes(MIB)])
    with pytest.raises(StoreFull, match=r"objects/packs/aa/02: the disk is full; free some space .* and try again"):
        objects.put("packs/aa/02", [bytes(MIB)] * 4)
    assert [info.key for info in objects.iter_objects()] == ["packs/aa/01"]
    assert list((small_disk / "objects" / INCOMING).iterdir()) == []
    objects.put("packs/aa/02", [bytes(MIB)])  # the room that the failed one took is free again
    assert objects.get("packs/aa/01") == bytes(MIB)


@pytest.mark.mounts
def test_a_full_disk_frees_itself_by_delete(small_disk: Path) -> None:
    objects = LocalStore(small_disk / "objects")
    objects.put("packs/aa/01", [bytes(3 * MIB)])
    assert objects.read_range("packs/aa/01", 0, 10) == bytes(10)  # and so its descriptor is kept open
    with pytest.raises(StoreFull):
        objects.put("packs/aa/02", [bytes(2 * MIB)])
    objects.delete("packs/aa/01")
    objects.put("packs/aa/02", [bytes(2 * MIB)])


def test_what_a_dead_process_left_is_removed_and_what_a_living_one_writes_is_not(tmp_path: Path) -> None:
    incoming = tmp_path / INCOMING
    incoming.mkdir()
    (incoming / "dead").write_bytes(b"half")
    with (incoming / "living").open("wb") as living:
        fcntl.flock(living, fcntl.LOCK_EX)
        LocalStore(tmp_path).put("a", [b"1"])
        assert [path.name for path in incoming.iterdir()] == ["living"]
    LocalStore(tmp_path).put("b", [b"1"])
    assert list(incoming.iterdir()) == []


def test_what_a_killed_process_left_is_no_object_and_is_removed(tmp_path: Path) -> None:
    script = """
import os, sys, time
from pathlib import Path
from artfs.objectstore.local import LocalStore

class Stuck:
    def __getattr__(self, name):
        return getattr(os, name)

    def fsync(self, descriptor):
        if os.fstat(descriptor).st_size == 1000:
            print("stuck", flush=True)
            sys.stdin.read()
        os.fsync(descriptor)

LocalStore(Path(sys.argv[1]), file_system=Stuck()).put("packs/aa/01", [bytes(1000)])
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"stuck\n"
        LocalStore(tmp_path).put("packs/aa/02", [b"beside a living one"])
        assert len(list((tmp_path / INCOMING).iterdir())) == 1
        process.kill()
        process.wait(30)
    objects = LocalStore(tmp_path)
    assert [info.key for info in objects.iter_objects()] == ["packs/aa/02"]
    objects.put("packs/aa/03", [b"after it"])
    assert list((tmp_path / INCOMING).iterdir()) == []


def test_files_of_others_are_no_objects(tmp_path: Path) -> None:
    for name in ("lost+found", "README.md", ".hidden", "a b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_bytes(b"")
    LocalStore(tmp_path).put("a", [b"x"])
    assert [info.key for info in LocalStore(tmp_path).iter_objects()] == ["a"]


def test_leftovers_are_no_objects(tmp_path: Path) -> None:
    (tmp_path / INCOMING).mkdir()
    (tmp_path / INCOMING / "dead").write_bytes(b"half")
    assert list(LocalStore(tmp_path).iter_objects()) == []


def test_at_most_the_given_number_of_descriptors_stays_open(tmp_path: Path) -> None:
    objects = LocalStore(tmp_path, open_files=3)
    for i in range(10):
        objects.put(f"packs/{i:02}", [b"x"])
    assert open_below(tmp_path) == 0
    for i in range(10):
        assert objects.read_range(f"packs/{i:02}", 0, 1) == b"x"
    assert open_below(tmp_path) == 3
    del objects
    assert open_below(tmp_path) == 0


def test_writing_leaves_no_descriptor_open(tmp_path: Path) -> None:
    objects = LocalStore(tmp_path)
    objects.put("packs/aa", [b"x"])
    objects.delete("packs/aa")
    assert open_below(tmp_path) == 0


def test_a_root_that_is_a_file_is_said_so(tmp_path: Path) -> None:
    root = tmp_path / "objects"
    root.write_bytes(b"")
    objects = LocalStore(root)
    with pytest.raises(StoreUnavailable, match=r"cannot store .*objects/a: "):
        objects.put("a", [b"x"])
    with pytest.raises(NotFound):
        objects.get("a")
    assert list(objects.iter_objects()) == []


def test_reading_makes_no_folder(tmp_path: Path) -> None:
    objects = LocalStore(tmp_path / "objects")
    with pytest.raises(NotFound):
        objects.read_range("a", 0, 1)
    objects.delete("a")
    assert not objects.has("a")
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_artfs_makes_is_for_its_owner_alone(tmp_path: Path) -> None:
    LocalStore(tmp_path / "store").put("packs/a/0", [b"x"])
    assert (tmp_path / "store").stat().st_mode & 0o777 == 0o700
