"""An ingest under a lease: how everything that becomes a version, or part of one, begins (I1, I4).

While it goes on, its lease is kept alive in the background. It ends in the registry, with the transaction that names what it has
stored, or with `abort`; one that nobody holds any more is ended soon. What a failed or dead one has stored is collected by gc.

Threads: an ingest may be fed by several threads, but is ended by one, after they are done.
"""

from __future__ import annotations

import logging
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from artfs.content.chunk_sink import PackIndex
from artfs.content.ingest import Ingest
from artfs.errors import ArtfsError, InternalError, LeaseLost, StoreFull, TransientError
from artfs.model.entry import LeaseId, lease_prefix, pack_key
from artfs.repository.binding import ensure_bound, ensure_still_bound
from artfs.repository.leases import LeaseKeeper
from artfs.repository.repository import Repository

logger = logging.getLogger(__name__)


class LeasedIngest(Ingest):
    """An ingest whose lease ends when it is aborted, or when nobody holds it any more.

    With `is_read_again`, a commit that finds the lease lost does not abort it: who began it reads what is stored, and then does.
    """

    def __init__(self, repository: Repository, entity: str, lease: LeaseId, packs: PackIndex) -> None:
        super().__init__(
            entity=entity,
            lease=lease,
            objects=repository.objects,
            packs=packs,
            memo_dir=repository.config.memo_dir,
        )
        self._repository = repository
        self._process = os.getpid()
        self.is_read_again = False
        self._watch()

    def abort(self) -> None:
        """Give up: nothing of this ingest becomes visible, its lease ends, and what it stored is removed as far as possible."""
        if os.getpid() != self._process:
            return  # a forked child that cleans up: what its parent is doing is not for it to end
        try:
            super().abort()
        finally:
            if self._finalizer.detach() is not None:
                _give_up(self._repository, self.lease)

    def pause(self) -> None:
        """Give up as `abort` does, but leave what is durable, for the grace period of gc, to whoever goes on with the work."""
        if os.getpid() != self._process:
            return
        super().abort()
        if self._finalizer.detach() is not None:
            self._repository.leases.end(self.lease)

    def store_no_more(self) -> None:
        """The content is a version already: what is not stored by now is not needed, and the lease only ends with the commit."""
        super().abort()

    @contextmanager
    def given_to_registry(self) -> Iterator[None]:
        """Around the transaction that ends the lease: extends the lease no longer, and removes nothing whatever happens."""
        ensure_still_bound(self._repository)
        if self._finalizer.detach() is not None:
            self._repository.leases.release(self.lease)
        try:
            yield
        except BaseException:
            # Whether the transaction took place may be unknown, so nothing is removed here: gc decides by what the registry says.
            self._repository.leases.end(self.lease)
            raise

    def take_back(self) -> None:
        """Go on: the transaction that was to end the lease has told that it did nothing."""
        self._repository.leases.hold(self.lease)
        self._watch()

    def _watch(self) -> None:
        self._finalizer = weakref.finalize(self, LeaseKeeper.drop_later, self._repository.leases, self.lease)
        self._finalizer.atexit = False


def begin_ingest(repository: Repository, entity: str, packs: PackIndex | None = None) -> LeasedIngest:
    """Open a lease and start to take in content for `entity`. Ends with a commit, a contribution or `abort()`.

    Content that is stored already is looked for in `packs`, else in all of the registry.

    Raises ConfigNotValid when registry and object store do not belong together.
    """
    ensure_bound(repository)
    return LeasedIngest(repository, entity, repository.leases.open(entity), packs or repository.registry.packs)


def leased(ingest: Ingest) -> LeasedIngest:
    """`ingest`, which came from `begin_ingest`."""
    if not isinstance(ingest, LeasedIngest):
        raise InternalError("an ingest without a lease was to be committed: it has to come from begin_ingest")
    return ingest


@contextmanager
def aborted_on_error(ingest: Ingest, *, but_for: tuple[type[ArtfsError], ...] = ()) -> Iterator[None]:
    """Abort the ingest when an exception ends the block, unless it is one of `but_for`.

    After an error that may be none the next time, what is stored is left to be found then.
    """
    try:
        yield
    except but_for:
        raise
    except BaseException as error:
        if isinstance(error, LeaseLost) and leased(ingest).is_read_again:
            raise
        try:
            if isinstance(error, TransientError) and not isinstance(error, StoreFull):
                leased(ingest).pause()
            else:
                ingest.abort()
        except ArtfsError as other:
            logger.info("what the failed commit %s stored is left to gc: %s", ingest.lease.hex(), other)
        raise


def _give_up(repository: Repository, lease: LeaseId) -> None:
    """End the lease and free what was stored under it, so that a failure for lack of space does not keep the space."""
    repository.leases.end(lease)
    try:
        repository.registry.packs.drop_uncommitted(lease)
        # The lease was never given to a commit transaction, but another commit may have found some of it in time (I4).
        named = {pack_key(pack) for pack in repository.registry.packs.committed_under([lease])}
        for info in list(repository.objects.iter_objects(lease_prefix(lease))):
            if info.key not in named:
                repository.objects.delete(info.key)
    except ArtfsError as error:
        logger.info("what the aborted commit %s stored is left to gc: %s", lease.hex(), error)
