"""The bond between a registry and its object store: each knows the other, so that no setting mixes two repositories up.

    registry    the table `identity`: its own id, and the id of its store (NULL until the first write)
    store       the object `store.json`: {"format": 1, "store": ID, "registry": ID}

A store takes one registry: the packs of another one would be unknown to gc and verify, and its chunks to deduplication. The bond is
looked at once by each process, before it writes for the first time; reading verifies what it reads anyway (I3), and looks only when
a pack is not there. Stores and registries that know nothing of each other yet, as they are new or older than the bond, are bound
then.

The store's id follows from the registry's, and the mark is written before the registry is told: processes that bind at the same
time write the same bytes, and one that dies in between is finished by the next. Of two registries that come to an empty store at
once one gets it, as the mark is stored only where there is none. Some servers do not keep to that in buckets with versions: so
whoever has written the mark looks at it again before the first commit. Any thread.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from artfs.errors import ArtfsError, ConfigNotValid, IntegrityError, NotFound
from artfs.model.digest import Digest, digest_of
from artfs.model.entry import ChunkRef, pack_key
from artfs.model.secret_uris import shown_uri
from artfs.registry.identity import IdentityRecord
from artfs.repository.repository import Repository

logger = logging.getLogger(__name__)

#: Where the mark lies in every object store.
MARK_KEY = "store.json"
_FORMAT = 1
_MAX_MARK_SIZE = 4096
_MAX_ID_SIZE = 64
#: Packs that are looked for when the mark is missing: one may have been lost.
_PROBES = 3


@dataclass(frozen=True, slots=True)
class Mark:
    """What a store says of itself: its id, and the id of its registry."""

    store_id: str
    registry_id: str


def ensure_bound(repository: Repository, *, dry_run: bool = False) -> None:
    """Raise ConfigNotValid unless registry and object store belong together; bind them when neither belongs elsewhere.

    Asks both once in a process. With `dry_run` nothing is bound.
    """
    if repository.bound.is_set():
        return
    identity = repository.registry.identity.get()
    mark = _read_mark(repository)
    if mark is None:
        _check_packs_are_here(repository)
        if dry_run:
            return
        mark = _put_mark(repository, identity)
        repository.has_marked.set()
    _check_mark(repository, mark, identity)
    if identity.store_id is None and not dry_run:
        identity = repository.registry.identity.bind(mark.store_id)
    if identity.store_id not in (None, mark.store_id):
        raise ConfigNotValid(
            f"the registry {_registry(repository)} keeps its bytes in another object store than {_store(repository)}:"
            " set ARTFS_OBJECTS to the one it was first used with"
        )
    if identity.store_id is not None:  # else who writes has yet to bind them
        repository.bound.set()


def ensure_still_bound(repository: Repository) -> None:
    """Before a commit: raise ConfigNotValid when another registry has taken the store since this process wrote the mark.

    Asks nobody but then, and once.
    """
    if not repository.has_marked.is_set():
        return
    try:
        mark = _read_mark(repository)
        if mark is not None:
            _check_mark(repository, mark, repository.registry.identity.get())
    except ConfigNotValid:
        repository.bound.clear()
        raise
    repository.has_marked.clear()


def relocate_chunks(repository: Repository, refs: Sequence[ChunkRef]) -> dict[Digest, ChunkRef]:
    """For each of `refs`, whose packs are not in the store, that lies elsewhere: its place there.

    Raises ConfigNotValid when none is there as the store is not the registry's.
    """
    moved = repository.registry.packs.relocate(refs)
    try:
        ensure_bound(repository, dry_run=True)
    except ConfigNotValid:
        raise
    except ArtfsError as error:  # who reads will say what is wrong
        logger.debug("whether the store is the registry's is not known: %s", error)
    return moved


def _check_packs_are_here(repository: Repository) -> None:
    """A store without a mark is new, older than the bond, or not the registry's: then none of its packs are there."""
    packs = repository.registry.identity.newest_packs(_PROBES)
    if packs and not any(repository.objects.has(pack_key(pack)) for pack in packs):
        raise ConfigNotValid(
            f"the object store {_store(repository)} has none of what the registry {_registry(repository)} has stored: set"
            " ARTFS_OBJECTS to the store it was first used with, or use `artfs copy` to bring its artifacts to this one"
        )


def _check_mark(repository: Repository, mark: Mark, identity: IdentityRecord) -> None:
    if mark.registry_id != identity.registry_id:
        raise ConfigNotValid(
            f"the object store {_store(repository)} belongs to another registry ({mark.registry_id}) than {_registry(repository)}"
            f" ({identity.registry_id}): set ARTFS_OBJECTS to an empty place, or ARTFS_REGISTRY to the registry it belongs to;"
            " if that was lost, restore it from a backup"
        )


def _put_mark(repository: Repository, identity: IdentityRecord) -> Mark:
    store_id = digest_of(b"artfs store of " + identity.registry_id.encode()).hex()[:32]
    value = {"format": _FORMAT, "store": store_id, "registry": identity.registry_id}
    repository.objects.put(MARK_KEY, [json.dumps(value).encode()])
    # Read back: another registry may have been faster.
    return _read_mark(repository) or Mark(store_id, identity.registry_id)


def _read_mark(repository: Repository) -> Mark | None:
    try:
        data = repository.objects.get(MARK_KEY)
    except NotFound:
        return None
    try:
        return decode_mark(data)
    except ValueError as error:
        raise IntegrityError(
            f"{MARK_KEY} of the object store {_store(repository)} is damaged ({error}): if this is the store of the registry"
            f" {_registry(repository)}, delete that object and try again"
        ) from error


def decode_mark(data: bytes) -> Mark:
    """The mark in `data`. Raises ValueError for what is none, and ConfigNotValid for one of a later artfs."""
    if len(data) > _MAX_MARK_SIZE:
        raise ValueError(f"it has {len(data)} bytes")
    try:
        found = json.loads(data)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(found, dict) or not isinstance(found.get("format"), int):
        raise ValueError("it is no mark")  # noqa: TRY004 - damage, and no caller's mistake
    if found["format"] > _FORMAT:
        raise ConfigNotValid(f"the object store is of a newer artfs ({MARK_KEY} has format {found['format']}): upgrade artfs")
    return Mark(_check_id(found.get("store")), _check_id(found.get("registry")))


def _check_id(found: object) -> str:
    if not isinstance(found, str) or not found.isalnum() or not found.isascii() or len(found) > _MAX_ID_SIZE:
        raise ValueError("its ids are no ids")
    return found


def _store(repository: Repository) -> str:
    return shown_uri(repository.config.objects)


def _registry(repository: Repository) -> str:
    return repository.registry.identity.address
