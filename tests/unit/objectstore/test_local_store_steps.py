"""The steps of a local store, one by one: in the right order, and harmless wherever they end."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from typing_extensions import Buffer

from artfs.errors import StoreFull, StoreUnavailable
from artfs.objectstore.file_system import DIRECT_FROM
from artfs.objectstore.local import INCOMING, LocalStore
from tests.unit.content.made_bytes import noise
from tests.unit.objectstore.recording_file_system import Died, RecordingFileSystem

OLD = b"what was there before"
DATA = [b"new " * 1000, b"and more"]
WHOLE = b"".join(DATA)


def steps_of_a_put(root: Path) -> list[tuple[str, str]]:
    recorded = RecordingFileSystem()
    LocalStore(root, file_system=recorded).put("packs/aa/01", DATA)
    return recorded.calls


class DirectWrites(RecordingFileSystem):
    """Records how much each write took, and whether it went past the page cache; takes `allowed` such writes of 1 MiB at most."""

    def __init__(self, allowed: int | None = None) -> None:
        super().__init__()
        self.sizes: list[tuple[int, bool]] = []
        self._allowed = allowed

    def writev(self, fd: int, buffers: Sequence[Buffer], /) -> int:
        is_direct = bool(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_DIRECT)
        pieces = [memoryview(piece) for piece in buffers]
        if is_direct and self._allowed is not None:
            if not self._allowed:
                raise OSError(errno.EINVAL, "Invalid argument")
            self._allowed -= 1
            pieces = [pieces[0][:DIRECT_FROM]]
        written = os.writev(fd, pieces)
        self.sizes.append((written, is_direct))
        return written


def files_below(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_bytes_are_synced_before_they_get_their_name_and_the_name_after(tmp_path: Path) -> None:
    root = tmp_path / "deep" / "objects"
    calls = steps_of_a_put(root)
    renamed = calls.index(("rename", f"{root}/packs/aa/01"))
    incoming = next(path for verb, path in calls if verb == "writev")
    written = max(i for i, call in enumerate(calls) if call == ("writev", incoming))
    assert written < calls.index(("fsync", incoming)) < renamed
    assert ("fsync", f"{root}/packs/aa") in calls[renamed:]


def test_each_new_folder_is_synced_into_the_one_above_before_an_object_is_in_it(tmp_path: Path) -> None:
    root = tmp_path / "deep" / "objects"
    calls = steps_of_a_put(root)
    renamed = calls.index(("rename", f"{root}/packs/aa/01"))
    made = [path for verb, path in calls if verb == "mkdir"]
    assert made == [f"{tmp_path}/deep", f"{root}", f"{root}/{INCOMING}", f"{root}/packs", f"{root}/packs/aa"]
    for path in made:
        assert ("fsync", str(Path(path).parent)) in calls[calls.index(("mkdir", path)) : renamed]


def test_a_folder_made_by_another_process_is_synced_too(tmp_path: Path) -> None:
    (tmp_path / "packs" / "aa").mkdir(parents=True)
    calls = steps_of_a_put(tmp_path)
    renamed = calls.index(("rename", f"{tmp_path}/packs/aa/01"))
    assert ("fsync", f"{tmp_path}/packs") in calls[:renamed]


def test_the_second_put_into_a_folder_makes_and_syncs_nothing_above_it(tmp_path: Path) -> None:
    recorded = RecordingFileSystem()
    objects = LocalStore(tmp_path, file_system=recorded)
    objects.put("packs/aa/01", [b"1"])
    recorded.calls.clear()
    objects.put("packs/aa/02", [b"2"])
    assert [verb for verb, _ in recorded.calls] == ["open", "writev", "fsync", "rename", "open", "fsync"]


def test_a_delete_is_synced(tmp_path: Path) -> None:
    recorded = RecordingFileSystem()
    objects = LocalStore(tmp_path, file_system=recorded)
    objects.put("packs/aa/01", [b"1"])
    recorded.calls.clear()
    objects.delete("packs/aa/01")
    assert recorded.calls[-1] == ("fsync", str(tmp_path))
    assert files_below(tmp_path) == []
    assert not (tmp_path / "packs").exists()


@pytest.mark.parametrize("before", [None, OLD])
def test_a_process_that_dies_at_any_step_leaves_the_object_whole_or_not_there(tmp_path: Path, before: bytes | None) -> None:
    step = 0
    while True:
        root = tmp_path / str(step)
        if before is not None:
            LocalStore(root).put("packs/aa/01", [before])
        dying = LocalStore(root, file_system=RecordingFileSystem(stop_at=step))
        try:
            dying.put("packs/aa/01", DATA)
        except Died:
            pass
        else:
            break
        survivor = LocalStore(root)
        keys = [info.key for info in survivor.iter_objects()]
        assert keys in ([], ["packs/aa/01"])
        if keys:
            assert survivor.get("packs/aa/01") in (before, WHOLE)
        else:
            assert before is None
        survivor.put("packs/aa/01", DATA)
        assert survivor.get("packs/aa/01") == WHOLE
        assert files_below(root) == ["packs/aa/01"]  # what the dead one had left is cleaned
        step += 1
    assert step > 20


@pytest.mark.parametrize(
    ("number", "error", "says"),
    [
        (errno.ENOSPC, StoreFull, "the disk is full; free some space"),
        (errno.EDQUOT, StoreFull, "quota is used up"),
        (errno.EIO, StoreUnavailable, "Input/output error"),
    ],
)
def test_a_put_that_fails_at_any_step_leaves_nothing_and_can_be_repeated(
    tmp_path: Path, number: int, error: type[Exception], says: str
) -> None:
    for step in range(len(steps_of_a_put(tmp_path / "whole"))):
        root = tmp_path / str(step)
        file_system = RecordingFileSystem(stop_at=step, error=lambda: OSError(number, "Input/output error"))
        objects = LocalStore(root, file_system=file_system)
        with pytest.raises(error, match=says) as caught:
            objects.put("packs/aa/01", DATA)
        assert f"{root}/packs/aa/01" in str(caught.value)
        assert not objects.has("packs/aa/01")
        assert files_below(root) == []
        objects.put("packs/aa/01", DATA)
        assert objects.get("packs/aa/01") == WHOLE


def test_a_repeated_put_that_fails_keeps_what_was_there(tmp_path: Path) -> None:
    LocalStore(tmp_path).put("packs/aa/01", [OLD])
    for step in range(len(steps_of_a_put(tmp_path))):
        LocalStore(tmp_path).put("packs/aa/01", [OLD])
        file_system = RecordingFileSystem(stop_at=step, error=lambda: OSError(errno.EIO, "Input/output error"))
        try:
            LocalStore(tmp_path, file_system=file_system).put("packs/aa/01", DATA)
        except StoreUnavailable:
            assert LocalStore(tmp_path).get("packs/aa/01") in (OLD, WHOLE)
        assert files_below(tmp_path) == ["packs/aa/01"]


def test_a_delete_that_dies_at_any_step_is_finished_by_the_next(tmp_path: Path) -> None:
    for step in range(5):  # unlink, twice rmdir, and the sync of what is left
        root = tmp_path / str(step)
        LocalStore(root).put("packs/aa/01", [b"1"])
        with pytest.raises(Died):
            LocalStore(root, file_system=RecordingFileSystem(stop_at=step)).delete("packs/aa/01")
        LocalStore(root).delete("packs/aa/01")
        assert not (root / "packs").exists()


def aligned(data: bytes) -> memoryview:
    """`data` where the memory of a pack begins: on a page."""
    memory = memoryview(mmap.mmap(-1, len(data)))
    memory[:] = data
    return memory


@pytest.mark.parametrize("size", [DIRECT_FROM - 1, DIRECT_FROM, DIRECT_FROM + 1, DIRECT_FROM + 4096, 3 * DIRECT_FROM + 4095])
def test_large_objects_come_back_wherever_their_memory_begins_and_ends(tmp_path: Path, size: int) -> None:
    data = noise(size)
    pieces: list[Buffer] = [data, aligned(data), aligned(b"x" + data)[1:], bytearray(data)]
    for number, piece in enumerate(pieces):
        for key, file_system in ((f"{number}/whole", os), (f"{number}/halves", RecordingFileSystem())):
            LocalStore(tmp_path, file_system=file_system).put(key, [piece, b"", b"tail"])
            assert LocalStore(tmp_path).get(key) == data + b"tail"


def test_a_large_object_is_written_past_the_page_cache_up_to_its_last_sector(tmp_path: Path) -> None:
    written = DirectWrites()
    LocalStore(tmp_path, file_system=written).put("large", [aligned(noise(DIRECT_FROM + 5))])
    assert written.sizes in ([(DIRECT_FROM, True), (5, False)], [(DIRECT_FROM + 5, False)])  # tmpfs may know no direct writes


def test_a_disk_that_refuses_direct_writes_midway_gets_the_rest_through_the_page_cache(tmp_path: Path) -> None:
    data = noise(3 * DIRECT_FROM)
    for allowed in range(3):
        refusing = DirectWrites(allowed)
        LocalStore(tmp_path, file_system=refusing).put(f"{allowed}", [aligned(data)])
        assert LocalStore(tmp_path).get(f"{allowed}") == data
        assert refusing.sizes[-1][1] is False


def test_an_object_of_a_megabyte_is_whole_or_not_there_at_any_step(tmp_path: Path) -> None:
    data: list[Buffer] = [aligned(noise(DIRECT_FROM + 100)), b"tail"]
    step = 0
    while True:
        dying = LocalStore(tmp_path / str(step), file_system=RecordingFileSystem(stop_at=step))
        try:
            dying.put("packs/aa/01", data)
        except Died:
            pass
        else:
            break
        survivor = LocalStore(tmp_path / str(step))
        assert not survivor.has("packs/aa/01") or survivor.get("packs/aa/01") == b"".join(data)
        step += 1
    assert step > 20
