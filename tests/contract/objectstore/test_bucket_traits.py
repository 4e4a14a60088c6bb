"""What a bucket is asked about itself: of the servers of the tests each does it in another way."""

from __future__ import annotations

import pytest

from artfs.cloud.gcs import GcsClient
from artfs.cloud.s3 import S3Client
from artfs.errors import AccessDenied, ConfigNotValid
from artfs.objectstore.bucket import BucketStore
from tests.contract.objectstore.conftest import SERVERS
from tests.servers.faulty_http import FaultyHttp, Reply
from tests.servers.haproxy import HaProxy
from tests.servers.seaweedfs import SeaweedFs
from tests.unit.cloud.conftest import SetEnviron


def open_store(server: str, bucket: str) -> BucketStore:
    return BucketStore(GcsClient() if server == "gs" else S3Client(), bucket, "prefix")


@pytest.mark.parametrize("versioned", [False, True])
@pytest.mark.parametrize(("server", "refuses_damage"), [("s3", True), ("ceph", False), ("gs", False)])
def test_checksums_and_versions(
    server: str, refuses_damage: bool, versioned: bool, request: pytest.FixtureRequest, set_environ: SetEnviron
) -> None:
    running = request.getfixturevalue(SERVERS[server])
    set_environ(running.environ)
    objects = open_store(server, running.create_bucket(versioned=versioned))
    assert objects.refuses_damage("bench/damaged") is refuses_damage
    assert objects.has("bench/damaged") is not refuses_damage
    assert objects.keeps_versions() is versioned


def test_a_refusal_of_google_is_told(faulty_http: FaultyHttp, set_environ: SetEnviron) -> None:
    """As Google does, and its stand-in does not."""
    set_environ({"STORAGE_EMULATOR_HOST": faulty_http.url})
    said = b'{"error": {"code": 400, "message": "Provided CRC32C does not match calculated CRC32C."}}'
    faulty_http.serve("/upload/storage/v1/b/bucket/o", Reply(400, {"Content-Type": "application/json"}, said))
    assert open_store("gs", "bucket").refuses_damage("bench/damaged")


@pytest.mark.parametrize("server", ["s3", "gs"])
def test_who_may_not_know_of_versions_is_told_nothing(server: str, request: pytest.FixtureRequest, set_environ: SetEnviron) -> None:
    running, proxy = request.getfixturevalue(SERVERS[server]), request.getfixturevalue(f"{'gcs' if server == 'gs' else 's3'}_proxy")
    set_environ(running.environ_at(proxy.endpoint))
    objects = open_store(server, running.create_bucket(versioned=True))
    proxy.fail(403, times=1000)
    assert objects.keeps_versions() is None


def test_other_refusals_are_errors(s3_server: SeaweedFs, s3_proxy: HaProxy, set_environ: SetEnviron) -> None:
    set_environ(s3_server.environ_at(s3_proxy.endpoint))
    with pytest.raises(ConfigNotValid, match="there is no bucket"):
        open_store("s3", "not-there").keeps_versions()
    s3_proxy.fail(403, times=1000)
    with pytest.raises(AccessDenied, match="prefix/bench/damaged cannot be stored"):
        open_store("s3", "bucket").refuses_damage("bench/damaged")
