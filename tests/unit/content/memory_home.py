"""A home of references in memory that counts what it is asked for, and can stall, break off, lie and change.

What real servers do is the business of the contract suite; here it is what the reader makes of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from artfs.content.reference_reader import ReferenceReader
from artfs.errors import NotFound, ReferenceUnavailable
from artfs.model.digest import digest_of, format_digest
from artfs.model.entry import Entry, Reference, reference_entry
from artfs.references.changed import DIGEST_PREFIX, is_same, recorded_digest, reference_changed
from artfs.references.protocol import Fetched, Found
from artfs.references.references import References
from tests.unit.content.made_bytes import noise

#: Makes a reader; `memory` and `patience_s` may be given.
Opener = Callable[..., ReferenceReader]
MTIME_NS = 1_600_000_000_123_456_789
_PIECE = 256 << 10
#: No multiple of any block, so that bytes of a wrong place are other bytes.
_PERIOD = noise((1 << 20) + 4099, 77)


class Endless:
    """Content of any size that is made when it is asked for."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __len__(self) -> int:
        return self._size

    def read(self, start: int, stop: int) -> bytes:
        stop = min(stop, self._size)
        parts = []
        while start < stop:
            place = start % len(_PERIOD)
            parts.append(_PERIOD[place : place + stop - start])
            start += len(parts[-1])
        return b"".join(parts)


class Given(Endless):
    """Content that is `data`."""

    def __init__(self, data: bytes) -> None:
        super().__init__(len(data))
        self._data = data

    def read(self, start: int, stop: int) -> bytes:
        return self._data[start:stop]


@dataclass
class Thing:
    """What is at one URI. Without `etag` its digest identifies it; without `gives_ranges` it comes as a whole.

    An answer comes in pieces of `piece` bytes, the last of them shorter.
    """

    content: Endless
    etag: str | None = '"e1"'
    gives_ranges: bool = True
    says_size: bool = True
    piece: int = _PIECE


@dataclass(eq=False)
class MemoryHome:
    """`things` by URI. `on_fetch(offset, length)` is called at each fetch: it may wait or raise."""

    things: dict[str, Thing] = field(default_factory=dict)
    fetches: list[tuple[str, int, int]] = field(default_factory=list)
    looks: list[str] = field(default_factory=list)
    bytes_sent: int = 0
    on_fetch: Callable[[int, int], object] = lambda *_: None
    on_look: Callable[[], object] = lambda: None
    #: The next fetches break off after so many bytes.
    break_offs: list[int] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def expand(self, uri: str) -> Iterator[Found]:
        yield Found(uri.rpartition("/")[2], self._found(uri), MTIME_NS)

    def look(self, reference: Reference) -> Reference:
        with self._lock:
            self.looks.append(reference.uri)
        self.on_look()
        found = self._found(reference.uri)
        thing = self.things[reference.uri]
        etag = found.etag if recorded_digest(reference) or thing.etag else None
        return Reference(reference.uri, etag, None, found.size if thing.says_size else None)

    def fetch(self, reference: Reference, offset: int, length: int) -> Fetched:
        with self._lock:
            self.fetches.append((reference.uri, offset, length))
            breaks_off = self.break_offs.pop(0) if self.break_offs else None
        self.on_fetch(offset, length)
        thing = self.things.get(reference.uri)
        if thing is None:
            raise reference_changed(reference, "nothing")
        is_whole = not thing.gives_ranges or thing.etag is None
        if not is_whole and not is_same(reference, self._found(reference.uri)):
            raise reference_changed(reference, self._found(reference.uri))
        start = 0 if is_whole else offset
        stop = len(thing.content) if is_whole else offset + length
        size = len(thing.content) if thing.says_size else None
        return Fetched(start, size, self._pieces(reference, thing, start, min(stop, len(thing.content)), breaks_off))

    def close(self) -> None:
        """Nothing is open."""

    def _found(self, uri: str) -> Reference:
        if uri not in self.things:
            raise NotFound(f"{uri} leads to nothing")
        thing = self.things[uri]
        return Reference(uri, thing.etag or digest_etag(thing), None, len(thing.content))

    def _pieces(self, reference: Reference, thing: Thing, start: int, stop: int, breaks_off: int | None) -> Iterator[bytes]:
        sent = 0
        wrong = thing.etag is None and recorded_digest(reference) and reference.etag != digest_etag(thing)
        for place in range(start, stop, thing.piece):
            piece = thing.content.read(place, min(place + thing.piece, stop))
            if breaks_off is not None and sent + len(piece) > breaks_off:
                yield piece[: breaks_off - sent]
                raise ReferenceUnavailable(f"{reference.uri} has ended early")
            if wrong and place + thing.piece >= stop:
                raise reference_changed(reference, self._found(reference.uri))
            sent += len(piece)
            with self._lock:
                self.bytes_sent += len(piece)
            yield piece


def digest_etag(thing: Thing) -> str:
    return DIGEST_PREFIX + format_digest(digest_of(thing.content.read(0, len(thing.content))))


class Remote:
    """References to what is in a MemoryHome, and entries that refer to it."""

    def __init__(self) -> None:
        self.home = MemoryHome()
        self.references = References({"mem": self.home})

    def put(self, name: str, content: bytes | Endless, **how: object) -> Entry:
        """Put something there; the entry of what was recorded of it."""
        uri = f"mem://box/{name}"
        self.home.things[uri] = Thing(content if isinstance(content, Endless) else Given(content), **how)  # type: ignore[arg-type]
        thing = self.home.things[uri]
        size = len(thing.content) if thing.says_size else None
        return reference_entry(name, Reference(uri, thing.etag or digest_etag(thing), None, size), MTIME_NS)

    def unrecorded(self, name: str) -> Entry:
        """An entry as `checksum=False` makes it."""
        return reference_entry(name, Reference(f"mem://box/{name}"), MTIME_NS)
