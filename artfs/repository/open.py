"""The composition root: which concrete classes a repository is made of. Nothing else in artfs names them together."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from functools import partial

from artfs.chunks.disk_cache.cache import DiskCache
from artfs.chunks.disk_cache.open import open_disk_cache
from artfs.chunks.shared_fetches import SharedFetches
from artfs.chunks.store import ChunkStore
from artfs.config import Config, make_private_folder
from artfs.content.manifests import ManifestStore
from artfs.content.paces import NEAR, far
from artfs.content.reader import ContentReader
from artfs.content.reference_reader import ReferenceReader
from artfs.content.workers import Workers
from artfs.model.secret_uris import shown_uri
from artfs.objectstore.bucket import BucketStore
from artfs.objectstore.hedged import HedgedStore
from artfs.objectstore.metered import MeteredStore
from artfs.objectstore.open import open_objects
from artfs.objectstore.protocol import ObjectStore
from artfs.references.open import open_references
from artfs.references.references import References
from artfs.registry.open import Registry, open_registry
from artfs.repository.binding import MARK_KEY, relocate_chunks
from artfs.repository.known_files import KnownFiles
from artfs.repository.known_names import KnownNames
from artfs.repository.leases import LeaseKeeper
from artfs.repository.repository import Repository

#: Requests of single reads from a remote store that are made beside the one that the reader makes itself.
_FETCH_THREADS = 16
#: More than there are requests at once, so that none waits for the end of another.
_REQUEST_THREADS = 96


def open_repository(config: Config, *, to_write: bool = False, to_serve: bool = False) -> Repository:
    """Open the registry and the object store that `config` names, creating what is not there yet.

    A remote object store is made ready in the background while the registry is opened: with `to_serve` without asking it, as
    reading may do without it, and with `to_write` by a first request.
    """
    _keep_private(config)
    objects = open_objects(config.objects)
    if isinstance(objects, BucketStore) and (to_write or to_serve):
        prepare = partial(objects.get, MARK_KEY) if to_write else objects.prepare
        threading.Thread(target=_try, args=(prepare,), name="artfs-meet-store", daemon=True).start()
    known = _known_files(config, None)
    # What was read before is read without the registry too; whoever needs it will say so.
    registry = open_registry(config.registry, at_once=known is None or not known.are_there)
    return assemble_repository(config, registry, objects)


def _try(prepare: Callable[[], object]) -> None:
    with contextlib.suppress(Exception):  # whoever needs it meets the same, and tells it
        prepare()


def _known_files(config: Config, cache: DiskCache | None) -> KnownFiles | None:
    """Where names are remembered that come from another machine. One that is here can be asked whenever the files can be read."""
    if config.registry.startswith("sqlite:"):
        return None
    is_pinned = (lambda _: False) if cache is None else cache.is_pinned
    return KnownFiles(config.cache_dir / "known", shown_uri(config.registry), is_pinned)


def _keep_private(config: Config) -> None:
    """Make the folders of artfs's own before a layer below does, for which all folders are alike."""
    own = [config.state_dir, config.cache_dir]
    if str(config.data_dir) in config.objects:
        own.append(config.data_dir)
    for folder in own:
        with contextlib.suppress(OSError):  # whoever needs it will say so
            make_private_folder(folder)


def assemble_repository(
    config: Config, registry: Registry, objects: ObjectStore, references: References | None = None
) -> Repository:
    """A repository over stores that are open already. It closes `registry` and `references` when it is closed.

    References lead to their usual homes when there are none given.
    """
    metered = MeteredStore(objects)
    references = open_references(config.cache_dir) if references is None else references
    shared = SharedFetches(config.memory)  # one bound for what is kept of both, chunks and references (I7)
    cache = open_disk_cache(config.chunk_cache_dir, config.cache_limit)
    kept = cache if metered.is_remote else None  # what is on this machine already would only be there twice
    reserve = None if cache is None else cache.reserve
    threads = Workers(_FETCH_THREADS, "artfs-fetch") if metered.is_remote else None
    # Above what counts, so that requests are counted which are made twice.
    requests = Workers(_REQUEST_THREADS, "artfs-request") if metered.is_remote else None
    store = metered if requests is None else HedgedStore(metered, requests)
    chunks = ChunkStore(store, shared, kept, lambda refs: relocate_chunks(repository, refs), threads=threads)
    paces = far(config.memory) if metered.is_remote else NEAR
    repository = Repository(
        config=config,
        registry=registry,
        objects=metered,
        chunks=chunks,
        manifests=ManifestStore(chunks),
        references=references,
        reader=ContentReader(chunks, ReferenceReader(references, shared, config.cache_dir, reserve), paces),
        leases=LeaseKeeper(registry.leases),
        names=KnownNames(registry, _known_files(config, cache)),
        cache=cache,
        requests=requests,
    )
    return repository
