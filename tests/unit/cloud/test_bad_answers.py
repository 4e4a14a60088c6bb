"""What a client makes of servers that fail, lie, hang or are not there: it tries again while there is hope, then says why."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from artfs.cloud.gcs import GcsClient
from artfs.cloud.retry import DEFAULT_POLICY, RetryPolicy, TryAgain, retry_after_s
from artfs.cloud.s3 import S3Client
from artfs.errors import ArtfsError, TransientError
from tests.servers.fake_gcs import FakeGcs
from tests.servers.haproxy import HaProxy
from tests.servers.program import free_ports
from tests.servers.seaweedfs import SeaweedFs
from tests.unit.cloud.conftest import IMPATIENT, Place, SetEnviron, open_place

DATA = bytes(range(256)) * 400
OBJECTS = {"key": DATA, "a\tkey": DATA}

Call = Callable[[Place], object]
CALLS: dict[str, Call] = {
    "head": lambda place: place.client.head(place.bucket, "key"),
    "list": lambda place: list(place.client.iter_objects(place.bucket, "")),
    "get": lambda place: place.client.get(place.bucket, "key", 100, 1000),
    "get by SDK": lambda place: place.client.get(place.bucket, "a\tkey", 100, 1000),
}
Fault = Callable[[HaProxy, int], None]
FAULTS: dict[str, Fault] = {
    "429": lambda proxy, times: proxy.fail(429, times=times, retry_after=0),
    "500": lambda proxy, times: proxy.fail(500, times=times),
    "503": lambda proxy, times: proxy.fail(503, times=times),
    "dropped": lambda proxy, times: proxy.drop(times=times),
    "stalled": lambda proxy, times: proxy.stall(times=times),
}
#: The body of a HEAD cannot be cut, and that of Google's facts and lists is too short to be.
CUT = {"get": 400, "get by SDK": 400, "list": 100}


@pytest.fixture(params=CALLS)
def call(request: pytest.FixtureRequest) -> Call:
    return CALLS[request.param]


@pytest.fixture(params=FAULTS)
def fault(request: pytest.FixtureRequest) -> Fault:
    return FAULTS[request.param]


@pytest.fixture(scope="module")
def filled_buckets(s3_server: SeaweedFs, gcs_server: FakeGcs) -> dict[str, str]:
    """One for all tests, as none of them changes what is in it."""
    buckets = {"s3": s3_server.create_bucket(), "gs": gcs_server.create_bucket()}
    s3_server.fill(buckets["s3"], OBJECTS)
    gcs_server.fill(buckets["gs"], OBJECTS)
    return buckets


@pytest.fixture(params=["s3", "gs"])
def filled(request: pytest.FixtureRequest, set_environ: SetEnviron, filled_buckets: dict[str, str]) -> Place:
    return open_place(request.param, request, set_environ, filled_buckets[request.param])


@pytest.fixture
def filled_s3(request: pytest.FixtureRequest, set_environ: SetEnviron, filled_buckets: dict[str, str]) -> Place:
    return open_place("s3", request, set_environ, filled_buckets["s3"])


def assert_one_sentence(error: BaseException, *words: str) -> None:
    text = str(error)
    assert "\n" not in text
    assert len(text) < 400
    for word in words:
        assert word in text


def test_what_passes_is_tried_again(filled: Place, call: Call, fault: Fault) -> None:
    expected = call(filled)
    fault(filled.proxy, 1)
    assert call(filled) == expected


def test_what_does_not_pass_is_one_sentence_in_bounded_time(filled: Place, call: Call, fault: Fault) -> None:
    fault(filled.proxy, 1000)
    with pytest.raises(TransientError) as caught:
        call(filled)
    assert_one_sentence(caught.value, f"{filled.scheme}://{filled.bucket}", "try again")
    # Those of obstore, and where the server asks for patience those of the SDK.
    assert 3 <= len(filled.proxy.requests()) <= 6


@pytest.mark.parametrize("name", CUT)
def test_a_body_that_ends_early_is_read_again(filled: Place, name: str) -> None:
    expected = CALLS[name](filled)
    filled.proxy.cut(CUT[name], method="GET")
    assert CALLS[name](filled) == expected
    filled.proxy.cut(10, times=1000, method="GET")
    with pytest.raises(TransientError) as caught:
        CALLS[name](filled)
    assert_one_sentence(caught.value, f"{filled.scheme}://{filled.bucket}", "try again")


def test_only_what_is_missing_of_a_body_is_asked_for_again(filled: Place) -> None:
    filled.proxy.cut(400)
    filled.client.get(filled.bucket, "key", 100, 1000)
    assert [request.range for request in filled.proxy.requests()] == ["bytes=100-1099", "bytes=500-1099"]


def test_a_server_that_asks_for_patience_gets_it(filled: Place) -> None:
    # obstore has tried three times by then; what it does not see, the SDK heeds.
    filled.proxy.fail(503, times=4, retry_after=1)
    assert filled.client.get(filled.bucket, "key", 0, 10)[1] == DATA[:10]


def test_a_server_that_asks_for_too_much_patience_is_not_waited_for(filled: Place, call: Call) -> None:
    filled.proxy.fail(503, times=1000, retry_after=3600)
    with pytest.raises(TransientError) as caught:
        call(filled)
    assert_one_sentence(caught.value, "503", "3600 seconds")
    assert len(filled.proxy.requests()) <= 4


def test_other_ranges_than_were_asked_for_are_not_taken(filled: Place) -> None:
    for lie in ("bytes 0-999/102400", "bytes 100-1099", "nonsense", ""):
        filled.proxy.clear()
        filled.proxy.set_header("Content-Range", lie, times=10)
        with pytest.raises(TransientError) as caught:
            filled.client.get(filled.bucket, "key", 100, 1000)
        assert_one_sentence(caught.value, filled.uri("key"))


def test_other_ranges_than_were_asked_for_are_not_taken_by_the_sdk(filled_s3: Place) -> None:
    for lie in ("bytes 0-999/102400", "bytes 100-1099", "nonsense", ""):
        filled_s3.proxy.clear()
        filled_s3.proxy.set_header("Content-Range", lie, times=10)
        with pytest.raises(TransientError, match="does not give the range"):
            filled_s3.client.get(filled_s3.bucket, "a\tkey", 100, 1000)


def test_a_server_that_knows_no_ranges_is_refused(gcs_place: Place) -> None:
    gcs_place.put("key", DATA)
    gcs_place.proxy.forget_header("Range", times=10)
    with pytest.raises(TransientError) as caught:
        gcs_place.client.get(gcs_place.bucket, "key", 100, 1000)
    assert_one_sentence(caught.value, gcs_place.uri("key"))


def test_an_answer_that_nobody_expects_is_one_sentence(filled: Place, call: Call) -> None:
    filled.proxy.fail(418, times=1000)
    with pytest.raises(TransientError) as caught:
        call(filled)
    assert_one_sentence(caught.value, "418")
    assert len(filled.proxy.requests()) == 1


@pytest.mark.parametrize("scheme", ["s3", "gs"])
@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("http://127.0.0.1:{closed}", "connection refused"),
        ("http://no-such-host.invalid", "its name is not known"),
        ("https://127.0.0.1:{plain}", "no secure connection can be made"),
    ],
)
def test_a_server_that_cannot_be_reached_is_one_sentence_that_names_it(
    scheme: str, address: str, reason: str, request: pytest.FixtureRequest, set_environ: SetEnviron
) -> None:
    s3_server: SeaweedFs = request.getfixturevalue("s3_server")
    gcs_server: FakeGcs = request.getfixturevalue("gcs_server")
    endpoint = address.format(closed=free_ports(1)[0], plain=s3_server.port)
    set_environ({**s3_server.environ_at(endpoint), **gcs_server.environ_at(endpoint)})
    client = S3Client(IMPATIENT) if scheme == "s3" else GcsClient(IMPATIENT)
    calls: list[Callable[[], object]] = [
        lambda: client.head("bucket", "key"),
        lambda: list(client.iter_objects("bucket", "key")),
        lambda: client.get("bucket", "key", 0, 10),
        lambda: client.get("bucket", "a\tkey", 0, 10),
    ]
    for call in calls:
        with pytest.raises(TransientError) as caught:
            call()
        assert_one_sentence(caught.value, f"{scheme}://bucket", endpoint, reason)


def test_no_call_takes_as_long_as_the_mount_waits() -> None:
    assert DEFAULT_POLICY.longest_s <= 45


def test_the_policy_gives_up_with_the_last_error() -> None:
    failures = [TryAgain(ArtfsError(f"failure {number}")) for number in range(10)]

    def attempt() -> None:
        raise failures.pop(0)

    with pytest.raises(ArtfsError, match="failure 3"):
        RetryPolicy(first_wait_s=0).run(attempt)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("3", 3),
        ("0.5", 0.5),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header) == seconds
