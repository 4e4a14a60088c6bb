"""A staging directory beside a plain directory: whatever is done to both, they show the same tree and give the same errors."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from artfs.config import load_config
from artfs.model.names import ArtifactName
from artfs.repository.open import open_repository
from artfs.vfs.staging.commit import commit_staging
from artfs.vfs.staging.directory import StagingDirectory
from artfs.vfs.staging.host import HOST
from artfs.vfs.staging.moves import RENAME_EXCHANGE
from artfs.vfs.staging.store import StagingStore
from tests.unit.vfs.staging.doubles import Node, make_directory, tree_of

NAMES = ["a", "b", "c", ".artfs-base", ".artfs-gone-a", ".artfs-_a", "ü" * 125]
BASE: dict[str, bytes | str | None] = {
    "a/a/a": b"deep",
    "a/a/b": b"deep too",
    "a/b": b"one",
    "a/c/a": b"other",
    "a/c/.artfs-base": b"reserved",
    "b": b"top" * 1000,
    "c/a": "../b",
    "c/b": None,
    "c/c*": b"#!run",
    ".artfs-gone-a/" + "ü" * 125: b"long",
}
TARGETS = ["a", "../b", "//artfs-file/b", "//artfs-text/x", "ü", "/"]
#: A disk would make most of the time of these tests fsync.
IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join)
data = st.binary(max_size=12)
modes = st.sampled_from([0o644, 0o755, 0o600, 0o777, 0o444, 0o700])


class Plain:
    """The reference: a directory of the host."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def at(self, path: str) -> str:
        """The host path. None of the symlinks above is followed: the kernel does that before it asks a file system."""
        above = str(self.root)
        *directories, name = path.split("/")
        for directory in directories:
            above = f"{above}/{directory}"
            if not stat.S_ISDIR(os.lstat(above).st_mode):
                raise NotADirectoryError(errno.ENOTDIR, "not a directory", above)
        return f"{above}/{name}"

    def kind(self, path: str) -> int:
        """The type bits of what is at `path`; 0 for nothing."""
        try:
            return stat.S_IFMT(os.lstat(self.at(path)).st_mode)
        except OSError:
            return 0

    def tree(self) -> dict[str, Node]:
        found: dict[str, Node] = {}
        for above, directories, files in os.walk(self.root):
            for name in directories + files:
                host_path = Path(above) / name
                path = str(host_path.relative_to(self.root))
                status = host_path.lstat()
                mode = status.st_mode & 0o7777
                if host_path.is_symlink():
                    found[path] = ("symlink", status.st_size, str(host_path.readlink()), 0, 0)
                elif host_path.is_dir():
                    found[path] = ("directory", 0, "", mode, 0)
                else:
                    found[path] = ("file", status.st_size, host_path.read_bytes(), mode, status.st_nlink)
        return found

    def commit(self) -> None:
        """Do to the tree what becoming a version does: modes are those of a version, and each name is a file of its own."""
        for above, directories, files in os.walk(self.root):
            for name in directories:
                path = Path(above) / name
                if not path.is_symlink():
                    path.chmod(0o755)
            for name in files:
                path = Path(above) / name
                if not path.is_symlink():
                    content, mode = path.read_bytes(), path.stat().st_mode
                    path.unlink()
                    path.write_bytes(content)
                    path.chmod(0o755 if mode & 0o100 else 0o644)


def outcome(action: Callable[[], object]) -> int | None:
    """The errno that the action ends with, or None."""
    try:
        action()
    except OSError as error:
        return error.errno
    return None


class StagingMachine(RuleBasedStateMachine):
    """Without a base; the machines below have one."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="artfs-model-", dir=IN_MEMORY))
        (self.folder / "plain").mkdir()
        self.plain = Plain(self.folder / "plain")
        self.directory = self.make()

    def make(self) -> StagingDirectory:
        return make_directory(self.folder / "staging")

    def teardown(self) -> None:
        self.directory.close()
        shutil.rmtree(self.folder)

    def both(self, staged: Callable[[], object], plain: Callable[[], object]) -> None:
        assert outcome(staged) == outcome(plain)

    @rule(path=paths, content=data, mode=modes, flags=st.sampled_from([os.O_TRUNC, os.O_EXCL, 0]))
    def write(self, path: str, content: bytes, mode: int, flags: int) -> None:
        flags |= os.O_WRONLY | os.O_CREAT

        def staged() -> None:
            self._write(self.directory.open(path, flags, mode), content)

        def plain() -> None:
            new = not os.path.lexists(self.plain.at(path))
            fd = os.open(self.plain.at(path), flags | os.O_NOFOLLOW, mode)
            if new:
                os.fchmod(fd, mode)  # staging has nothing to do with the umask of its process
            self._write(fd, content)

        self.both(staged, plain)

    @rule(path=paths, content=data, flags=st.sampled_from([os.O_RDWR, os.O_WRONLY, os.O_RDWR | os.O_TRUNC]))
    def overwrite(self, path: str, content: bytes, flags: int) -> None:
        self.both(
            lambda: self._write(self.directory.open(path, flags), content),
            lambda: self._write(os.open(self.plain.at(path), flags | os.O_NOFOLLOW), content),
        )

    @staticmethod
    def _write(fd: int, content: bytes) -> None:
        try:
            os.pwrite(fd, content, 2)
        finally:
            os.close(fd)

    @rule(path=paths, size=st.integers(0, 20))
    def truncate(self, path: str, size: int) -> None:
        if self.plain.kind(path) == stat.S_IFLNK:  # the kernel follows them before it asks
            return
        self.both(lambda: self.directory.truncate(path, size), lambda: os.truncate(self.plain.at(path), size))

    @rule(path=paths, mode=modes)
    def mkdir(self, path: str, mode: int) -> None:
        def plain() -> None:
            Path(self.plain.at(path)).mkdir()
            Path(self.plain.at(path)).chmod(mode)

        self.both(lambda: self.directory.mkdir(path, mode), plain)

    @rule(path=paths)
    def rmdir(self, path: str) -> None:
        self.both(lambda: self.directory.rmdir(path), lambda: Path(self.plain.at(path)).rmdir())

    @rule(path=paths)
    def unlink(self, path: str) -> None:
        self.both(lambda: self.directory.unlink(path), lambda: Path(self.plain.at(path)).unlink())

    @rule(path=paths)
    def remove_all(self, path: str) -> None:
        """rm -r"""

        def remove() -> None:
            for name, row in self.directory.list(path):
                below = f"{path}/{name}"
                if stat.S_ISDIR(row.mode):
                    todo.append(below)
                else:
                    self.directory.unlink(below)

        if self.plain.kind(path) != stat.S_IFDIR:
            return
        todo, done = [path], []
        while todo:
            path = todo.pop()
            done.append(path)
            remove()
        for directory in reversed(done):
            self.directory.rmdir(directory)
        shutil.rmtree(self.plain.at(done[0]))

    @rule(path=paths, text=st.sampled_from(TARGETS))
    def symlink(self, path: str, text: str) -> None:
        self.both(lambda: self.directory.symlink(text, path), lambda: Path(self.plain.at(path)).symlink_to(text))

    @rule(old=paths, new=paths)
    def link(self, old: str, new: str) -> None:
        def plain() -> None:
            source = self.plain.at(old)
            os.lstat(source)
            os.link(source, self.plain.at(new), follow_symlinks=False)

        self.both(lambda: self.directory.link(old, new), plain)

    @rule(old=paths, new=paths)
    def rename(self, old: str, new: str) -> None:
        self.both(lambda: self.directory.rename(old, new), lambda: Path(self.plain.at(old)).rename(self.plain.at(new)))

    @rule(old=paths, new=paths)
    def exchange(self, old: str, new: str) -> None:
        self.both(
            lambda: self.directory.rename(old, new, RENAME_EXCHANGE),
            lambda: HOST.exchange(self.plain.at(old), self.plain.at(new)),
        )

    @rule(path=paths, mode=modes)
    def chmod(self, path: str, mode: int) -> None:
        if self.plain.kind(path) == stat.S_IFLNK:
            return
        self.both(lambda: self.directory.chmod(path, mode), lambda: Path(self.plain.at(path)).chmod(mode))

    @rule(path=paths, mtime_ns=st.integers(0, 2 * 10**18))
    def touch(self, path: str, mtime_ns: int) -> None:
        self.both(
            lambda: self.directory.utimens(path, None, mtime_ns),
            lambda: os.utime(self.plain.at(path), ns=(0, mtime_ns), follow_symlinks=False),
        )
        if self.plain.kind(path):
            assert self.directory.stat(path).mtime_ns == mtime_ns

    @rule()
    def reopen(self) -> None:
        self.directory.close()
        self.directory = StagingDirectory(self.directory.folder, self.directory.artifact, self.directory.base)

    @invariant()
    def same_tree(self) -> None:
        assert tree_of(self.directory) == self.plain.tree()


class StagingOverBaseMachine(StagingMachine):
    """Over a base version that is in memory."""

    def make(self) -> StagingDirectory:
        for path, content in BASE.items():
            host_path = self.plain.root / path.rstrip("*")
            host_path.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                host_path.mkdir()
            elif isinstance(content, str):
                host_path.symlink_to(content)
            else:
                host_path.write_bytes(content)
                host_path.chmod(0o755 if path.endswith("*") else 0o644)
        return make_directory(self.folder / "staging", BASE)


class StagingWithCommitsMachine(StagingMachine):
    """Over real versions: each commit is the base of the next staging directory."""

    artifact = ArtifactName("tester", "default", "bikes")

    def make(self) -> StagingDirectory:
        config = load_config(environ={"ARTFS_HOME": str(self.folder / "home"), "ARTFS_ENTITY": "tester"})
        self.repository = open_repository(config)
        self.repository.registry.collections.ensure(self.artifact, "dataset")
        self.store = StagingStore(config.staging_dir, self.repository)
        self.commits = 0
        return self.store.create(self.artifact, "draft-0")

    def teardown(self) -> None:
        self.store.close()
        self.repository.close()
        super().teardown()

    @rule()
    def commit(self) -> None:
        version = commit_staging(self.repository, self.directory).version
        assert self.store.list(self.artifact) == []
        self.commits += 1
        self.directory = self.store.create(self.artifact, f"draft-{self.commits}", version)
        self.plain.commit()

    @initialize()
    def first_version(self) -> None:
        for path, content in BASE.items():
            if isinstance(content, bytes) and "*" not in path:
                names = path.split("/")
                for depth in range(1, len(names)):
                    above = "/".join(names[:depth])
                    if not Path(self.plain.at(above)).exists():
                        self.mkdir(above, 0o755)
                self.write(path, content, 0o644, os.O_EXCL)
        self.commit()

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.directory = self.store.open(self.artifact, self.directory.name)


_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]
TestStaging = StagingMachine.TestCase
TestStaging.settings = settings(max_examples=30, stateful_step_count=40, deadline=None, suppress_health_check=_QUIET)
TestStagingOverBase = StagingOverBaseMachine.TestCase
TestStagingOverBase.settings = settings(max_examples=70, stateful_step_count=40, deadline=None, suppress_health_check=_QUIET)
TestStagingWithCommits = StagingWithCommitsMachine.TestCase
TestStagingWithCommits.settings = settings(max_examples=12, stateful_step_count=30, deadline=None, suppress_health_check=_QUIET)
