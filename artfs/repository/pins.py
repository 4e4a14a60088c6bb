"""Versions that are pinned: all their chunks are on this machine, and stay whatever the cache evicts.

A pin is known by the version's name and the registry that it is in, as the cache is shared by all repositories of a user. A repack
that moves a pinned version, on whatever host, leaves its content as it is, and writes its manifest anew. Until the pin has followed
(`follow_moves`), who has heard of that needs the object store, and who comes later without network reads the version where it was
(`known_files`). Mounts see to it, and commands that deal with the cache.

Functions may be called from any thread; the cache lets one process pin at a time.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

from artfs.chunks.disk_cache.cache import DiskCache
from artfs.chunks.disk_cache.pin_list import PinList
from artfs.chunks.shared_fetches import SharedFetches
from artfs.chunks.store import ChunkStore
from artfs.errors import ArtfsError, IntegrityError, NotFound, RegistryUnavailable, UserError
from artfs.model.entry import ChunkRef
from artfs.model.names import VersionName, parse_version_name
from artfs.model.progress import OnShareDone
from artfs.model.records import VersionRecord
from artfs.repository.repository import Repository
from artfs.repository.version_chunks import iter_content_chunks, iter_manifest_chunks

logger = logging.getLogger(__name__)

#: Fetched at once: some requests' worth.
_GROUP_SIZE = 32 << 20
_LABEL = re.compile(r"(.+) in (\S+)")


@dataclass(frozen=True, slots=True)
class Pin:
    """A pinned version: its name, the registry it is in, the bytes of its chunks, and how many of them damage has taken.

    `is_moved` says that its manifest is another by now; None where nobody has asked the registry.
    """

    version: str
    registry: str
    size: int
    chunks: int
    missing: int
    is_moved: bool | None = None


@dataclass(slots=True)
class Followed:
    """The names of the versions whose pins have followed a move, and why others have not, by their labels."""

    moved: list[str] = field(default_factory=list)
    failed: dict[str, ArtfsError] = field(default_factory=dict)


def pin_version(repository: Repository, cache: DiskCache, version: VersionRecord, on_progress: OnShareDone | None = None) -> int:
    """Fetch what is not here of the chunks of `version`, and keep all of them; how many bytes they have as stored.

    UserError where the object store is on this machine; StoreFull, before anything is fetched, when they do not fit.
    `on_progress` is told the bytes done and those to do.
    """
    if not repository.objects.is_remote:
        raise UserError(
            f"{version.qualified_name} need not be pinned: its object store {repository.config.objects} is on this machine"
        )
    refs = _refs_of(repository, version)
    return _pin(repository, cache, version, refs, refs, on_progress)


def follow_moves(repository: Repository, cache: DiskCache) -> Followed:
    """Pin again what repacks have written anew of the pinned versions of this repository.

    Content stays where it is in the cache. What cannot follow, as its manifest does not fit into the limit (I7) or is out of reach,
    stays pinned as it was. Of a registry that does not answer, what it said last counts.
    """
    followed = Followed()
    for pin in cache.pins():
        try:
            version = _find_moved(repository, pin)
            if version is not None:
                _follow(repository, cache, pin, version)
                followed.moved.append(version.qualified_name)
        except RegistryUnavailable as error:  # nobody knows whether it was moved
            logger.info("whether %s was moved is not known: %s", pin.label, error)
        except ArtfsError as error:
            followed.failed[pin.label] = error
    return followed


def unpin_version(repository: Repository, cache: DiskCache, name: str) -> bool:
    """Take away the pin of the version `entity/project/artifact:v3`, which may have been deleted; false if it has none."""
    return cache.unpin(pin_label(repository, name))


def list_pins(cache: DiskCache, repository: Repository | None = None) -> list[Pin]:
    """What is pinned, of all repositories. Of `repository`'s own it is asked whether they were moved since."""
    pins = []
    for found in cache.pins():
        match = _LABEL.fullmatch(found.label)
        version, registry = (match[1], match[2]) if match else (found.label, "")
        is_moved = None if repository is None else _is_moved(repository, found)
        pins.append(Pin(version, registry, found.size, found.chunk_count, cache.missing(found), is_moved))
    return pins


def pin_label(repository: Repository, name: str) -> str:
    """Under what a version of this repository is pinned; says no password."""
    return f"{name} in {re.sub(r'(?<=://)[^/@]*@', '', repository.config.registry)}"


def _refs_of(repository: Repository, version: VersionRecord) -> list[ChunkRef]:
    """All chunks of the version where they lie now, each once."""
    manifest = repository.manifest(version)
    walk = chain(iter_manifest_chunks(manifest), iter_content_chunks(manifest, repository.chunks))
    return list({ref.digest: ref for ref in walk}.values())


def _pin(  # noqa: PLR0917  what is to be kept, and what of it is to be read
    repository: Repository,
    cache: DiskCache,
    version: VersionRecord,
    refs: Sequence[ChunkRef],
    read: Sequence[ChunkRef],
    on_progress: OnShareDone | None = None,
) -> int:
    """Keep `refs`, those in `read` by reading them; the bytes of all."""
    total, done = sum(ref.stored_size for ref in read), 0
    with cache.pinning(pin_label(repository, version.qualified_name), refs) as pinning:
        chunks = ChunkStore(repository.objects, SharedFetches(0), pinning, repository.registry.packs.relocate)
        for group in _groups(read):
            chunks.read_once(group)
            done += sum(ref.stored_size for ref in group)
            if on_progress is not None:
                on_progress(done, total)
    return sum(ref.stored_size for ref in refs)


def _follow(repository: Repository, cache: DiskCache, pin: PinList, version: VersionRecord) -> None:
    held = set(pin.iter_digests())
    refs = _refs_of(repository, version)
    try:
        _pin(repository, cache, version, refs, [ref for ref in refs if ref.digest not in held])
    except IntegrityError:  # damage has taken some of what was pinned
        _pin(repository, cache, version, refs, refs)
    # Only now do those read it there who have no network (`known_files`).
    repository.names.opened(version)


def _is_moved(repository: Repository, pin: PinList) -> bool | None:
    try:
        return None if _own_name(repository, pin) is None else _find_moved(repository, pin) is not None
    except RegistryUnavailable:
        return None


def _find_moved(repository: Repository, pin: PinList) -> VersionRecord | None:
    """The version of a pin of this repository, if its manifest is not the one that was pinned."""
    name = _own_name(repository, pin)
    if name is None:
        return None
    try:
        version = repository.names.version(name)
    except NotFound:
        return None
    return None if version.manifest.digest in pin.iter_digests() else version


def _own_name(repository: Repository, pin: PinList) -> VersionName | None:
    """What is pinned; None for a version of another repository."""
    match = _LABEL.fullmatch(pin.label)
    if match is None or pin.label != pin_label(repository, match[1]):
        return None
    return parse_version_name(match[1], entity=repository.config.entity, project=repository.config.project)


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
