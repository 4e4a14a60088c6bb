"""verify and gc on a store that several hosts share: what they ask for, and what they say while others write, move and delete."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from math import ceil

from artfs.model.entry import Entry
from artfs.model.names import ArtifactName
from artfs.repository.commit import CommitRequest, begin_ingest, commit_edit, commit_entries
from artfs.repository.gc import collect_garbage
from artfs.repository.repack import repack
from artfs.repository.repository import Repository
from artfs.repository.verify import verify_repository
from tests.fault.hosts import OpenHost
from tests.fault.versions import ARTIFACT, assert_gc_leaves_exactly_what_is_needed, assert_sound, commit, read_all

WRITERS = 4
#: So many that requests for each of their pages would show.
VERSIONS = 12
#: Part of what everybody writes.
SHARED = bytes(range(256)) * 300


def requests_of(repository: Repository, act: Callable[[], object]) -> dict[str, int]:
    """How often each verb was asked of the object store meanwhile, and the bytes."""
    before = repository.objects.counts()
    act()
    return {verb: count - before[verb] for verb, count in repository.objects.counts().items() if count != before[verb]}


def sound(repository: Repository, *, read_data: bool = False) -> None:
    report = verify_repository(repository, read_data=read_data)
    assert report.problems == []
    assert report.unknown_objects == 0


def test_verify_asks_for_packs_and_not_for_pages(open_host: OpenHost) -> None:
    repository = open_host()
    ingest = begin_ingest(repository, ARTIFACT.entity)
    equal = ingest.add_bytes(b"equal", "any")
    request = CommitRequest(ARTIFACT, "dataset")
    version = commit_entries(repository, ingest, _names(equal, 4000), request).version
    for number in range(VERSIONS - 1):
        ingest = begin_ingest(repository, ARTIFACT.entity)
        changed = ingest.add_bytes(b"%d" % number, f"{number % 40:02}/{number:04}")
        version = commit_edit(repository, ingest, version, [], [changed], request).version
    versions = repository.registry.versions.list(ARTIFACT)
    packs = {pack for version in versions for pack in repository.registry.versions.needed_packs(version.id)}
    manifests = {version.manifest.pack for version in versions}
    assert (len(versions), len(manifests)) == (VERSIONS, VERSIONS)
    assert sum(len(repository.manifest(version).pages) for version in versions) >= 8 * VERSIONS
    asked = requests_of(repository, lambda: sound(repository))
    assert asked.keys() == {"iter_objects", "read_range", "bytes_read"}
    assert asked["iter_objects"] == 1
    # The roots, and what pages lie beside them.
    assert asked["read_range"] <= 2 * len(manifests) + 2
    asked = requests_of(repository, lambda: sound(repository, read_data=True))
    assert asked["iter_objects"] == 1
    # Small packs are one request each. Then manifests are walked, once by the checks and once for what they name.
    assert asked["read_range"] <= len(packs) + 4 * len(manifests) + 4


def _names(entry: Entry, count: int) -> list[Entry]:
    return [replace(entry, path=f"{number % 40:02}/{number:04}") for number in range(count)]


def test_verify_reads_large_packs_in_large_ranges(open_host: OpenHost) -> None:
    repository = open_host()
    commit(repository, {f"{number}.bin": os.urandom(10 << 20) for number in range(5)})
    sizes = [info.size for info in repository.objects.iter_objects("packs/")]
    asked = requests_of(repository, lambda: sound(repository, read_data=True))
    assert asked["read_range"] <= sum(ceil(size / (8 << 20)) + 1 for size in sizes) + 4
    assert asked["bytes_read"] <= 1.02 * sum(sizes)


def test_gc_and_verify_in_the_middle_of_puts_of_four_hosts_find_nothing_wrong_and_delete_nothing_needed(
    open_host: OpenHost,
) -> None:
    gone = commit(open_host(), {"shared.bin": SHARED}).version
    # Each has found the chunks of a version that is deleted now, and stored some of its own that nothing names yet.
    begun = []
    for number in range(WRITERS):
        host = open_host()
        ingest = begin_ingest(host, ARTIFACT.entity)
        entries = [ingest.add_bytes(SHARED, "shared.bin"), ingest.add_bytes(os.urandom(30_000), f"own-{number}.bin")]
        ingest.finish()
        begun.append((host, ingest, entries))
    cleaner = open_host()
    cleaner.registry.versions.delete(gone.id, delete_aliases=True)
    report = collect_garbage(cleaner, grace_s=0)
    assert (report.deleted.packs, report.leftovers.packs) == (0, 0)
    assert report.doomed.packs == 2
    sound(cleaner)
    sound(cleaner, read_data=True)
    for host, ingest, entries in begun:
        commit_entries(host, ingest, entries, CommitRequest(ARTIFACT, "dataset"))
        collect_garbage(cleaner, grace_s=0)
        sound(cleaner)
    versions = cleaner.registry.versions.list(ARTIFACT)
    assert len(versions) == WRITERS
    assert all(read_all(cleaner, version)["shared.bin"] == SHARED for version in versions)
    assert_sound(cleaner)
    assert_gc_leaves_exactly_what_is_needed(cleaner)


def test_gc_and_verify_are_right_while_four_hosts_commit_and_delete(open_host: OpenHost) -> None:
    hosts = [open_host() for _ in range(WRITERS)]
    cleaner = open_host()
    with ThreadPoolExecutor(WRITERS) as pool:
        writing = [pool.submit(_commit_and_delete, host, number) for number, host in enumerate(hosts)]
        while not all(writer.done() for writer in writing):
            collect_garbage(cleaner, grace_s=0)
            repack(cleaner, threshold=2)
            sound(cleaner)
            sound(cleaner, read_data=True)
    _assert_all_there(cleaner, writing)
    assert_sound(cleaner)
    assert_gc_leaves_exactly_what_is_needed(cleaner)


def _commit_and_delete(host: Repository, number: int, versions: int = 10) -> dict[int, Mapping[str, bytes]]:
    """Make versions of an artifact of one's own, and delete every other one; what the others hold."""
    artifact = ArtifactName(ARTIFACT.entity, ARTIFACT.project, f"writer-{number}")
    kept: dict[int, Mapping[str, bytes]] = {}
    for turn in range(versions):
        files = {"shared.bin": SHARED, "own.bin": os.urandom(20_000)}
        version = commit(host, files, artifact=artifact).version
        if turn % 2:
            host.registry.versions.delete(version.id, delete_aliases=True)
        else:
            kept[version.id] = files
    return kept


def _assert_all_there(cleaner: Repository, writing: list[Future[dict[int, Mapping[str, bytes]]]]) -> None:
    kept = {version: files for writer in writing for version, files in writer.result().items()}
    assert {version.id for version in cleaner.registry.versions.iter_live()} == kept.keys()
    for version, files in kept.items():
        assert read_all(cleaner, cleaner.registry.versions.get(version)) == files
