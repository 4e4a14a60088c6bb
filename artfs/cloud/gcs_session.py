"""How Google Cloud Storage is reached from this process: credentials, the SDK's client, and obstore's view of each bucket.

Any thread; made once under a lock, then only stores of further buckets are added.
"""

from __future__ import annotations

import os
import threading
from functools import partial
from typing import Any

from artfs.cloud.failures import not_installed
from artfs.cloud.retry import WRITE_POLICY, RetryPolicy
from artfs.errors import ConfigNotValid

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
#: The SDK wants some project, although no request that reads names one.
_NO_PROJECT = "<none>"
#: As many as threads of this process may use at once.
_CONNECTIONS = 64


class GcsSession:
    """Raises ConfigNotValid for settings that the SDK cannot use, NotInstalled without it or obstore."""

    def __init__(self, policy: RetryPolicy, write_policy: RetryPolicy = WRITE_POLICY) -> None:
        try:
            import obstore  # noqa: F401  missing here rather than in the middle of a read
            from google.auth.credentials import AnonymousCredentials
            from google.auth.transport.requests import AuthorizedSession
            from google.cloud.storage import Client
        except ImportError as error:
            raise not_installed("gs", "google-cloud-storage and obstore", "gcs") from error
        emulator = os.environ.get("STORAGE_EMULATOR_HOST", "")
        if emulator and "://" not in emulator:
            raise ConfigNotValid(f"STORAGE_EMULATOR_HOST={emulator} does not say how to talk to it: write http://{emulator}")
        self.policy = policy
        self.write_policy = write_policy
        self.write_timeout = (write_policy.connect_timeout_s, write_policy.read_timeout_s)
        self.timeout = (policy.connect_timeout_s, policy.read_timeout_s)
        self._lock = threading.Lock()
        self._stores: dict[str, Any] = {}
        self._credentials = None if emulator else _find_credentials()
        try:
            anonymous = AnonymousCredentials()  # type: ignore[no-untyped-call]
            self.client: Any = Client(_NO_PROJECT, self._credentials or anonymous)
            # Credentials that are refused are looked up anew by whoever asked: sent again from here, a body would be at its end.
            self.uploads: Any = AuthorizedSession(self._credentials or anonymous, refresh_status_codes=())  # type: ignore[no-untyped-call]
            # Else it asks for each bucket once more, in the background, to label traces that nobody has asked for.
            self.client._bucket_metadata_cache = None  # noqa: SLF001
            for session in (self.client._http, self.uploads):  # noqa: SLF001
                _keep_connections(session)
        except ValueError as error:
            raise ConfigNotValid(f"the settings of Google Cloud cannot be used: {error}") from error

    @property
    def is_anonymous(self) -> bool:
        return self._credentials is None

    @property
    def endpoint(self) -> str:
        return str(self.client.api_endpoint)

    def login(self) -> object:
        """What tells its credentials from others. A new token may do where an old one was refused: never the same with any."""
        return None if self.is_anonymous else object()

    def check_credentials(self) -> None:
        """Renew credentials that have ended, in this thread, where the errors can be told from those of the bucket."""
        if self._credentials is None or self._credentials.valid:
            return
        from google.auth.transport.requests import Request

        with self._lock:
            if not self._credentials.valid:
                # It would wait for two minutes, twice as long as the mount does.
                self._credentials.refresh(partial(Request(), timeout=self.timeout))

    def store(self, bucket: str) -> Any:
        """obstore's view of the bucket."""
        with self._lock:
            if bucket not in self._stores:
                self._stores[bucket] = self._make_store(bucket)
            return self._stores[bucket]

    def close(self) -> None:
        self.client.close()
        self.uploads.close()

    def _make_store(self, bucket: str) -> Any:
        from obstore.auth.google import GoogleCredentialProvider
        from obstore.store import GCSStore

        config: Any = {"base_url": self.endpoint, "skip_signature": self.is_anonymous}
        settings = self.policy.obstore_settings()
        # Without it Google unpacks what is stored as gzip: other bytes, of another size, than were recorded.
        settings["client_options"]["default_headers"] = {"accept-encoding": "gzip"}
        if self._credentials is not None:
            settings["credential_provider"] = GoogleCredentialProvider(self._credentials)
        return GCSStore(bucket, config=config, **settings)


def _keep_connections(session: Any) -> None:
    """By default it keeps ten, makes more than that anew for each request, and warns each time."""
    from requests.adapters import HTTPAdapter

    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=_CONNECTIONS))


def _find_credentials() -> Any:
    """Application default credentials; None where there are none, unless some are named that are not there."""
    import google.auth
    from google.auth.credentials import with_scopes_if_required
    from google.auth.exceptions import DefaultCredentialsError

    try:
        # Told the scope, it asks some kinds of credentials for their project, over the network and for as long as that takes.
        credentials, _ = google.auth.default()
    except DefaultCredentialsError as error:
        if os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
            raise ConfigNotValid(f"GOOGLE_APPLICATION_CREDENTIALS cannot be used: {error.args[0]}") from error
        return None
    except OSError as error:
        raise ConfigNotValid(
            f"the Google credentials in {error.filename} cannot be read ({error.strerror}): make it a file that you can read,"
            " or name another one in GOOGLE_APPLICATION_CREDENTIALS"
        ) from error
    return with_scopes_if_required(credentials, [_SCOPE])  # type: ignore[no-untyped-call]
