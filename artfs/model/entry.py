"""What a version holds: entries, and where the bytes of a file entry lie.

A pack is named by the lease of the commit that wrote it and a sequence number. Both together are never used twice, so that gc can
never take a new pack for an old one of the same name (I4). A chunk reference says where a chunk lies, so that a reader that has the
manifest needs no database.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import NamedTuple, NewType

from artfs.model.digest import NO_DIGEST, Digest, digest_of

#: 12 random bytes that name one commit while it is under way, and for ever the packs it wrote.
LeaseId = NewType("LeaseId", bytes)
#: Lease id and a 4-byte big-endian sequence number.
PackId = NewType("PackId", bytes)

LEASE_ID_SIZE = 12
PACK_ID_SIZE = 16
#: A chunk, and so a manifest page and root, is at most this large; the formats keep 24 bits for it.
MAX_CHUNK_SIZE = (1 << 24) - 1
#: The last place in a pack at which a chunk may begin; the formats keep 32 bits for it.
MAX_OFFSET = (1 << 32) - 1


def make_pack_id(lease: LeaseId, sequence: int) -> PackId:
    """The id of the pack number `sequence` (below 2³²) of the commit that holds the lease."""
    return PackId(lease + sequence.to_bytes(PACK_ID_SIZE - LEASE_ID_SIZE, "big"))


def lease_of_pack(pack: PackId) -> LeaseId:
    """The lease of the commit that wrote the pack."""
    return LeaseId(pack[:LEASE_ID_SIZE])


def pack_key(pack: PackId) -> str:
    """The key of a pack in the object store; all packs of one commit share a prefix."""
    return f"{lease_prefix(lease_of_pack(pack))}{pack[LEASE_ID_SIZE:].hex()}"


def lease_prefix(lease: LeaseId) -> str:
    """How the keys of all packs of one commit begin."""
    return f"packs/{lease.hex()}/"


class ChunkRef(NamedTuple):
    """One chunk and where it lies. It is stored as it is when `stored_size == size`, else as one zstd frame."""

    digest: Digest
    size: int
    pack: PackId
    offset: int
    stored_size: int


@dataclass(frozen=True, slots=True)
class Content:
    """The chunks of one file, in order.

    A file of few chunks names them in `refs`. A long one (`spans` not empty) has its references stored in chunks themselves:
    `refs[i]` is then an encoded chunk list that covers `spans[i]` bytes of the file, and `packs` names the packs that the
    chunks in the lists lie in, so that nobody has to read the lists to know what a version needs.
    """

    refs: tuple[ChunkRef, ...] = ()
    spans: tuple[int, ...] = ()
    packs: tuple[PackId, ...] = ()

    @property
    def is_indirect(self) -> bool:
        return bool(self.spans)

    def needed_packs(self) -> set[PackId]:
        """The packs that reading the file needs: those of its chunks, and of the lists that name them."""
        return {ref.pack for ref in self.refs}.union(self.packs)


NO_CONTENT = Content()


class Kind(IntEnum):
    """What an entry is. The numbers are part of the manifest format and of the version digest."""

    FILE = 1
    SYMLINK = 2
    DIRECTORY = 3
    REFERENCE = 4


@dataclass(frozen=True, slots=True)
class Reference:
    """Content left where it is. `None` means not known; `identity` is what the version digest sees of it."""

    uri: str
    etag: str | None = None
    version_id: str | None = None
    size: int | None = None

    def identity(self) -> Digest:
        """Digest of what makes the content what it is: the location and the recorded ETag and version id."""
        fields = (self.uri, self.etag, self.version_id)
        return digest_of(b"".join(_length_prefixed(field) for field in fields))


def _length_prefixed(text: str | None) -> bytes:
    raw = (text or "").encode()
    return (0 if text is None else len(raw) + 1).to_bytes(4, "little") + raw


@dataclass(frozen=True, slots=True)
class Entry:
    """One path of a version.

    Every directory has an entry, so that a listing is one contiguous range of the manifest; `size` and `file_count` of a version
    count files and references only. Which fields mean something:

    - FILE: `size`, `executable`, `mtime_ns`, `digest` (of the whole file), `content`
    - SYMLINK: `target`, `digest` (of the target's text), `size` (its bytes), `mtime_ns`
    - DIRECTORY: nothing but the path
    - REFERENCE: `reference`, `digest` (its identity), `size` (0 while unknown), `mtime_ns`
    """

    path: str
    kind: Kind = Kind.FILE
    size: int = 0
    executable: bool = False
    mtime_ns: int = 0
    digest: Digest = NO_DIGEST
    content: Content = NO_CONTENT
    target: str = ""
    reference: Reference | None = None

    @property
    def directory(self) -> str:
        """The path of the directory the entry is in; empty for the root."""
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def sort_key(self) -> tuple[str, str]:
        """Manifests are sorted by (directory, name): a directory lies together."""
        directory, _, name = self.path.rpartition("/")
        return directory, name

    def same_content(self, other: Entry) -> bool:
        """True if both mean the same content, wherever it is stored and whenever it was written."""
        return self.kind == other.kind and self.executable == other.executable and self.digest == other.digest

    def at(self, path: str) -> Entry:
        """The same entry at another path."""
        return replace(self, path=path)


def symlink_entry(path: str, target: str, mtime_ns: int) -> Entry:
    raw = target.encode()
    return Entry(path, Kind.SYMLINK, size=len(raw), mtime_ns=mtime_ns, digest=digest_of(raw), target=target)


def directory_entry(path: str) -> Entry:
    return Entry(path, Kind.DIRECTORY)


def reference_entry(path: str, reference: Reference, mtime_ns: int) -> Entry:
    return Entry(
        path,
        Kind.REFERENCE,
        size=reference.size or 0,
        mtime_ns=mtime_ns,
        digest=reference.identity(),
        reference=reference,
    )


def parent_paths(path: str) -> list[str]:
    """The directories above `path`, the nearest first, without the root."""
    parents = []
    while path := path.rpartition("/")[0]:
        parents.append(path)
    return parents


def with_parents(entries: Iterable[Entry]) -> list[Entry]:
    """The entries, those of all directories above them added, in manifest order."""
    by_path = {entry.path: entry for entry in entries}
    for path in list(by_path):
        for parent in parent_paths(path):
            if parent in by_path:
                break  # its own parents are there, or will be when its turn comes
            by_path[parent] = directory_entry(parent)
    return sorted(by_path.values(), key=lambda entry: entry.sort_key)
