"""What is in a staging directory: ordinary files, directories and symlinks, with the behaviour of POSIX.

The work is done by the staging directory, by path; an item knows its paths, and its open files for when it has no path any more.
Any thread.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress

from artfs.model.entry import Entry, Kind
from artfs.vfs.attributes import MOVABLE_S, NEVER_S, Attributes, Changes
from artfs.vfs.node import Listed, Node, OpenFile, origin_of_entry, os_error
from artfs.vfs.staged_file import OpenStagedFile
from artfs.vfs.staged_tree import OpenItem, StagedItem, StagedTree
from artfs.vfs.staging.moves import RENAME_EXCHANGE
from artfs.vfs.staging.stat import StagedStat, makes_executable

#: What of open(2)'s flags means something to the staging directory; the kernel has dealt with the rest.
_OPEN_FLAGS = os.O_ACCMODE | os.O_TRUNC | os.O_CREAT | os.O_EXCL
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_TRUNC


class StagedNode(Node):
    """One item of a staging directory."""

    __slots__ = ("item", "tree")

    def __init__(self, tree: StagedTree, item: StagedItem) -> None:
        self.tree = tree
        self.item = item

    @property
    def key(self) -> Hashable:
        return ("staged", self.tree.serial, self.item.number)

    @property
    def missing_timeout_s(self) -> float:
        return MOVABLE_S

    @property
    def where(self) -> str:
        path = self.item.paths[0] if self.item.paths else "(removed)"
        return f"{self.tree.artifact.name}/staging/{self.tree.name}/{path}".rstrip("/")

    def path_now(self) -> str:
        """Where it is now. Only inside the gate; ENOENT when it was removed."""
        try:
            return self.item.paths[0]
        except IndexError:
            raise os_error(errno.ENOENT, self.where) from None

    def child_path(self, name: str) -> str:
        path = self.path_now()
        return f"{path}/{name}" if path else name

    def _child(self, path: str, status: StagedStat) -> StagedNode:
        return StagedNode(self.tree, self.tree.item_at(path, status))

    @property
    def origin(self) -> str | None:
        return origin_of_entry(self.item.reference)

    @property
    def asks(self) -> str | None:
        entry = self.item.reference
        return self.origin if entry is not None and self._known_size(entry) is None else None

    def _known_size(self, reference: Entry) -> int | None:
        base = self.tree.directory.base
        return base.reader.known_size(reference) if base is not None else reference.size

    def show(self, status: StagedStat) -> Attributes:
        """As far as no server has to be asked, like `glance`."""
        self.item.reference = status.reference
        known: int | None = status.size
        if status.reference is not None:
            known = self._known_size(status.reference)
        # After a commit by rename(2) the kernel has the staging directory's inode under the new name: it must ask again at once.
        entry_timeout_s = self.tree.name_timeout_s() if self.item.paths == [""] else MOVABLE_S
        return Attributes(
            status.mode,
            known or 0,
            status.mtime_ns,
            entry_timeout_s,
            NEVER_S if known is None else MOVABLE_S,
            status.nlink,
            status.ctime_ns,
            status.atime_ns,
            status.blocks if status.reference is None else None,
        )

    def attributes(self) -> Attributes:
        with self.tree.gate.using_paths():
            status = self._stat()
            base = self.tree.directory.base
        if status.reference is not None and base is not None:
            base.reader.size(status.reference)  # outside of the gate, as the server may take long
        return self.show(status)

    def glance(self) -> Attributes:
        with self.tree.gate.using_paths():
            return self.show(self._stat())

    def _stat(self) -> StagedStat:
        if not self.item.paths:
            return self._any_file().stat()
        return self.tree.directory.stat(self.path_now())

    def _any_file(self) -> OpenItem:
        """An open file of what has no name any more."""
        try:
            return self.item.files[-1]
        except IndexError:
            raise os_error(errno.ENOENT, self.where) from None

    def lookup(self, name: str) -> Node | None:
        with self.tree.gate.using_paths():
            path = self.child_path(name)
            try:
                return self._child(path, self.tree.directory.stat(path))
            except FileNotFoundError:
                return None

    def lookup_with_attributes(self, name: str) -> tuple[Node, Attributes] | None:
        with self.tree.gate.using_paths():
            path = self.child_path(name)
            try:
                status = self.tree.directory.stat(path)
            except FileNotFoundError:
                return None
            node = self._child(path, status)
            return node, node.show(status)

    def list(self) -> Sequence[Listed]:
        listed = []
        with self.tree.gate.using_paths():
            for name, status in self.tree.directory.list(self.path_now()):
                node = self._child(self.child_path(name), status)
                listed.append(Listed(name, node, node.show(status)))
        return listed

    @property
    def state(self) -> object:
        return self.tree.state

    def look_again(self, row: Listed) -> Listed | None:
        found = self.lookup_with_attributes(row.name)
        return None if found is None else Listed(row.name, *found)

    def mkdir(self, name: str, mode: int) -> Node:
        with self.tree.gate.using_paths():
            path = self.child_path(name)
            return self._child(path, self.tree.directory.mkdir(path, stat.S_IMODE(mode)))

    def symlink(self, name: str, target: str) -> tuple[Node, Attributes]:
        with self.tree.gate.using_paths():
            path = self.child_path(name)
            status = self.tree.directory.symlink(target, path)
            node = self._child(path, status)
            return node, node.show(status)

    def link(self, node: Node, name: str) -> Node:
        if not isinstance(node, StagedNode) or node.tree is not self.tree:
            raise os_error(errno.EXDEV, name)
        if node.origin is None:  # links of references are refused
            node.bring_content(None)
        with self.tree.gate.using_paths():
            path = self.child_path(name)
            status = self.tree.directory.link(node.path_now(), path)
            self.tree.linked(node.item, path, status)
        return node

    def unlink(self, name: str) -> None:
        self._remove(name, self.tree.directory.unlink)

    def rmdir(self, name: str) -> None:
        self._remove(name, self.tree.directory.rmdir)

    def _remove(self, name: str, remove: Callable[[str], None]) -> None:
        with self.tree.gate.using_paths():
            path = self.child_path(name)
            self._keep_reachable(path)
            remove(path)
            self.tree.removed(path)

    def _keep_reachable(self, path: str) -> None:
        """Open files that read the base by path must be able to go on without one."""
        item = self.tree.find(path)
        if item is not None:
            for file in list(item.files):
                with suppress(OSError):
                    file.remember(self.tree.directory.stat(path))

    def rename_to(self, name: str, new_parent: Node, new_name: str, flags: int) -> None:
        if not isinstance(new_parent, StagedNode) or new_parent.tree is not self.tree:
            raise os_error(errno.EXDEV, new_name)
        with self.tree.gate.moving_paths():
            old, new = self.child_path(name), new_parent.child_path(new_name)
            for path in (old, new):
                self._keep_reachable(path)
            self.tree.directory.rename(old, new, flags)
            exchanged = bool(flags & RENAME_EXCHANGE)
            if exchanged or not self._is_there(old):  # two names of one file: rename(2) leaves both
                self.tree.renamed(old, new, exchanged=exchanged)

    def _is_there(self, path: str) -> bool:
        try:
            self.tree.directory.stat(path)
        except FileNotFoundError:
            return False
        return True

    def fsync_directory(self) -> None:
        with self.tree.gate.using_paths():
            self.tree.directory.fsync_directory(self.path_now())

    def readlink(self) -> str:
        with self.tree.gate.using_paths():
            return self.tree.directory.readlink(self.path_now())

    def create(self, name: str, flags: int, mode: int) -> tuple[Node, OpenFile]:
        writing = bool(flags & _WRITING)
        with self._writer_if(writing), self.tree.gate.using_paths():
            path = self.child_path(name)
            fd, status = self.tree.directory.create(path, flags & _OPEN_FLAGS, stat.S_IMODE(mode))
            node = self._child(path, status)
            return node, OpenStagedFile(self.tree, node.item, fd, None, writing=writing)

    @contextmanager
    def _writer_if(self, writing: bool) -> Iterator[None]:
        """The block opens a writer, or fails to and leaves none."""
        if not writing:
            yield
            return
        self.tree.writer_opens()
        try:
            yield
        except BaseException:
            self.tree.writer_closes()
            raise

    def open(self, flags: int) -> OpenFile:
        if flags & _WRITING:
            with self._writer_if(writing=True):
                fd = self._open_fd(flags & _OPEN_FLAGS)
                self.tree.changed()
                return OpenStagedFile(self.tree, self.item, fd, None, writing=True)
        with self.tree.gate.using_paths():
            if self.item.paths:
                status = self.tree.directory.stat(self.path_now())
                if status.entry is not None:
                    return OpenStagedFile(self.tree, self.item, None, status, writing=False)
        return OpenStagedFile(self.tree, self.item, self._open_fd(flags & _OPEN_FLAGS), None, writing=False)

    def bring_content(self, size: int | None) -> None:
        """Let a base file that is about to be changed have its bytes (the first `size` of them) in the staging directory.

        Outside of the gate, as it may take long: whoever wants to rename would wait for it, and everybody else for him.
        """
        while True:
            with self.tree.gate.using_paths():
                directory = self.tree.directory
                entry = directory.stat(self.path_now()).entry if self.item.paths else None
            if entry is None:
                return
            scratch = directory.fetch_copy(entry, size)
            with self.tree.gate.using_paths():
                if self.item.paths and self.tree.directory is directory:
                    directory.place_copy(self.path_now(), entry, scratch)
                else:
                    directory.drop_copy(scratch)

    def _open_fd(self, flags: int) -> int:
        if flags & _WRITING:
            self.bring_content(0 if flags & os.O_TRUNC else None)
        with self.tree.gate.using_paths():
            if not self.item.paths:
                return self._any_file().reopen(flags)
            return self.tree.directory.open(self.path_now(), flags)

    def change(self, changes: Changes, file: OpenFile | None) -> Attributes:
        """chmod, truncate and utimens. The owner is that of the mount and is not recorded: chown changes nothing."""
        opened = file if isinstance(file, OpenStagedFile) and file.is_writable else None
        # Counted as a writer: what was acknowledged while a commit reads the file would be in no version, and then gone (I5).
        self.tree.writer_opens()
        try:
            if self._needs_content(changes):
                self.bring_content(changes.size)
            return self._change(changes, opened)
        finally:
            self.tree.writer_closes()

    def _change(self, changes: Changes, opened: OpenStagedFile | None) -> Attributes:
        with self.tree.gate.using_paths():
            if changes.size is not None:
                self._truncate(changes.size, opened)
            if not self.item.paths:
                self._any_file().change(changes)
            else:
                path = self.path_now()
                if changes.mode is not None:
                    self.tree.directory.chmod(path, stat.S_IMODE(changes.mode))
                if changes.atime_ns is not None or changes.mtime_ns is not None:
                    self.tree.directory.utimens(path, changes.atime_ns, changes.mtime_ns)
            self.tree.changed()
            return self.show(self._stat())

    def _needs_content(self, changes: Changes) -> bool:
        """Changing the mode to what it is needs none, as `cp -a` and `rsync -a` do; nor does what is ignored of a reference."""
        if changes.size is not None:
            return True
        with self.tree.gate.using_paths():
            status = self._stat()
        new_mode = changes.mode is not None and stat.S_IMODE(status.mode) != stat.S_IMODE(changes.mode)
        if status.reference is not None:
            return new_mode and makes_executable(changes.mode or 0)
        return new_mode or changes.atime_ns is not None or changes.mtime_ns is not None

    def _truncate(self, size: int, opened: OpenStagedFile | None) -> None:
        if opened is not None:
            opened.truncate(size)
        elif self.item.paths:
            if self.item.kind is Kind.DIRECTORY:
                raise os_error(errno.EISDIR, self.where)
            self.tree.directory.truncate(self.path_now(), size)
        else:
            self._any_file().truncate(size)
