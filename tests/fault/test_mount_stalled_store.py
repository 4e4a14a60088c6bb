"""An object store that takes requests and never answers: names of versions are shown all the same, what is in the cache on the disk
is read, and reading what is not ends with EIO."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from artfs.model.names import VersionName
from artfs.repository.commit import CommitRequest, begin_ingest, commit_entries
from artfs.repository.open import open_repository
from artfs.repository.warm import warm_version
from tests.contract.registry.relay import Fault, Relay, relay_to
from tests.mount.failures import errno_of_failure
from tests.mount.mounting import Place, eventually
from tests.servers.seaweedfs import SeaweedFs
from tests.unit.cloud.conftest import SetEnviron
from tests.unit.cloud.conftest import set_environ as set_environ  # noqa: PLC0414  a fixture

DEADLINE_S = 6.0
#: More than the mount has threads for names, and for reading.
VERSIONS = 40
#: As many wait for the store at once.
WAITING = 24


@dataclass
class FarPlace(Place):
    """A home whose objects are in a bucket."""

    store: Mapping[str, str] = field(default_factory=dict)

    @property
    def environ(self) -> dict[str, str]:
        return {**super().environ, **self.store}


@pytest.fixture
def relay(s3_server: SeaweedFs) -> Iterator[Relay]:
    """Before the S3 server."""
    with relay_to(s3_server.port) as relay:
        yield relay


@pytest.fixture
def place(tmp_path: Path, s3_server: SeaweedFs, relay: Relay) -> FarPlace:
    store = {**s3_server.environ_at(f"http://127.0.0.1:{relay.port}"), "ARTFS_OBJECTS": f"s3://{s3_server.create_bucket()}/store"}
    return FarPlace(tmp_path, store)


def test_names_and_what_is_cached_are_read_while_all_others_wait(
    place: FarPlace, relay: Relay, tmp_path: Path, set_environ: SetEnviron
) -> None:
    set_environ(place.store)  # of this process, which commits
    with open_repository(place.config) as repository:
        for name, number in [*(("data", number) for number in range(VERSIONS)), ("cached", 0)]:
            source = tmp_path / "file"
            source.write_bytes(b"%d of %s" % (number, name.encode()))
            ingest = begin_ingest(repository, "tester")
            commit_entries(repository, ingest, [ingest.add_file(source, "file")], CommitRequest(place.artifact(name), "dataset"))
    names = [f"v{number}" for number in range(VERSIONS)]
    fresh = FarPlace(
        tmp_path / "elsewhere", {**place.store, "ARTFS_REGISTRY": f"sqlite:///{place.config.data_dir}/registry.sqlite"}
    )
    fresh.root.mkdir()
    with open_repository(fresh.config) as repository:
        warm_version(repository, repository.names.version(VersionName(place.artifact("cached"), "v0")))
    relay.fault = Fault.STALL
    relay.sent.clear()
    with (
        fresh.mounted(expect_errors=True, deadline_s=DEADLINE_S) as mountpoint,
        ThreadPoolExecutor(VERSIONS) as pool,
    ):
        data = mountpoint / "data"
        reads = [pool.submit(errno_of_failure, (data / name / "file").read_bytes) for name in names]
        eventually(lambda: len(relay.sent) >= WAITING, what="that all who may ask have asked")
        assert (mountpoint / "cached/v0/file").read_bytes() == b"0 of cached"
        assert os.listdir(mountpoint / "cached/v0") == ["file"]
        assert json.loads((mountpoint / ".artfs/status.json").read_bytes())["pid"]
        assert {*names, "latest"} <= set(os.listdir(data))
        assert all((data / name).is_dir() for name in names)
        assert sorted(os.listdir(mountpoint)) == [".artfs", "cached", "data"]
        (data / "staging/work").mkdir()
        (data / "staging/work/file").write_bytes(b"goes on")
        assert (data / "staging/work/file").read_bytes() == b"goes on"
        assert not [read for read in reads if read.done()]
        assert {read.result() for read in reads} == {"EIO"}
