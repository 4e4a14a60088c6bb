"""References in the mount: files like any others, read from their servers, and what happens when these have them no more."""

from __future__ import annotations

import json
import mmap
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from artfs.repository.materialise import download
from artfs.repository.open import open_repository
from tests.mount.failures import errno_of_failure, told_errors
from tests.mount.mounting import Place
from tests.mount.test_differential import observed
from tests.servers.faulty_http import Asked, FaultyHttp, Reply, content
from tests.servers.nginx import Nginx, Request

SMALL = bytes(range(256)) * 80
LARGE = b"".join(i.to_bytes(4, "little") * 16 for i in range(50_000))
TIME_NS = 1_600_000_000_000_000_000


@contextmanager
def mounted_version(place: Place, **options: object) -> Iterator[Path]:
    with place.mounted(**options) as mountpoint:  # type: ignore[arg-type]
        yield mountpoint / "data/v0"


def gets(requests: list[Request]) -> list[str]:
    return [request.path for request in requests if request.method == "GET"]


def test_directory_mount_and_download_are_the_same_for_files_and_references(place: Place, http_server: Nginx) -> None:
    own, elsewhere, expected = (place.root / name for name in ("own", "elsewhere", "expected"))
    contents = {
        own: {"file.txt": b"a file", "sub/large.bin": LARGE[::-1]},
        elsewhere: {"one.bin": SMALL, "deep/er/two.bin": LARGE, "empty": b"", "names/#?% ü.txt": b"a name"},
    }
    for folder, files in contents.items():
        for path, data in files.items():
            for target in (folder / path, expected / ("there" if folder == elsewhere else "") / path):
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
                os.utime(target, ns=(TIME_NS, TIME_NS))
    url = http_server.put("differential/from the web.bin", LARGE, modified_s=TIME_NS // 10**9)
    (expected / "web.bin").write_bytes(LARGE)
    os.utime(expected / "web.bin", ns=(TIME_NS, TIME_NS))
    version = place.refer({elsewhere.as_uri(): "there", url: "web.bin"}, source=own)
    with open_repository(place.config) as repository:
        download(repository, version, place.root / "downloaded")
    assert observed(place.root / "downloaded") == observed(expected)
    with mounted_version(place) as mounted:
        assert observed(mounted) == observed(expected)
        assert observed(mounted) == observed(expected)


def test_each_reference_that_is_read_is_one_request(place: Place, http_server: Nginx) -> None:
    uris: dict[str, str | None] = {http_server.put(f"one-request/{number}", SMALL + b"%d" % number): None for number in range(20)}
    place.refer(uris)
    with mounted_version(place) as mounted:
        http_server.requests()
        assert len(list(mounted.iterdir())) == 20
        assert {path.stat().st_size for path in mounted.iterdir()} == {len(SMALL) + 1, len(SMALL) + 2}
        assert http_server.requests() == []
        for _ in range(2):
            for number in range(20):
                assert (mounted / str(number)).read_bytes() == SMALL + b"%d" % number
        assert [request.method for request in http_server.requests()] == ["GET"] * 20
        told = json.loads((mounted.parent.parent / ".artfs/status.json").read_text())["references"]
        assert (told["requests"], told["bytes_read"]) == (20, 20 * len(SMALL) + 30)


def test_a_reference_of_two_versions_is_one_file_to_the_kernel(place: Place, http_server: Nginx) -> None:
    url = http_server.put("two-versions", SMALL)
    place.refer({url: "a"})
    place.refer({url: "b"})
    with place.mounted() as mountpoint:
        assert (mountpoint / "data/v0/a").stat().st_ino == (mountpoint / "data/v1/b").stat().st_ino


def test_of_a_huge_reference_only_what_is_read_is_transferred(place: Place, faulty_http: FaultyHttp) -> None:
    size, sent = 100 << 30, [0]

    def answer(asked: Asked) -> Reply:
        headers = {"ETag": '"huge"', "Content-Length": str(size)}
        if asked.method == "HEAD":
            return Reply(200, headers)
        first, last = (int(part) for part in asked.headers["range"].removeprefix("bytes=").split("-"))
        sent[0] += last - first + 1
        return Reply(206, {"ETag": '"huge"', "Content-Range": f"bytes {first}-{last}/{size}"}, _numbered(first, last + 1))

    place.refer({faulty_http.serve("/huge", answer): None})
    with mounted_version(place) as mounted, (mounted / "huge").open("rb", buffering=0) as file:
        assert (mounted / "huge").stat().st_size == size
        for at in (50 << 30, size - (1 << 20)):
            before = sent[0]
            assert os.pread(file.fileno(), 1 << 20, at) == _numbered(at, at + (1 << 20))
            assert sent[0] - before <= 3 << 20


def _numbered(start: int, stop: int) -> bytes:
    """Bytes of a content in which each eight are their own place."""
    first, last = start // 8, -(-stop // 8)
    return b"".join((number * 8).to_bytes(8, "little") for number in range(first, last))[start - first * 8 : stop - first * 8]


def test_a_run_that_reads_a_reference_has_used_the_version(place: Place, http_server: Nginx) -> None:
    version = place.refer({http_server.put("lineage", SMALL): "a"})
    with mounted_version(place, run_id="reader") as mounted:
        assert (mounted / "a").read_bytes() == SMALL
    with open_repository(place.config) as repository:
        assert [run.id for run in repository.registry.lineage.consumers(version.id)] == ["reader"]


def test_a_version_says_how_many_references_it_has(place: Place, http_server: Nginx) -> None:
    (place.root / "own").mkdir()
    (place.root / "own/file").write_bytes(b"a file")
    place.refer({http_server.put("counted/1", SMALL): None, http_server.put("counted/2", SMALL): None}, source=place.root / "own")
    with place.mounted() as mountpoint:
        told = json.loads((mountpoint / "data/.artfs/v0.json").read_text())
        assert (told["file_count"], told["references"]) == (3, {"count": 2, "size": 2 * len(SMALL)})


# content that was not looked at when it was recorded


TOOLS = {
    "cat": "cat {path} > {target}",
    "cp": "cp {path} {target}",
    "tar": "tar -cf - -C {folder} {name} | tar -xOf - > {target}",
    "rsync": "rsync -a {path} {target}",
    "dd": "dd if={path} of={target} bs=1M status=none",
}


def test_tools_read_references_of_unknown_size(place: Place, http_server: Nginx) -> None:
    names = [*TOOLS, "mmap", "stat", "pread", "listed"]
    place.refer({http_server.put(f"unsized/{name}", LARGE): name for name in names}, checksum=False)
    with mounted_version(place) as mounted:
        http_server.requests()
        assert sorted(os.listdir(mounted)) == sorted(names)
        for name, command in TOOLS.items():
            target = place.root / name
            done = subprocess.run(
                ["sh", "-ec", command.format(path=mounted / name, folder=mounted, name=name, target=target)], check=False
            )
            assert (done.returncode, target.read_bytes() == LARGE) == (0, True), name
        with (mounted / "mmap").open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as memory:
            assert memory[:] == LARGE
        assert (mounted / "stat").stat().st_size == len(LARGE)
        fd = os.open(mounted / "pread", os.O_RDONLY)
        assert os.pread(fd, 100, len(LARGE) - 50) == LARGE[-50:]
        os.close(fd)
        listed = subprocess.run(["ls", "-l", mounted], check=True, capture_output=True, text=True).stdout.splitlines()[1:]
        assert {line.split()[4] for line in listed} == {str(len(LARGE))}
        heads = [request.path for request in http_server.requests() if request.method == "HEAD"]
        assert len(heads) == len(set(heads)) <= len(names)


def test_names_of_unknown_size_ask_nobody(place: Place, http_server: Nginx) -> None:
    place.refer({http_server.url_of(f"not-there/{number}"): None for number in range(5)}, checksum=False)
    http_server.requests()
    with mounted_version(place) as mounted:
        with os.scandir(mounted) as rows:
            assert sorted((row.name, row.is_file()) for row in rows) == [(str(number), True) for number in range(5)]
        assert subprocess.run(["find", mounted, "-type", "f"], check=True, capture_output=True).stdout.count(b"\n") == 5
        assert http_server.requests() == []


# content that is not what was recorded


def test_changed_content_is_an_error_that_says_what_was_recorded(place: Place, http_server: Nginx) -> None:
    urls = [http_server.put(f"changed/{name}", SMALL) for name in ("changes", "goes", "stays")]
    place.refer(dict.fromkeys(urls))
    http_server.put("changed/changes", SMALL[::-1])
    http_server.delete("changed/goes")
    with mounted_version(place, expect_errors=True) as mounted:
        assert errno_of_failure((mounted / "changes").read_bytes) == "EIO"
        assert errno_of_failure((mounted / "goes").read_bytes) == "EIO"
        assert (mounted / "stays").read_bytes() == SMALL
        told = told_errors(mounted)
        assert "recorded" in told["data/v0/changes"]
        assert "found" in told["data/v0/changes"]
        assert urls[0] in told["data/v0/changes"]
        assert "nothing" in told["data/v0/goes"]
        assert (mounted / "changes").stat().st_size == len(SMALL)


def test_a_changed_local_file_is_an_error_and_read_again_when_it_is_what_it_was(place: Place) -> None:
    file = place.root / "elsewhere.bin"
    file.write_bytes(LARGE)
    place.refer({file.as_uri(): "a"})
    file.write_bytes(LARGE[::-1])
    with mounted_version(place, expect_errors=True) as mounted:
        assert errno_of_failure((mounted / "a").read_bytes) == "EIO"
        assert "recorded" in told_errors(mounted)["data/v0/a"]
        file.write_bytes(LARGE)
        assert (mounted / "a").read_bytes() == LARGE


@pytest.mark.parametrize(
    ("reply", "told"), [(Reply(403), "403"), (Reply(401), "401"), (Reply(500), "500"), (Reply(404), "nothing")], ids=str
)
def test_a_refused_reference_is_an_error_and_others_are_not(place: Place, faulty_http: FaultyHttp, reply: Reply, told: str) -> None:
    place.refer({faulty_http.serve(path, content(SMALL)): None for path in ("/refused", "/served")})
    faulty_http.serve("/refused", reply)
    with mounted_version(place, expect_errors=True) as mounted:
        assert errno_of_failure((mounted / "refused").read_bytes) == "EIO"
        assert (mounted / "served").read_bytes() == SMALL
        assert told in told_errors(mounted)["data/v0/refused"]
        assert (mounted / "refused").is_file()


def test_content_that_changes_between_two_ranges_is_never_mixed(place: Place, faulty_http: FaultyHttp) -> None:
    url = faulty_http.serve("/grows", content(LARGE, '"one"'))
    for name, checksum in (("recorded", True), ("unsized", False)):
        place.refer({url: "a"}, name, checksum=checksum)
    with place.mounted(expect_errors=True) as mountpoint:
        files = [(mountpoint / name / "v0/a").open("rb", buffering=0) for name in ("recorded", "unsized")]
        for file in files:
            assert os.pread(file.fileno(), 100, 0) == LARGE[:100]
        faulty_http.serve("/grows", content(LARGE[::-1], '"two"'))
        for file in files:
            assert errno_of_failure(lambda: os.pread(file.fileno(), 100, len(LARGE) - 100)) == "EIO"  # noqa: B023
            file.close()
        assert '"two"' in told_errors(mountpoint / "recorded/v0")["recorded/v0/a"]
