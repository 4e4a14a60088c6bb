"""What Ceph does otherwise than the contract's other servers: with versions on it takes no notice of `If-None-Match: *`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from artfs.cloud.s3 import S3Client
from artfs.objectstore.bucket import BucketStore
from tests.servers.ceph import Ceph
from tests.unit.cloud.conftest import SetEnviron


def test_a_key_that_is_put_again_or_by_many_is_the_same_where_versions_are_kept(ceph_server: Ceph, set_environ: SetEnviron) -> None:
    set_environ(ceph_server.environ)
    client = S3Client()
    objects = BucketStore(client, ceph_server.create_bucket(versioned=True), "prefix")
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda _: objects.put("packs/aa/01", [b"the same"]), range(6)))
    objects.put("packs/aa/01", [b"the same"])
    assert objects.get("packs/aa/01") == b"the same"
    assert [info.key for info in objects.iter_objects()] == ["packs/aa/01"]
    objects.delete("packs/aa/01")
    assert not objects.has("packs/aa/01")
    client.close()
