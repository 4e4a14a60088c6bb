"""A repository driven at random beside a dict: commits, edits, aliases, deletions, gc, verification, reading, reopening.

The reference model says which versions there are, what they hold and where the aliases are; the repository must agree after every
step. Objects in memory, the registry in SQLite. A sequence that was once found to fail stays at the end as a test of its own.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from artfs.config import load_config
from artfs.errors import Conflict, NotFound
from artfs.model.names import LATEST, ArtifactName, VersionName
from artfs.model.records import VersionRecord
from artfs.objectstore.memory import MemoryStore
from artfs.registry.open import open_registry
from artfs.repository.commit import CommitRequest, begin_ingest, commit_edit
from artfs.repository.gc import collect_garbage
from artfs.repository.open import assemble_repository
from artfs.repository.repository import Repository
from artfs.repository.verify import verify_repository
from tests.fault.versions import assert_gc_leaves_exactly_what_is_needed, commit, read_all

ARTIFACTS = [ArtifactName("tester", "default", "one"), ArtifactName("tester", "default", "two"), ArtifactName("other", "p", "one")]
ALIASES = ["best", "old"]
PATHS = ["a", "b", "d/a", "d/b", "d/e/f", "g/h"]
CONTENTS = [b"", b"1", b"2", b"3" * 5000]

artifacts = st.sampled_from(ARTIFACTS)
contents = st.dictionaries(st.sampled_from(PATHS), st.sampled_from(CONTENTS), max_size=4)
picks = st.integers(min_value=0, max_value=1_000_000)


class RepositoryMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="artfs-model-"))
        self.objects = MemoryStore()
        self.repository = self._open()
        self.versions: dict[ArtifactName, dict[int, dict[str, bytes]]] = {}
        self.next_number: dict[ArtifactName, int] = {}
        self.aliases: dict[ArtifactName, dict[str, int]] = {}

    def _open(self) -> Repository:
        config = load_config({"entity": "tester", "project": "default"}, {"ARTFS_HOME": str(self.folder)})
        return assemble_repository(config, open_registry(config.registry), self.objects)

    def teardown(self) -> None:
        assert_gc_leaves_exactly_what_is_needed(self.repository)
        self.repository.close()
        shutil.rmtree(self.folder)

    @rule(artifact=artifacts, files=contents, aliases=st.sets(st.sampled_from(ALIASES)))
    def commit_whole(self, artifact: ArtifactName, files: dict[str, bytes], aliases: set[str]) -> None:
        outcome = commit(self.repository, files, aliases=sorted(aliases), artifact=artifact)
        self._expect(artifact, files, aliases, outcome.version.number, created=outcome.created)

    @precondition(lambda self: any(self.versions.values()))
    @rule(pick=picks, removed=st.sets(st.sampled_from([*PATHS, "d", "d/e"])), added=contents)
    def commit_an_edit(self, pick: int, removed: set[str], added: dict[str, bytes]) -> None:
        base, files = self._pick(pick)
        artifact = base.artifact
        gone = {path for path in files if any(path == one or path.startswith(f"{one}/") for one in removed)}
        expected = {path: data for path, data in files.items() if path not in gone} | added
        # An edit keeps directories that it empties; the model has none, so it empties none.
        removed |= {"d/e", "d", "g"} - {
            parent for path in expected for parent in ("d/e", "d", "g") if path.startswith(f"{parent}/")
        }
        ingest = begin_ingest(self.repository, artifact.entity)
        entries = [ingest.add_bytes(data, path) for path, data in added.items()]
        outcome = commit_edit(self.repository, ingest, base, removed, entries, CommitRequest(artifact, None))
        self._expect(artifact, expected, set(), outcome.version.number, created=outcome.created)

    def _expect(self, artifact: ArtifactName, files: dict[str, bytes], aliases: set[str], number: int, *, created: bool) -> None:
        versions = self.versions.setdefault(artifact, {})
        same = [known for known, content in versions.items() if content == files]
        expected = same[0] if same else self.next_number.get(artifact, 0)
        assert (number, created) == (expected, not same)
        if created:
            versions[number] = dict(files)
            self.next_number[artifact] = number + 1
        self.aliases.setdefault(artifact, {}).update(dict.fromkeys([*aliases, LATEST], number))

    def _pick(self, pick: int) -> tuple[VersionRecord, dict[str, bytes]]:
        live = [(artifact, number) for artifact, versions in self.versions.items() for number in versions]
        artifact, number = sorted(live)[pick % len(live)]
        version = self.repository.registry.versions.resolve(VersionName(artifact, f"v{number}"))
        return version, self.versions[artifact][number]

    @precondition(lambda self: any(self.versions.values()))
    @rule(pick=picks, alias=st.sampled_from([*ALIASES, LATEST]))
    def move_an_alias(self, pick: int, alias: str) -> None:
        version, _ = self._pick(pick)
        self.repository.registry.aliases.set(version.artifact, alias, version.number)
        self.aliases[version.artifact][alias] = version.number

    @precondition(lambda self: any(self.versions.values()))
    @rule(pick=picks, with_aliases=st.booleans())
    def delete_a_version(self, pick: int, with_aliases: bool) -> None:
        version, _ = self._pick(pick)
        aliases = self.aliases[version.artifact]
        try:
            self.repository.registry.versions.delete(version.id, delete_aliases=with_aliases)
        except Conflict:
            assert not with_aliases
            assert version.number in aliases.values()
            return
        assert with_aliases or version.number not in aliases.values()
        del self.versions[version.artifact][version.number]
        self.aliases[version.artifact] = {alias: number for alias, number in aliases.items() if number != version.number}

    @rule(grace_s=st.sampled_from([0.0, 3600.0]))
    def collect(self, grace_s: float) -> None:
        collect_garbage(self.repository, grace_s=grace_s)

    @rule()
    def leave_a_dead_commit(self) -> None:
        ingest = begin_ingest(self.repository, "tester")
        ingest.add_bytes(b"never committed", "x")
        ingest.finish()
        self.repository.leases.end(ingest.lease)

    @rule()
    def reopen(self) -> None:
        self.repository.close()
        self.repository = self._open()

    @rule()
    def verify_all_bytes(self) -> None:
        assert verify_repository(self.repository, read_data=True).problems == []

    @invariant()
    def repository_agrees_with_the_model(self) -> None:
        for artifact, versions in self.versions.items():
            found = {version.number: version for version in self.repository.registry.versions.list(artifact)}
            assert found.keys() == versions.keys()
            for number, version in found.items():
                assert read_all(self.repository, version) == versions[number]
            assert self.repository.registry.aliases.list(artifact) == self.aliases[artifact]

    @invariant()
    def deleted_versions_are_not_found(self) -> None:
        for artifact, following in self.next_number.items():
            for number in set(range(following)) - self.versions[artifact].keys():
                try:
                    self.repository.registry.versions.resolve(VersionName(artifact, f"v{number}"))
                except NotFound:
                    continue
                raise AssertionError(f"{artifact}:v{number} was deleted and is there")


TestRepository = RepositoryMachine.TestCase
TestRepository.settings = settings(max_examples=10, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck))
