"""What an ordinary user does with a mount, as a program: it prints what it saw as JSON. Run by test_ordinary_user."""

from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path

from artfs.config import load_config
from artfs.errors import ArtfsError
from artfs.mount.control import start_mount, stop_mount


def main() -> None:
    """Mount, commit, read, fail to do what needs more rights, unmount."""
    home = Path(os.environ["ARTFS_HOME"])
    mountpoint = home / "mnt"
    mountpoint.mkdir()
    config = load_config()
    seen: dict[str, object] = {"uid": os.getuid()}
    start_mount(config, mountpoint)
    try:
        (mountpoint / "data").mkdir()
        staging = mountpoint / "data/staging/work"
        staging.mkdir()
        (staging / "a").write_bytes(b"mine")
        large = os.urandom(1 << 20) * 24
        (staging / "large").write_bytes(large)
        os.rename(staging, mountpoint / "data/best")
        seen["content"] = (mountpoint / "data/best/a").read_text()
        seen["large"] = (mountpoint / "data/best/large").read_bytes() == large
        seen["owner"] = (mountpoint / "data/best/a").stat().st_uid
        try:
            (mountpoint / "data/best/a").write_bytes(b"x")
        except OSError as error:
            seen["write"] = errno.errorcode[error.errno or 0]
        seen["type"] = os.popen(f"findmnt -no FSTYPE {mountpoint}").read().strip()
    finally:
        stop_mount(mountpoint, 30, config)
    seen["left"] = os.listdir(mountpoint)
    for name, place, allow_other in (("allow_other", mountpoint, True), ("foreign", Path("/usr"), False)):
        try:
            start_mount(config, place, allow_other=allow_other)
        except ArtfsError as error:
            seen[name] = str(error)
        else:
            stop_mount(place, 30, config)
    json.dump(seen, sys.stdout)


if __name__ == "__main__":
    main()
