"""How S3 is reached from this process: settings and credentials as boto3 finds them, its client, and obstore's view of each bucket.

Whatever boto3 honours counts for both: `AWS_*` variables, profiles and their `endpoint_url`, single sign-on, roles of the machine,
`AWS_CA_BUNDLE`. Where it finds no credentials, nothing is signed. A bucket's region is looked up when the one that is set turns
out to be wrong, not before. Any thread: made once under a lock, then only stores of further buckets are added.
"""

from __future__ import annotations

import os
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from artfs.cloud.failures import not_installed
from artfs.cloud.retry import WRITE_POLICY, RetryPolicy
from artfs.errors import ConfigNotValid

#: boto3 hands out credentials that are good for ten minutes at least, so that they are asked for again before.
_CREDENTIALS_GOOD_FOR = timedelta(minutes=9)
_CONNECTIONS = 32
_DEFAULT_REGION = "us-east-1"


class S3Session:
    """Raises ConfigNotValid for settings that boto3 cannot use, NotInstalled without boto3 or obstore."""

    def __init__(self, policy: RetryPolicy, write_policy: RetryPolicy = WRITE_POLICY) -> None:
        try:
            import boto3
            import botocore.exceptions
            import botocore.session
            import obstore  # noqa: F401  missing here rather than in the middle of a read
        except ImportError as error:
            raise not_installed("s3", "boto3 and obstore", "s3") from error
        self.policy = policy
        self.write_policy = write_policy
        self._lock = threading.Lock()
        self._stores: dict[str, Any] = {}
        self._regions: dict[str, str] = {}
        self._writer: Any = None
        self._core = botocore.session.Session()
        self._core.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_parse_time)
        # Also for the services that credentials come from, which it would ask for minutes, far longer than the mount waits.
        self._core.set_default_client_config(_once_in_time(policy))
        try:
            self._session = boto3.session.Session(botocore_session=self._core)
            self._credentials = self._session.get_credentials()
            self.client: Any = self._make_client(None)
        except botocore.exceptions.BotoCoreError as error:
            raise ConfigNotValid(f"the AWS settings cannot be used: {error}; check the AWS_ variables and ~/.aws/config") from error
        except ValueError as error:  # an endpoint that is no URL
            raise ConfigNotValid(f"the AWS settings cannot be used: {error}; check AWS_ENDPOINT_URL and ~/.aws/config") from error

    @property
    def is_anonymous(self) -> bool:
        return self._credentials is None

    @property
    def endpoint(self) -> str:
        return str(self.client.meta.endpoint_url)

    @property
    def writer(self) -> Any:
        """A client with the patience of writing."""
        with self._lock:
            if self._writer is None:
                self._writer = self._make_client(None, _once_in_time(self.write_policy))
            return self._writer

    def login(self) -> object:
        """What tells its credentials from others: these themselves, None without any."""
        from botocore.exceptions import BotoCoreError

        try:
            return self._credentials and self._credentials.get_frozen_credentials()
        except BotoCoreError:
            return None

    def check_credentials(self) -> None:
        """Let boto3 renew credentials that end soon, in this thread, where its errors can be told from those of the bucket."""
        if self._credentials is not None:
            self._credentials.get_frozen_credentials()

    def store(self, bucket: str) -> Any:
        """obstore's view of the bucket."""
        with self._lock:
            if bucket not in self._stores:
                self._stores[bucket] = self._make_store(bucket, self._regions.get(bucket))
            return self._stores[bucket]

    def move(self, bucket: str) -> bool:
        """Look up the bucket's region. False when that is where it was looked for: moving does not help then."""
        region = self._find_region(bucket)
        with self._lock:
            if not region or region == self._regions.get(bucket, self._region):
                return False
            self._regions[bucket] = region
            self._stores.pop(bucket, None)
            return True

    def close(self) -> None:
        self.client.close()
        if self._writer is not None:
            self._writer.close()

    @property
    def _region(self) -> str:
        name = str(self.client.meta.region_name or "")
        return name if name and name != "aws-global" else _DEFAULT_REGION

    def _find_region(self, bucket: str) -> str:
        from botocore.exceptions import ClientError

        try:
            answer = self.client.head_bucket(Bucket=bucket)
        except ClientError as error:  # a refusal names the region, too
            answer = error.response
        return str(answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("x-amz-bucket-region", ""))

    def _make_client(self, region: str | None, patience: Any = None) -> Any:
        from botocore import UNSIGNED
        from botocore.config import Config

        config = Config(
            max_pool_connections=_CONNECTIONS,
            # Not every server that speaks S3 knows the checksums that boto3 would add.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            **({"signature_version": UNSIGNED} if self.is_anonymous else {}),
        )
        if region is None and not self._session.region_name:
            # Without any region boto3 makes no client, not even for an endpoint of its own.
            region = _DEFAULT_REGION
        if patience is not None:
            config = patience.merge(config)
        return self._session.client("s3", region_name=region, config=config)

    def _make_store(self, bucket: str, region: str | None) -> Any:
        from obstore.auth.boto3 import Boto3CredentialProvider
        from obstore.store import S3Store

        client = self._make_client(region) if region else self.client
        endpoint = str(client.meta.endpoint_url)
        virtual = (client.meta.config.s3 or {}).get("addressing_style") == "virtual"
        if virtual:
            parts = urlsplit(endpoint)
            endpoint = parts._replace(netloc=f"{bucket}.{parts.netloc}").geturl()
        config: Any = {
            "endpoint": endpoint,
            "region": region or self._region,
            "skip_signature": self.is_anonymous,
            "virtual_hosted_style_request": virtual,
        }
        if "AWS_ENDPOINT_URL_S3" in os.environ:  # obstore prefers it to what it is told
            config["aws_endpoint_url_s3"] = endpoint
        settings = self.policy.obstore_settings()
        if bundle := self._core.get_config_variable("ca_bundle"):
            settings["client_options"]["root_certificate"] = _read_certificates(Path(bundle).expanduser())
        if not self.is_anonymous:
            settings["credential_provider"] = Boto3CredentialProvider(self._session, ttl=_CREDENTIALS_GOOD_FOR)
        return S3Store(bucket, config=config, **settings)


def _once_in_time(policy: RetryPolicy) -> Any:
    """What makes boto3 ask once, and no longer than an attempt may take."""
    from botocore.config import Config

    return Config(
        connect_timeout=policy.connect_timeout_s,
        read_timeout=policy.read_timeout_s,
        retries={"total_max_attempts": 1, "mode": "standard"},
    )


def _read_certificates(bundle: Path) -> bytes:
    try:
        return bundle.read_bytes()
    except OSError as error:
        said = f"the certificates in {bundle} cannot be read: {error.strerror}"
        raise ConfigNotValid(f"{said}; check AWS_CA_BUNDLE and ca_bundle in ~/.aws/config") from error


def _parse_time(text: Any) -> datetime:
    """As botocore does, but the form that lists have in a hundredth of the time: half of that of a list otherwise."""
    from botocore.utils import parse_timestamp

    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        parsed: datetime = parse_timestamp(text)
        return parsed
