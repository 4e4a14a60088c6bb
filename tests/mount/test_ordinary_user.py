"""A mount by an ordinary user, through fusermount3.

The test runs as root, becomes nobody in particular, and where the interpreter lies in a folder that only root may enter (a pyenv in
/root), it does so in a mount namespace of its own in which that folder is open.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user takes root")
UID = pwd.getpwnam("nobody").pw_uid  # fusermount3 wants a user with a name
REPOSITORY = Path(__file__).parents[2]


def opened_folders(*needed: Path) -> str:
    """Shell commands that make what is below closed folders reachable, in this mount namespace only."""
    commands = []
    for path in dict.fromkeys(needed):
        closed = [parent for parent in reversed(path.parents) if not parent.stat().st_mode & 0o001]
        if closed:
            commands += [
                f"mkdir -p /tmp/.artfs-open && mount --bind {path} /tmp/.artfs-open",
                f"mount -t tmpfs -o mode=755 none {closed[0]}",
                f"mkdir -p {path} && mount --move /tmp/.artfs-open {path}",
            ]
    return " && ".join(commands or ["true"])


def opened_device(home: Path) -> str:
    """Shell commands that let everybody open /dev/fuse, as it is on most machines, in this mount namespace only."""
    node = home / "fuse"
    return f"mknod {node} c 10 229 && chmod 666 {node} && mount --bind {node} /dev/fuse"


def test_an_ordinary_user_mounts_commits_and_unmounts(tmp_path: Path) -> None:
    home = Path("/tmp") / f"artfs-ordinary-{os.getpid()}"
    home.mkdir(mode=0o700)
    os.chown(home, UID, UID)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ARTFS_", "XDG_"))}
    environ = {**inherited, "HOME": str(home), "ARTFS_HOME": str(home), "ARTFS_ENTITY": "somebody", "PYTHONDONTWRITEBYTECODE": "1"}
    become = f"setpriv --reuid {UID} --regid {UID} --clear-groups"
    script = (
        f"mount --make-rprivate / && {opened_folders(Path(sys.base_prefix))} && {opened_device(home)}"
        f" && cd {REPOSITORY} && exec {become} {sys.executable} -m tests.mount.ordinary_user"
    )
    try:
        done = subprocess.run(
            ["unshare", "-m", "sh", "-ec", script], env=environ, capture_output=True, text=True, check=False, timeout=120
        )
        logs = "".join(path.read_text() for path in home.glob("state/log/*"))
        assert done.returncode == 0, done.stderr + logs
        seen = json.loads(done.stdout)
    finally:
        shutil.rmtree(home)
    assert seen["uid"] == seen["owner"] == UID
    assert seen["large"], "what is pushed into the page cache must be what is read"
    # The permission bits stop an ordinary user before the read-only tree does.
    assert (seen["content"], seen["write"], seen["type"], seen["left"]) == ("mine", "EACCES", "fuse.artfs", [])
    assert "user_allow_other" in seen.get("allow_other", "user_allow_other")
    assert "/usr" in seen["foreign"]
