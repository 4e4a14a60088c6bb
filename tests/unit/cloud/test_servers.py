"""The servers of the tests do what other tests rely on."""

from __future__ import annotations

import boto3

from tests.servers.fake_gcs import FakeGcs
from tests.servers.haproxy import HaProxy
from tests.servers.seaweedfs import SeaweedFs


def test_a_versioned_bucket_keeps_what_was_overwritten(s3_server: SeaweedFs) -> None:
    client, bucket = s3_server.client(), s3_server.create_bucket(versioned=True)
    first = client.put_object(Bucket=bucket, Key="key", Body=b"one")["VersionId"]
    s3_server.fill(bucket, {"key": b"two"})
    assert client.get_object(Bucket=bucket, Key="key", VersionId=first)["Body"].read() == b"one"


def test_a_generation_changes_with_the_object(gcs_server: FakeGcs) -> None:
    bucket = gcs_server.create_bucket()
    gcs_server.fill(bucket, {"key": b"one"})
    first = gcs_server.client().bucket(bucket).get_blob("key").generation
    gcs_server.fill(bucket, {"key": b"two"})
    assert gcs_server.client().bucket(bucket).get_blob("key").generation != first


def test_the_proxy_notes_requests_that_stay_validly_signed(s3_server: SeaweedFs, s3_proxy: HaProxy) -> None:
    bucket = s3_server.create_bucket()
    s3_server.fill(bucket, {"key": b"one"})
    environ = s3_server.environ_at(s3_proxy.endpoint)
    client = boto3.client(
        "s3",
        endpoint_url=s3_proxy.endpoint,
        region_name=environ["AWS_DEFAULT_REGION"],
        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
    )
    s3_proxy.fail(503, retry_after=0, method="GET")
    assert client.get_object(Bucket=bucket, Key="key")["Body"].read() == b"one"
    assert [(request.method, request.target, request.status) for request in s3_proxy.requests()] == [
        ("GET", f"/{bucket}/key", 0),
        ("GET", f"/{bucket}/key", 200),
    ]
