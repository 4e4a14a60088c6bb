"""Tests that need more or fewer rights than the user who runs them has: run again, each in a process that has those.

    @pytest.mark.mounts         mounts a small disk: an ordinary user becomes root of a user namespace of his own
    @pytest.mark.without_rights is refused by permission bits: root gives up all capabilities

So neither is skipped, whoever runs the tests.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_RUN_AGAIN = "ARTFS_TEST_RUN_AGAIN"
_BECOME_ROOT = ("unshare", "--map-root-user", "--mount")
_GIVE_UP_RIGHTS = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
_REPOSITORY = Path(__file__).parents[1]


def with_other_rights(item: pytest.Item) -> pytest.Item:
    """`item`, or one in its place that runs it with the rights it needs."""
    if os.environ.get(_RUN_AGAIN) or not isinstance(item, pytest.Function):
        return item
    if os.geteuid() == 0:
        become = _GIVE_UP_RIGHTS if item.get_closest_marker("without_rights") else None
    else:
        become = _BECOME_ROOT if item.get_closest_marker("mounts") else None
    if become is None:
        return item
    parent = item.parent
    assert parent is not None
    again: pytest.Function = pytest.Function.from_parent(parent, name=item.name, callobj=_again(item.nodeid, become))
    return again


def _again(nodeid: str, become: tuple[str, ...]) -> Callable[[Path], None]:
    def run_again(tmp_path: Path) -> None:
        # A folder of its own: pytest's usual one belongs to whom this process would take for another user.
        options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--basetemp", str(tmp_path / "again")]
        command = [*become, sys.executable, "-m", "pytest", *options, nodeid]
        environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        done = subprocess.run(
            command, cwd=_REPOSITORY, env={**environ, _RUN_AGAIN: "1"}, capture_output=True, text=True, check=False, timeout=200
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "1 passed" in done.stdout, done.stdout

    return run_again


@contextmanager
def small_disk(mountpoint: Path, megabytes: int) -> Iterator[Path]:
    """A file system of that size at `mountpoint`, which is made. For tests marked `mounts`."""
    mountpoint.mkdir()
    options = f"size={megabytes}m"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", mountpoint], check=False, capture_output=True, text=True
    )
    assert not mounted.returncode, f"these tests need the right to mount a tmpfs: {mounted.stderr.strip()}"
    try:
        yield mountpoint
    finally:
        # Lazily: the store may keep files open until it is garbage-collected.
        subprocess.run(["umount", "--lazy", mountpoint], check=True)
