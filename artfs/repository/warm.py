"""Warming: the chunks of a version, or of a path of it, come to the cache on the local disk before anybody reads them.

Its manifest comes too, so that the version opens without the network. Unlike what is pinned (`pins`), what is warm goes when its
turn comes to be evicted. References are not stored by artfs and stay where they are.

Several requests are under way at once, each for what lies together in manifest order; what they hold is bounded (I7). The list of
what to fetch takes some 250 bytes for each chunk, of which there cannot be more than the cache has room for.

Any thread. `on_progress` is called by the thread that warms; an error that it raises ends the work, and what has come stays.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from artfs.chunks.disk_cache.cache import DiskCache
from artfs.content.manifests import Manifest
from artfs.content.workers import Workers
from artfs.errors import ConfigNotValid, EntryNotFound, StoreFull, UserError
from artfs.model.digest import Digest
from artfs.model.entry import ChunkRef, Entry, Kind
from artfs.model.progress import OnShareDone
from artfs.model.records import VersionRecord
from artfs.repository.repository import Repository
from artfs.repository.version_chunks import iter_entry_chunks, iter_manifest_chunks

_MIB = 1 << 20
#: Of one piece of work, about a request: its bytes as stored, and as they are once decoded.
_PIECE, _PLAIN_PIECE = 8 * _MIB, 16 * _MIB
#: Pieces under way, at most; less where there is less memory than this for each.
_MOST_PIECES, _MEMORY_OF_PIECE = 8, 32 * _MIB
#: Entries whose chunk lists are read at once.
_ENTRIES = 256


@dataclass(frozen=True, slots=True)
class Warmed:
    """What is warm now: `files` with `size` bytes as stored, manifest included, of which `size_before` were here already.

    `references` is how many there are besides, of which nothing is kept.
    """

    files: int
    size: int
    size_before: int
    references: int


@dataclass(slots=True)
class _Wanted:
    """The chunks that there are to be, each once, and what they come to. `refs` ends where the limit is passed."""

    limit: int
    files: int = 0
    references: int = 0
    size: int = 0
    size_before: int = 0
    refs: list[ChunkRef] = field(default_factory=list)
    seen: set[Digest] = field(default_factory=set)

    def add(self, cache: DiskCache, refs: Sequence[ChunkRef]) -> None:
        new = {ref.digest: ref for ref in refs if ref.digest not in self.seen}
        here = cache.find(list(new.values()))
        self.seen.update(new)
        self.size += sum(ref.stored_size for ref in new.values())
        self.size_before += sum(new[digest].stored_size for digest in here)
        if self.size <= self.limit:
            self.refs += new.values()


def warm_version(repository: Repository, version: VersionRecord, path: str = "", on_progress: OnShareDone | None = None) -> Warmed:
    """Fetch what is not here of the chunks of `version`, or of what is at or below `path`, and of the manifest.

    UserError where the object store is on this machine, ConfigNotValid without a usable cache, EntryNotFound without such a path;
    StoreFull when the cache cannot hold all of it, before content is fetched where the limit alone tells. What reading raises.
    `on_progress` is told the bytes that are here and those that shall be; the latter grow while the manifest is read.
    """
    cache = _cache_of(repository, version)
    wanted = _survey(repository, cache, version, path, on_progress)
    if wanted.size > wanted.limit:
        raise StoreFull(
            f"{_named(version, path)} has {wanted.size} bytes, and the cache may have {cache.limit} "
            "(cache_limit): raise that, or name a path in the version"
        )
    _fetch(repository, wanted, on_progress)
    here = cache.find(wanted.refs)
    if gone := sum(ref.stored_size for ref in wanted.refs if ref.digest not in here):
        raise StoreFull(
            f"{gone} of the {wanted.size} bytes of {_named(version, path)} did not stay in the cache, which may have {cache.limit} "
            "(cache_limit) with all that is pinned and in use: raise that, or make room on its disk"
        )
    return Warmed(wanted.files, wanted.size, wanted.size_before, wanted.references)


def _cache_of(repository: Repository, version: VersionRecord) -> DiskCache:
    if not repository.objects.is_remote:
        raise UserError(
            f"{version.qualified_name} need not be warmed: its object store {repository.config.objects} is on this machine"
        )
    if repository.cache is None:
        raise ConfigNotValid("there is no cache, as cache_limit is 0: set it to a size, for example ARTFS_CACHE_LIMIT=10GiB")
    repository.cache.ensure_usable()
    return repository.cache


def _named(version: VersionRecord, path: str) -> str:
    return f"{version.qualified_name}/{path}" if path else version.qualified_name


def _survey(
    repository: Repository, cache: DiskCache, version: VersionRecord, path: str, on_progress: OnShareDone | None
) -> _Wanted:
    """What there is to fetch. Reads the manifest and the chunk lists, each after it was seen whether they are here."""
    wanted = _Wanted(cache.limit)
    wanted.add(cache, [version.manifest])
    manifest = repository.manifest(version)
    wanted.add(cache, list(iter_manifest_chunks(manifest)))
    for batch in _batches(manifest, version, path):
        wanted.files += sum(entry.kind is Kind.FILE for entry in batch)
        wanted.references += sum(entry.kind is Kind.REFERENCE for entry in batch)
        wanted.add(cache, [ref for entry in batch for ref in entry.content.refs])
        lists = [ref for entry in batch if entry.content.is_indirect for ref in entry.content.refs]
        if lists:
            repository.chunks.read(lists)  # in few requests, and then found one by one in memory
            for entry in batch:
                wanted.add(cache, list(iter_entry_chunks(entry, repository.chunks)))
        if on_progress is not None:
            on_progress(0, wanted.size)
    return wanted


def _batches(manifest: Manifest, version: VersionRecord, path: str) -> Iterator[list[Entry]]:
    if path and manifest.get(path) is None:
        raise EntryNotFound(f"{version.name} has no {path!r}: see what there is with `artfs ls -R {version.name}`")
    entries = manifest.iter_entries(path)
    while batch := list(islice(entries, _ENTRIES)):
        yield batch


def _fetch(repository: Repository, wanted: _Wanted, on_progress: OnShareDone | None) -> None:
    """Have all chunks pass through the cache, which keeps them; what is in it is checked, and is now the last to be evicted."""
    most = max(1, min(_MOST_PIECES, repository.config.memory // _MEMORY_OF_PIECE))
    workers = Workers(most, "artfs-warm")
    under_way: deque[tuple[Future[None], int]] = deque()
    done = 0

    def finish_one() -> None:
        nonlocal done
        future, size = under_way.popleft()
        future.result()
        done += size
        if on_progress is not None:
            on_progress(done, wanted.size)

    try:
        for piece in _pieces(wanted.refs):
            if len(under_way) == most:
                finish_one()
            size = sum(ref.stored_size for ref in piece)
            under_way.append((workers.submit(partial(_fetch_piece, repository, piece)), size))
        while under_way:
            finish_one()
    finally:
        workers.close(wait=False)


def _fetch_piece(repository: Repository, piece: list[ChunkRef]) -> None:
    repository.chunks.read_once(piece)


def _pieces(refs: Sequence[ChunkRef]) -> Iterator[list[ChunkRef]]:
    piece: list[ChunkRef] = []
    stored = plain = 0
    for ref in refs:
        if piece and (stored + ref.stored_size > _PIECE or plain + ref.size > _PLAIN_PIECE):
            yield piece
            piece, stored, plain = [], 0, 0
        piece.append(ref)
        stored += ref.stored_size
        plain += ref.size
    if piece:
        yield piece
