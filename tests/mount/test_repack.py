"""A mount goes on reading while a repack moves what it reads, and gc deletes the old packs (I2, I4)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import pytest

from artfs.repository.gc import collect_garbage
from artfs.repository.open import open_repository
from artfs.repository.pins import list_pins
from artfs.repository.repack import repack
from tests.mount.far_machines import FarStore, Machine
from tests.mount.mounting import Place, eventually, tree_of
from tests.servers.seaweedfs import SeaweedFs

#: An object store that nobody answers for.
NOWHERE = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}


def make_waste(place: Place, source: Path) -> None:
    """v1 is the folder, in packs that v0 has filled with much more."""
    waste = source / "waste"
    waste.mkdir()
    for number in range(4):
        (waste / str(number)).write_bytes(os.urandom(3_000_000))
    for number in range(300):
        (source / f"deep/{number}").write_bytes(b"%d" % number)
    first = place.commit(source)
    shutil.rmtree(waste)
    place.commit(source)
    with open_repository(place.config) as repository:
        repository.registry.versions.delete(first.id, delete_aliases=True)


def repack_and_collect(place: Place) -> None:
    with open_repository(place.config) as repository:
        old = {pack.id for pack in repository.registry.packs.iter_all()}
        done = repack(repository)
        assert (done.packs, done.moved) == (1, 1)
        assert collect_garbage(repository, grace_s=0).deleted.size > 12_000_000
        kept = {pack.id for pack in repository.registry.packs.iter_all()}
        assert kept.isdisjoint(old), "nothing is read from where it was"


def test_mount_reads_before_during_and_after_a_repack(place: Place, source: Path) -> None:
    make_waste(place, source)
    expected = {path: data for path, data in tree_of(source).items() if not path.startswith("waste")}
    big = (source / "big.bin").read_bytes()
    with place.mounted() as mountpoint:
        version = mountpoint / "data/v1"
        with open(version / "big.bin", "rb", buffering=0) as held:
            assert held.read(1000) == big[:1000]
            assert (version / "readme.txt").read_bytes() == b"a small data set\n"
            with open_repository(place.config) as repository:
                assert repack(repository, dry_run=True).packs == 1
            repack_and_collect(place)
            read = b""
            while piece := held.read(1 << 20):
                read += piece
            assert read == big[1000:]
        assert set(os.listdir(version / "deep")) == {"er", *map(str, range(300))}
        found = tree_of(version)
        assert {path: each[-1] for path, each in found.items() if each[0] == "file"} == {
            path: each[-1] for path, each in expected.items() if each[0] == "file"
        }
    with place.mounted() as mountpoint:
        assert (mountpoint / "data/latest/big.bin").read_bytes() == big


def test_mount_that_knows_only_the_old_places_finds_the_new_ones(place: Place, source: Path) -> None:
    make_waste(place, source)
    with place.mounted() as mountpoint:
        version = mountpoint / "data/v1"
        # Known by now, and its pack not open: a pack that is open could be read although it is deleted.
        assert (version / "big.bin").stat().st_size == (source / "big.bin").stat().st_size
        repack_and_collect(place)
        assert (version / "big.bin").read_bytes() == (source / "big.bin").read_bytes()
        assert (version / "images/cat.bin").read_bytes() == (source / "images/cat.bin").read_bytes()


@pytest.fixture
def far(tmp_path: Path, s3_server: SeaweedFs, monkeypatch: pytest.MonkeyPatch) -> FarStore:
    """A store in S3, that machines share."""
    for name, value in s3_server.environ.items():
        monkeypatch.setenv(name, value)
    return FarStore(tmp_path, f"s3://{s3_server.create_bucket()}/store")


def test_mount_of_a_bucket_reads_on_while_all_is_moved_again_and_again(far: FarStore, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    content = {f"{number:03}": os.urandom(20_000) for number in range(400)}
    for name, data in content.items():
        (source / name).write_bytes(data)
    far.new_machine().commit(source)
    with (
        open_repository(far.new_machine().config) as mover,
        far.mounted("data") as version,
        ThreadPoolExecutor(1) as pool,
        (version / "200").open("rb", buffering=0) as held,
    ):
        # In an order in which nothing is read ahead, so that there is something left to read after each round.
        names = Random(1).sample(sorted(content), len(content))
        reading = pool.submit(lambda: all((version / name).read_bytes() == content[name] for name in names))
        rounds = 0
        while not reading.done() or not rounds:
            assert repack(mover, threshold=2).moved == 1
            collect_garbage(mover, grace_s=0)
            rounds += 1
        assert reading.result()
        assert held.read() == content["200"]
        assert sorted(os.listdir(version)) == sorted(content)
        assert len(list(mover.objects.iter_objects("packs/"))) == 2, "nothing is left of where it was"


@pytest.fixture
def pinned(far: FarStore, tmp_path: Path) -> tuple[Machine, bytes]:
    """A machine on which a version is pinned whose pack is mostly dead, and the content of `kept.bin` in it."""
    machine = far.new_machine()
    waste, source = tmp_path / "waste", tmp_path / "source"
    for folder in (waste, source):
        folder.mkdir()
        (folder / "kept.bin").write_bytes(Random(1).randbytes(300_000))
    (waste / "gone.bin").write_bytes(os.urandom(3_000_000))
    first = machine.commit(waste)
    machine.commit(source)
    with open_repository(machine.config) as repository:
        repository.registry.versions.delete(first.id, delete_aliases=True)
    artfs(machine, "cache", "pin", "data:v1")
    return machine, (source / "kept.bin").read_bytes()


def test_pinned_version_is_read_without_the_store_after_a_repack_on_its_machine(pinned: tuple[Machine, bytes]) -> None:
    machine, content = pinned
    artfs(machine, "gc", "--repack", "--grace", "0s")
    assert not is_moved(machine)
    assert artfs(machine, "cat", "data:v1/kept.bin", text=False, **NOWHERE) == content


def test_mount_has_pins_follow_a_repack_on_another_machine(far: FarStore, pinned: tuple[Machine, bytes]) -> None:
    machine, content = pinned
    artfs(far.new_machine(), "gc", "--repack", "--grace", "0s")
    assert is_moved(machine)
    with machine.mounted():
        eventually(lambda: not is_moved(machine))
    assert artfs(machine, "cat", "data:v1/kept.bin", text=False, **NOWHERE) == content


def test_warming_has_pins_follow_a_repack_on_another_machine(far: FarStore, pinned: tuple[Machine, bytes]) -> None:
    machine, content = pinned
    other = far.new_machine()
    artfs(other, "gc", "--repack", "--grace", "0s")
    source = machine.root / "small"
    source.mkdir()
    (source / "small").write_bytes(b"small")
    artfs(other, "put", str(source), "small")
    artfs(machine, "warm", "small:v0")
    assert not is_moved(machine)
    assert artfs(machine, "cat", "data:v1/kept.bin", text=False, **NOWHERE) == content


def is_moved(machine: Machine) -> bool:
    """True if the one pin of a machine has not followed a repack."""
    with open_repository(machine.config) as repository:
        assert repository.cache is not None
        (pin,) = list_pins(repository.cache, repository)
        assert pin.missing == 0
        assert pin.is_moved is not None
        return pin.is_moved


def artfs(machine: Machine, *arguments: str, text: bool = True, **environ: str) -> Any:
    """What the program prints on a machine."""
    command = [str(Path(sys.executable).with_name("artfs")), *arguments]
    done = subprocess.run(command, env={**machine.environ, **environ}, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode() if text else done.stdout
