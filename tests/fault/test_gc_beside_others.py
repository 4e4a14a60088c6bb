"""gc beside a commit that has found what another gc dooms in the same moment: the commit gets what it has found (I4)."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import psycopg
import pytest

from artfs.config import Config
from artfs.model.names import ArtifactName
from artfs.repository.commit import CommitRequest, begin_ingest, commit_entries
from artfs.repository.gc import collect_garbage
from artfs.repository.open import open_repository
from tests.fault.crashing import crashing_repository
from tests.fault.moments import Moment
from tests.fault.versions import assert_sound, commit, read_all

OTHER = ArtifactName("tester", "default", "others")


@pytest.mark.parametrize("environ", ["postgres"], indirect=True)
def test_commit_that_begins_while_a_gc_is_dooming_keeps_what_it_finds(config: Config) -> None:
    files = {"data.bin": os.urandom(50_000)}
    with open_repository(config) as host, psycopg.connect(config.registry) as gc:
        version = commit(host, files).version
        host.registry.versions.delete(version.id, delete_aliases=True)
        gc.execute("UPDATE packs SET doomed_at = clock_timestamp()")
        ingest = begin_ingest(host, OTHER.entity)
        entries = [ingest.add_bytes(files["data.bin"], "data.bin")]
        assert entries[0].content.needed_packs() <= {pack.id for pack in host.registry.packs.iter_all()}
        gc.commit()
        assert collect_garbage(host, grace_s=0).deleted.packs == 0
        found = commit_entries(host, ingest, entries, CommitRequest(OTHER, "dataset")).version
        assert read_all(host, found) == files
        assert_sound(host)


@pytest.mark.parametrize("environ", ["sqlite", "postgres"], indirect=True)
@pytest.mark.parametrize("point", ["after packs.doom_unneeded", "after leases.list_active", "before leases.list_collectable"])
def test_commit_that_begins_in_the_middle_of_a_gc_keeps_what_another_gc_dooms(config: Config, point: str) -> None:
    files = {"data.bin": os.urandom(50_000)}
    moment = Moment(point)
    with open_repository(config) as host, crashing_repository(config, moment) as cleaner, ThreadPoolExecutor(1) as thread:
        version = commit(host, files).version
        gc = thread.submit(partial(collect_garbage, cleaner, grace_s=0))
        moment.wait()
        ingest = begin_ingest(host, OTHER.entity)
        entries = [ingest.add_bytes(files["data.bin"], "data.bin")]
        assert entries[0].content.needed_packs() <= host.registry.versions.needed_packs(version.id)
        host.registry.versions.delete(version.id, delete_aliases=True)
        assert host.registry.packs.doom_unneeded() == 2
        moment.pass_on()
        gc.result(60)
        found = commit_entries(host, ingest, entries, CommitRequest(OTHER, "dataset")).version
        assert read_all(host, found) == files
        assert_sound(host)
