"""Versions that are pinned: all their chunks are on this machine, and stay whatever the cache evicts.

A pin is known by the version's name and the registry that it is in, as the cache is shared by all repositories of a user. Functions
may be called from any thread; the cache lets one process pin at a time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from artfs.chunks.disk_cache.cache import DiskCache
from artfs.chunks.shared_fetches import SharedFetches
from artfs.chunks.store import ChunkStore
from artfs.errors import UserError
from artfs.model.entry import ChunkRef
from artfs.model.records import VersionRecord
from artfs.repository.repository import Repository
from artfs.repository.version_chunks import iter_content_chunks, iter_manifest_chunks

#: Called with the bytes done and the bytes to do.
Progress = Callable[[int, int], None]

#: Fetched at once: some requests' worth.
_GROUP_SIZE = 32 << 20
_LABEL = re.compile(r"(.+) in (\S+)")


@dataclass(frozen=True, slots=True)
class Pin:
    """A pinned version: its name, the registry it is in, the bytes of its chunks, and how many of them damage has taken."""

    version: str
    registry: str
    size: int
    chunks: int
    missing: int


def pin_version(repository: Repository, cache: DiskCache, version: VersionRecord, on_progress: Progress | None = None) -> int:
    """Fetch what is not here of the chunks of `version`, and keep all of them; how many bytes they have as stored.

    UserError where the object store is on this machine; StoreFull, before anything is fetched, when they do not fit.
    """
    if not repository.objects.is_remote:
        raise UserError(
            f"{version.qualified_name} need not be pinned: its object store {repository.config.objects} is on this machine"
        )
    manifest = repository.manifest(version)
    walk = chain(iter_manifest_chunks(manifest), iter_content_chunks(manifest, repository.chunks))
    refs = list({ref.digest: ref for ref in walk}.values())
    total, done = sum(ref.stored_size for ref in refs), 0
    with cache.pinning(pin_label(repository, version.qualified_name), refs) as pinning:
        chunks = ChunkStore(repository.objects, SharedFetches(0), pinning, repository.registry.packs.relocate)
        for group in _groups(refs):
            chunks.read_once(group)
            done += sum(ref.stored_size for ref in group)
            if on_progress is not None:
                on_progress(done, total)
    return total


def unpin_version(repository: Repository, cache: DiskCache, name: str) -> bool:
    """Take away the pin of the version `entity/project/artifact:v3`, which may have been deleted; false if it has none."""
    return cache.unpin(pin_label(repository, name))


def list_pins(cache: DiskCache) -> list[Pin]:
    """What is pinned, of all repositories."""
    pins = []
    for found in cache.pins():
        match = _LABEL.fullmatch(found.label)
        version, registry = (match[1], match[2]) if match else (found.label, "")
        pins.append(Pin(version, registry, found.size, found.chunk_count, cache.missing(found)))
    return pins


def pin_label(repository: Repository, name: str) -> str:
    """Under what a version of this repository is pinned; says no password."""
    return f"{name} in {re.sub(r'(?<=://)[^/@]*@', '', repository.config.registry)}"


def _groups(refs: Iterable[ChunkRef]) -> Iterator[list[ChunkRef]]:
    """In the order of the packs, so that few requests bring much."""
    group: list[ChunkRef] = []
    size = 0
    for ref in sorted(refs, key=lambda ref: (ref.pack, ref.offset)):
        group.append(ref)
        size += ref.stored_size
        if size >= _GROUP_SIZE:
            yield group
            group, size = [], 0
    if group:
        yield group
