"""A repack that meets damage leaves what is damaged, with all that it may need, and moves the rest (I2, I4)."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from artfs.errors import IntegrityError
from artfs.model.entry import PackId, pack_key
from artfs.model.names import ArtifactName
from artfs.model.records import VersionRecord
from artfs.repository.gc import collect_garbage
from artfs.repository.repack import repack
from artfs.repository.repository import Repository
from artfs.repository.verify import verify_repository
from tests.fault.hosts import ANYWHERE, OpenHost, damage, lose, put_back
from tests.fault.versions import ARTIFACT, assert_gc_leaves_exactly_what_is_needed, assert_sound, commit, read_all

OTHER = ArtifactName("tester", "default", "others")
#: What two artifacts have in common lies in one pack, of which a small part is in use.
SHARED = {"shared.bin": os.urandom(30_000)}
#: The content of the other one, in a pack of its own that is mostly dead as well.
WHOLE = {"whole.bin": os.urandom(30_000)}


def waste(repository: Repository, artifact: ArtifactName, *kept: dict[str, bytes]) -> list[VersionRecord]:
    """Versions of `kept`, which lies in a pack that is mostly dead."""
    all_of_it = {path: data for files in kept for path, data in files.items()}
    whole = commit(repository, {**all_of_it, "dead.bin": os.urandom(300_000)}, artifact=artifact).version
    versions = [commit(repository, files, artifact=artifact).version for files in kept]
    repository.registry.versions.delete(whole.id, delete_aliases=True)
    return versions


def lose_page(repository: Repository, version: VersionRecord) -> tuple[PackId, bytes]:
    """A small manifest lies in one pack, root and page."""
    pack = repository.manifest(version).pages[0].chunk.pack
    return pack, lose(repository, pack)


def damage_page(repository: Repository, version: VersionRecord) -> tuple[PackId, bytes]:
    ref = repository.manifest(version).pages[0].chunk
    return ref.pack, damage(repository, ref)


def damage_root(repository: Repository, version: VersionRecord) -> tuple[PackId, bytes]:
    return version.manifest.pack, damage(repository, version.manifest)


def damage_data(repository: Repository, version: VersionRecord) -> tuple[PackId, bytes]:
    entry = repository.manifest(version).get("shared.bin")
    assert entry is not None
    return entry.content.refs[0].pack, damage(repository, entry.content.refs[0])


@ANYWHERE
@pytest.mark.parametrize("harm", [lose_page, damage_page, damage_root, damage_data])
def test_repack_leaves_a_damaged_version_and_moves_the_others(
    open_host: OpenHost, harm: Callable[[Repository, VersionRecord], tuple[PackId, bytes]]
) -> None:
    repository = open_host()
    (damaged,) = waste(repository, ARTIFACT, SHARED)
    (other,) = waste(repository, OTHER, WHOLE)
    needed = repository.registry.versions.needed_packs(damaged.id)
    pack, before = harm(repository, damaged)
    cleaner = open_host()
    report = repack(cleaner)
    assert [(found.version, "artfs verify" in found.what) for found in report.damaged] == [(damaged.qualified_name, False)]
    assert report.moved == 1
    now = cleaner.registry.versions.get(other.id)
    assert now.manifest != other.manifest
    assert cleaner.registry.versions.get(damaged.id) == damaged
    assert cleaner.registry.versions.needed_packs(damaged.id) == needed
    for _ in range(2):
        collect_garbage(cleaner, grace_s=0)
    assert read_all(cleaner, now) == WHOLE
    # Nothing that it may need is gone: whoever has the object puts it back, and everything is there.
    put_back(cleaner, pack, before)
    assert_sound(cleaner)
    assert read_all(open_host(), damaged) == SHARED
    assert_gc_leaves_exactly_what_is_needed(cleaner)


@ANYWHERE
def test_what_a_damaged_version_may_need_is_not_moved_for_others_either(open_host: OpenHost) -> None:
    repository = open_host()
    damaged, sharing = waste(repository, ARTIFACT, SHARED, {**SHARED, "more.txt": b"more"})
    damage_page(repository, damaged)
    cleaner = open_host()
    report = repack(cleaner, dry_run=True)
    assert (report.packs, report.versions, len(report.damaged)) == (0, 0, 1)
    report = repack(cleaner)
    assert (report.packs, report.moved, report.written) == (0, 0, 0)
    assert cleaner.registry.versions.get(sharing.id).manifest == sharing.manifest
    assert read_all(cleaner, sharing)["shared.bin"] == SHARED["shared.bin"]


def test_damage_that_verify_has_found_is_told_again_only_where_it_hides_what_is_needed(open_host: OpenHost) -> None:
    repository = open_host()
    (in_data,) = waste(repository, ARTIFACT, SHARED)
    (in_page,) = waste(repository, OTHER, WHOLE)
    damage_data(repository, in_data)
    damage_page(repository, in_page)
    cleaner = open_host()
    assert not verify_repository(cleaner, read_data=True).is_sound
    assert [found.version for found in repack(cleaner).damaged] == [in_page.qualified_name]
    with pytest.raises(IntegrityError):
        read_all(open_host(), in_page)
    assert all(cleaner.objects.has(pack_key(pack)) for pack in cleaner.registry.versions.needed_packs(in_page.id))
