"""References in the mount: files like any others, whose bytes come from their servers."""

from __future__ import annotations

import json
import mmap
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from artfs.repository.materialise import download
from artfs.repository.open import open_repository
from tests.mount.mounting import Mounted, Place
from tests.mount.test_differential import observed
from tests.servers.faulty_http import Asked, FaultyHttp, Reply
from tests.servers.nginx import Nginx

SMALL = bytes(range(256)) * 80
LARGE = b"".join(i.to_bytes(4, "little") * 16 for i in range(50_000))
TIME_NS = 1_600_000_000_000_000_000


@pytest.fixture(scope="module")
def mounted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounted]:
    """A mount that the tests share, each with an artifact of its own."""
    place = Place(tmp_path_factory.mktemp("references"))
    with place.mounted() as mountpoint:
        yield Mounted(place, mountpoint)


def test_directory_mount_and_download_are_the_same_for_files_and_references(
    mounted: Mounted, tmp_path: Path, http_server: Nginx
) -> None:
    own, elsewhere, expected = (tmp_path / name for name in ("own", "elsewhere", "expected"))
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
    version = mounted.refer({elsewhere.as_uri(): "there", url: "web.bin"}, source=own)
    with open_repository(mounted.place.config) as repository:
        download(repository, mounted.place.resolve(version.parent.name, "v0"), tmp_path / "downloaded")
    assert observed(tmp_path / "downloaded") == observed(expected)
    assert observed(version) == observed(expected)
    assert observed(version) == observed(expected)


def test_each_reference_that_is_read_is_one_request(mounted: Mounted, http_server: Nginx) -> None:
    uris: dict[str, str | None] = {http_server.put(f"one-request/{number}", SMALL + b"%d" % number): None for number in range(20)}
    version = mounted.refer(uris)
    http_server.requests()
    assert len(list(version.iterdir())) == 20
    assert {path.stat().st_size for path in version.iterdir()} == {len(SMALL) + 1, len(SMALL) + 2}
    assert http_server.requests() == []
    before = references_told(mounted)
    for _ in range(2):
        for number in range(20):
            assert (version / str(number)).read_bytes() == SMALL + b"%d" % number
    assert [request.method for request in http_server.requests()] == ["GET"] * 20
    after = references_told(mounted)
    assert (after["requests"] - before["requests"], after["bytes_read"] - before["bytes_read"]) == (20, 20 * len(SMALL) + 30)


def references_told(mounted: Mounted) -> dict[str, int]:
    told: dict[str, int] = json.loads((mounted.mountpoint / ".artfs/status.json").read_text())["references"]
    return told


def test_a_reference_of_two_versions_is_one_file_to_the_kernel(mounted: Mounted, http_server: Nginx) -> None:
    url = http_server.put("two-versions", SMALL)
    first = mounted.refer({url: "a"})
    mounted.place.refer({url: "b"}, first.parent.name)
    assert (first / "a").stat().st_ino == (first.parent / "v1/b").stat().st_ino


def test_of_a_huge_reference_only_what_is_read_is_transferred(mounted: Mounted, faulty_http: FaultyHttp) -> None:
    size, sent = 100 << 30, [0]

    def answer(asked: Asked) -> Reply:
        headers = {"ETag": '"huge"', "Content-Length": str(size)}
        if asked.method == "HEAD":
            return Reply(200, headers)
        first, last = (int(part) for part in asked.headers["range"].removeprefix("bytes=").split("-"))
        sent[0] += last - first + 1
        return Reply(206, {"ETag": '"huge"', "Content-Range": f"bytes {first}-{last}/{size}"}, _numbered(first, last + 1))

    path = mounted.refer({faulty_http.serve("/huge", answer): None}) / "huge"
    with path.open("rb", buffering=0) as file:
        assert path.stat().st_size == size
        for at in (50 << 30, size - (1 << 20)):
            before = sent[0]
            assert os.pread(file.fileno(), 1 << 20, at) == _numbered(at, at + (1 << 20))
            assert sent[0] - before <= 3 << 20


def test_of_the_beginning_of_a_huge_reference_the_kernel_alone_reads_ahead(mounted: Mounted, http_server: Nginx) -> None:
    uri = http_server.put("beginning", b"")
    http_server.resize("beginning", 8 << 30)
    path = mounted.refer({uri: None}) / "beginning"
    http_server.requests()
    with path.open("rb", buffering=0) as file:
        for _ in range(16):
            assert file.read(1 << 16) == bytes(1 << 16)
    assert sum(request.sent for request in http_server.requests()) <= 4 << 20


def _numbered(start: int, stop: int) -> bytes:
    """Bytes of a content in which each eight are their own place."""
    first, last = start // 8, -(-stop // 8)
    return b"".join((number * 8).to_bytes(8, "little") for number in range(first, last))[start - first * 8 : stop - first * 8]


def test_a_run_that_reads_a_reference_has_used_the_version(place: Place, http_server: Nginx) -> None:
    version = place.refer({http_server.put("lineage", SMALL): "a"})
    with place.mounted(run_id="reader") as mountpoint:
        assert (mountpoint / "data/v0/a").read_bytes() == SMALL
    with open_repository(place.config) as repository:
        assert [run.id for run in repository.registry.lineage.consumers(version.id)] == ["reader"]


def test_a_version_says_how_many_references_it_has(mounted: Mounted, tmp_path: Path, http_server: Nginx) -> None:
    (tmp_path / "file").write_bytes(b"a file")
    uris: dict[str, str | None] = {http_server.put(f"counted/{number}", SMALL): None for number in range(2)}
    version = mounted.refer(uris, source=tmp_path)
    told = json.loads((version.parent / ".artfs/v0.json").read_text())
    assert (told["file_count"], told["references"]) == (3, {"count": 2, "size": 2 * len(SMALL)})


# content that was not looked at when it was recorded


TOOLS = {
    "cat": "cat {path} > {target}",
    "cp": "cp {path} {target}",
    "tar": "tar -cf - -C {folder} {name} | tar -xOf - > {target}",
    "rsync": "rsync -a {path} {target}",
    "dd": "dd if={path} of={target} bs=1M status=none",
}


def test_tools_read_references_of_unknown_size(mounted: Mounted, tmp_path: Path, http_server: Nginx) -> None:
    names = [*TOOLS, "mmap", "stat", "pread", "listed"]
    uris: dict[str, str | None] = {http_server.put(f"unsized/{name}", LARGE): name for name in names}
    version = mounted.refer(uris, checksum=False)
    http_server.requests()
    assert sorted(os.listdir(version)) == sorted(names)
    for name, command in TOOLS.items():
        target = tmp_path / name
        script = command.format(path=version / name, folder=version, name=name, target=target)
        assert subprocess.run(["sh", "-ec", script], check=False).returncode == 0, name
        assert target.read_bytes() == LARGE, name
    with (version / "mmap").open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as memory:
        assert memory[:] == LARGE
    assert (version / "stat").stat().st_size == len(LARGE)
    fd = os.open(version / "pread", os.O_RDONLY)
    assert os.pread(fd, 100, len(LARGE) - 50) == LARGE[-50:]
    os.close(fd)
    listed = subprocess.run(["ls", "-l", version], check=True, capture_output=True, text=True).stdout.splitlines()[1:]
    assert {line.split()[4] for line in listed} == {str(len(LARGE))}
    heads = [request.path for request in http_server.requests() if request.method == "HEAD"]
    assert sorted(heads) == sorted(f"/unsized/{name}" for name in names)


def test_names_of_unknown_size_ask_nobody(mounted: Mounted, http_server: Nginx) -> None:
    uris: dict[str, str | None] = {http_server.url_of(f"not-there/{number}"): None for number in range(5)}
    version = mounted.refer(uris, checksum=False)
    http_server.requests()
    with os.scandir(version) as rows:
        assert sorted((row.name, row.is_file()) for row in rows) == [(str(number), True) for number in range(5)]
    assert subprocess.run(["find", version, "-type", "f"], check=True, capture_output=True).stdout.count(b"\n") == 5
    assert http_server.requests() == []
