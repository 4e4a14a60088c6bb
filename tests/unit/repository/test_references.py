"""Versions with references: downloaded as they were recorded, compared, looked at, and said to be wrong where they are (I9)."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from artfs.config import Config
from artfs.errors import AccessDenied, NotFound, ReferenceChanged, ReferenceUnavailable, UserError
from artfs.model.entry import Entry, Reference, reference_entry
from artfs.model.records import VersionRecord
from artfs.objectstore.open import open_objects
from artfs.registry.open import open_registry
from artfs.repository.commit import CommitRequest, begin_ingest, commit_entries
from artfs.repository.diff import diff_versions
from artfs.repository.gc import collect_garbage
from artfs.repository.materialise import Difference, MissingReference, checkout, download, verify_directory
from artfs.repository.open import assemble_repository
from artfs.repository.repository import Repository
from artfs.repository.verify import verify_repository
from artfs.repository.verify_references import verify_references
from tests.fault.versions import ARTIFACT, assert_sound
from tests.unit.content.made_bytes import noise
from tests.unit.content.memory_home import MTIME_NS, Endless, Given, Remote

MIB = 1 << 20
SMALL, LARGE = noise(5000, 1), noise(3 * MIB + 5, 2)


@pytest.fixture
def remote() -> Remote:
    return Remote()


@pytest.fixture
def repository(config: Config, remote: Remote) -> Iterator[Repository]:
    registry, objects = open_registry(config.registry), open_objects(config.objects)
    with assemble_repository(config, registry, objects, remote.references) as opened:
        yield opened


def commit(repository: Repository, references: Mapping[str, Entry]) -> VersionRecord:
    """A version of one stored file and of `references` at their paths."""
    ingest = begin_ingest(repository, "tester")
    stored = ingest.add_bytes(b"stored", "readme.txt", mtime_ns=MTIME_NS)
    entries = [stored, *(entry.at(path) for path, entry in references.items())]
    return commit_entries(repository, ingest, entries, CommitRequest(ARTIFACT, "dataset")).version


@pytest.fixture
def version(repository: Repository, remote: Remote) -> VersionRecord:
    return commit(
        repository,
        {
            "data/small": remote.put("small", SMALL),
            "data/large": remote.put("large", LARGE),
            "data/digest": remote.put("digest", LARGE, etag=None),
            "data/whole": remote.put("whole", LARGE, gives_ranges=False, etag='"w"'),
            "empty": remote.put("empty", b""),
            "unrecorded": (remote.put("unrecorded", SMALL), remote.unrecorded("unrecorded"))[1],
        },
    )


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


class TestVerifyReferences:
    def test_each_distinct_reference_is_looked_at_once(
        self, repository: Repository, remote: Remote, version: VersionRecord, tmp_path: Path
    ) -> None:
        other = commit(repository, {"again": remote.put("small", SMALL), "data/small": remote.put("small", SMALL)})
        seen: list[tuple[int, int]] = []
        report = verify_references(repository, on_progress=lambda done, total: seen.append((done, total)))
        assert (report.checked, report.unknown, report.problems) == (6, 0, [])
        assert seen == [(number, 6) for number in range(1, 7)]
        assert sorted(remote.home.looks) == sorted(set(remote.home.looks))
        remote.home.looks.clear()
        assert verify_references(repository, [other]).checked == 1
        assert remote.home.looks == ["mem://box/small"]

    def test_problems_are_told_with_versions_and_paths(
        self, repository: Repository, remote: Remote, version: VersionRecord
    ) -> None:
        small = remote.put("small", SMALL)
        other = commit(repository, {"again": small, "data/small": small})
        del remote.home.things["mem://box/unrecorded"]
        remote.put("small", SMALL, etag='"e2"')
        problems = verify_references(repository).problems
        facts = 'recorded ETag "e1", 5000 bytes, found ETag "e2", 5000 bytes'
        changed = f"mem://box/small is not what was recorded: {facts}; restore it, or refer to it anew"
        assert [(sorted(problem.versions), problem.path, problem.uri, problem.what) for problem in problems] == [
            ([other.qualified_name], "again", "mem://box/small", changed),
            ([version.qualified_name, other.qualified_name], "data/small", "mem://box/small", changed),
            ([version.qualified_name], "unrecorded", "mem://box/unrecorded", "mem://box/unrecorded leads to nothing"),
        ]
        assert [type(problem.error) for problem in problems] == [ReferenceChanged, ReferenceChanged, NotFound]

    def test_a_home_that_does_not_answer_is_a_problem_and_an_unknown_scheme_is_none(
        self, repository: Repository, remote: Remote
    ) -> None:
        unknown = reference_entry("u", Reference("odd://somewhere/u"), MTIME_NS)
        commit(repository, {"f": remote.put("f", SMALL), "u": unknown})

        def fail() -> None:
            raise ReferenceUnavailable("mem://box/f does not answer")

        remote.home.on_look = fail
        report = verify_references(repository)
        assert (report.checked, report.unknown) == (1, 1)
        assert [problem.what for problem in report.problems] == ["mem://box/f does not answer"]


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


def test_references_are_nothing_of_the_store(repository: Repository, remote: Remote, version: VersionRecord) -> None:
    stored = sum(info.size for info in repository.objects.iter_objects())
    assert stored < len(SMALL)
    remote.home.things.clear()
    assert_sound(repository)
    report = verify_repository(repository, read_data=True)
    assert report.bytes_read < len(SMALL)
    collect_garbage(repository, grace_s=0)
    assert_sound(repository)


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


def test_looking_at_references_reads_manifests_in_few_requests(repository: Repository, remote: Remote) -> None:
    entry = remote.put("one", SMALL)
    versions = [commit(repository, {f"{number:05}": entry for number in range(2000 + more)}) for more in range(2)]
    assert sum(len(repository.manifest(version).pages) for version in versions) > 6
    with assemble_repository(
        repository.config, open_registry(repository.config.registry), open_objects(repository.config.objects), remote.references
    ) as fresh:
        assert verify_references(fresh).checked == 1
        # Of each version its root, and what pages of it were not read before.
        assert fresh.objects.counts()["read_range"] <= 2 * len(versions)
