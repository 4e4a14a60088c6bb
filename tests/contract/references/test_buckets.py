"""What is particular about references to buckets: how they are pinned, what is asked for, and keys of all kinds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from artfs.cloud.gcs import GcsClient
from artfs.cloud.retry import RetryPolicy
from artfs.cloud.s3 import S3Client
from artfs.errors import AccessDenied, NotFound, ReferenceChanged, ReferenceUnavailable, UserError
from artfs.model.entry import Reference
from artfs.references.buckets import MAX_PIECE, BucketHome
from artfs.references.references import References
from tests.contract.references.homes import only_reference, read
from tests.servers.fake_gcs import FakeGcs
from tests.servers.haproxy import HaProxy
from tests.servers.seaweedfs import PUBLIC_BUCKET, SeaweedFs

DATA = bytes(range(256)) * 400
IMPATIENT = RetryPolicy(attempts=2, last_start_s=2, read_timeout_s=1, attempt_timeout_s=2, first_wait_s=0.01, longest_wait_s=0.05)


@pytest.fixture
def references(
    s3_server: SeaweedFs, s3_proxy: HaProxy, gcs_server: FakeGcs, gcs_proxy: HaProxy, monkeypatch: pytest.MonkeyPatch
) -> Iterator[References]:
    """By way of the proxies."""
    for name, value in {**s3_server.environ_at(s3_proxy.endpoint), **gcs_server.environ_at(gcs_proxy.endpoint)}.items():
        monkeypatch.setenv(name, value)
    opened = open_references()
    yield opened
    opened.close()


def open_references() -> References:
    return References({"s3": BucketHome("s3", S3Client(IMPATIENT)), "gs": BucketHome("gs", GcsClient(IMPATIENT))})


@pytest.fixture(scope="module")
def versioned(s3_server: SeaweedFs) -> str:
    return s3_server.create_bucket(versioned=True)


@pytest.fixture(scope="module")
def plain(s3_server: SeaweedFs) -> str:
    return s3_server.create_bucket()


@pytest.fixture(scope="module")
def google(gcs_server: FakeGcs) -> str:
    return gcs_server.create_bucket()


def test_a_version_is_read_although_it_was_overwritten_and_deleted(
    references: References, s3_server: SeaweedFs, versioned: str
) -> None:
    s3_server.fill(versioned, {"kept": DATA})
    reference = only_reference(references, f"s3://{versioned}/kept")
    assert reference.version_id
    s3_server.fill(versioned, {"kept": b"other"})
    assert read(references, reference) == DATA
    s3_server.client().delete_object(Bucket=versioned, Key="kept")
    assert read(references, reference, 100, 50) == DATA[100:150]
    references.check(reference)
    with pytest.raises(NotFound):
        references.find(f"s3://{versioned}/kept")


def test_a_version_that_was_removed_is_told_with_what_is_there_now(
    references: References, s3_server: SeaweedFs, versioned: str
) -> None:
    s3_server.fill(versioned, {"removed": DATA})
    reference = only_reference(references, f"s3://{versioned}/removed")
    s3_server.fill(versioned, {"removed": b"other"})
    s3_server.client().delete_object(Bucket=versioned, Key="removed", VersionId=reference.version_id)
    with pytest.raises(ReferenceChanged) as caught:
        read(references, reference)
    assert f"version {reference.version_id}" in caught.value.recorded
    assert "5 bytes" in caught.value.found
    for version in s3_server.client().list_object_versions(Bucket=versioned, Prefix="removed")["Versions"]:
        s3_server.client().delete_object(Bucket=versioned, Key="removed", VersionId=version["VersionId"])
    with pytest.raises(ReferenceChanged) as caught:
        read(references, reference)
    assert caught.value.found == "nothing"


def test_a_version_in_the_uri_is_that_version(references: References, s3_server: SeaweedFs, versioned: str) -> None:
    s3_server.fill(versioned, {"two": b"first"})
    first = only_reference(references, f"s3://{versioned}/two")
    s3_server.fill(versioned, {"two": b"the second"})
    uri = f"s3://{versioned}/two?versionId={first.version_id}"
    (entry,) = references.find(uri)
    assert entry.path == "two"
    assert entry.reference == replace(first, uri=uri)
    assert read(references, Reference(uri)) == b"first"
    with pytest.raises(NotFound, match="versionId=0000"):
        references.find(f"s3://{versioned}/two?versionId=0000")


def test_a_generation_in_the_uri_is_that_generation(references: References, gcs_server: FakeGcs, google: str) -> None:
    gcs_server.fill(google, {"two": b"first"})
    first = only_reference(references, f"gs://{google}/two")
    uri = f"gs://{google}/two#{first.version_id}"
    assert only_reference(references, uri) == replace(first, uri=uri)
    assert read(references, Reference(uri)) == b"first"
    gcs_server.fill(google, {"two": b"the second"})
    with pytest.raises(NotFound, match=f"two#{first.version_id}"):
        references.find(uri)


def test_a_generation_whose_metadata_changed_is_what_was_recorded(references: References, gcs_server: FakeGcs, google: str) -> None:
    gcs_server.fill(google, {"key": DATA})
    # The ETag of Google changes with the metadata; the content of a generation does not.
    reference = replace(only_reference(references, f"gs://{google}/key"), etag="an older one")
    references.check(reference)
    assert read(references, reference) == DATA


@pytest.mark.parametrize("kept", [True, False])
def test_content_that_changes_between_two_requests_of_a_fetch_is_never_mixed(
    references: References, s3_server: SeaweedFs, plain: str, kept: bool
) -> None:
    key, size = f"changing-{kept}", MAX_PIECE + 1000
    s3_server.fill(plain, {key: b"a" * size})
    uri = f"s3://{plain}/{key}"
    fetched = references.fetch(only_reference(references, uri) if kept else Reference(uri), 0, size)
    pieces = fetched.pieces
    assert next(pieces) == b"a" * MAX_PIECE
    s3_server.fill(plain, {key: b"b" * size})
    with pytest.raises(ReferenceChanged):
        next(pieces)


def test_a_long_fetch_is_a_request_for_each_piece_and_lets_go_early(
    references: References, s3_server: SeaweedFs, s3_proxy: HaProxy, plain: str
) -> None:
    data = b"0123456789abcdef" * (2 * MAX_PIECE // 16) + b"end"
    s3_server.fill(plain, {"long": data})
    reference = only_reference(references, f"s3://{plain}/long")
    s3_proxy.clear()
    assert read(references, reference) == data
    assert len(s3_proxy.requests()) == 3
    assert {request.if_match for request in s3_proxy.requests()} == {reference.etag}
    s3_proxy.clear()
    with closing(references.fetch(reference, 0, len(data)).pieces) as pieces:  # type: ignore[type-var]
        next(pieces)
    assert len(s3_proxy.requests()) == 1


def test_a_server_that_refuses_conditions_that_hold_is_asked_without(
    references: References, s3_server: SeaweedFs, s3_proxy: HaProxy
) -> None:
    bucket = s3_server.create_bucket()
    s3_server.fill(bucket, {"key": DATA})
    reference = only_reference(references, f"s3://{bucket}/key")
    s3_proxy.clear()
    s3_proxy.refuse_conditions(times=1000)
    assert read(references, reference) == DATA
    assert [request.method for request in s3_proxy.requests()] == ["GET", "HEAD", "GET"]
    assert read(references, reference, 5, 5) == DATA[5:10]
    assert len(s3_proxy.requests()) == 4
    s3_server.fill(bucket, {"key": DATA[::-1]})
    with pytest.raises(ReferenceChanged):
        read(references, reference)


def test_a_condition_that_does_not_hold_tells_what_is_there(references: References, s3_server: SeaweedFs, plain: str) -> None:
    s3_server.fill(plain, {"key": DATA})
    reference = only_reference(references, f"s3://{plain}/key")
    s3_server.fill(plain, {"key": b"other"})
    now = only_reference(references, f"s3://{plain}/key")
    with pytest.raises(ReferenceChanged) as caught:
        read(references, reference)
    assert (caught.value.recorded, caught.value.found) == (f"ETag {reference.etag}, {len(DATA)} bytes", f"ETag {now.etag}, 5 bytes")


def test_a_server_that_ignores_conditions_is_found_out_by_its_etag(
    s3_server: SeaweedFs, s3_proxy: HaProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without credentials nothing is signed, so that the condition can get lost on the way.
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_proxy.endpoint)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    references = open_references()
    s3_server.fill(PUBLIC_BUCKET, {"changed": DATA})
    reference = only_reference(references, f"s3://{PUBLIC_BUCKET}/changed")
    assert read(references, reference) == DATA
    s3_server.fill(PUBLIC_BUCKET, {"changed": DATA[::-1]})
    s3_proxy.clear()
    s3_proxy.forget_header("If-Match", times=1000)
    with pytest.raises(ReferenceChanged):
        read(references, reference)
    assert {request.authorization for request in s3_proxy.requests()} == {""}
    references.close()


def test_a_weak_etag_is_compared_but_is_no_condition(
    references: References, s3_server: SeaweedFs, s3_proxy: HaProxy, plain: str
) -> None:
    s3_server.fill(plain, {"key": DATA})
    s3_proxy.set_header("ETag", 'W/"weak"', times=2)
    reference = only_reference(references, f"s3://{plain}/key")
    assert reference.etag == 'W/"weak"'
    assert read(references, reference) == DATA
    assert [request.if_match for request in s3_proxy.requests()] == ["", ""]
    with pytest.raises(ReferenceChanged):
        read(references, reference)


def test_what_nothing_tells_apart_is_not_recorded(
    references: References, s3_server: SeaweedFs, s3_proxy: HaProxy, plain: str
) -> None:
    s3_server.fill(plain, {"untold": DATA})
    s3_proxy.set_header("ETag", "", times=1000)
    with pytest.raises(UserError, match=r"untold has neither an ETag nor a version .*checksum=False"):
        references.find(f"s3://{plain}/untold")
    assert read(references, Reference(f"s3://{plain}/untold")) == DATA


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_an_empty_object_that_is_no_longer_empty_is_told(  # noqa: PLR0917
    references: References, s3_server: SeaweedFs, gcs_server: FakeGcs, plain: str, google: str, scheme: str
) -> None:
    server, bucket = (s3_server, plain) if scheme == "s3" else (gcs_server, google)
    server.fill(bucket, {"empty": b""})
    reference = only_reference(references, f"{scheme}://{bucket}/empty")
    assert read(references, reference) == b""
    server.fill(bucket, {"empty": b"something"})
    with pytest.raises(ReferenceChanged):
        read(references, reference)


def test_what_was_not_recorded_and_is_not_there_is_not_found(references: References, plain: str, google: str) -> None:
    for uri in (f"s3://{plain}/nothing", f"gs://{google}/nothing", "s3://not-a-bucket/key", "gs://not-a-bucket/key"):
        with pytest.raises(NotFound, match=r"nothing|not-a-bucket"):
            read(references, Reference(uri))
        with pytest.raises(NotFound, match=r"nothing|not-a-bucket"):
            references.find(uri)


def test_keys_of_any_kind_below_a_prefix_are_read_by_their_uris(references: References, gcs_server: FakeGcs) -> None:
    bucket = gcs_server.create_bucket()
    keys = {
        "p/plain": "plain",
        "p//twice//slashed": "twice/slashed",
        "p/./dot": "dot",
        "p/50% off?versionId=3": "50% off?versionId=3",
        "p/generation#5": "generation#5",
        "p/ünï cödé +&=": "ünï cödé +&=",
        "p/%2F": "%2F",
    }
    gcs_server.fill(bucket, {**{key: key.encode() for key in keys}, "p/": b"", "p/folder/": b""})
    entries = references.find(f"gs://{bucket}/p")
    assert {entry.path for entry in entries} == set(keys.values())
    for entry in entries:
        assert entry.reference is not None
        key = next(key for key, path in keys.items() if path == entry.path)
        assert read(references, entry.reference) == key.encode()
        references.check(entry.reference)
        assert only_reference(references, entry.reference.uri) == entry.reference


def test_keys_of_s3_that_look_like_versions_are_read_by_their_uris(
    references: References, s3_server: SeaweedFs, plain: str, versioned: str
) -> None:
    for bucket in (plain, versioned):
        s3_server.fill(bucket, {"q/what?versionId=3": b"three", "q/a b+c%25#5": b"five"})
        for entry in references.find(f"s3://{bucket}/q/"):
            assert entry.reference is not None
            assert read(references, entry.reference) == (b"three" if "what" in entry.path else b"five")
            references.check(entry.reference)


@pytest.mark.parametrize("key", ["p/../up", "p/tab\tkey", "p/\u2028"[:2] + "/.."])
def test_keys_that_no_path_can_have_are_refused_with_the_key(references: References, gcs_server: FakeGcs, key: str) -> None:
    bucket = gcs_server.create_bucket()
    gcs_server.fill(bucket, {"p/good": b"1", key: b"2"})
    with pytest.raises(UserError) as caught:
        references.find(f"gs://{bucket}/p")
    assert repr(key)[1:-1] in str(caught.value)


def test_one_object_is_one_request_and_so_is_its_range(  # noqa: PLR0917
    references: References,
    s3_server: SeaweedFs,
    gcs_server: FakeGcs,
    s3_proxy: HaProxy,
    gcs_proxy: HaProxy,
    plain: str,
    google: str,
) -> None:
    s3_server.fill(plain, {"one": DATA})
    gcs_server.fill(google, {"one": DATA})
    for uri, proxy in ((f"s3://{plain}/one", s3_proxy), (f"gs://{google}/one", gcs_proxy)):
        reference = only_reference(references, uri)
        assert len(proxy.requests()) == 1
        assert read(references, reference, 1000, 100) == DATA[1000:1100]
        assert len(proxy.requests()) == 2
        assert proxy.requests()[-1].length == 100


def test_ten_thousand_objects_are_a_request_for_each_thousand(references: References, s3_proxy: HaProxy, many_objects: str) -> None:
    told: list[tuple[int, int]] = []
    entries = references.find(f"s3://{many_objects}/all", on_progress=lambda objects, size: told.append((objects, size)))
    assert len(entries) == 10_000
    assert told[-1] == (10_000, sum(entry.size for entry in entries))
    assert all(entry.reference and entry.reference.version_id for entry in entries)
    assert len(s3_proxy.requests()) <= 12


def test_one_object_too_many_is_refused_and_nothing_more_is_asked_for(
    references: References, s3_proxy: HaProxy, many_objects: str
) -> None:
    with pytest.raises(UserError, match=r"more than 10000 objects.*max_objects="):
        references.find(f"s3://{many_objects}")
    s3_proxy.clear()
    with pytest.raises(UserError, match="more than 1500 objects"):
        references.find(f"s3://{many_objects}", max_objects=1500)
    assert len(s3_proxy.requests()) == 2


@pytest.mark.parametrize("scheme", ["s3", "gs"])
@pytest.mark.parametrize(("status", "error"), [(403, AccessDenied), (503, ReferenceUnavailable), (429, ReferenceUnavailable)])
def test_a_home_that_refuses_or_fails_says_so(  # noqa: PLR0917
    references: References,
    request: pytest.FixtureRequest,
    plain: str,
    google: str,
    scheme: str,
    status: int,
    error: type[Exception],
) -> None:
    bucket = plain if scheme == "s3" else google
    server = request.getfixturevalue("s3_server" if scheme == "s3" else "gcs_server")
    proxy: HaProxy = request.getfixturevalue("s3_proxy" if scheme == "s3" else "gcs_proxy")
    server.fill(bucket, {"refused": DATA})
    reference = only_reference(references, f"{scheme}://{bucket}/refused")
    proxy.fail(status, times=1000)
    for call in (
        lambda: references.find(reference.uri),
        lambda: references.find(f"{scheme}://{bucket}"),
        lambda: references.look(reference),
        lambda: read(references, reference),
    ):
        with pytest.raises(error) as caught:
            call()
        assert f"{scheme}://{bucket}" in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_a_prefix_whose_very_name_may_not_be_asked_for_is_found_by_its_listing(
    references: References, request: pytest.FixtureRequest, plain: str, google: str, scheme: str
) -> None:
    bucket = plain if scheme == "s3" else google
    server = request.getfixturevalue("s3_server" if scheme == "s3" else "gcs_server")
    proxy: HaProxy = request.getfixturevalue("s3_proxy" if scheme == "s3" else "gcs_proxy")
    server.fill(bucket, {"allowed/one": b"1", "allowed/two": b"22"})
    proxy.fail(403)
    assert [entry.path for entry in references.find(f"{scheme}://{bucket}/allowed")] == ["one", "two"]
    proxy.fail(403)
    with pytest.raises(AccessDenied, match=f"^{scheme}://{bucket}/nothing cannot be read"):
        references.find(f"{scheme}://{bucket}/nothing")
    proxy.fail(403, times=1000)
    with pytest.raises(AccessDenied, match=f"; {scheme}://{bucket}/allowed itself cannot be read either$"):
        references.find(f"{scheme}://{bucket}/allowed")


def test_a_fetch_that_fails_halfway_says_so(references: References, s3_server: SeaweedFs, s3_proxy: HaProxy, plain: str) -> None:
    s3_server.fill(plain, {"halfway": bytes(MAX_PIECE + 10)})
    pieces = references.fetch(only_reference(references, f"s3://{plain}/halfway"), 0, MAX_PIECE + 10).pieces
    assert len(next(pieces)) == MAX_PIECE
    s3_proxy.drop(times=1000)
    with pytest.raises(ReferenceUnavailable, match="halfway"):
        next(pieces)
