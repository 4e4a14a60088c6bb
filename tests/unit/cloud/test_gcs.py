"""What is particular about Google Cloud Storage: where settings and credentials come from, and its lists."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from artfs.cloud.gcs import GcsClient
from artfs.cloud.gcs_session import GcsSession
from artfs.errors import AccessDenied, ConfigNotValid, TransientError
from tests.servers.fake_gcs import FakeGcs
from tests.servers.faulty_http import FaultyHttp
from tests.unit.cloud.conftest import IMPATIENT, Place, SetEnviron


def test_the_emulator_is_asked_without_credentials(gcs_place: Place) -> None:
    gcs_place.put("key", b"here")
    gcs_place.client.head(gcs_place.bucket, "key")
    gcs_place.client.get(gcs_place.bucket, "key", 0, 10)
    assert {request.authorization for request in gcs_place.proxy.requests()} == {""}


def test_without_credentials_google_itself_is_asked_anonymously(set_environ: SetEnviron) -> None:
    set_environ({})
    session = GcsSession(IMPATIENT)
    assert session.is_anonymous
    assert session.endpoint == "https://storage.googleapis.com"
    session.store("bucket")
    session.close()


def test_an_emulator_without_a_scheme_is_told(set_environ: SetEnviron) -> None:
    set_environ({"STORAGE_EMULATOR_HOST": "127.0.0.1:4443"})
    with pytest.raises(ConfigNotValid, match=r"STORAGE_EMULATOR_HOST=127.0.0.1:4443 .* write http://127.0.0.1:4443"):
        GcsSession(IMPATIENT)


def test_a_certificate_that_nobody_trusts_is_told(self_signed_https: FaultyHttp, set_environ: SetEnviron) -> None:
    set_environ({"STORAGE_EMULATOR_HOST": self_signed_https.url})
    client = GcsClient(IMPATIENT)
    for call in (lambda: client.head("bucket", "key"), lambda: client.get("bucket", "key", 0, 10)):
        with pytest.raises(
            TransientError, match=r"certificate that is not trusted: self-signed certificate; .* REQUESTS_CA_BUNDLE"
        ):
            call()
    client.close()


def test_application_default_credentials_are_used(set_environ: SetEnviron, tmp_path: Path) -> None:
    # Of a user, whose token is fetched when it is needed: here from nowhere.
    file = tmp_path / "adc.json"
    file.write_text(json.dumps({"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "r"}))
    set_environ({"GOOGLE_APPLICATION_CREDENTIALS": str(file)})
    session = GcsSession(IMPATIENT)
    assert not session.is_anonymous
    session.store("bucket")
    session.close()


def test_credentials_that_are_named_have_to_be_there(set_environ: SetEnviron, tmp_path: Path) -> None:
    set_environ({"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "missing.json")})
    with pytest.raises(ConfigNotValid, match="GOOGLE_APPLICATION_CREDENTIALS cannot be used") as caught:
        GcsClient(IMPATIENT).head("bucket", "key")
    assert "\n" not in str(caught.value)


def test_credentials_that_cannot_be_read_are_named(set_environ: SetEnviron, tmp_path: Path) -> None:
    set_environ({"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path)})
    with pytest.raises(ConfigNotValid, match=rf"the Google credentials in {tmp_path} cannot be read \(Is a directory\)"):
        GcsClient(IMPATIENT).head("bucket", "key")


def test_a_server_of_tokens_that_says_nothing_is_left_in_time(set_environ: SetEnviron, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        file = tmp_path / "adc.json"
        file.write_text(
            json.dumps(
                {
                    "type": "external_account",
                    "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
                    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                    "token_url": f"http://127.0.0.1:{silent.getsockname()[1]}/token",
                    "credential_source": {"file": str(file)},
                }
            )
        )
        set_environ({"GOOGLE_APPLICATION_CREDENTIALS": str(file)})
        client = GcsClient(IMPATIENT)
        for call in (lambda: client.head("bucket", "key"), lambda: client.get("bucket", "key", 0, 10)):
            with pytest.raises(TransientError, match="gs://bucket/key cannot be read"):
                call()


@pytest.mark.parametrize("status", [401, 403])
def test_what_is_refused_is_denied(gcs_place: Place, status: int) -> None:
    gcs_place.put("key", b"here")
    gcs_place.proxy.fail(status, times=1000)
    for call in (
        lambda: gcs_place.client.head(gcs_place.bucket, "key"),
        lambda: list(gcs_place.client.iter_objects(gcs_place.bucket, "")),
        lambda: gcs_place.client.get(gcs_place.bucket, "key", 0, 10),
        lambda: gcs_place.client.get(gcs_place.bucket, "a//key", 0, 10),
    ):
        with pytest.raises(AccessDenied, match=r"no credentials were found.*GOOGLE_APPLICATION_CREDENTIALS") as caught:
            call()
        assert "\n" not in str(caught.value)
        assert f"gs://{gcs_place.bucket}" in str(caught.value)


def test_a_list_asks_for_nothing_else_and_goes_on_page_by_page(gcs_place: Place, gcs_server: FakeGcs) -> None:
    gcs_server.fill(gcs_place.bucket, {f"key-{number:04d}": b"1" for number in range(1100)})
    facts = list(gcs_place.client.iter_objects(gcs_place.bucket, "key"))
    assert len(facts) == 1100
    assert all(one.version_id and one.etag and one.size == 1 and one.modified_ns for one in facts)
    targets = [request.target for request in gcs_place.proxy.requests()]
    assert len(targets) <= 2
    assert all(target.startswith(f"/storage/v1/b/{gcs_place.bucket}/o?") for target in targets)
