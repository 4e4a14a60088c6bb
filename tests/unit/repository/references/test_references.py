"""Versions with references: downloaded as they were recorded, compared, and said to be wrong where they are (I9)."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from artfs.errors import AccessDenied, ReferenceChanged, ReferenceUnavailable, UserError
from artfs.model.entry import Reference, reference_entry
from artfs.model.records import VersionRecord
from artfs.repository.diff import diff_versions
from artfs.repository.materialise import Difference, MissingReference, checkout, download, verify_directory
from artfs.repository.repository import Repository
from tests.unit.content.memory_home import MTIME_NS, Endless, Given, Remote
from tests.unit.repository.references.referring import LARGE, SMALL, commit

MIB = 1 << 20


EXPECTED = {
    "data/small": SMALL,
    "data/large": LARGE,
    "data/digest": LARGE,
    "data/whole": LARGE,
    "empty": b"",
    "readme.txt": b"stored",
    "unrecorded": SMALL,
}


def files_below(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def stamps(root: Path) -> dict[str, tuple[int, int]]:
    return {str(path.relative_to(root)): (path.stat().st_ino, path.stat().st_mtime_ns) for path in root.rglob("*")}


@pytest.mark.parametrize("work", [download, checkout])
def test_references_arrive_with_their_bytes_and_times(
    repository: Repository, version: VersionRecord, tmp_path: Path, work: object
) -> None:
    (download if work is download else checkout)(repository, version, tmp_path / "out")
    assert files_below(tmp_path / "out") == EXPECTED
    for path in tmp_path.glob("out/data/*"):
        assert path.stat().st_mtime_ns == MTIME_NS
        assert not path.stat().st_mode & 0o111
    assert verify_directory(repository, version, tmp_path / "out") == []


def test_what_is_right_is_left_alone_and_nobody_is_asked_for_it(
    repository: Repository, remote: Remote, version: VersionRecord, tmp_path: Path
) -> None:
    root = tmp_path / "out"
    download(repository, version, root)
    os.utime(root / "data/digest", ns=(1, 1))  # its digest tells all the same
    before = stamps(root)
    remote.home.fetches.clear()
    download(repository, version, root)
    checkout(repository, version, root)
    assert stamps(root) == before
    assert remote.home.fetches == []


def test_what_is_wrong_is_replaced(repository: Repository, version: VersionRecord, tmp_path: Path) -> None:
    root = tmp_path / "out"
    download(repository, version, root)
    (root / "data/small").write_bytes(SMALL[::-1])
    (root / "data/large").write_bytes(LARGE[:-1])
    (root / "data/digest").write_bytes(LARGE[::-1])
    (root / "data/whole").unlink()
    (root / "data/whole").symlink_to("small")
    (root / "empty").unlink()
    (root / "empty").mkdir()
    (root / "unrecorded").write_bytes(b"other")
    assert [str(difference) for difference in verify_directory(repository, version, root)] == [
        "data/digest has different content",
        f"data/large has {len(LARGE) - 1} bytes instead of {len(LARGE)}",
        "data/small has different content",
        "data/whole is not a file",
        "empty is not a file",
        "unrecorded has 5 bytes instead of 5000",
    ]
    download(repository, version, root)
    assert files_below(root) == EXPECTED


def test_a_touched_file_is_compared_with_the_bytes_at_its_home(
    repository: Repository, remote: Remote, version: VersionRecord, tmp_path: Path
) -> None:
    root = tmp_path / "out"
    download(repository, version, root)
    for path in root.rglob("*"):
        os.utime(path, ns=(1, 1))
    assert verify_directory(repository, version, root) == []
    del remote.home.things["mem://box/small"]
    (difference,) = verify_directory(repository, version, root)
    assert difference.path == "data/small"
    assert "cannot be compared with what was recorded" in difference.what


def test_a_changed_reference_stops_the_download_and_leaves_what_was_there(
    repository: Repository, remote: Remote, version: VersionRecord, tmp_path: Path
) -> None:
    root = tmp_path / "out"
    (root / "data").mkdir(parents=True)
    (root / "data/large").write_bytes(b"mine")
    remote.put("large", LARGE, etag='"e2"')
    with pytest.raises(ReferenceChanged, match="mem://box/large is not what was recorded"):
        download(repository, version, root)
    assert (root / "data/large").read_bytes() == b"mine"


@pytest.mark.parametrize("allow_missing", [False, True])
def test_bytes_that_turn_out_wrong_at_the_end_never_get_their_name(
    repository: Repository, remote: Remote, version: VersionRecord, tmp_path: Path, allow_missing: bool
) -> None:
    root = tmp_path / "out"
    remote.home.things["mem://box/digest"].content = Given(LARGE[:-1] + b"!")
    if allow_missing:
        (missing,) = download(repository, version, root, allow_missing_references=True)
        assert missing.path == "data/digest"
        assert "recorded digest" in missing.what
    else:
        with pytest.raises(ReferenceChanged, match="recorded digest"):
            download(repository, version, root)
    assert not (root / "data/digest").exists()
    assert not [name for _, _, names in os.walk(root) for name in names if name.startswith(".artfs-download")]


def test_a_download_that_breaks_off_leaves_no_part_of_a_file(
    repository: Repository, remote: Remote, version: VersionRecord, tmp_path: Path
) -> None:
    def fail(offset: int, length: int) -> None:
        if offset > MIB:
            raise ReferenceUnavailable("mem://box does not answer")

    remote.home.on_fetch = fail
    with pytest.raises(ReferenceUnavailable):
        download(repository, version, tmp_path / "out", allow_missing_references=True)
    found = files_below(tmp_path / "out")
    assert found == {path: EXPECTED[path] for path in found}
    assert "data/large" not in found


def test_an_interrupted_download_ends_soon_and_leaves_no_part_of_a_file(
    repository: Repository, remote: Remote, tmp_path: Path
) -> None:
    version = commit(repository, {"endless": remote.put("endless", Endless(1 << 40)), "small": remote.put("small", SMALL)})

    def interrupt(files: int, size: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(repository, version, tmp_path / "out", on_progress=interrupt)
    assert "endless" not in files_below(tmp_path / "out")
    assert remote.home.bytes_sent < 1 << 32


def test_an_error_does_not_wait_for_a_server_that_does_not_answer(repository: Repository, remote: Remote, tmp_path: Path) -> None:
    stuck, gate = threading.Event(), threading.Event()

    def stall_or_fail(offset: int, length: int) -> None:
        if not stuck.is_set():
            stuck.set()
            assert gate.wait(60)
        raise ReferenceUnavailable("mem://box does not answer")

    remote.home.on_fetch = stall_or_fail
    version = commit(repository, {f"d{number}/f": remote.put(f"d{number}", SMALL) for number in range(4)})
    with pytest.raises(ReferenceUnavailable):
        download(repository, version, tmp_path / "out")
    assert stuck.is_set()
    # Not even the beginning of the one that is stuck, although its thread is not told before its server answers.
    assert files_below(tmp_path / "out").keys() <= {"readme.txt"}
    gate.set()


def test_missing_references_are_told_where_that_is_allowed(
    repository: Repository, remote: Remote, version: VersionRecord, tmp_path: Path
) -> None:
    del remote.home.things["mem://box/small"]
    remote.put("large", LARGE, etag='"e2"')
    root = tmp_path / "out"
    missing = download(repository, version, root, allow_missing_references=True)
    assert missing == [
        MissingReference(
            "data/large",
            "mem://box/large",
            'mem://box/large is not what was recorded: recorded ETag "e1", 3145733 bytes, found ETag "e2", 3145733 bytes; '
            "restore it, or refer to it anew",
        ),
        MissingReference(
            "data/small",
            "mem://box/small",
            'mem://box/small is not there: recorded ETag "e1", 5000 bytes, found nothing; restore it, or refer to it anew',
        ),
    ]
    assert files_below(root) == {path: data for path, data in EXPECTED.items() if path not in {"data/large", "data/small"}}


def test_a_forbidden_one_and_one_of_an_unknown_scheme_may_be_missing(
    repository: Repository, remote: Remote, tmp_path: Path
) -> None:
    unknown = reference_entry("u", Reference("odd://somewhere/u"), MTIME_NS)
    version = commit(repository, {"f": remote.put("f", SMALL), "u": unknown})

    def refuse(offset: int, length: int) -> None:
        raise AccessDenied("mem://box/f may not be read")

    remote.home.on_fetch = refuse
    missing = download(repository, version, tmp_path / "out", allow_missing_references=True)
    assert [each.path for each in missing] == ["f", "u"]
    with pytest.raises(UserError, match="odd://somewhere/u"):
        download(repository, version, tmp_path / "out", "u")
    with pytest.raises(AccessDenied):
        download(repository, version, tmp_path / "out", "f")


def test_unrecorded_content_is_downloaded_as_it_is_now(repository: Repository, remote: Remote, tmp_path: Path) -> None:
    remote.put("f", b"before")
    version = commit(repository, {"f": remote.unrecorded("f")})
    download(repository, version, tmp_path / "out")
    assert (tmp_path / "out/f").read_bytes() == b"before"
    remote.put("f", b"after it", etag='"e2"')
    download(repository, version, tmp_path / "out")
    assert (tmp_path / "out/f").read_bytes() == b"after it"


def test_many_small_references_arrive_side_by_side_with_progress(repository: Repository, remote: Remote, tmp_path: Path) -> None:
    data = {f"d{number % 3}/{number}": b"%d" % number * 100 for number in range(300)}
    version = commit(repository, {path: remote.put(path, content, etag=f'"{path}"') for path, content in data.items()})
    together = threading.Barrier(16)
    first = threading.Semaphore(16)
    seen: list[tuple[int, int]] = []

    def meet(offset: int, length: int) -> None:
        if first.acquire(blocking=False):
            together.wait(30)

    remote.home.on_fetch = meet
    download(repository, version, tmp_path / "out", on_progress=lambda files, size: seen.append((files, size)))
    assert files_below(tmp_path / "out") == {"readme.txt": b"stored", **data}
    assert seen == sorted(seen)
    assert seen[-1] == (301, sum(map(len, data.values())) + 6)
    assert len(remote.home.fetches) == 300


def test_references_differ_by_what_was_recorded(repository: Repository, remote: Remote) -> None:
    one = commit(repository, {"a": remote.put("a", SMALL), "b": remote.put("b", SMALL), "gone": remote.put("gone", SMALL)})
    two = commit(
        repository,
        {
            "a": replace(remote.put("a", SMALL), mtime_ns=5),
            "b": remote.put("b", SMALL, etag='"e2"'),
            "new": remote.put("new", SMALL),
        },
    )
    diff = diff_versions(repository, one, two)
    assert [entry.path for entry in diff.added] == ["new"]
    assert [entry.path for entry in diff.removed] == ["gone"]
    assert [(before.path, after.path) for before, after in diff.changed] == [("b", "b")]


def test_what_is_recorded_of_the_same_content_is_the_same_version(repository: Repository, remote: Remote) -> None:
    one = commit(repository, {"a": remote.put("a", SMALL)})
    assert commit(repository, {"a": replace(remote.put("a", SMALL), mtime_ns=5)}).number == one.number
    assert commit(repository, {"a": remote.put("a", SMALL, etag='"e2"')}).number == one.number + 1
    assert one.size == len(SMALL) + 6
    assert one.file_count == 2


def test_a_difference_that_a_home_cannot_settle_names_the_path(
    repository: Repository, remote: Remote, version: VersionRecord, tmp_path: Path
) -> None:
    root = tmp_path / "out"
    download(repository, version, root)
    remote.home.things.clear()
    assert verify_directory(repository, version, root) == [
        Difference(
            "unrecorded",
            "cannot be compared with what was recorded: mem://box/unrecorded is not there: "
            "recorded nothing but its address, found nothing; restore it, or refer to it anew",
        )
    ]
