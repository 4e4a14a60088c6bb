"""A mount goes on reading while a repack moves what it reads, and gc deletes the old packs (I2, I4)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from artfs.repository.gc import collect_garbage
from artfs.repository.open import open_repository
from artfs.repository.repack import repack
from tests.mount.mounting import Place, tree_of


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
