"""No room left where staging and the store lie: ENOSPC, nothing lost, and all goes on when there is room again."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mount.mounting import Place

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small tmpfs takes root")


@pytest.fixture
def cramped(tmp_path: Path) -> Iterator[Place]:
    """A home with room for 16 MiB."""
    home = tmp_path / "home"
    home.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "none", home], check=True)
    try:
        yield Place(tmp_path)
    finally:
        subprocess.run(["umount", "-l", home], check=True)


def test_a_full_disk_refuses_writes_and_commits_and_loses_nothing(cramped: Place) -> None:
    content = os.urandom(9 << 20)
    with cramped.mounted(expect_errors=True) as mountpoint:
        (mountpoint / "data").mkdir()
        staging = mountpoint / "data/staging/work"
        staging.mkdir()
        (staging / "kept").write_bytes(content)
        with pytest.raises(OSError) as caught:
            (staging / "too-much").write_bytes(content)
        assert caught.value.errno == errno.ENOSPC
        (staging / "too-much").unlink()
        with pytest.raises(OSError) as caught:
            os.rename(staging, mountpoint / "data/best")
        assert caught.value.errno == errno.ENOSPC
        assert (staging / "kept").read_bytes() == content
        assert "not committed" in (mountpoint / ".artfs/errors").read_text()
        os.truncate(staging / "kept", 1 << 20)
        os.rename(staging, mountpoint / "data/best")
        assert (mountpoint / "data/best/kept").read_bytes() == content[: 1 << 20]
