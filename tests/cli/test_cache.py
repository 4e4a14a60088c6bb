"""`artfs cache`: what it says, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from artfs.chunks.disk_cache.cache import DiskCache
from artfs.config import Config
from tests.cli.conftest import Artfs
from tests.unit.chunks.disk_cache.chunks import noise_chunks
from tests.unit.chunks.disk_cache.kill_worker import pin_all

LABEL = "tester/default/pets:v0 in {}"


@pytest.fixture
def cache(config: Config) -> DiskCache:
    cache = DiskCache(config.chunk_cache_dir, config.cache_limit)
    cache.put(noise_chunks(20, 50_000, 1))
    pin_all(cache, LABEL.format(config.registry), noise_chunks(10, 50_000, 1))
    return cache


def test_an_empty_cache_is_shown_and_not_made(artfs: Artfs, config: Config) -> None:
    shown = artfs("cache", "--json").json
    assert set(shown) == {"folder", "limit", "used", "reserved", "pinned", "pins", "staging"}
    assert (shown["limit"], shown["used"], shown["pins"]) == (10 << 30, 0, [])
    assert artfs("cache", "verify", "--json").json["chunks"] == 0
    assert artfs("cache", "clear").fields["freed"] == "0"
    assert not Path(shown["folder"]).exists()


def test_what_is_kept_and_pinned_is_shown(artfs: Artfs, cache: DiskCache, config: Config) -> None:
    shown = artfs("cache", "show", "--json").json
    assert shown["pinned"] >= 500_000
    assert 1_500_000 < shown["used"] < 3_000_000
    assert shown["reserved"] > 50 << 20, "a segment that is being filled"
    assert shown["pins"] == [
        {
            "version": "tester/default/pets:v0",
            "registry": config.registry,
            "size": 500_000,
            "chunks": 10,
            "missing": 0,
            "moved": False,
        }
    ]
    assert artfs("cache").fields["pins"] == "tester/default/pets:v0 (500.0 kB)"


def test_damage_is_dropped_and_makes_an_exit_code(artfs: Artfs, cache: DiskCache) -> None:
    path = next(cache.folder.glob("*.pinned1"))
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    outcome = artfs.run("cache", "verify")
    assert outcome.code == 5
    assert outcome.fields["damaged and dropped"] == "1"
    # the ordinary copy is as good until it is evicted, but it is not pinned
    assert "run `artfs cache pin tester/default/pets:v0`" in outcome.fields["incomplete pins"]


def test_clear_keeps_what_is_pinned_unless_told_otherwise(artfs: Artfs, cache: DiskCache) -> None:
    assert int(artfs("cache", "clear").fields["freed"]) > 0
    assert len(artfs("cache", "--json").json["pins"]) == 1
    artfs("cache", "clear", "--pinned")
    assert artfs("cache", "--json").json["pins"] == []


def test_unpin_takes_a_number_though_the_version_is_gone(artfs: Artfs, cache: DiskCache) -> None:
    assert artfs("cache", "unpin", "pets:v0", "--json").json == []
    assert "tester/default/pets:v0 is not pinned" in artfs.fails("cache", "unpin", "pets:v0").err


def test_what_cannot_be_asked(pets: Artfs) -> None:
    assert "is on this machine" in pets.fails("cache", "pin", "pets:v0").err
    assert "say what to pin" in pets.fails("cache", "pin").err
    assert "is one too many" in pets.fails("cache", "clear", "pets:v0").err
    assert "is said with `artfs cache clear`" in pets.fails("cache", "verify", "--pinned").err
    assert "cache_limit is 0" in pets.fails("cache", "verify", env={"ARTFS_CACHE_LIMIT": "0"}).err
    assert "set cache_limit to 4MiB or more" in pets.fails("cache", "show", env={"ARTFS_CACHE_LIMIT": "1MiB"}).err
    assert pets("cache", "--json", env={"ARTFS_CACHE_LIMIT": "0"}).json["limit"] == 0


@pytest.mark.without_rights
def test_a_cache_of_another_user_is_told_with_what_to_do(artfs: Artfs, cache: DiskCache) -> None:
    cache.folder.chmod(0)
    try:
        outcome = artfs.run("cache")
    finally:
        cache.folder.chmod(0o700)
    assert outcome.code == 2
    assert f'you may not use the cache {cache.folder}: make it yours again (sudo chown -R "$USER"' in outcome.err
