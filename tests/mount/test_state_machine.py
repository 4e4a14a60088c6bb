"""A staging directory on a real mount beside a plain directory: after every step both show the same tree.

Names, kinds, bytes, permission bits, sizes and symlinks are compared; a step that fails must fail with the same errno in both.
Committing and staging again, and unmounting and mounting again, are steps like others.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from artfs.repository.open import open_repository
from artfs.vfs.staging.store import StagingStore
from tests.mount.mounting import Place, tree_of

NAMES = ["a", "b", "c", ".artfs-base", "ü"]
paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join)
data = st.binary(max_size=20)
modes = st.sampled_from([0o644, 0o755, 0o600, 0o777, 0o700])


class _Shared:
    """One home for all examples, as a mount takes a second to start."""

    def __init__(self) -> None:
        self.place = Place(Path(tempfile.mkdtemp(prefix="artfs-machine-")))
        self.stack = ExitStack()
        self.count = 0
        self.mount()

    def mount(self) -> None:
        self.mountpoint = self.stack.enter_context(self.place.mounted())

    def unmount(self) -> None:
        self.stack.close()

    def remove(self) -> None:
        self.unmount()
        shutil.rmtree(self.place.root)


_shared: list[_Shared] = []


class StagingMachine(RuleBasedStateMachine):
    """The same system calls in the mount and in a plain directory."""

    @initialize()
    def start(self) -> None:
        self.home = _shared[0]
        self.home.count += 1
        self.artifact = f"data-{self.home.count}"
        (self.home.mountpoint / self.artifact).mkdir()
        self.staging.mkdir()
        self.plain = self.home.place.root / f"plain-{self.home.count}"
        self.plain.mkdir()
        self.open: list[tuple[int, int]] = []
        self.commits = 0

    @property
    def staging(self) -> Path:
        return self.home.mountpoint / self.artifact / "staging/work"

    def both(self, call: Callable[[Path], object]) -> None:
        """Do it in both; the outcome must be the same."""
        outcomes = []
        for root in (self.plain, self.staging):
            try:
                outcomes.append(call(root))
            except OSError as error:
                outcomes.append(errno.errorcode[error.errno or 0])
        assert outcomes[0] == outcomes[1]

    @rule(path=paths, content=data, at=st.integers(0, 30))
    def write_at(self, path: str, content: bytes, at: int) -> None:
        def call(root: Path) -> None:
            fd = os.open(root / path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
            with open(fd, "r+b", buffering=0) as file:
                os.pwrite(file.fileno(), content, at)

        self.both(call)

    @rule(path=paths, size=st.integers(0, 40))
    def truncate(self, path: str, size: int) -> None:
        def call(root: Path) -> None:
            if not (root / path).is_symlink():
                os.truncate(root / path, size)

        self.both(call)

    @rule(path=paths, mode=modes)
    def mkdir(self, path: str, mode: int) -> None:
        self.both(lambda root: os.mkdir(root / path, mode))

    @rule(path=paths)
    def rmdir(self, path: str) -> None:
        self.both(lambda root: os.rmdir(root / path))

    @rule(path=paths)
    def unlink(self, path: str) -> None:
        self.both(lambda root: os.unlink(root / path))

    @rule(old=paths, new=paths)
    def rename(self, old: str, new: str) -> None:
        self.both(lambda root: os.rename(root / old, root / new))

    @rule(old=paths, new=paths)
    def link(self, old: str, new: str) -> None:
        self.both(lambda root: os.link(root / old, root / new, follow_symlinks=False))

    @rule(path=paths, text=st.sampled_from(["a", "../b", "nowhere", "//artfs-file/a"]))
    def symlink(self, path: str, text: str) -> None:
        self.both(lambda root: os.symlink(text, root / path))

    @rule(path=paths, mode=modes)
    def chmod(self, path: str, mode: int) -> None:
        def call(root: Path) -> None:
            if not (root / path).is_symlink():
                os.chmod(root / path, mode)

        self.both(call)

    @rule(path=paths)
    def open_and_keep(self, path: str) -> None:
        opened = []
        for root in (self.plain, self.staging):
            try:
                opened.append(os.open(root / path, os.O_RDWR | os.O_NOFOLLOW))
            except OSError as error:
                opened.append(-(error.errno or 0))
        if opened[0] < 0 or opened[1] < 0:
            assert opened[0] == opened[1]
        else:
            self.open.append((opened[0], opened[1]))

    @precondition(lambda self: self.open)
    @rule(content=data, at=st.integers(0, 30))
    def write_to_an_open_file(self, content: bytes, at: int) -> None:
        plain, staged = self.open[-1]
        for fd in (plain, staged):
            os.pwrite(fd, content, at)
        assert os.fstat(plain).st_size == os.fstat(staged).st_size
        assert os.pread(plain, 100, 0) == os.pread(staged, 100, 0)

    @precondition(lambda self: self.open)
    @rule()
    def close(self) -> None:
        for fd in self.open.pop():
            os.close(fd)

    def close_all(self) -> None:
        while self.open:
            self.close()

    @rule()
    def commit_and_stage_again(self) -> None:
        self.close_all()
        artifact = self.staging.parent.parent
        os.rename(self.staging, artifact / "best")
        self.commits += 1
        # A version has fewer modes: from here on the plain directory has those of the new staging directory.
        for path, row in tree_of(self.plain).items():
            if row[0] == "file":
                executable = stat.S_IMODE((self.plain / path).stat().st_mode) & 0o100
                os.chmod(self.plain / path, 0o755 if executable else 0o644)
            elif row[0] == "directory":
                os.chmod(self.plain / path, 0o755)
        self.split_links()
        with open_repository(self.home.place.config) as repository:
            store = StagingStore(self.home.place.config.staging_dir, repository)
            version = self.home.place.resolve(self.artifact, "best")
            store.create(self.home.place.artifact(self.artifact), "work", version)
            store.close()

    def split_links(self) -> None:
        """Names that were hard links are files of their own in a version."""
        for path, row in tree_of(self.plain).items():
            target = self.plain / path
            if row[0] == "file" and target.stat().st_nlink > 1:
                shutil.copy2(target, target.with_name("split"))
                os.replace(target.with_name("split"), target)

    @rule(really=st.integers(0, 4))
    def remount(self, really: int) -> None:
        if really:  # it takes a second
            return
        self.close_all()
        self.home.unmount()
        self.home.mount()

    @invariant()
    def both_show_the_same(self) -> None:
        if hasattr(self, "plain"):
            assert tree_of(self.staging) == tree_of(self.plain)

    def teardown(self) -> None:
        if hasattr(self, "plain"):
            self.close_all()


def test_a_staging_directory_behaves_like_a_plain_directory() -> None:
    from hypothesis.stateful import run_state_machine_as_test

    _shared.append(_Shared())
    try:
        run_state_machine_as_test(
            StagingMachine,
            settings=settings(
                max_examples=20,
                stateful_step_count=25,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                print_blob=True,
            ),
        )
    finally:
        _shared.pop().remove()
