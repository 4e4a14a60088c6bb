"""`staging/`: the staging directories of an artifact and the files with their commit options.

`mkdir staging/NAME` opens a staging directory, `rmdir` removes an empty one; `NAME.json` beside it is an ordinary file. Renaming a
staging directory out of here onto a name of the artifact commits it. Any thread.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Hashable, Sequence
from pathlib import Path

from artfs.errors import NameNotValid, NotFound
from artfs.model.names import ArtifactName
from artfs.vfs.attributes import FOREVER_S, MOVABLE_S, NEVER_S, WRITABLE_DIRECTORY_MODE, Attributes, Changes
from artfs.vfs.node import Listed, Node, OpenFile, os_error
from artfs.vfs.scene import Scene
from artfs.vfs.staged_nodes import StagedNode
from artfs.vfs.staging.folder import OPTIONS_SUFFIX
from artfs.vfs.staging.moves import RENAME_EXCHANGE, RENAME_NOREPLACE


class StagingRoot(Node):
    """The directory `staging` of an artifact."""

    is_quick = True

    def __init__(self, scene: Scene, artifact: ArtifactName) -> None:
        self._scene = scene
        self.artifact = artifact

    @property
    def key(self) -> Hashable:
        return ("staging", self.artifact)

    @property
    def missing_timeout_s(self) -> float:
        return NEVER_S  # `artfs stage` makes staging directories behind the kernel's back

    @property
    def where(self) -> str:
        return f"{self._scene.where(self.artifact)}/staging".lstrip("/")

    def refuse_change(self) -> Exception:
        return PermissionError(
            errno.EPERM,
            f"{self.where} holds staging directories and their {OPTIONS_SUFFIX} files only: mkdir {self.where}/NAME first",
        )

    def attributes(self) -> Attributes:
        return Attributes(WRITABLE_DIRECTORY_MODE, 0, self._scene.started_ns, FOREVER_S, FOREVER_S)

    def _options_path(self, name: str) -> Path | None:
        """The host path of an options file; None when `name` can be none."""
        if not name.endswith(OPTIONS_SUFFIX):
            return None
        try:
            return self._scene.staged.store.options_path(self.artifact, name.removesuffix(OPTIONS_SUFFIX))
        except NameNotValid:
            return None

    def lookup(self, name: str) -> Node | None:
        options = self._options_path(name)
        if options is not None:
            return OptionsFile(self, name, options) if options.is_file() else None
        if not self._scene.staged.store.has(self.artifact, name):
            return None
        try:
            tree = self._scene.staged.get(self.artifact, name)
        except NotFound as error:
            self._scene.problems.record(f"{self.where}/{name}", str(error))
            raise
        return StagedNode(tree, tree.item_at("", tree.directory.stat("")))

    def list(self) -> Sequence[Listed]:
        store = self._scene.staged.store
        listed = []
        for name in (*store.list(self.artifact), *store.list_options(self.artifact)):
            try:
                node = self.lookup(name)
                if node is not None:
                    listed.append(Listed(name, node, node.attributes()))
            except (NotFound, OSError):  # it went away meanwhile, or its base did: the rest is there
                continue
        return listed

    def mkdir(self, name: str, mode: int) -> Node:
        self._scene.check_writable(name)
        tree = self._scene.staged.create(self.artifact, name)
        return StagedNode(tree, tree.item_at("", tree.directory.stat("")))

    def rmdir(self, name: str) -> None:
        self._scene.staged.remove(self.artifact, name)

    def create(self, name: str, flags: int, mode: int) -> tuple[Node, OpenFile]:
        path = self._options_path(name)
        if path is None:
            raise self.refuse_change()
        fd = os.open(path, flags & ~(os.O_APPEND | os.O_DIRECT) | os.O_CREAT | os.O_CLOEXEC, stat.S_IMODE(mode))
        return OptionsFile(self, name, path), OpenOptions(fd)

    def unlink(self, name: str) -> None:
        path = self._options_path(name)
        if path is None:
            raise self.refuse_change()
        path.unlink()

    def rename_to(self, name: str, new_parent: Node, new_name: str, flags: int) -> None:
        options = self._options_path(name)
        if options is not None:
            self._rename_options(options, new_parent, new_name, flags)
        elif isinstance(new_parent, StagingRoot):
            if new_parent.artifact != self.artifact:
                raise os_error(errno.EXDEV, new_name)
            if flags & RENAME_EXCHANGE:
                raise os_error(errno.EINVAL, new_name)
            self._scene.staged.rename(self.artifact, name, new_name)
        else:
            new_parent.commit_here(self.artifact, name, new_name, flags)

    def _rename_options(self, options: Path, new_parent: Node, new_name: str, flags: int) -> None:
        if not isinstance(new_parent, StagingRoot) or new_parent.artifact != self.artifact:
            raise os_error(errno.EXDEV, new_name)
        new = self._options_path(new_name)
        if new is None or flags & RENAME_EXCHANGE:
            raise self.refuse_change()
        if flags & RENAME_NOREPLACE and new.exists():
            raise os_error(errno.EEXIST, new_name)
        options.rename(new)


class OptionsFile(Node):
    """`NAME.json`: a file of the host, whatever is in it; the commit says when it makes no sense."""

    __slots__ = ("_host_ino", "_name", "_path", "_root")

    def __init__(self, root: StagingRoot, name: str, path: Path) -> None:
        self._root = root
        self._name = name
        self._path = path
        self._host_ino = path.stat().st_ino  # another file under the same name is another inode

    @property
    def key(self) -> Hashable:
        return ("options", self._root.artifact, self._name, self._host_ino)

    @property
    def where(self) -> str:
        return f"{self._root.where}/{self._name}"

    def attributes(self) -> Attributes:
        status = self._path.stat()
        return Attributes(
            status.st_mode, status.st_size, status.st_mtime_ns, NEVER_S, MOVABLE_S, 1, status.st_ctime_ns, status.st_atime_ns
        )

    def open(self, flags: int) -> OpenFile:
        return OpenOptions(os.open(self._path, flags & (os.O_ACCMODE | os.O_TRUNC) | os.O_CLOEXEC))

    def change(self, changes: Changes, file: OpenFile | None) -> Attributes:
        if changes.size is not None:
            os.truncate(self._path, changes.size)
        if changes.mode is not None:
            self._path.chmod(stat.S_IMODE(changes.mode))
        if changes.mtime_ns is not None or changes.atime_ns is not None:
            status = self._path.stat()
            atime_ns = status.st_atime_ns if changes.atime_ns is None else changes.atime_ns
            os.utime(self._path, ns=(atime_ns, status.st_mtime_ns if changes.mtime_ns is None else changes.mtime_ns))
        return self.attributes()


class OpenOptions:
    """An open options file."""

    __slots__ = ("_fd",)
    direct_io = False
    keep_cache = False
    origin = None

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def read(self, offset: int, length: int) -> bytes:
        return os.pread(self._fd, length, offset)

    def write(self, offset: int, data: bytes) -> int:
        return os.pwrite(self._fd, data, offset)

    def fsync(self, *, data_only: bool) -> None:
        os.fsync(self._fd)

    def let_go(self) -> None:
        """It is no content: nobody counts."""

    def close(self) -> None:
        os.close(self._fd)
