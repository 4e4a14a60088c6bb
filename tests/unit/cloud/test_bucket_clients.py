"""What every BucketClient promises, over the servers of both vendors, with and without versions."""

from __future__ import annotations

import faulthandler
import gzip
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from artfs.cloud.buckets import PreconditionFailed
from artfs.cloud.gcs import GcsClient
from artfs.cloud.s3 import S3Client
from artfs.errors import ArtfsError, NotFound, UserError
from tests.unit.cloud.conftest import IMPATIENT, Place

DATA = bytes(range(256)) * 400

#: SeaweedFS keeps keys as paths of a file system: it has none with empty segments, `.`, `..` or a backslash.
PLAIN_KEYS = [
    "a b",
    "ünï/日本.txt",
    "100%",
    "100%25",
    "%2F",
    "a+b c&d=e",
    "what?",
    "what?versionId=3",
    "a#1",
    "..x/x..",
    "~'()*!$,;:@",
]
ODD_KEYS = ["a//b", "/a", "a/./b", "a/../../b", "tab\tkey", "a\\b"]


def test_a_client_is_made_ready_without_asking_the_server(place: Place) -> None:
    with closing(S3Client(IMPATIENT) if place.scheme == "s3" else GcsClient(IMPATIENT)) as client:
        client.prepare(place.bucket)
    assert place.proxy.requests() == []


def test_the_facts_of_an_object_are_those_of_its_list_and_its_bytes(place: Place) -> None:
    before = time.time_ns()
    place.put("folder/key", DATA)
    facts = place.client.head(place.bucket, "folder/key")
    assert (facts.key, facts.size) == ("folder/key", len(DATA))
    assert abs(facts.modified_ns - before) < 60 * 10**9
    assert list(place.client.iter_objects(place.bucket, "folder/")) == [facts]
    with_bytes, data = place.client.get(place.bucket, "folder/key", 0, 10)
    assert data == DATA[:10]
    assert with_bytes.size == facts.size
    assert with_bytes.version_id == facts.version_id
    if place.scheme == "s3":
        assert with_bytes.etag == facts.etag


def test_an_etag_is_what_the_server_sent(place: Place) -> None:
    place.put("key", DATA)
    place.proxy.set_header("ETag", 'W/"made up"')
    if place.scheme == "s3":
        assert place.client.head(place.bucket, "key").etag == 'W/"made up"'
    else:
        assert place.client.get(place.bucket, "key", 0, 1)[0].etag == 'W/"made up"'


@pytest.mark.parametrize(
    ("offset", "length"), [(0, 1), (0, len(DATA)), (1000, 1000), (len(DATA) - 1, 1), (len(DATA) - 10, 1000), (0, 10**12)]
)
def test_a_range_is_one_request_and_ends_with_the_object(place: Place, offset: int, length: int) -> None:
    place.put("key", DATA)
    facts, data = place.client.get(place.bucket, "key", offset, length)
    assert data == DATA[offset : offset + length]
    assert facts.size == len(DATA)
    assert len(place.proxy.requests()) == 1


@pytest.mark.parametrize(("key", "offset"), [("key", len(DATA)), ("key", len(DATA) + 5), ("empty", 0)])
def test_past_the_end_there_is_nothing(place: Place, key: str, offset: int) -> None:
    place.server.fill(place.bucket, {"key": DATA, "empty": b""})
    facts, data = place.client.get(place.bucket, key, offset, 10)
    assert data == b""
    assert facts.size == (len(DATA) if key == "key" else 0)


def test_what_is_not_there_is_not_found(place: Place) -> None:
    place.put("key", b"here")
    for call in (lambda: place.client.head(place.bucket, "nothing"), lambda: place.client.get(place.bucket, "nothing", 0, 1)):
        with pytest.raises(NotFound, match="nothing") as caught:
            call()
        assert place.uri("nothing") in str(caught.value)
    assert list(place.client.iter_objects(place.bucket, "nothing")) == []
    with pytest.raises(NotFound, match=r"no bucket .*://not-a-bucket:"):
        list(place.client.iter_objects("not-a-bucket", ""))
    with pytest.raises(NotFound, match="not-a-bucket"):
        place.client.get("not-a-bucket", "key", 0, 1)


def test_a_name_that_no_bucket_can_have_is_a_user_error(place: Place) -> None:
    with pytest.raises(UserError, match="is no address of an object") as caught:
        place.client.head("_no bucket_", "key")
    assert "\n" not in str(caught.value)


def test_an_old_version_is_read_where_it_is_kept(place: Place) -> None:
    place.put("key", b"old")
    old = place.client.head(place.bucket, "key")
    place.put("key", b"new one")
    assert place.client.get(place.bucket, "key", 0, 9)[1] == b"new one"
    if place.keeps_versions:
        assert place.client.get(place.bucket, "key", 0, 9, version_id=old.version_id) == (old, b"old")
        assert place.client.head(place.bucket, "key", old.version_id) == old
        assert [facts.size for facts in place.client.iter_objects(place.bucket, "")] == [7]
    elif place.scheme == "gs":
        with pytest.raises(NotFound):
            place.client.get(place.bucket, "key", 0, 9, version_id=old.version_id)
    else:
        assert old.version_id is None


def test_an_object_that_was_deleted_is_not_listed(place: Place) -> None:
    place.server.fill(place.bucket, {"a": b"1", "b": b"2"})
    if place.scheme == "gs":
        place.server.client().bucket(place.bucket).blob("a").delete()
    else:
        place.server.client().delete_object(Bucket=place.bucket, Key="a")
    assert [facts.key for facts in place.client.iter_objects(place.bucket, "")] == ["b"]


@pytest.mark.parametrize("key", ["key", "by the\tSDK"])
def test_a_condition_that_does_not_hold_fails(s3_place: Place, key: str) -> None:
    s3_place.put(key, DATA)
    etag = s3_place.client.head(s3_place.bucket, key).etag
    assert s3_place.client.get(s3_place.bucket, key, 0, 3, if_match=etag)[1] == DATA[:3]
    with pytest.raises(PreconditionFailed):
        s3_place.client.get(s3_place.bucket, key, 0, 3, if_match='"another"')


def test_keys_are_taken_as_they_are(place: Place) -> None:
    keys = PLAIN_KEYS + (ODD_KEYS if place.scheme == "gs" else [])
    place.server.fill(place.bucket, {key: key.encode() for key in keys})
    assert {facts.key for facts in place.client.iter_objects(place.bucket, "")} == set(keys)
    for key in keys:
        assert place.client.head(place.bucket, key).key == key
        facts, data = place.client.get(place.bucket, key, 0, 1000)
        assert data == key.encode()
        assert facts.key == key


def test_keys_that_only_an_sdk_can_ask_for_are_asked_for_by_it(s3_place: Place) -> None:
    place = s3_place
    for key in ("a//b", "/a", "a/", "a/./b", "../b", "tab\tkey"):
        place.proxy.clear()
        with pytest.raises(ArtfsError):  # SeaweedFS refuses some and does not find the others
            place.client.get(place.bucket, key, 0, 10)
        quoted = key.replace("\t", "%09")
        assert [request.target for request in place.proxy.requests()] == [f"/{place.bucket}/{quoted}"]


def test_google_has_no_objects_named_like_the_folders_above(gcs_place: Place) -> None:
    place = gcs_place
    for key in (".", ".."):
        with pytest.raises(NotFound):
            place.client.get(place.bucket, key, 0, 10)


def test_what_is_stored_compressed_comes_as_it_is_stored(place: Place) -> None:
    stored = gzip.compress(DATA)
    for key in ("key", "a\tkey"):
        if place.scheme == "gs":
            blob = place.server.client().bucket(place.bucket).blob(key)
            blob.content_encoding = "gzip"
            blob.upload_from_string(stored, content_type="text/plain")
        else:
            place.server.client().put_object(
                Bucket=place.bucket, Key=key, Body=stored, ContentEncoding="gzip", ContentType="text/plain"
            )
        facts, data = place.client.get(place.bucket, key, 0, len(DATA))
        assert data == stored
        assert facts.size == place.client.head(place.bucket, key).size == len(stored)
        assert place.client.get(place.bucket, key, 3, 7)[1] == stored[3:10]


def test_folder_markers_are_listed(place: Place) -> None:
    place.server.fill(place.bucket, {"folder/": b"", "folder/key": b"1"})
    assert [(facts.key, facts.size) for facts in place.client.iter_objects(place.bucket, "folder/")] == [
        ("folder/", 0),
        ("folder/key", 1),
    ]


def test_a_prefix_is_no_folder(place: Place) -> None:
    place.server.fill(place.bucket, {"images/a": b"1", "images-old/a": b"2", "other": b"3"})
    assert {facts.key for facts in place.client.iter_objects(place.bucket, "images")} == {"images-old/a", "images/a"}
    assert [facts.key for facts in place.client.iter_objects(place.bucket, "images/")] == ["images/a"]


def test_many_threads_use_one_client(place: Place) -> None:
    place.server.fill(place.bucket, {f"key-{number}": b"%d" % number * 100 for number in range(16)})

    def read(number: int) -> bool:
        return place.client.get(place.bucket, f"key-{number % 16}", 0, 1000)[1] == b"%d" % (number % 16) * 100

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(read, range(160)))
    assert len(place.proxy.requests()) == 160


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_reads_on(place: Place) -> None:
    place.put("key", DATA)
    assert place.client.get(place.bucket, "key", 0, 10)[1] == DATA[:10]
    child = os.fork()
    if not child:
        # Whatever happens, the child must not run the rest of the tests, and say where it hangs: a handler in Python is not called.
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            faulthandler.register(signal.SIGALRM, chain=True)
            signal.alarm(20)
            os._exit(0 if place.client.get(place.bucket, "key", 0, 10)[1] == DATA[:10] else 1)
        except BaseException:  # noqa: BLE001
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert place.client.get(place.bucket, "key", 5, 10)[1] == DATA[5:15]


def test_after_closing_a_client_opens_again(place: Place) -> None:
    place.put("key", DATA)
    place.client.close()
    place.client.close()
    assert place.client.get(place.bucket, "key", 0, 10)[1] == DATA[:10]


@pytest.mark.parametrize(
    ("client", "missing", "told"),
    [
        *(
            ("s3.S3Client", missing, "s3:// needs the packages boto3 and obstore: pip install 'artfs[s3]'")
            for missing in ("boto3", "obstore")
        ),
        *(
            ("gcs.GcsClient", missing, "gs:// needs the packages google-cloud-storage and obstore: pip install 'artfs[gcs]'")
            for missing in ("google.cloud.storage", "obstore")
        ),
    ],
)
def test_without_its_packages_the_extra_is_named(client: str, missing: str, told: str) -> None:
    module, name = client.split(".")
    script = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        f"from artfs.cloud.{module} import {name}\n"
        "from artfs.errors import NotInstalled\n"
        f"try: {name}().head('bucket', 'key')\n"
        "except NotInstalled as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == f"{told}\n"
