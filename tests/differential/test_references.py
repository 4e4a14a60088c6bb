"""What was put somewhere and what artfs gives of a reference to it are the same, byte for byte, whatever server has it (I9)."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from artfs.config import Config
from artfs.errors import ReferenceChanged
from artfs.model.entry import Entry
from artfs.model.records import VersionRecord
from artfs.objectstore.open import open_objects
from artfs.references.references import References
from artfs.registry.open import open_registry
from artfs.repository.commit import CommitRequest, begin_ingest, commit_entries
from artfs.repository.materialise import checkout, download, verify_directory
from artfs.repository.open import assemble_repository
from artfs.repository.repository import Repository
from artfs.repository.verify_references import verify_references
from tests.contract.references.conftest import (  # noqa: F401  fixtures
    PLACES,
    gcs_bucket,
    make_place,
    references,
    s3_buckets,
)
from tests.contract.references.homes import Place
from tests.fault.versions import ARTIFACT
from tests.servers.haproxy import HaProxy
from tests.servers.nginx import Nginx
from tests.servers.seaweedfs import SeaweedFs
from tests.unit.content.made_bytes import noise

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
CONTENTS = {
    "empty": b"",
    "small": noise(20 * KIB, 1),
    "a ü #?%.bin": noise(70 * KIB, 2),
    "large": noise(5 * MIB + 17, 3),
}


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return make_place(request.param, request, tmp_path, monkeypatch)


class Borrowed(References):
    """References that stay open: they are those of all tests."""

    def close(self) -> None:
        pass


@pytest.fixture
def repository(config: Config, references: References) -> Iterator[Repository]:  # noqa: F811
    registry, objects = open_registry(config.registry), open_objects(config.objects)
    with assemble_repository(config, registry, objects, Borrowed(references._homes)) as opened:
        yield opened


def put_all(place: Place) -> dict[str, str]:
    """The contents by their URIs."""
    return {name: place.put(name, data) for name, data in CONTENTS.items()}


def refer(repository: Repository, uris: dict[str, str], *, checksum: bool = True) -> tuple[VersionRecord, list[Entry]]:
    found = [repository.references.find(uri, name=name, checksum=checksum) for name, uri in uris.items()]
    entries = [entry for each in found for entry in each]
    ingest = begin_ingest(repository, ARTIFACT.entity)
    return commit_entries(repository, ingest, entries, CommitRequest(ARTIFACT, "dataset")).version, entries


@pytest.mark.parametrize("checksum", [True, False])
def test_ranges_the_whole_and_downloads_are_what_was_put(
    repository: Repository, place: Place, tmp_path: Path, checksum: bool
) -> None:
    version, entries = refer(repository, put_all(place), checksum=checksum)
    chosen = random.Random(5)
    for entry in entries:
        data = CONTENTS[entry.path]
        assert repository.reader.size(entry) == len(data)
        for _ in range(12):
            offset, length = chosen.randrange(len(data) + 10), chosen.choice([1, 4 * KIB, 128 * KIB, MIB])
            assert repository.reader.read(entry, offset, length) == data[offset : offset + length]
        assert b"".join(repository.reader.iter_bytes(entry)) == data
    for work in (download, checkout):
        work(repository, version, tmp_path / work.__name__)
        assert {path.name: path.read_bytes() for path in (tmp_path / work.__name__).iterdir()} == CONTENTS
        assert verify_directory(repository, version, tmp_path / work.__name__) == []
    assert verify_references(repository).problems == []


def test_touched_files_are_still_right_and_edited_ones_are_not(repository: Repository, place: Place, tmp_path: Path) -> None:
    version, _ = refer(repository, put_all(place))
    root = tmp_path / "out"
    download(repository, version, root)
    for path in root.iterdir():
        os.utime(path, ns=(1, 1))
    (root / "large").write_bytes(CONTENTS["large"][:-1] + b"!")
    assert [str(each) for each in verify_directory(repository, version, root)] == ["large has different content"]


@pytest.mark.parametrize("name", ["small", "large"])
def test_content_that_was_replaced_is_not_served(repository: Repository, place: Place, tmp_path: Path, name: str) -> None:
    data = CONTENTS[name]
    version, (entry,) = refer(repository, {name: place.put(name, data)})
    place.put(name, data[::-1])
    if place.keeps_versions:
        download(repository, version, tmp_path / "out")
        assert (tmp_path / "out" / name).read_bytes() == repository.reader.read(entry, 0, len(data)) == data
        return
    with pytest.raises(ReferenceChanged, match="is not what was recorded"):
        repository.reader.read(entry, 0, 10)
    with pytest.raises(ReferenceChanged, match="is not what was recorded"):
        download(repository, version, tmp_path / "out")
    (missing,) = download(repository, version, tmp_path / "out", allow_missing_references=True)
    assert missing.path == name
    assert list((tmp_path / "out").iterdir()) == []
    assert [problem.path for problem in verify_references(repository).problems] == [name]


def test_one_mebibyte_of_100_gibibytes_transfers_about_one_mebibyte(
    repository: Repository, http_server: Nginx, tmp_path: Path
) -> None:
    (tmp_path / "huge").mkdir()
    mark, place = noise(MIB), 70 * GIB + 12_345
    with (tmp_path / "huge/file").open("wb") as file:
        file.truncate(100 * GIB)  # takes no room: it is nearly all hole
        file.seek(place)
        file.write(mark)
    _, (entry,) = refer(repository, {"huge": f"{http_server.link('huge', tmp_path / 'huge')}/file"})
    assert entry.size == 100 * GIB
    http_server.requests()
    found = [repository.reader.read(entry, place + offset, 128 * KIB) for offset in range(0, MIB, 128 * KIB)]
    assert b"".join(found) == mark
    repository.reader.close()
    http_server.delete("huge")
    assert sum(request.sent for request in http_server.requests()) < 5 * MIB


def test_a_small_reference_is_read_with_one_request(
    repository: Repository, s3_server: SeaweedFs, s3_proxy: HaProxy, monkeypatch: pytest.MonkeyPatch, config: Config
) -> None:
    bucket = s3_server.create_bucket()
    s3_server.fill(bucket, {f"x/{number}": noise(20 * KIB, number) for number in range(20)})
    for name, value in s3_server.environ_at(s3_proxy.endpoint).items():
        monkeypatch.setenv(name, value)
    with assemble_repository(config, open_registry(config.registry), open_objects(config.objects)) as fresh:
        entries = fresh.references.find(f"s3://{bucket}/x")
        s3_proxy.clear()
        for entry in entries:
            assert fresh.reader.read(entry, 10 * KIB, 100) == noise(20 * KIB, int(entry.path))[10 * KIB : 10 * KIB + 100]
            assert fresh.reader.read(entry, 0, 20 * KIB) == noise(20 * KIB, int(entry.path))
        assert len(s3_proxy.requests()) == len(entries) == 20
