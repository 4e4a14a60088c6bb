"""Nodes: everything that has an inode in the mount, and what may be done with it.

A node says what it is and does what the kernel asks of it, in plain blocking calls; it knows neither inode numbers nor event loops.
This class is the answer of a node that cannot: each kind of node overrides what it can. Errors are OSError for what POSIX has a
number for, ArtfsError for the rest; the adapter translates. Any thread may call any method, several at once.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Hashable, Sequence
from typing import ClassVar, NamedTuple, Protocol, Self

from artfs.errors import ReadOnly
from artfs.model.entry import Entry
from artfs.model.names import ArtifactName
from artfs.references.protocol import Piece
from artfs.references.uri import origin_of
from artfs.vfs.attributes import NEVER_S, Attributes, Changes


def os_error(code: int, name: str) -> OSError:
    """The OSError of that errno; Python makes it a FileNotFoundError and so on by itself."""
    return OSError(code, os.strerror(code), name)


def origin_of_entry(entry: Entry | None) -> str | None:
    """The `Node.origin` of what has the bytes of `entry`."""
    return None if entry is None or entry.reference is None else origin_of(entry.reference.uri)


class OpenFile(Protocol):
    """What is open under a handle.

    `direct_io`: the kernel keeps nothing of it; `keep_cache`: what the kernel has from before is still right.
    """

    direct_io: bool
    keep_cache: bool

    @property
    def origin(self) -> str | None:
        """As `Node.origin`."""
        ...

    def read(self, offset: int, length: int) -> Piece:
        """Bytes from `offset` on, fewer than `length` only at the end."""
        ...

    def write(self, offset: int, data: bytes) -> int:
        """Write `data`; says how many bytes that was: fewer only where the disk is full or the like."""
        ...

    def fsync(self, *, data_only: bool) -> None:
        """Make what was written durable."""
        ...

    def let_go(self) -> None:
        """It counts as closed from now on. Does not block; called before `close`, once."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


class Listed(NamedTuple):
    """One line of a directory listing."""

    name: str
    node: Node
    attributes: Attributes


class Node:
    """Answers everything with a refusal."""

    #: Nothing of it ever changes: its handle is its inode number, and its listing may be kept.
    is_immutable: ClassVar[bool] = False
    #: `attributes()` answers from memory.
    is_quick: ClassVar[bool] = False

    @property
    def key(self) -> Hashable:
        """What makes it this node: nodes of equal keys share an inode."""
        raise NotImplementedError

    @property
    def where(self) -> str:
        """Where a person finds it, below the mount point: for messages."""
        raise NotImplementedError

    @property
    def origin(self) -> str | None:
        """The server that must answer before bytes of it can be read, where it is a reference; None for what artfs has itself."""
        return None

    @property
    def asks(self) -> str | None:
        """The server that `attributes` has to ask; None when it answers without. Quick, as `origin` is."""
        return None

    def attributes(self) -> Attributes:
        raise NotImplementedError

    def glance(self) -> Attributes:
        """The same as far as no server has to be asked: a size of 0, which the kernel may not keep, where nobody has asked yet."""
        return self.attributes()

    @property
    def missing_timeout_s(self) -> float:
        """How long the kernel may believe that a name is not in this directory."""
        return NEVER_S

    def refuse_change(self) -> Exception:
        """The answer to an attempt to change something here."""
        return ReadOnly(f"{self.where} cannot be changed: versions are read-only; stage a copy with 'artfs stage'")

    def lookup(self, name: str) -> Node | None:
        raise os_error(errno.ENOTDIR, self.where)

    def list(self) -> Sequence[Listed]:
        raise os_error(errno.ENOTDIR, self.where)

    @property
    def state(self) -> object:
        """Another object whenever something in this directory may have changed; None when nobody can say."""
        return None

    def look_again(self, row: Listed) -> Listed | None:
        """A row of this directory as it is now, None when it is gone. Only files whose size can change need more than this."""
        return row

    def readlink(self) -> str:
        raise os_error(errno.EINVAL, self.where)

    def open(self, flags: int) -> OpenFile | None:
        """None when reading needs no state: `read` of the node itself is called then."""
        raise os_error(errno.EISDIR, self.where)

    def read(self, offset: int, length: int) -> Piece:
        raise os_error(errno.EISDIR, self.where)

    def change(self, changes: Changes, file: OpenFile | None) -> Attributes:
        raise self.refuse_change()

    def create(self, name: str, flags: int, mode: int) -> tuple[Node, OpenFile]:
        raise self.refuse_change()

    def mkdir(self, name: str, mode: int) -> Node:
        raise self.refuse_change()

    def symlink(self, name: str, target: str) -> tuple[Node, Attributes]:
        raise self.refuse_change()

    def link(self, node: Node, name: str) -> Node:
        raise self.refuse_change()

    def unlink(self, name: str) -> None:
        raise self.refuse_change()

    def rmdir(self, name: str) -> None:
        raise self.refuse_change()

    def rename_to(self, name: str, new_parent: Node, new_name: str, flags: int) -> None:
        """Move the child `name` of this directory to `new_parent` under `new_name`."""
        raise self.refuse_change()

    def commit_here(self, artifact: ArtifactName, staging: str, new_name: str, flags: int) -> None:
        """Make a version of the staging directory `staging`, which is renamed to `new_name` in this directory."""
        raise os_error(errno.EXDEV, new_name)

    def lookup_with_attributes(self, name: str) -> tuple[Node, Attributes] | None:
        """The child and its attributes, or None when there is no such child."""
        node = self.lookup(name)
        return None if node is None else (node, node.glance())

    def fsync_directory(self) -> None:
        """Make the names in this directory durable."""

    def latest_of(self, other: Self) -> None:
        """Another node of the same key was found: take over what is newer in it."""
