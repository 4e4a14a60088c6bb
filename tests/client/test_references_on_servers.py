"""References to what real servers have: S3 with versions, Google Cloud Storage, the web; and to servers that fail."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

import artfs
from artfs import errors
from tests.client.making import build, content, read_tree
from tests.servers.fake_gcs import FakeGcs
from tests.servers.faulty_http import FaultyHttp, Reply
from tests.servers.faulty_http import content as page_with
from tests.servers.haproxy import HaProxy
from tests.servers.nginx import Nginx
from tests.servers.program import free_ports
from tests.servers.seaweedfs import STRANGER_KEY, STRANGER_SECRET, SeaweedFs

WEB_PAGES = {
    "": b"a page",
    "noetag": b"a page",
    "norange": b"a page",
    "nohead": b"a page",
    "redirect": b"a page",
    "gzip": b"a page",
}


@pytest.fixture
def s3(s3_server: SeaweedFs, monkeypatch: pytest.MonkeyPatch) -> SeaweedFs:
    """The server, and an environment in which it is found."""
    for name, value in s3_server.environ.items():
        monkeypatch.setenv(name, value)
    return s3_server


@pytest.fixture
def gcs(gcs_server: FakeGcs, monkeypatch: pytest.MonkeyPatch) -> FakeGcs:
    for name, value in gcs_server.environ.items():
        monkeypatch.setenv(name, value)
    return gcs_server


def refer(uri: str, **more: object) -> artfs.Artifact:
    """An artifact of what a URI leads to, logged and waited for."""
    artifact = artfs.Artifact("things", type="dataset")
    artifact.add_reference(uri, **more)  # type: ignore[arg-type]
    with artfs.init() as run:
        return run.log_artifact(artifact).wait(60)


def paths(artifact: artfs.Artifact) -> list[str]:
    return [entry.path for entry in artifact.files()]


def refuses(uri: str, error: type[Exception], *words: str) -> None:
    """Adding the URI raises `error` in one sentence with these words, and leaves the artifact as it was."""
    artifact = build("things", {"mine.txt": b"mine"})
    before = (artifact.digest, artifact.file_count, artifact.size)
    with pytest.raises(error) as caught:
        artifact.add_reference(uri)
    assert isinstance(caught.value, errors.ArtfsError)
    told = str(caught.value)
    assert "\n" not in told
    assert [word for word in words if word not in told] == [], told
    assert (artifact.digest, artifact.file_count, artifact.size) == before
    with artifact.new_file("more.txt") as file:
        file.write("it goes on")


def test_a_prefix_of_a_bucket_ends_at_a_slash(s3: SeaweedFs, tmp_path: Path) -> None:
    bucket = s3.create_bucket(versioned=True)
    files = {"images/a.bin": b"a", "images/deep/b.bin": b"", "images-old/c.bin": b"c", "images/": b"", "top": b"t"}
    s3.fill(bucket, files)
    artifact = refer(f"s3://{bucket}/images")
    assert paths(artifact) == ["a.bin", "deep/b.bin"]
    assert artifact.get_path("deep/b.bin").ref() == f"s3://{bucket}/images/deep/b.bin"
    assert content(artifact, tmp_path / "out") == {"a.bin": b"a", "deep/b.bin": b""}
    assert paths(refer(f"s3://{bucket}/images/", name="train")) == ["train/a.bin", "train/deep/b.bin"]
    assert paths(refer(f"s3://{bucket}/images/a.bin")) == ["a.bin"]
    assert paths(refer(f"s3://{bucket}")) == ["top", "images/a.bin", "images-old/c.bin", "images/deep/b.bin"]


def test_a_version_stays_readable_in_a_bucket_that_keeps_versions(s3: SeaweedFs, tmp_path: Path) -> None:
    bucket = s3.create_bucket(versioned=True)
    first = s3.client().put_object(Bucket=bucket, Key="a", Body=b"first")["VersionId"]
    old = refer(f"s3://{bucket}/a")
    s3.fill(bucket, {"a": b"second"})
    new = refer(f"s3://{bucket}/a")
    assert (old.version, new.version) == ("v0", "v1")
    s3.client().delete_object(Bucket=bucket, Key="a")
    assert content(old, tmp_path / "old") == {"a": b"first"}
    assert content(new, tmp_path / "new") == {"a": b"second"}
    named = refer(f"s3://{bucket}/a?versionId={first}")
    assert named.get_path("a").ref() == f"s3://{bucket}/a?versionId={first}"
    assert content(named, tmp_path / "named") == {"a": b"first"}


def test_content_that_changed_in_a_bucket_without_versions_is_told(s3: SeaweedFs, tmp_path: Path) -> None:
    bucket = s3.create_bucket()
    s3.fill(bucket, {"a": b"first", "b": b"stays"})
    artifact = refer(f"s3://{bucket}")
    s3.fill(bucket, {"a": b"other"})
    with pytest.raises(errors.ReferenceChanged, match=rf"s3://{bucket}/a .*recorded ETag .*found ETag"):
        artifact.download(tmp_path / "out")
    assert Path(artifact.get_path("b").download(tmp_path / "one")).read_bytes() == b"stays"
    assert refer(f"s3://{bucket}").version == "v1"
    s3.client().delete_object(Bucket=bucket, Key="a")
    with pytest.raises((errors.ReferenceChanged, LookupError), match="recorded"):
        artifact.get_path("a").download(tmp_path / "out")


def test_what_cannot_be_referred_to_in_a_bucket(s3: SeaweedFs, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = s3.create_bucket()
    refuses(f"s3://{bucket}/missing", LookupError, f"s3://{bucket}/missing")
    refuses("s3://no-such-bucket-here/a", LookupError, "no-such-bucket-here")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", STRANGER_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", STRANGER_SECRET)
    artfs.client.session.SESSION.close_down()
    refuses(f"s3://{bucket}/a", PermissionError, f"s3://{bucket}/a")


def test_a_server_that_is_busy_is_asked_again(s3_server: SeaweedFs, s3_proxy: HaProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = s3_server.create_bucket(versioned=True)
    s3_server.fill(bucket, {"a": b"first"})
    for name, value in s3_server.environ_at(s3_proxy.endpoint).items():
        monkeypatch.setenv(name, value)
    s3_proxy.fail(503, times=2, retry_after=0)
    assert paths(refer(f"s3://{bucket}/a")) == ["a"]


def test_google_cloud_storage_is_a_home_too(gcs: FakeGcs, tmp_path: Path) -> None:
    bucket = gcs.create_bucket()
    gcs.fill(bucket, {"images/a.bin": b"a", "images/ünï #1?.bin": b"odd", "images-old/c.bin": b"c"})
    artifact = refer(f"gs://{bucket}/images", name="train")
    assert paths(artifact) == ["train/a.bin", "train/ünï #1?.bin"]
    assert content(artifact, tmp_path / "out") == {"train/a.bin": b"a", "train/ünï #1?.bin": b"odd"}
    gcs.fill(bucket, {"images/a.bin": b"b"})
    assert refer(f"gs://{bucket}/images", name="train").version == "v1"
    with pytest.raises(errors.ReferenceChanged, match="recorded"):
        artifact.get_path("train/a.bin").download(tmp_path / "again")


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"p/a//b": b"1", "p/a/b": b"2"}, ["a//b", "a/b"]),
        ({"p/../x": b"1"}, ["p/../x", ".."]),
        ({"p/x": b"1", "p/x/y": b"2"}, ["p/x", "p/x/y"]),
        ({"p/folder/": b"not empty"}, ["p/folder/"]),
        ({"p/new\nline": b"1"}, ["control characters"]),
        ({"p/" + "x" * 300: b"1"}, ["255 bytes"]),
    ],
)
def test_keys_that_cannot_be_paths_are_refused_by_name(gcs: FakeGcs, keys: dict[str, bytes], words: list[str]) -> None:
    bucket = gcs.create_bucket()
    gcs.fill(bucket, keys | {"p/good": b"good"})
    refuses(f"gs://{bucket}/p", ValueError, *words)


def test_slashes_and_dots_that_mean_nothing_are_left_out(gcs: FakeGcs, tmp_path: Path) -> None:
    bucket = gcs.create_bucket()
    gcs.fill(bucket, {"p/a//b": b"1", "p/./c": b"2", "p/": b""})
    artifact = refer(f"gs://{bucket}/p")
    assert content(artifact, tmp_path / "out") == {"a/b": b"1", "c": b"2"}


@pytest.mark.parametrize("way", WEB_PAGES)
def test_pages_are_read_whatever_their_server_can_do(http_server: Nginx, way: str, tmp_path: Path) -> None:
    http_server.put("pages/ünï cödé.txt", b"a page")
    uri = http_server.url_of("pages/ünï cödé.txt", way)
    artifact = refer(uri + "?query=1")
    assert paths(artifact) == ["ünï cödé.txt"]
    assert artifact.get_path("ünï cödé.txt").ref() == uri + "?query=1"
    assert content(artifact, tmp_path / "out") == {"ünï cödé.txt": b"a page"}
    http_server.put("pages/ünï cödé.txt", b"a pagE")
    with pytest.raises(errors.ReferenceChanged, match="recorded"):
        artifact.download(tmp_path / "again")
    assert read_tree(tmp_path / "again") == {}
    artifact.download(tmp_path / "again", allow_missing_references=True)
    assert read_tree(tmp_path / "again") == {}


def test_what_cannot_be_referred_to_on_the_web(http_server: Nginx) -> None:
    http_server.put("page", b"a page")
    refuses(http_server.url_of("missing"), LookupError, http_server.url_of("missing"))
    refuses(http_server.url_of("page", "e403"), PermissionError, "403")
    refuses(http_server.url_of("page", "private"), PermissionError, "401")
    refuses("http:///page", ValueError, "host")


def closed_port(_: FaultyHttp) -> str:
    return f"http://127.0.0.1:{free_ports(1)[0]}/page"


def unknown_host(_: FaultyHttp) -> str:
    return "http://no-such-host.invalid/page"


def redirects_in_a_circle(server: FaultyHttp) -> str:
    server.serve("/there", Reply(302, {"Location": "/here"}))
    return server.serve("/here", Reply(302, {"Location": "/there"}))


def asks_to_wait_for_long(server: FaultyHttp) -> str:
    return server.serve("/page", Reply(429, {"Retry-After": "3600"}))


def is_down_for_long(server: FaultyHttp) -> str:
    return server.serve("/page", Reply(503, {"Retry-After": "3600"}))


def ends_early(server: FaultyHttp) -> str:
    return server.serve("/page", Reply(body=b"half of it", cut=5))


def says_a_wrong_length(server: FaultyHttp) -> str:
    return server.serve("/page", Reply(headers={"Content-Length": "1000"}, body=b"less"))


@pytest.mark.parametrize(
    "fault",
    [
        closed_port,
        unknown_host,
        redirects_in_a_circle,
        asks_to_wait_for_long,
        is_down_for_long,
        ends_early,
        says_a_wrong_length,
    ],
)
def test_a_server_that_does_not_answer_as_it_should_is_refused(faulty_http: FaultyHttp, fault: Callable[[FaultyHttp], str]) -> None:
    uri = fault(faulty_http)
    refuses(uri, errors.ReferenceUnavailable, uri)


def lies_about_ranges(server: FaultyHttp, page: bytes) -> None:
    server.serve("/page", Reply(206, {"ETag": '"one"', "Content-Range": f"bytes 7-{len(page) + 6}/{len(page) + 7}"}, page))


def changes_between_two_ranges(server: FaultyHttp, page: bytes) -> None:
    server.serve_in_turn("/page", page_with(page, '"one"'), page_with(page[::-1], '"two"'))


def breaks_off(server: FaultyHttp, page: bytes) -> None:
    server.serve("/page", Reply(200, {"ETag": '"one"'}, page, cut=1000))


def shrinks(server: FaultyHttp, page: bytes) -> None:
    server.serve("/page", page_with(page[:-1], '"one"'))


@pytest.mark.parametrize("fault", [lies_about_ranges, changes_between_two_ranges, breaks_off, shrinks])
def test_a_server_that_fails_when_it_is_read_leaves_nothing_wrong_behind(
    faulty_http: FaultyHttp, fault: Callable[[FaultyHttp, bytes], None], tmp_path: Path
) -> None:
    page = os.urandom(3 << 20)
    uri = faulty_http.serve("/page", page_with(page, '"one"'))
    artifact = build("things", {"mine.txt": b"mine"})
    artifact.add_reference(uri)
    with artfs.init() as run:
        run.log_artifact(artifact).wait(60)
    fault(faulty_http, page)
    with pytest.raises((errors.ReferenceUnavailable, errors.IntegrityError)) as caught:
        artifact.download(tmp_path / "out")
    assert uri in str(caught.value)
    assert "\n" not in str(caught.value)
    artifact.get_path("mine.txt").download(tmp_path / "out")
    assert read_tree(tmp_path / "out") == {"mine.txt": b"mine"}
    faulty_http.serve("/page", page_with(page, '"one"'))
    assert content(artifact, tmp_path / "out") == {"mine.txt": b"mine", "page": page}


def test_a_certificate_that_nobody_trusts_is_refused(self_signed_https: FaultyHttp) -> None:
    uri = self_signed_https.serve("/page", Reply(body=b"a page"))
    refuses(uri, errors.ArtfsError, uri, "certificate")


def test_nobody_is_asked_without_a_checksum(faulty_http: FaultyHttp, s3_proxy: HaProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_proxy.endpoint)
    uri = faulty_http.serve("/page", Reply(body=b"a page"))
    with socket.create_connection(("127.0.0.1", s3_proxy.port), timeout=10):  # it is there, and could be asked
        assert refer(uri, checksum=False).get_path("page").size is None
        assert refer("s3://bucket/key", checksum=False).get_path("key").size is None
    assert faulty_http.asked == []
    assert s3_proxy.requests() == []


def test_references_of_all_schemes_lie_in_one_artifact(
    s3: SeaweedFs, gcs: FakeGcs, http_server: Nginx, workplace: Path, tmp_path: Path
) -> None:
    buckets = s3.create_bucket(), gcs.create_bucket()
    s3.fill(buckets[0], {"a": b"from s3"})
    gcs.fill(buckets[1], {"a": b"from gs"})
    (workplace / "a").write_bytes(b"from a file")
    artifact = build("things", {"mine/a": b"mine"})
    for name, uri in {
        "s3": f"s3://{buckets[0]}",
        "gs": f"gs://{buckets[1]}",
        "web/a": http_server.put("a", b"from the web"),
        "file/a": (workplace / "a").as_uri(),
    }.items():
        artifact.add_reference(uri, name=name)
    with artfs.init() as run:
        run.log_artifact(artifact)
    assert content(artifact, tmp_path / "out") == {
        "mine/a": b"mine",
        "s3/a": b"from s3",
        "gs/a": b"from gs",
        "web/a": b"from the web",
        "file/a": b"from a file",
    }
