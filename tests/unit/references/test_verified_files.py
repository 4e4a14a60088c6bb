"""What is remembered of local files, and when it is not believed."""

from __future__ import annotations

from pathlib import Path

import pytest

from artfs.references.verified_files import KEPT_FROM_SIZE, RACY_MARGIN_NS, FileStamp, VerifiedFiles

DIGEST = "ab" * 32
CHANGED_NS = 10**18
LATER_NS = CHANGED_NS + RACY_MARGIN_NS


def stamp(size: int = 5, inode: int = 1) -> FileStamp:
    return FileStamp(1, inode, size, 0, CHANGED_NS)


def test_a_digest_is_known_for_its_stamp_alone(tmp_path: Path) -> None:
    files = VerifiedFiles(tmp_path)
    files.put(stamp(), DIGEST, LATER_NS)
    assert files.get(stamp()) == DIGEST
    for other in (
        stamp()._replace(device=2),
        stamp()._replace(inode=2),
        stamp()._replace(size=6),
        stamp()._replace(mtime_ns=1),
        stamp()._replace(ctime_ns=CHANGED_NS + 1),
    ):
        assert files.get(other) is None


def test_a_file_that_has_just_changed_is_not_known(tmp_path: Path) -> None:
    files = VerifiedFiles(tmp_path)
    files.put(stamp(KEPT_FROM_SIZE), DIGEST, LATER_NS - 1)
    assert files.get(stamp(KEPT_FROM_SIZE)) is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("size", "is_kept"), [(KEPT_FROM_SIZE - 1, False), (KEPT_FROM_SIZE, True)])
def test_what_is_known_of_large_files_is_known_to_processes_to_come(tmp_path: Path, size: int, is_kept: bool) -> None:
    VerifiedFiles(tmp_path / "cache").put(stamp(size), DIGEST, LATER_NS)
    assert VerifiedFiles(tmp_path / "cache").get(stamp(size)) == (DIGEST if is_kept else None)


def test_the_folder_does_not_grow_without_end(tmp_path: Path) -> None:
    for number in range(10_050):
        (tmp_path / str(number)).touch()
    files = VerifiedFiles(tmp_path)
    files.put(stamp(KEPT_FROM_SIZE), DIGEST, LATER_NS)
    assert len(list(tmp_path.iterdir())) < 6_000
    assert VerifiedFiles(tmp_path).get(stamp(KEPT_FROM_SIZE)) == DIGEST
