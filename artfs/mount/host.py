"""What the mount needs of the machine: whether it can mount here at all, and the commands that unmount.

Each obstacle is one sentence that says what to do. Blocking; any thread.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

from artfs.errors import Busy, TransientError, UserError
from artfs.mount.mount_info import MountInfo, mounted_targets

FUSE_DEVICE = Path("/dev/fuse")
FUSE_CONF = Path("/etc/fuse.conf")
#: Where the kernel shows its FUSE connections, if somebody has mounted that.
CONNECTIONS = Path("/sys/fs/fuse/connections")
_COMMAND_TIMEOUT_S = 30.0
#: How long a mount may take to say that it is there.
_PATIENCE_S = 10.0


def check_fuse(*, allow_other: bool, device: Path = FUSE_DEVICE, conf: Path = FUSE_CONF) -> None:
    """Raise UserError when this machine or this user cannot mount."""
    if not device.exists():
        raise UserError(
            f"cannot mount, as {device} is missing: load the fuse module ('modprobe fuse') or, in a container,"
            f" start it with '--device {device} --cap-add SYS_ADMIN'"
        )
    if os.geteuid() == 0:
        return
    if not os.access(device, os.R_OK | os.W_OK):
        raise UserError(f"cannot mount, as {device} is not yours to open: ask an administrator for 'chmod 666 {device}'")
    if shutil.which("fusermount3") is None:
        raise UserError("cannot mount as an ordinary user, as 'fusermount3' is missing: install the package fuse3")
    if allow_other and not _allows_other(conf):
        raise UserError(
            f"--allow-other needs the line 'user_allow_other' in {conf}: ask an administrator to add it, or mount as root"
        )


def _allows_other(conf: Path) -> bool:
    try:
        lines = conf.read_text(errors="replace").splitlines()
    except OSError:
        return False
    return any(line.strip() == "user_allow_other" for line in lines)


def check_mountpoint(mountpoint: Path, noted: MountInfo | None = None) -> None:
    """Raise UserError unless `mountpoint` is an empty directory on which nothing is mounted. Cleans up a dead mount first.

    `noted` is what is written down of the mount that may be there.
    """
    if mountpoint in mounted_targets():
        if not is_dead(mountpoint, noted):
            raise Busy(f"{mountpoint} is mounted already: unmount it first with 'artfs umount {mountpoint}'")
        clean_up(mountpoint)
    try:
        names = os.listdir(mountpoint)  # noqa: PTH208 - one call that tells three things apart
    except FileNotFoundError:
        raise UserError(f"the mount point {mountpoint} does not exist: make it with 'mkdir -p {mountpoint}'") from None
    except NotADirectoryError:
        raise UserError(f"the mount point {mountpoint} is not a directory: choose one that is") from None
    except OSError as error:
        raise UserError(f"the mount point {mountpoint} cannot be used: {error.strerror}") from error
    if names:
        raise UserError(
            f"the mount point {mountpoint} is not empty: choose an empty directory, as a mount would hide what is in it"
        )
    if not os.access(mountpoint, os.W_OK):
        raise UserError(f"the mount point {mountpoint} is not yours to write: choose a directory of your own")


def is_dead(mountpoint: Path, noted: MountInfo | None = None, *, patience_s: float = _PATIENCE_S) -> bool:
    """True if nobody serves the mount any more.

    One that does not answer in time may be slow: it is dead only if the daemon that was `noted` for it has ended.
    """
    answers: list[bool] = []

    def ask() -> None:
        try:
            os.statvfs(mountpoint)  # which the kernel does not answer from its cache, as it may a stat
        except OSError as error:
            answers.append(error.errno in {errno.ENOTCONN, errno.ECONNABORTED})

    # In a thread that nobody has to wait for: a request to a daemon that is stopped, or killed in a bad moment, has no end.
    asking = threading.Thread(target=ask, name="artfs-ask-mount", daemon=True)
    asking.start()
    asking.join(patience_s)
    return answers[0] if answers else noted is not None and not noted.is_running()


def clean_up(mountpoint: Path) -> None:
    """Take away a mount that nobody serves any more, and end the requests that still wait for an answer."""
    if os.geteuid() == 0:
        _run_quietly(["umount", "-f", str(mountpoint)])
    unmount(mountpoint, lazy=True)


def _run_quietly(command: list[str]) -> bool:
    """Run a command whose failure matters to nobody but the caller. True if it worked."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(command, capture_output=True, timeout=_COMMAND_TIMEOUT_S, check=False)  # noqa: S603 - a fixed command
        return done.returncode == 0
    return False


def unmount(mountpoint: Path, *, lazy: bool = False) -> None:
    """umount(8) or fusermount3(1). Busy when something is still open there."""
    if os.geteuid() == 0:
        command = ["umount", *(["-l"] if lazy else []), str(mountpoint)]
    else:
        command = ["fusermount3", "-u", *(["-z"] if lazy else []), str(mountpoint)]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command and a path
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_COMMAND_TIMEOUT_S,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except FileNotFoundError:
        raise UserError(f"cannot unmount {mountpoint}, as {command[0]!r} is missing: install the package fuse3") from None
    except subprocess.TimeoutExpired:
        raise TransientError(f"{command[0]!r} did not unmount {mountpoint} within {_COMMAND_TIMEOUT_S:g} s: try again") from None
    if done.returncode == 0 or mountpoint not in mounted_targets():
        return
    if "busy" in done.stderr.lower():
        raise Busy(
            f"{mountpoint} is in use: close the files and leave the directories in it ('fuser -vm {mountpoint}' lists who uses it)"
        )
    raise TransientError(f"cannot unmount {mountpoint}: {' '.join(done.stderr.split()) or f'{command[0]} failed'}")


def raise_read_ahead(mountpoint: Path, kilobytes: int) -> bool:
    """Let the kernel read further ahead in this mount; False when it is not ours to say. The mount must answer already."""
    device = os.stat(mountpoint).st_dev  # noqa: PTH116
    setting = Path(f"/sys/class/bdi/{os.major(device)}:{os.minor(device)}/read_ahead_kb")
    try:
        setting.write_text(str(kilobytes))
    except OSError:
        return False
    return True


def raise_background(mountpoint: Path, count: int) -> bool:
    """Let the kernel have `count` reads of its read-ahead under way at once; False when it is not ours to say.

    It has 12 otherwise, for all files together: as many reads from a server that does not answer would keep everybody else from
    reading. The mount must answer already.
    """
    number = os.minor(os.stat(mountpoint).st_dev)  # noqa: PTH116
    settings = {"max_background": count, "congestion_threshold": count * 3 // 4}
    try:
        for name, value in settings.items():
            (CONNECTIONS / str(number) / name).write_text(str(value))
    except OSError:
        return os.geteuid() == 0 and _raise_background_apart(number, settings)
    return True


def _raise_background_apart(number: int, settings: Mapping[str, int]) -> bool:
    """The same where nobody has mounted what shows the connections: mount it where only one short-lived command sees it."""
    writes = [f"echo {value} > {CONNECTIONS}/{number}/{name}" for name, value in settings.items()]
    script = " && ".join([f"mount -t fusectl none {CONNECTIONS}", *writes])
    return _run_quietly(["unshare", "--mount", "--propagation", "private", "sh", "-c", script])
