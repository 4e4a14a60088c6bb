"""References to objects of S3 and Google Cloud Storage in the mount, by way of a proxy that lets them go wrong."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mount.failures import errno_of_failure, told_errors
from tests.mount.mounting import Mounted, Place
from tests.servers.fake_gcs import FakeGcs
from tests.servers.haproxy import HaProxy
from tests.servers.seaweedfs import SeaweedFs

SMALL = bytes(range(256)) * 80
LARGE = b"".join(i.to_bytes(4, "little") * 16 for i in range(50_000))
OBJECTS = {"one.bin": SMALL, "deep/er/two.bin": LARGE, "empty": b"", "#?% ü.txt": b"a name", "marker/": b""}


class Bucket:
    """A bucket with `OBJECTS` in it, and a proxy in front of its server."""

    def __init__(self, scheme: str, server: SeaweedFs | FakeGcs, proxy: HaProxy, *, versioned: bool) -> None:
        self.name = server.create_bucket(versioned=versioned)
        self.uri = f"{scheme}://{self.name}"
        self.keeps_versions = versioned
        self.proxy = proxy
        self._server = server
        self.put(OBJECTS)

    def put(self, objects: dict[str, bytes]) -> None:
        self._server.fill(self.name, objects)

    def gets(self) -> int:
        return len(self.proxy.requests("GET"))


@pytest.fixture(scope="module")
def mounted(
    tmp_path_factory: pytest.TempPathFactory,
    s3_server: SeaweedFs,
    s3_haproxy: HaProxy,
    gcs_server: FakeGcs,
    gcs_haproxy: HaProxy,
) -> Iterator[Mounted]:
    place = Place(tmp_path_factory.mktemp("buckets"))
    environ = {**s3_server.environ_at(s3_haproxy.endpoint), **gcs_server.environ_at(gcs_haproxy.endpoint)}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        with place.mounted(expect_errors=True) as mountpoint:
            yield Mounted(place, mountpoint)


@pytest.fixture(scope="module")
def buckets(
    mounted: Mounted, s3_server: SeaweedFs, s3_haproxy: HaProxy, gcs_server: FakeGcs, gcs_haproxy: HaProxy
) -> dict[str, Bucket]:
    return {
        "s3 with versions": Bucket("s3", s3_server, s3_haproxy, versioned=True),
        "s3": Bucket("s3", s3_server, s3_haproxy, versioned=False),
        "gs": Bucket("gs", gcs_server, gcs_haproxy, versioned=True),
    }


@pytest.fixture(params=["s3 with versions", "s3", "gs"])
def bucket(request: pytest.FixtureRequest, buckets: dict[str, Bucket]) -> Bucket:
    found = buckets[request.param]
    found.proxy.clear()
    return found


def read_tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("checksum", [True, False], ids=["recorded", "of unknown size"])
def test_objects_are_files_and_each_small_one_is_one_request(mounted: Mounted, bucket: Bucket, checksum: bool) -> None:
    expected = {key: data for key, data in OBJECTS.items() if not key.endswith("/")}
    if checksum:
        version = mounted.refer({bucket.uri: None})
    else:
        version = mounted.refer({f"{bucket.uri}/{key}": key for key in expected}, checksum=False)
    assert {path.name for path in version.iterdir()} == {"one.bin", "deep", "empty", "#?% ü.txt"}
    bucket.proxy.clear()
    assert (version / "one.bin").read_bytes() == SMALL
    if checksum:
        assert bucket.gets() == 1
    assert read_tree(version) == expected
    asked = bucket.gets()
    assert read_tree(version) == expected
    assert bucket.gets() == asked


def test_a_replaced_object_is_read_at_its_version_or_not_at_all(mounted: Mounted, bucket: Bucket) -> None:
    bucket.put({"replaced/object": SMALL, "replaced/other": SMALL})
    version = mounted.refer({f"{bucket.uri}/replaced": None})
    bucket.put({"replaced/object": SMALL[::-1]})
    if bucket.keeps_versions:
        assert (version / "object").read_bytes() == SMALL
    else:
        assert errno_of_failure((version / "object").read_bytes) == "EIO"
        told = told_errors(version)[f"{version.parent.name}/v0/object"]
        assert "recorded" in told
        assert "found" in told
    assert (version / "other").read_bytes() == SMALL


def test_an_overloaded_server_is_asked_again_and_one_that_refuses_is_not(mounted: Mounted, bucket: Bucket) -> None:
    bucket.put({"moody/a": SMALL, "moody/b": SMALL, "moody/c": SMALL})
    version = mounted.refer({f"{bucket.uri}/moody": None})
    bucket.proxy.fail(503, times=1, retry_after=0, method="GET", containing="moody")
    assert (version / "a").read_bytes() == SMALL
    bucket.proxy.fail(403, times=1, method="GET", containing="moody")
    assert errno_of_failure((version / "b").read_bytes) == "EIO"
    assert "moody/b" in told_errors(version)[f"{version.parent.name}/v0/b"]
    assert (version / "c").read_bytes() == SMALL


def test_a_body_that_ends_early_is_never_short_bytes(mounted: Mounted, bucket: Bucket) -> None:
    bucket.put({"cut/a": LARGE})
    version = mounted.refer({f"{bucket.uri}/cut": None})
    bucket.proxy.cut(1000, times=1, method="GET", containing="cut")
    assert (version / "a").read_bytes() == LARGE


def test_connections_take_a_thread_for_four_processors(mounted: Mounted, bucket: Bucket) -> None:
    version = mounted.refer({f"{bucket.uri}/one.bin": None})
    assert (version / "one.bin").read_bytes() == SMALL
    pid = json.loads((mounted.mountpoint / ".artfs/status.json").read_text())["pid"]
    names = [path.read_text().strip() for path in Path(f"/proc/{pid}/task").glob("*/comm")]
    assert names.count("tokio-rt-worker") == max(1, (os.cpu_count() or 1) // 4)
