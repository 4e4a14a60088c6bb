"""What is particular about S3: where settings and credentials come from, regions, and lists with and without versions."""

from __future__ import annotations

import json
import socket
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from artfs.cloud.buckets import ObjectFacts
from artfs.cloud.s3 import S3Client
from artfs.errors import AccessDenied, ConfigNotValid, TransientError
from tests.servers.faulty_http import FaultyHttp, Reply
from tests.servers.haproxy import HaProxy
from tests.servers.seaweedfs import ACCESS_KEY, PUBLIC_BUCKET, SECRET_KEY, STRANGER_KEY, STRANGER_SECRET, SeaweedFs
from tests.unit.cloud.conftest import IMPATIENT, Place, SetEnviron

Write = Callable[[str, str], None]


@pytest.fixture
def bucket(s3_server: SeaweedFs) -> str:
    name = s3_server.create_bucket()
    s3_server.fill(name, {"key": b"here", "a\tkey": b"there"})
    return name


@pytest.fixture
def write_aws_file(tmp_path: Path) -> Write:
    def write(name: str, text: str) -> None:
        folder = tmp_path / "home" / ".aws"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(text)

    return write


def read_all_ways(client: S3Client, bucket: str) -> None:
    """By HEAD, by list, by obstore and by boto3."""
    assert client.head(bucket, "key").size == 4
    assert [facts.key for facts in client.iter_objects(bucket, "key")] == ["key"]
    assert client.get(bucket, "key", 0, 10)[1] == b"here"
    assert client.get(bucket, "a\tkey", 0, 10)[1] == b"there"


def assert_denied(bucket: str, *words: str) -> None:
    client = S3Client(IMPATIENT)
    calls: list[Callable[[], object]] = [
        lambda: client.head(bucket, "key"),
        lambda: list(client.iter_objects(bucket, "")),
        lambda: client.get(bucket, "key", 0, 10),
        lambda: client.get(bucket, "a\tkey", 0, 10),
    ]
    for call in calls:
        with pytest.raises(AccessDenied, match="cannot be read") as caught:
            call()
        assert "\n" not in str(caught.value)
        assert f"s3://{bucket}" in str(caught.value)
    # A HEAD has no body that would give the reason.
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_settings_come_from_variables(s3_server: SeaweedFs, bucket: str, set_environ: SetEnviron) -> None:
    set_environ(s3_server.environ)
    read_all_ways(S3Client(IMPATIENT), bucket)


def test_the_endpoint_of_s3_alone_goes_first(s3_server: SeaweedFs, bucket: str, set_environ: SetEnviron) -> None:
    set_environ({**s3_server.environ_at("http://127.0.0.1:1"), "AWS_ENDPOINT_URL_S3": s3_server.endpoint})
    read_all_ways(S3Client(IMPATIENT), bucket)


def test_a_profile_gives_endpoint_region_and_credentials(
    s3_server: SeaweedFs, bucket: str, set_environ: SetEnviron, write_aws_file: Write
) -> None:
    set_environ({"AWS_PROFILE": "lab"})
    write_aws_file("config", f"[profile lab]\nregion = eu-west-1\nendpoint_url = {s3_server.endpoint}\n")
    write_aws_file("credentials", f"[lab]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n")
    read_all_ways(S3Client(IMPATIENT), bucket)


def test_without_a_region_an_endpoint_is_enough(s3_server: SeaweedFs, bucket: str, set_environ: SetEnviron) -> None:
    set_environ({name: value for name, value in s3_server.environ.items() if "REGION" not in name})
    read_all_ways(S3Client(IMPATIENT), bucket)


def test_a_program_may_give_credentials_that_end(
    s3_server: SeaweedFs, bucket: str, set_environ: SetEnviron, write_aws_file: Write, tmp_path: Path
) -> None:
    # Each time it is asked it gives credentials that end in 30 seconds, so that every use asks again.
    program, asked = tmp_path / "credentials.py", tmp_path / "asked"
    program.write_text(
        f"#!{sys.executable}\n"
        "import datetime, json\n"
        f"with open({str(asked)!r}, 'a') as file: file.write('x')\n"
        "end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=30)\n"
        f"print(json.dumps({json.dumps({'Version': 1, 'AccessKeyId': ACCESS_KEY, 'SecretAccessKey': SECRET_KEY})}"
        " | {'Expiration': end.isoformat()}))\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    set_environ({"AWS_ENDPOINT_URL": s3_server.endpoint})
    write_aws_file("config", f"[default]\nregion = us-east-1\ncredential_process = {program}\n")
    client = S3Client(IMPATIENT)
    read_all_ways(client, bucket)
    before = asked.stat().st_size
    assert client.get(bucket, "key", 0, 10)[1] == b"here"
    assert asked.stat().st_size > before


def test_credentials_that_cannot_be_had_are_one_sentence(
    s3_server: SeaweedFs, bucket: str, set_environ: SetEnviron, write_aws_file: Write
) -> None:
    set_environ({"AWS_ENDPOINT_URL": s3_server.endpoint})
    write_aws_file("config", "[default]\nregion = us-east-1\ncredential_process = /bin/false\n")
    with pytest.raises((AccessDenied, ConfigNotValid)) as caught:
        S3Client(IMPATIENT).get(bucket, "key", 0, 10)
    assert "\n" not in str(caught.value)


def test_a_server_of_credentials_that_says_nothing_is_left_in_time(write_aws_file: Write, set_environ: SetEnviron) -> None:
    write_aws_file(
        "config",
        "[profile role]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = base\nregion = us-east-1\n"
        "[profile base]\naws_access_key_id = a\naws_secret_access_key = b\n",
    )
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        set_environ({"AWS_PROFILE": "role", "AWS_ENDPOINT_URL_STS": endpoint})
        client = S3Client(IMPATIENT)
        for call in (lambda: client.head("bucket", "key"), lambda: client.get("bucket", "key", 0, 10)):
            with pytest.raises(TransientError, match=f"s3://bucket/key cannot be read: {endpoint} .*did not answer in time"):
                call()


def test_a_session_token_is_sent_by_both_libraries(
    s3_server: SeaweedFs, s3_proxy: HaProxy, bucket: str, set_environ: SetEnviron
) -> None:
    set_environ({**s3_server.environ_at(s3_proxy.endpoint), "AWS_SESSION_TOKEN": "the-token"})
    client = S3Client(IMPATIENT)
    for key in ("key", "a\tkey"):
        try:
            client.get(bucket, key, 0, 10)
        except AccessDenied:  # SeaweedFS knows no such session
            assert s3_proxy.requests()
    assert {request.token for request in s3_proxy.requests()} == {"the-token"}


def test_what_the_credentials_do_not_allow_is_denied(s3_server: SeaweedFs, bucket: str, set_environ: SetEnviron) -> None:
    set_environ({**s3_server.environ, "AWS_ACCESS_KEY_ID": STRANGER_KEY, "AWS_SECRET_ACCESS_KEY": STRANGER_SECRET})
    assert_denied(bucket, "do not allow it", "AccessDenied")


@pytest.mark.parametrize(
    ("wrong", "code"),
    [({"AWS_SECRET_ACCESS_KEY": "wrong"}, "SignatureDoesNotMatch"), ({"AWS_ACCESS_KEY_ID": "nobody"}, "InvalidAccessKeyId")],
)
def test_wrong_credentials_are_told_from_weak_ones(
    s3_server: SeaweedFs, bucket: str, set_environ: SetEnviron, wrong: dict[str, str], code: str
) -> None:
    set_environ({**s3_server.environ, **wrong})
    assert_denied(bucket, "are not valid", code, "AWS_ACCESS_KEY_ID")


def test_a_public_bucket_is_read_without_credentials(s3_server: SeaweedFs, s3_proxy: HaProxy, set_environ: SetEnviron) -> None:
    s3_server.fill(PUBLIC_BUCKET, {"key": b"here", "a\tkey": b"there"})
    set_environ({"AWS_ENDPOINT_URL": s3_proxy.endpoint})
    read_all_ways(S3Client(IMPATIENT), PUBLIC_BUCKET)
    assert {request.authorization for request in s3_proxy.requests()} == {""}


def test_without_credentials_a_private_bucket_says_so(s3_server: SeaweedFs, bucket: str, set_environ: SetEnviron) -> None:
    set_environ({"AWS_ENDPOINT_URL": s3_server.endpoint})
    assert_denied(bucket, "no credentials were found", "AWS_PROFILE")


def test_who_is_refused_with_credentials_is_not_asked_for_without(
    s3_server: SeaweedFs, s3_proxy: HaProxy, set_environ: SetEnviron
) -> None:
    s3_server.fill(PUBLIC_BUCKET, {"key": b"here"})
    set_environ({**s3_server.environ_at(s3_proxy.endpoint), "AWS_SECRET_ACCESS_KEY": "wrong"})
    with pytest.raises(AccessDenied):
        S3Client(IMPATIENT).get(PUBLIC_BUCKET, "key", 0, 10)
    assert all(request.authorization for request in s3_proxy.requests())


@pytest.mark.parametrize("environ", [{"AWS_PROFILE": "not-there"}, {"AWS_ENDPOINT_URL": "no-url"}])
def test_settings_that_cannot_be_used_are_one_sentence(set_environ: SetEnviron, environ: dict[str, str]) -> None:
    set_environ({"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", **environ})
    with pytest.raises(ConfigNotValid, match="the AWS settings cannot be used") as caught:
        S3Client(IMPATIENT).head("bucket", "key")
    assert "\n" not in str(caught.value)


HEADERS = {"ETag": '"made-up"', "Last-Modified": "Wed, 21 Oct 2026 07:28:00 GMT"}


def serve_key(server: FaultyHttp) -> None:
    server.serve_in_turn(
        "/bucket/key",
        Reply(200, HEADERS, b"here"),
        Reply(206, {**HEADERS, "Content-Range": "bytes 0-3/4"}, b"here"),
    )


def test_a_certificate_that_nobody_trusts_is_one_sentence(self_signed_https: FaultyHttp, set_environ: SetEnviron) -> None:
    set_environ({"AWS_ENDPOINT_URL": self_signed_https.url})
    client = S3Client(IMPATIENT)
    for call in (lambda: client.head("bucket", "key"), lambda: client.get("bucket", "key", 0, 10)):
        with pytest.raises(
            TransientError, match=r"certificate that is not trusted: self-signed certificate; .* AWS_CA_BUNDLE"
        ) as caught:
            call()
        assert "\n" not in str(caught.value)
        assert self_signed_https.url in str(caught.value)
    assert not self_signed_https.asked


def test_a_list_that_breaks_off_is_not_said_to_be_a_failure_of_the_server_alone(
    faulty_http: FaultyHttp, set_environ: SetEnviron
) -> None:
    set_environ({"AWS_ENDPOINT_URL": faulty_http.url})
    page = b'<?xml version="1.0"?><ListBucketResult><Name>bucket</Name><IsTruncated>false</IsTruncated></ListBucketResult>'
    faulty_http.serve("/bucket", Reply(200, {"Content-Type": "application/xml"}, page[:70]))
    with pytest.raises(TransientError, match="answered 500, or its answer broke off"):
        list(S3Client(IMPATIENT).iter_objects("bucket", "folder/"))
    assert len(faulty_http.asked) == IMPATIENT.attempts


def test_a_certificate_that_aws_is_told_to_trust_is_trusted(self_signed_https: FaultyHttp, set_environ: SetEnviron) -> None:
    serve_key(self_signed_https)
    set_environ({"AWS_ENDPOINT_URL": self_signed_https.url, "AWS_CA_BUNDLE": str(self_signed_https.certificate)})
    client = S3Client(IMPATIENT)
    assert client.head("bucket", "key").etag == HEADERS["ETag"]
    assert client.get("bucket", "key", 0, 10)[1] == b"here"


def test_certificates_that_are_not_there_are_one_sentence(s3_server: SeaweedFs, set_environ: SetEnviron) -> None:
    set_environ({**s3_server.environ, "AWS_CA_BUNDLE": "/nowhere/bundle.pem"})
    with pytest.raises(ConfigNotValid, match=r"/nowhere/bundle\.pem cannot be read"):
        S3Client(IMPATIENT).get("bucket", "key", 0, 10)


@pytest.mark.parametrize(("code", "words"), [("InvalidObjectState", "archived"), ("RequestTimeTooSkewed", "clock")])
def test_a_refusal_that_is_no_matter_of_rights_says_what_it_is(
    faulty_http: FaultyHttp, set_environ: SetEnviron, code: str, words: str
) -> None:
    body = f"<Error><Code>{code}</Code><Message>words of the server</Message></Error>".encode()
    faulty_http.serve("/bucket/key", Reply(403, {"Content-Type": "application/xml"}, body))
    set_environ({"AWS_ENDPOINT_URL": faulty_http.url})
    with pytest.raises(AccessDenied, match=words):
        S3Client(IMPATIENT).get("bucket", "key", 0, 10)


def test_a_bucket_in_another_region_is_followed(s3_place: Place) -> None:
    s3_place.put("key", b"here")
    s3_place.proxy.fail(301, method="GET")
    s3_place.proxy.set_header("x-amz-bucket-region", "eu-west-9", method="HEAD")
    assert s3_place.client.get(s3_place.bucket, "key", 0, 10)[1] == b"here"
    assert "/eu-west-9/s3/" in s3_place.proxy.requests("GET")[-1].authorization
    s3_place.proxy.clear()
    assert s3_place.client.get(s3_place.bucket, "key", 0, 10)[1] == b"here"
    assert len(s3_place.proxy.requests()) == 1


def test_a_region_that_cannot_be_found_is_one_sentence(s3_place: Place) -> None:
    s3_place.put("key", b"here")
    s3_place.proxy.fail(301, times=1000)
    with pytest.raises(ConfigNotValid, match=r"set AWS_DEFAULT_REGION") as caught:
        s3_place.client.get(s3_place.bucket, "key", 0, 10)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("status", [400, 403, 405, 501])
def test_where_versions_are_not_listed_etags_are(
    s3_server: SeaweedFs, s3_proxy: HaProxy, set_environ: SetEnviron, status: int
) -> None:
    set_environ(s3_server.environ_at(s3_proxy.endpoint))
    bucket = s3_server.create_bucket(versioned=True)
    s3_server.fill(bucket, {"a": b"1", "b": b""})
    s3_proxy.fail(status, times=1000, containing="versions")
    client = S3Client(IMPATIENT)
    facts = list(client.iter_objects(bucket, ""))
    assert [(one.key, one.version_id) for one in facts if one.size] == [("a", None)]
    assert all(one.etag for one in facts)
    asked = len([request for request in s3_proxy.requests() if "versions" in request.target])
    list(client.iter_objects(bucket, ""))
    assert asked == len([request for request in s3_proxy.requests() if "versions" in request.target]) == 1


def test_an_etag_is_the_same_in_a_list_and_in_an_answer_whatever_the_size(s3_server: SeaweedFs, set_environ: SetEnviron) -> None:
    set_environ(s3_server.environ)
    client = S3Client(IMPATIENT)
    for versioned in (False, True):
        bucket = s3_server.create_bucket(versioned=versioned)
        s3_server.fill(bucket, {"empty": b"", "large": bytes(9 << 20), "small": b"here"})
        for facts in client.iter_objects(bucket, ""):
            assert facts == client.head(bucket, facts.key)
            assert facts.etag
            assert client.get(bucket, facts.key, 0, 10, if_match=facts.etag)[0] == facts


def test_a_thousand_objects_a_request(s3_server: SeaweedFs, s3_proxy: HaProxy, set_environ: SetEnviron, many_objects: str) -> None:
    set_environ(s3_server.environ_at(s3_proxy.endpoint))
    client = S3Client(IMPATIENT)
    facts = list(client.iter_objects(many_objects, "all/"))
    assert [one.key for one in facts] == [f"all/{number:05d}" for number in range(10_000)]
    assert all(one.version_id and one.etag and one.size for one in facts)
    assert 10 <= len(s3_proxy.requests()) <= 11
    s3_proxy.clear()
    assert _first(client, many_objects, 1500)[-1].key == "all/01499"
    assert len(s3_proxy.requests()) == 2
    s3_proxy.fail(403, times=1000, containing="?versions")
    assert len(list(S3Client(IMPATIENT).iter_objects(many_objects, ""))) == 10_001


def _first(client: S3Client, bucket: str, count: int) -> list[ObjectFacts]:
    listed = client.iter_objects(bucket, "")
    return [next(listed) for _ in range(count)]
