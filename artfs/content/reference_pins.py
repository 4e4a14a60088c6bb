"""What a reference stands for while this process reads it: what was recorded, or, where nothing was, what was found on first need.

A reference of `checksum=False` has no recorded size, and nothing that identifies its content. Its home is asked once, and what was
found is remembered: later ranges are pinned to it (I9), so that nobody gets one file made of two. Reading it anew as a whole looks
anew (`refresh`), as nothing was recorded that it had to be.

Any thread. The lock guards two mappings and is never held while a home is asked; those who need the same answer wait for one.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import replace
from typing import NamedTuple

from artfs.chunks.shared_fetches import PATIENCE_S
from artfs.errors import InternalError, NotFound, TimedOut
from artfs.model.digest import Digest
from artfs.model.entry import Entry, Kind, Reference
from artfs.references.changed import is_recorded, reference_changed
from artfs.references.references import References
from artfs.references.uri import shown_uri

#: What was found is kept for so many references, about 500 bytes each.
_MOST_PINS = 1 << 16


class Pinned(NamedTuple):
    """A reference as its home is asked for it. Equal keys mean equal content; `reference.size` may still be None."""

    reference: Reference
    key: Digest
    #: False where what `reference` says was found when it was first needed.
    was_recorded: bool = True

    @property
    def shown_uri(self) -> str:
        """What messages call it: signatures and passwords must not end up in logs."""
        return shown_uri(self.reference.uri)


class ReferencePins:
    """Says what to ask the homes of `references` for."""

    def __init__(self, references: References) -> None:
        self._references = references
        self._pins: OrderedDict[Digest, Pinned] = OrderedDict()
        self._asking: dict[Digest, Future[Pinned]] = {}
        self._lock = threading.Lock()

    def known(self, entry: Entry) -> Pinned | None:
        """What is known without asking anybody. InternalError for what is no reference."""
        reference = entry.reference
        if entry.kind is not Kind.REFERENCE or reference is None:
            raise InternalError(f"{entry.path!r} is a {entry.kind.name.lower()}: it is not left at a URI")
        if reference.size is not None and is_recorded(reference):
            return Pinned(reference, entry.digest)
        with self._lock:
            return self._pins.get(entry.digest)

    def get(self, entry: Entry) -> Pinned:
        """The same, the home being asked where it is not known. Raises what `look` of a home raises."""
        return self.known(entry) or self._ask(entry)

    def refresh(self, entry: Entry) -> Pinned:
        """What to ask for when the whole is to be read from its beginning."""
        pinned = self.known(entry)
        return self._ask(entry) if pinned is None or not is_recorded(_reference_of(entry)) else pinned

    def learn_size(self, entry: Entry, pinned: Pinned, size: int) -> Pinned:
        """The content turned out to have `size` bytes."""
        learnt = pinned._replace(reference=replace(pinned.reference, size=size))
        with self._lock:
            self._remember(entry, learnt)
        return learnt

    def _ask(self, entry: Entry) -> Pinned:
        with self._lock:
            asking = self._asking.get(entry.digest)
            is_ours = asking is None
            if asking is None:
                asking = self._asking[entry.digest] = Future()
        if not is_ours:
            try:
                return asking.result(PATIENCE_S)
            except TimeoutError as error:
                where = shown_uri(_reference_of(entry).uri)
                raise TimedOut(f"{where} has not answered within {PATIENCE_S:g} s: try again later") from error
        try:
            pinned = self._look(entry)
        except BaseException as error:
            self._answered(entry)
            asking.set_exception(error)
            raise
        self._answered(entry, pinned)
        asking.set_result(pinned)
        return pinned

    def _answered(self, entry: Entry, pinned: Pinned | None = None) -> None:
        with self._lock:
            del self._asking[entry.digest]
            if pinned is not None:
                self._remember(entry, pinned)

    def _remember(self, entry: Entry, pinned: Pinned) -> None:
        self._pins[entry.digest] = pinned
        self._pins.move_to_end(entry.digest)
        if len(self._pins) > _MOST_PINS:
            self._pins.popitem(last=False)

    def _look(self, entry: Entry) -> Pinned:
        recorded = _reference_of(entry)
        try:
            found = self._references.look(recorded)
        except NotFound as error:
            raise reference_changed(recorded, "nothing") from error
        if is_recorded(recorded):  # all but its size
            return Pinned(replace(recorded, size=found.size), entry.digest)
        # Without anything that identifies the content, what is read from now on must not be mixed with what was read before.
        key = found.identity() if is_recorded(found) else Digest(secrets.token_bytes(len(entry.digest)))
        return Pinned(replace(found, uri=recorded.uri), key, was_recorded=False)


def _reference_of(entry: Entry) -> Reference:
    assert entry.reference is not None  # noqa: S101  looked at by `known` before
    return entry.reference
