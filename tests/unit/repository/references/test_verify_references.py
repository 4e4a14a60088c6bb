"""References looked at where they are, and what the store has to do with them: nothing (I9)."""

from __future__ import annotations

from pathlib import Path

from artfs.errors import NotFound, ReferenceChanged, ReferenceUnavailable
from artfs.model.entry import Reference, reference_entry
from artfs.model.records import VersionRecord
from artfs.objectstore.open import open_objects
from artfs.registry.open import open_registry
from artfs.repository.gc import collect_garbage
from artfs.repository.open import assemble_repository
from artfs.repository.repository import Repository
from artfs.repository.verify import verify_repository
from artfs.repository.verify_references import verify_references
from tests.fault.versions import assert_sound
from tests.unit.content.memory_home import MTIME_NS, Remote
from tests.unit.repository.references.referring import SMALL, commit


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

    def test_a_home_that_says_nothing_is_not_waited_for_again_by_each_of_its_references(
        self, repository: Repository, remote: Remote
    ) -> None:
        commit(repository, {f"{number:03}": remote.put(f"{number:03}", SMALL) for number in range(200)})

        def fail() -> None:
            raise ReferenceUnavailable("there is no answer", no_answer=True)

        remote.home.on_look = fail
        report = verify_references(repository)
        assert report.checked == 200
        assert len(remote.home.looks) < 40, "those that several threads ask for at once"
        assert {"mem://box/" + problem.path for problem in report.problems} == {problem.uri for problem in report.problems}
        assert {problem.error.__class__ for problem in report.problems} == {ReferenceUnavailable}
        assert sum("mem://box has just not answered" in problem.what for problem in report.problems) == 200 - len(remote.home.looks)


def test_references_are_nothing_of_the_store(repository: Repository, remote: Remote, version: VersionRecord) -> None:
    stored = sum(info.size for info in repository.objects.iter_objects())
    assert stored < len(SMALL)
    remote.home.things.clear()
    assert_sound(repository)
    report = verify_repository(repository, read_data=True)
    assert report.bytes_read < len(SMALL)
    collect_garbage(repository, grace_s=0)
    assert_sound(repository)


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
