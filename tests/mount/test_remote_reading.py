"""Reading a store in S3 through the mount: how few requests it takes, and how few bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import pytest

from artfs.content.chunk_map import ChunkMap
from artfs.repository.open import open_repository
from tests.mount.far_machines import FarStore, asked
from tests.servers.seaweedfs import SeaweedFs

KIB, MIB = 1 << 10, 1 << 20
_LARGE = 64 * MIB
_HUGE = 200 * MIB
_SMALL = 20 * KIB
_SMALL_FILES = 1_000
_MANY_FILES = 20_000
_PIECE = 4 * KIB


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory, s3_server: SeaweedFs) -> Iterator[FarStore]:
    """A store with one long file (`large`), a longer one (`huge`), small ones (`small`), and names (`many`)."""
    folder = tmp_path_factory.mktemp("far")
    random = Random(1)
    _write(folder / "large", {"file": random.randbytes(_LARGE)})
    _write(folder / "huge", {"file": random.randbytes(_HUGE)})
    _write(folder / "small", {f"{number // 100}/{number:04}": random.randbytes(_SMALL) for number in range(_SMALL_FILES)})
    _write(folder / "many", {f"name-{number:05}": b"%d" % (number % 10) for number in range(_MANY_FILES)})
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3_server.environ.items():
            patch.setenv(name, value)
        store = FarStore(folder, f"s3://{s3_server.create_bucket()}/store")
        writer = store.new_machine()
        for name in ("large", "huge", "small", "many"):
            writer.commit(folder / name, name)
        yield store


def _write(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _files(version: Path) -> list[Path]:
    return sorted(path for path in version.rglob("*") if path.is_file())


def _read_all(paths: Sequence[Path], source: Path, version: Path) -> None:
    for path in paths:
        assert path.read_bytes() == (source / path.relative_to(version)).read_bytes()


def test_a_long_file_read_to_its_end_takes_few_large_requests(far: FarStore) -> None:
    with far.mounted("large") as version:
        path = version / "file"
        path.stat()
        before = asked(version)
        _read_all([path], far.folder / "large", version)
        done = asked(version).since(before)
        assert done.bytes_read <= 1.05 * _LARGE
        assert done.requests <= _LARGE // (2 * MIB) + 8


def test_small_files_read_in_order_come_in_large_requests(far: FarStore) -> None:
    with far.mounted("small") as version:
        paths = _files(version)
        before = asked(version)
        _read_all(paths, far.folder / "small", version)
        done = asked(version).since(before)
        total = _SMALL_FILES * _SMALL
        assert done.bytes_read <= 1.1 * total
        assert done.requests <= total // (4 * MIB) + 32


def test_small_files_read_in_any_order_bring_little_that_nobody_asked_for(far: FarStore) -> None:
    with far.mounted("small") as version:
        paths = _files(version)
        Random(2).shuffle(paths)
        before = asked(version)
        _read_all(paths, far.folder / "small", version)
        assert asked(version).since(before).bytes_read <= 1.3 * _SMALL_FILES * _SMALL


def test_a_few_small_files_here_and_there_are_all_that_is_fetched(far: FarStore) -> None:
    with far.mounted("small") as version:
        paths = Random(3).sample(_files(version), 50)
        before = asked(version)
        _read_all(paths, far.folder / "small", version)
        assert asked(version).since(before).bytes_read <= 1.2 * len(paths) * _SMALL


def test_random_reads_of_a_long_file_fetch_the_chunks_they_touch(far: FarStore) -> None:
    random = Random(4)
    places = [random.randrange(_HUGE // _PIECE) * _PIECE for _ in range(100)]
    touched = _chunks_touched(far, places)
    with far.mounted("huge") as version:
        path = version / "file"
        path.stat()
        before = asked(version)
        descriptor = os.open(path, os.O_RDONLY)
        try:
            with (far.folder / "huge/file").open("rb") as source:
                for place in places:
                    assert os.pread(descriptor, _PIECE, place) == os.pread(source.fileno(), _PIECE, place)
        finally:
            os.close(descriptor)
        assert asked(version).since(before).bytes_read <= 1.2 * touched


def _chunks_touched(far: FarStore, places: Sequence[int]) -> int:
    """Bytes of all chunks that hold pieces of the long file."""
    machine = far.new_machine()
    with open_repository(machine.config) as repository:
        entry = repository.manifests.open(machine.resolve("huge", "v0").manifest).get("file")
        assert entry is not None
        chunk_map = ChunkMap(repository.chunks)
        refs = {located.ref for place in places for located in chunk_map.locate(entry.content, place, _PIECE)}
    return sum(ref.stored_size for ref in refs)


def test_listing_a_large_directory_takes_ten_requests_at_most(far: FarStore) -> None:
    with far.mounted("many") as version:
        assert len(list(os.scandir(version))) == _MANY_FILES
        assert asked(version).requests <= 10


def test_what_was_read_once_is_read_again_without_a_request(far: FarStore) -> None:
    machine = far.new_machine()
    with machine.mounted() as root:
        version = root / "small/v0"
        _read_all(_files(version), far.folder / "small", version)
    with machine.mounted() as root:
        version = root / "small/v0"
        _read_all(_files(version), far.folder / "small", version)
        assert asked(version).requests == 0
