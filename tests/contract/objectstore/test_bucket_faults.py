"""What a store in a bucket makes of servers and connections that fail: it goes on, or nothing has happened."""

from __future__ import annotations

import http.client
import random
import socket
import threading
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from artfs.chunks.pack_writer import PackWriter
from artfs.cloud.gcs import GcsClient
from artfs.cloud.retry import RetryPolicy
from artfs.cloud.s3 import S3Client
from artfs.errors import IntegrityError, StoreFull, StoreUnavailable
from artfs.model.digest import digest_of
from artfs.objectstore.bucket import BucketStore
from tests.servers.haproxy import HaProxy
from tests.servers.seaweedfs import ACCESS_KEY, SECRET_KEY, SeaweedFs
from tests.unit.chunks.packs import ignore, pack_ids
from tests.unit.cloud.conftest import IMPATIENT, Place, SetEnviron

#: More than one piece of a connection, less than what takes time.
DATA = random.Random(7).randbytes(300_000)
IMPATIENT_WRITES = RetryPolicy(
    attempts=4, last_start_s=8, connect_timeout_s=1, read_timeout_s=2, attempt_timeout_s=2, first_wait_s=0.02, longest_wait_s=0.1
)


@pytest.fixture
def objects(place: Place) -> Iterator[BucketStore]:
    place.put("beside", b"")  # SeaweedFS makes room for a new bucket at the first put, which takes it a while
    client = (S3Client if place.scheme == "s3" else GcsClient)(IMPATIENT, IMPATIENT_WRITES)
    yield BucketStore(client, place.bucket, "some/prefix")
    client.close()


def put_method(place: Place) -> str:
    return "PUT" if place.scheme == "s3" else "POST"


def asked(place: Place) -> list[str]:
    return [request.method for request in place.proxy.requests()]


def test_a_small_range_keeps_nothing_else_in_memory(objects: BucketStore) -> None:
    objects.put("a", [DATA])
    found = objects.read_range("a", 5, 20_000)
    assert found == DATA[5:20_005]
    assert isinstance(found, bytes), "a view would keep all that was read from the connection"


def test_each_verb_is_one_request_and_none_is_a_list(place: Place, objects: BucketStore) -> None:
    objects.put("packs/aa/01", [DATA[:1000], DATA[1000:]])
    assert asked(place) == [put_method(place)]
    for call, method in (
        (lambda: objects.read_range("packs/aa/01", 10, 1000), "GET"),
        (lambda: objects.get("packs/aa/01"), "GET"),
        (lambda: objects.size("packs/aa/01"), "HEAD" if place.scheme == "s3" else "GET"),
        (lambda: objects.delete("packs/aa/01"), "DELETE"),
    ):
        place.proxy.clear()
        call()
        assert asked(place) == [method]


def test_what_is_not_there_is_told_from_a_bucket_that_is_not_by_one_request_for_all(place: Place, objects: BucketStore) -> None:
    assert not objects.has("a")
    place.proxy.clear()
    assert not objects.has("a")
    assert not objects.has("b")
    assert len(asked(place)) == 2


def test_a_key_that_is_there_is_looked_at_and_not_sent_twice(place: Place, objects: BucketStore) -> None:
    objects.put("a", [DATA])
    place.proxy.clear()
    objects.put("a", [DATA])
    assert len(asked(place)) == 2
    with pytest.raises(IntegrityError, match=rf"{place.uri('some/prefix/a')} is there already, with 300000 bytes .* 9 "):
        objects.put("a", [b"something"])
    assert objects.get("a") == DATA


def test_only_what_is_below_the_prefix_is_listed(place: Place, objects: BucketStore) -> None:
    objects.put("packs/aa/01", [b"1"])
    place.server.fill(place.bucket, {"some/prefix-and-more/x": b"2", "elsewhere": b"3", "some/prefix/Not Ours": b"4"})
    place.proxy.clear()
    assert [info.key for info in objects.iter_objects()] == ["packs/aa/01"]
    assert len(asked(place)) == 1


@pytest.mark.parametrize("fault", ["503", "503 for a second", "500", "429", "409", "dropped", "stalled"])
def test_a_put_survives_what_passes(place: Place, objects: BucketStore, fault: str) -> None:
    method = put_method(place)
    if fault == "dropped":
        place.proxy.drop(method=method, times=2)
    elif fault == "stalled":
        place.proxy.stall(method=method)
    else:
        place.proxy.fail(int(fault[:3]), method=method, retry_after=1 if "second" in fault else None)
    objects.put("a", [DATA])
    assert objects.get("a") == DATA


@pytest.mark.parametrize("fault", ["503", "dropped", "507"])
def test_a_put_that_failed_leaves_nothing(place: Place, objects: BucketStore, fault: str) -> None:
    if fault == "dropped":
        place.proxy.drop(times=1000, method=put_method(place))
    else:
        place.proxy.fail(int(fault), times=1000, method=put_method(place))
    with pytest.raises(StoreFull if fault == "507" else StoreUnavailable, match=place.uri("some/prefix/a")) as caught:
        objects.put("a", [DATA])
    assert "cannot be stored" in str(caught.value)
    assert "\n" not in str(caught.value)
    place.proxy.clear()
    assert not objects.has("a")
    assert not list(objects.iter_objects())


def test_a_server_that_asks_for_more_patience_than_there_is_is_left_at_once(place: Place, objects: BucketStore) -> None:
    place.proxy.fail(503, times=1000, retry_after=3600)
    with pytest.raises(StoreUnavailable, match="3600 seconds"):
        objects.put("a", [DATA])
    assert len(asked(place)) == 1


def test_the_first_half_of_an_object_is_never_seen(s3_server: SeaweedFs, set_environ: SetEnviron) -> None:
    set_environ(s3_server.environ)
    bucket = s3_server.create_bucket()
    store = BucketStore(S3Client(IMPATIENT, IMPATIENT_WRITES), bucket)
    url = urllib.parse.urlsplit(s3_server.client().generate_presigned_url("put_object", {"Bucket": bucket, "Key": "a"}))
    connection = http.client.HTTPConnection(url.netloc, timeout=10)
    connection.putrequest("PUT", f"{url.path}?{url.query}")
    connection.putheader("Content-Length", str(len(DATA)))
    connection.endheaders()
    connection.send(DATA[:150_000])
    connection.close()
    assert not store.has("a")
    store.put("a", [DATA])
    assert store.get("a") == DATA


def test_racing_puts_of_one_key_are_all_content_and_one_is_kept(place: Place, objects: BucketStore) -> None:
    start = threading.Barrier(6)

    def put(_: int) -> None:
        start.wait(30)
        objects.put("a", [DATA])

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(put, range(6)))
    statuses = [request.status for request in place.proxy.requests(put_method(place))]
    assert statuses.count(200) == 1
    assert objects.get("a") == DATA


def test_a_server_that_knows_no_conditions_is_asked_without(
    s3_server: SeaweedFs, s3_proxy: HaProxy, set_environ: SetEnviron
) -> None:
    set_environ(s3_server.environ_at(s3_proxy.endpoint))
    store = BucketStore(S3Client(IMPATIENT, IMPATIENT_WRITES), s3_server.create_bucket())
    s3_proxy.fail(501, method="PUT")
    store.put("a", [b"one"])
    store.put("a", [b"two"])
    assert store.get("a") == b"two"
    assert len(s3_proxy.requests("PUT")) == 3


@pytest.mark.parametrize("fault", ["dropped", "stalled"])
def test_a_lost_connection_repeats_the_pack_that_was_on_its_way_and_nothing_else(
    place: Place, objects: BucketStore, fault: str
) -> None:
    writer = PackWriter(objects, pack_ids(), ignore, target_size=100_000)
    chunks = [DATA[start : start + 50_000] for start in range(0, 300_000, 50_000)] * 2
    (place.proxy.drop if fault == "dropped" else place.proxy.stall)(method=put_method(place))
    refs = [writer.add(digest_of(chunk), len(chunk), chunk) for chunk in chunks]
    writer.flush()
    puts = place.proxy.requests(put_method(place))
    packs = len({ref.pack for ref in refs})
    assert 1 < packs < len(chunks)
    assert len(puts) == packs + 1, [(request.target, request.status) for request in puts]
    assert [request.status for request in puts].count(200) == packs


def test_a_put_follows_a_bucket_to_its_region(s3_server: SeaweedFs, s3_proxy: HaProxy, set_environ: SetEnviron) -> None:
    set_environ(s3_server.environ_at(s3_proxy.endpoint))
    store = BucketStore(S3Client(IMPATIENT, IMPATIENT_WRITES), s3_server.create_bucket())
    s3_proxy.fail(301, method="PUT")
    s3_proxy.set_header("x-amz-bucket-region", "eu-west-9", method="HEAD")
    store.put("a", [DATA])
    assert "/eu-west-9/s3/" in s3_proxy.requests("PUT")[-1].authorization
    assert store.get("a") == DATA


class SlowServer:
    """Takes what is sent to it slowly, but without a pause, and then says that all is well."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.received = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection, connection.makefile("rb") as stream:
            size = 0
            while (line := stream.readline().strip().lower()) != b"":
                size = int(line.partition(b":")[2]) if line.startswith(b"content-length") else size
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            while self.received < size and not self._stopped.wait(0.1):
                self.received += len(stream.read(min(2 << 20, size - self.received)))
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def stop(self) -> None:
        self._stopped.set()
        self._listener.close()
        self._thread.join()


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_an_upload_may_take_longer_than_any_silence(scheme: str, set_environ: SetEnviron) -> None:
    server = SlowServer()
    try:
        if scheme == "s3":
            keys = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
            set_environ({"AWS_ENDPOINT_URL": server.endpoint, **keys})
        else:
            set_environ({"STORAGE_EMULATOR_HOST": server.endpoint})
        policy = RetryPolicy(attempts=1, connect_timeout_s=0.5, read_timeout_s=0.5)
        client = (S3Client if scheme == "s3" else GcsClient)(IMPATIENT, policy)
        BucketStore(client, "bucket").put("a", [bytes(32 << 20)])
        assert server.received >= 32 << 20
        client.close()
    finally:
        server.stop()
