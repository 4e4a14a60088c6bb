"""What a user reads who has given the wrong bucket, region, credentials or server: one sentence with the remedy."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from artfs.cloud.gcs import GcsClient
from artfs.cloud.s3 import S3Client
from artfs.errors import AccessDenied, ArtfsError, ConfigNotValid, NotFound, StoreFull
from artfs.objectstore.bucket import BucketStore
from artfs.objectstore.protocol import ObjectStore
from tests.servers.faulty_http import Asked, FaultyHttp, Reply
from tests.servers.haproxy import HaProxy
from tests.servers.nginx import Nginx
from tests.servers.seaweedfs import ACCESS_KEY, BLIND_KEY, READER_KEY, SECRET_KEY, STRANGER_KEY, STRANGER_SECRET, SeaweedFs
from tests.unit.cloud.conftest import IMPATIENT, SetEnviron, open_place

VERBS: dict[str, Callable[[ObjectStore], object]] = {
    "stored": lambda objects: objects.put("some/key", [b"x"]),
    "read": lambda objects: objects.read_range("some/key", 0, 1),
    "listed": lambda objects: list(objects.iter_objects("packs/")),
    "deleted": lambda objects: objects.delete("some/key"),
}


def refusal(kind: type[ArtfsError], call: Callable[[], object]) -> str:
    """The sentence with which `call` is refused."""
    with pytest.raises(kind) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def open_s3(bucket: str, prefix: str = "prefix") -> BucketStore:
    return BucketStore(S3Client(IMPATIENT, IMPATIENT), bucket, prefix)


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_a_bucket_that_is_not_there(scheme: str, request: pytest.FixtureRequest, set_environ: SetEnviron) -> None:
    place = open_place(scheme, request, set_environ)
    for verb, call in VERBS.items():
        if verb != "deleted":  # from where there is nothing, nothing can be removed
            said = refusal(ConfigNotValid, partial(call, BucketStore(place.client, "not-there")))
            assert said.startswith(f"there is no bucket {scheme}://not-there: make it, or correct")
    with pytest.raises(ConfigNotValid, match="there is no bucket"):
        BucketStore(place.client, "not-there").has("some/key")


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_an_object_that_was_lost(scheme: str, request: pytest.FixtureRequest, set_environ: SetEnviron) -> None:
    place = open_place(scheme, request, set_environ)
    objects = BucketStore(place.client, place.bucket, "prefix")
    objects.put("packs/aa/01", [b"x"])
    objects.delete("packs/aa/01")
    said = refusal(NotFound, lambda: objects.read_range("packs/aa/01", 0, 1))
    assert said == f"there is no object {place.uri('prefix/packs/aa/01')}: run `artfs verify` to learn what needs it"


@pytest.mark.parametrize("verb", ["stored", "read", "listed", "deleted"])
def test_a_bucket_in_another_region(verb: str, s3_server: SeaweedFs, s3_proxy: HaProxy, set_environ: SetEnviron) -> None:
    set_environ(s3_server.environ_at(s3_proxy.endpoint))
    s3_proxy.fail(301, times=1000)
    said = refusal(ConfigNotValid, partial(VERBS[verb], open_s3("bucket")))
    assert f"cannot be {verb}" in said
    assert "set AWS_DEFAULT_REGION" in said


@pytest.mark.parametrize(
    ("key", "denied"),
    [(STRANGER_KEY, {"stored", "read", "listed", "deleted"}), (READER_KEY, {"stored", "deleted"}), (BLIND_KEY, {"listed"})],
)
def test_credentials_that_do_not_allow_it(key: str, denied: set[str], s3_server: SeaweedFs, set_environ: SetEnviron) -> None:
    bucket = s3_server.create_bucket()
    s3_server.fill(bucket, {"prefix/some/key": b"x"})
    set_environ({**s3_server.environ, "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": STRANGER_SECRET})
    objects = open_s3(bucket)
    for verb, call in VERBS.items():
        if verb in denied:
            said = refusal(AccessDenied, partial(call, objects))
            right = {"stored": "write", "deleted": "delete", "listed": "list", "read": "read"}[verb]
            assert said.startswith(f"s3://{bucket}/prefix/"), said
            assert f"cannot be {verb}: the credentials do not allow it" in said
            assert said.endswith(f"have them allowed to {right} it")
        else:
            call(objects)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_of_google(status: int, request: pytest.FixtureRequest, set_environ: SetEnviron) -> None:
    place = open_place("gs", request, set_environ)
    place.proxy.fail(status, times=1000)
    for verb, call in VERBS.items():
        said = refusal(AccessDenied, partial(call, BucketStore(place.client, place.bucket)))
        assert f"cannot be {verb}" in said
        assert "GOOGLE_APPLICATION_CREDENTIALS" in said


def error_of_s3(status: int, code: str) -> Reply:
    body = f"<Error><Code>{code}</Code><Message>words of the server</Message></Error>".encode()
    return Reply(status, {"Content-Type": "application/xml"}, body)


@pytest.fixture
def answering(faulty_http: FaultyHttp, set_environ: SetEnviron) -> FaultyHttp:
    """An S3 server that answers as a test wants it to, for what no real one can be talked into."""
    set_environ({"AWS_ENDPOINT_URL": faulty_http.url, "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY})
    return faulty_http


@pytest.mark.parametrize("verb", ["stored", "read"])
def test_a_clock_that_is_wrong(verb: str, answering: FaultyHttp) -> None:
    answering.serve("/bucket/prefix/some/key", error_of_s3(403, "RequestTimeTooSkewed"))
    said = refusal(AccessDenied, partial(VERBS[verb], open_s3("bucket")))
    assert f"cannot be {verb}: the clocks of this machine and of the server disagree; set this one" in said


def test_a_clock_that_is_wrong_for_google(faulty_http: FaultyHttp, set_environ: SetEnviron, tmp_path: Path) -> None:
    """A key of a service account is exchanged for a token by a request that says when it was made."""
    key = subprocess.run(["openssl", "genrsa", "2048"], capture_output=True, text=True, check=True).stdout
    account = {
        "type": "service_account",
        "client_email": "tester@example",
        "private_key": key,
        "token_uri": f"{faulty_http.url}/token",
    }
    (tmp_path / "key.json").write_text(json.dumps(account))
    set_environ({"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "key.json")})
    said = "Invalid JWT: Token must be a short-lived token (60 minutes). Check your iat and exp values in the JWT claim."
    answer = json.dumps({"error": "invalid_grant", "error_description": said}).encode()
    faulty_http.serve("/token", Reply(400, {"Content-Type": "application/json"}, answer))
    for verb in ("stored", "read"):
        told = refusal(AccessDenied, partial(VERBS[verb], BucketStore(GcsClient(IMPATIENT, IMPATIENT), "bucket", "prefix")))
        assert told.startswith(
            f"gs://bucket/prefix/some/key cannot be {verb}: the clocks of this machine and of the server disagree"
        )


@pytest.mark.parametrize("code", ["QuotaExceeded", "XMinioStorageFull"])
def test_a_store_that_is_full(code: str, answering: FaultyHttp) -> None:
    answering.serve("/bucket/prefix/some/key", error_of_s3(403 if code == "QuotaExceeded" else 507, code))
    said = refusal(StoreFull, partial(VERBS["stored"], open_s3("bucket")))
    assert f"s3://bucket/prefix/some/key cannot be stored: the object store has no room left ({code}); free some" in said


@pytest.mark.parametrize("verb", ["stored", "read"])
def test_credentials_that_have_ended(verb: str, answering: FaultyHttp) -> None:
    """Amazon says so with status 400, which is nothing that other credentials change as a rule."""
    answering.serve("/bucket/prefix/some/key", error_of_s3(400, "ExpiredToken"))
    said = refusal(AccessDenied, partial(VERBS[verb], open_s3("bucket")))
    assert f"cannot be {verb}: the credentials are not valid (ExpiredToken); check those in AWS_ACCESS_KEY_ID" in said


def test_an_endpoint_that_is_no_object_store(http_server: Nginx, set_environ: SetEnviron) -> None:
    set_environ({"AWS_ENDPOINT_URL": http_server.url, "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY})
    said = refusal(ConfigNotValid, partial(VERBS["stored"], open_s3("bucket")))
    assert f"{http_server.url} does not answer as an S3 server does (405); check AWS_ENDPOINT_URL" in said
    for verb in ("read", "listed"):
        assert "there is no bucket s3://bucket" in refusal(ConfigNotValid, partial(VERBS[verb], open_s3("bucket")))


def test_credentials_of_google_that_are_named_and_not_there(set_environ: SetEnviron, tmp_path: Path) -> None:
    set_environ({"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "missing.json")})
    for call in VERBS.values():
        said = refusal(ConfigNotValid, partial(call, BucketStore(GcsClient(IMPATIENT, IMPATIENT), "bucket")))
        assert "GOOGLE_APPLICATION_CREDENTIALS cannot be used" in said
        assert "missing.json" in said


def test_credentials_that_may_have_ended_where_no_reason_can_be_given(answering: FaultyHttp) -> None:
    """The answer to a HEAD has no body."""
    answering.serve("/bucket/prefix/some/key", error_of_s3(400, "ExpiredToken"))
    said = refusal(AccessDenied, lambda: open_s3("bucket").size("some/key"))
    assert "cannot be read: the server gives no reason (400), as it does where credentials have ended; check those in AWS_" in said


def test_credentials_that_end_in_the_middle_of_a_commit_are_replaced_by_new_ones(
    answering: FaultyHttp, set_environ: SetEnviron, tmp_path: Path
) -> None:
    """boto3 reads a file of credentials once; what hands out new ones writes them there."""
    file = tmp_path / "credentials"
    set_environ({"AWS_ENDPOINT_URL": answering.url, "AWS_SHARED_CREDENTIALS_FILE": str(file)})
    good = "first"

    def answer(asked: Asked) -> Reply:
        return Reply(200) if f"Credential={good}/" in asked.headers["authorization"] else error_of_s3(400, "ExpiredToken")

    def hand_out() -> None:
        file.write_text(f"[default]\naws_access_key_id = {good}\naws_secret_access_key = any\n")

    answering.serve("/bucket/prefix/some/key", answer)
    hand_out()
    objects = open_s3("bucket")
    VERBS["stored"](objects)
    good = "second"
    hand_out()
    VERBS["stored"](objects)
    assert answering.methods() == ["PUT"] * 3
