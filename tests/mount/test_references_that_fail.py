"""References in the mount whose content is not what was recorded any more, or is refused: an error that says so, and no byte."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mount.failures import errno_of_failure, told_errors
from tests.mount.mounting import Mounted, Place
from tests.servers.faulty_http import FaultyHttp, Reply, content
from tests.servers.nginx import Nginx

SMALL = bytes(range(256)) * 80
LARGE = b"".join(i.to_bytes(4, "little") * 16 for i in range(50_000))


@pytest.fixture(scope="module")
def mounted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounted]:
    """A mount that the tests share, each with an artifact of its own; errors are expected in it."""
    place = Place(tmp_path_factory.mktemp("failing-references"))
    with place.mounted(expect_errors=True) as mountpoint:
        yield Mounted(place, mountpoint)


def told(path: Path) -> str:
    """What a person is told of the last failure at `path`."""
    return told_errors(path)[str(path).partition("/mnt/")[2]]


def test_changed_content_is_an_error_that_says_what_was_recorded(mounted: Mounted, http_server: Nginx) -> None:
    urls = [http_server.put(f"changed/{name}", SMALL) for name in ("changes", "goes", "stays")]
    version = mounted.refer(dict.fromkeys(urls))
    http_server.put("changed/changes", SMALL[::-1])
    http_server.delete("changed/goes")
    for name in ("changes", "goes"):
        assert errno_of_failure((version / name).read_bytes) == "EIO"
    assert (version / "stays").read_bytes() == SMALL
    assert "recorded" in told(version / "changes")
    assert "found" in told(version / "changes")
    assert urls[0] in told(version / "changes")
    assert "nothing" in told(version / "goes")
    assert (version / "changes").stat().st_size == len(SMALL)


def test_content_that_a_server_gives_only_as_a_whole_is_digested_before_a_byte_is_read(
    mounted: Mounted, http_server: Nginx
) -> None:
    for name in ("same", "changes"):
        http_server.put(f"whole/{name}", LARGE, modified_s=1_600_000_000)
    version = mounted.refer({http_server.url_of(f"whole/{name}", "noetag"): None for name in ("same", "changes")})
    http_server.put("whole/changes", LARGE[:-1] + b"x", modified_s=1_600_000_000)
    assert (version / "same").read_bytes() == LARGE
    with (version / "changes").open("rb", buffering=0) as file:
        assert errno_of_failure(lambda: file.read(10)) == "EIO"
    assert "recorded digest" in told(version / "changes")


def test_a_changed_local_file_is_an_error_and_read_again_when_it_is_what_it_was(mounted: Mounted, tmp_path: Path) -> None:
    file = tmp_path / "elsewhere.bin"
    file.write_bytes(LARGE)
    version = mounted.refer({file.as_uri(): "a"})
    file.write_bytes(LARGE[::-1])
    assert errno_of_failure((version / "a").read_bytes) == "EIO"
    assert "recorded" in told(version / "a")
    file.write_bytes(LARGE)
    assert (version / "a").read_bytes() == LARGE


@pytest.mark.parametrize(
    ("status", "reason"), [(403, "403"), (401, "401"), (500, "500"), (404, "nothing")], ids=["403", "401", "500", "404"]
)
def test_a_refused_reference_is_an_error_and_others_are_not(
    mounted: Mounted, faulty_http: FaultyHttp, status: int, reason: str
) -> None:
    version = mounted.refer({faulty_http.serve(path, content(SMALL)): None for path in ("/refused", "/served")})
    faulty_http.serve("/refused", Reply(status))
    assert errno_of_failure((version / "refused").read_bytes) == "EIO"
    assert (version / "served").read_bytes() == SMALL
    assert reason in told(version / "refused")
    assert (version / "refused").is_file()


def test_content_that_changes_between_two_ranges_is_never_mixed(mounted: Mounted, faulty_http: FaultyHttp) -> None:
    url = faulty_http.serve("/changes", content(LARGE, '"one"'))
    recorded, unsized = (mounted.refer({url: "a"}, checksum=checksum) / "a" for checksum in (True, False))
    files = [path.open("rb", buffering=0) for path in (recorded, unsized)]
    for file in files:
        assert os.pread(file.fileno(), 100, 0) == LARGE[:100]
    faulty_http.serve("/changes", content(LARGE[::-1], '"two"'))
    for file in files:
        assert errno_of_failure(lambda: os.pread(file.fileno(), 100, len(LARGE) - 100)) == "EIO"  # noqa: B023
        file.close()
    assert 'recorded ETag "one"' in told(recorded)
    assert 'found first ETag "one"' in told(unsized)
    assert "recorded" not in told(unsized)
    for path in (recorded, unsized):
        assert '"two"' in told(path)


def test_a_reference_of_unknown_size_that_is_not_there_is_an_error_for_whoever_looks(mounted: Mounted, http_server: Nginx) -> None:
    version = mounted.refer({http_server.url_of("never-there"): "a", http_server.put("there", SMALL): "b"}, checksum=False)
    assert sorted(path.name for path in version.iterdir()) == ["a", "b"]
    assert errno_of_failure((version / "a").stat) == "EIO"
    assert errno_of_failure((version / "a").read_bytes) == "EIO"
    assert "nothing" in told(version / "a")
    assert (version / "b").stat().st_size == len(SMALL)
    http_server.put("never-there", SMALL)
    assert (version / "a").read_bytes() == SMALL


def test_a_reference_that_artfs_cannot_fetch_says_so(mounted: Mounted) -> None:
    version = mounted.refer({"ipfs://bafybeigdyrzt": "a"})
    assert os.listdir(version) == ["a"]
    assert errno_of_failure((version / "a").read_bytes) == "EIO"
    assert "cannot be fetched" in told(version / "a")
