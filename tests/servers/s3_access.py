"""A server that speaks S3, whichever it is: the variables by which others find it, and a client that may do everything.

Requests through a proxy in front of a server stay validly signed, as a signature covers the Host that the client wrote:
`environ_at(proxy.endpoint)`. Any thread.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.servers.program import Program, Server


class S3Access(Server):
    """An endpoint, the keys of a user who may do everything there, and a region."""

    def __init__(self, program: Program, endpoint: str, access_key: str, secret_key: str, region: str) -> None:
        super().__init__(program)
        self.endpoint = endpoint
        self._access_key = access_key
        self._secret_key = secret_key
        self._region = region
        self._names = (f"bucket-{number}" for number in itertools.count())

    @property
    def environ(self) -> dict[str, str]:
        """The variables by which boto3 finds this server and may do everything."""
        return self.environ_at(self.endpoint)

    def environ_at(self, endpoint: str) -> dict[str, str]:
        """The same, by way of another address (a proxy)."""
        return {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": self._access_key,
            "AWS_SECRET_ACCESS_KEY": self._secret_key,
            "AWS_DEFAULT_REGION": self._region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    @functools.cache  # noqa: B019  a server lives as long as the tests
    def client(self) -> Any:
        """A boto3 client that may do everything, whatever the environment says."""
        import boto3
        from botocore.config import Config

        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self._access_key,
            aws_secret_access_key=self._secret_key,
            region_name=self._region,
            config=Config(s3={"addressing_style": "path"}, max_pool_connections=16),
        )

    def create_bucket(self, *, versioned: bool = False) -> str:
        """The name of a new, empty bucket."""
        name, client = next(self._names), self.client()
        client.create_bucket(Bucket=name)
        if versioned:
            client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return name

    def fill(self, bucket: str, objects: Mapping[str, bytes] | Iterable[tuple[str, bytes]]) -> None:
        """Put many objects, some at once."""
        client = self.client()
        pairs = objects.items() if isinstance(objects, Mapping) else objects
        with ThreadPoolExecutor(8) as pool:
            for _ in pool.map(lambda pair: client.put_object(Bucket=bucket, Key=pair[0], Body=pair[1]), pairs):
                pass

    def fill_fast(self, bucket: str, keys: Iterable[str]) -> None:
        """Put thousands of objects that hold their own key; the keys are plain ones."""
        import obstore
        from obstore.store import S3Store

        store = S3Store(
            bucket,
            endpoint=self.endpoint,
            region=self._region,
            access_key_id=self._access_key,
            secret_access_key=self._secret_key,
            client_options={"allow_http": True},
        )
        with ThreadPoolExecutor(16) as pool:
            for _ in pool.map(lambda key: obstore.put(store, key, key.encode(), use_multipart=False), keys):
                pass
