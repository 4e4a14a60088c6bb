"""Starting, finding and stopping mounts, from the outside: what `artfs mount`, `umount` and `status` do. Blocking; any thread."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from artfs import errors
from artfs.config import Config, load_config, make_private_folder
from artfs.errors import Busy, InternalError, NotFound, UserError
from artfs.mount.host import check_fuse, check_mountpoint, clean_up, is_dead, unmount
from artfs.mount.mount_info import MountInfo, forget_dead, iter_notes, mounted_targets, read_note, remove_note

#: How long a mount may take until it answers: opening a registry over a slow network is in it.
_START_TIMEOUT_S = 60.0
_LAST_LINES = 3


def start_mount(
    config: Config,
    mountpoint: Path,
    target: str | None = None,
    *,
    foreground: bool = False,
    allow_other: bool = False,
    read_only: bool = False,
    run_id: str | None = None,
    warm: bool = False,
    deadline_s: float | None = None,
) -> MountInfo:
    """Mount, and return when the mount answers; in the foreground when it was unmounted. Raises with the reason why not."""
    _check_packages()
    from artfs.mount import daemon  # noqa: PLC0415 - pyfuse3 may not be installed where nothing is mounted

    mountpoint = Path(os.path.abspath(mountpoint.expanduser()))  # noqa: PTH100 - symlinks are the kernel's business
    check_fuse(allow_other=allow_other)
    check_mountpoint(mountpoint, read_note(config.mounts_dir, mountpoint))
    mountpoint = mountpoint.resolve()
    log = None if foreground else _log_path(config, mountpoint)
    request = daemon.MountRequest(
        config=config,
        mountpoint=mountpoint,
        target=target,
        allow_other=allow_other,
        read_only=read_only,
        run_id=run_id or config.run_id,
        warm=warm,
        log=log,
        **({} if deadline_s is None else {"deadline_s": deadline_s}),
    )
    request.parsed_target()
    forget_dead(config.mounts_dir)
    if foreground:
        infos: list[MountInfo] = []
        daemon.serve(request, infos.append)
        return infos[0]
    return _start_daemon(daemon.encode_request(request), log)


def _check_packages() -> None:
    missing = [name for name in ("pyfuse3", "trio") if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f"cannot mount, as the package {missing[0]} is missing: install it with \"pip install 'artfs[mount]'\"")


def _log_path(config: Config, mountpoint: Path) -> Path:
    name = str(mountpoint).strip("/").replace("/", "-")[-100:] or "root"
    return config.log_dir / f"mount-{name}.log"


def _start_daemon(request: str, log: Path | None) -> MountInfo:
    if log is not None:
        make_private_folder(log.parent)
    reading, writing = os.pipe()
    with open(reading, encoding="utf-8") as answer:
        try:
            with open(os.devnull if log is None else log, "ab") as output:
                process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                    [sys.executable, "-m", "artfs.mount.daemon", str(writing)],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    pass_fds=[writing],
                    start_new_session=True,
                    cwd="/",
                )
        finally:
            os.close(writing)
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        with process.stdin:
            process.stdin.write(request.encode())
        return _wait_until_ready(process, answer, log)


def _wait_until_ready(process: subprocess.Popen[bytes], answer: IO[str], log: Path | None) -> MountInfo:
    readable, _, _ = select.select([answer], [], [], _START_TIMEOUT_S)
    said = answer.read() if readable else ""
    if not said:
        if process.poll() is None:
            process.terminate()
        process.wait()
        raise InternalError(f"the mount did not come up: {_last_lines(log)} (the log is {log})")
    fields = json.loads(said)
    if "ready" not in fields:
        process.wait()
        raise _error(fields["error"], fields["message"])
    # The daemon outlives us on purpose; without this, Popen would warn that nobody waits for it.
    process.returncode = 0
    info = MountInfo(**fields["ready"])
    return dataclasses.replace(info, mountpoint=Path(info.mountpoint), log=log)


def _error(name: str, message: str) -> errors.ArtfsError:
    """The error that the daemon had."""
    kind = getattr(errors, name, InternalError)
    if isinstance(kind, type) and issubclass(kind, errors.ArtfsError):
        return kind(message)
    return InternalError(message)


def _last_lines(log: Path | None) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines() if log else []
    except OSError:
        lines = []
    return " / ".join(line.strip() for line in lines[-_LAST_LINES:]) or "it said nothing"


def stop_mount(mountpoint: Path, timeout_s: float = 60.0, config: Config | None = None) -> None:
    """Unmount, and wait until what was written is safe and the daemon is gone. Busy when somebody still uses the mount."""
    config = config or load_config()
    mountpoint = Path(os.path.abspath(mountpoint.expanduser()))  # noqa: PTH100 - a dead mount cannot be resolved
    targets = mounted_targets()
    if mountpoint not in targets:
        parent = mountpoint.parent.resolve() / mountpoint.name
        if parent not in targets:
            raise NotFound(f"nothing of artfs is mounted at {mountpoint}: 'artfs status' lists the mounts")
        mountpoint = parent
    info = read_note(config.mounts_dir, mountpoint)
    if is_dead(mountpoint, info):
        clean_up(mountpoint)
        forget_dead(config.mounts_dir)
        return
    unmount(mountpoint)
    if info is not None and not _wait_for_end(info, timeout_s):
        raise Busy(f"{mountpoint} is unmounted, but its process {info.pid} still brings data to the disk: wait for it to end")
    if info is not None:
        remove_note(config.mounts_dir, info)


def _wait_for_end(info: MountInfo, timeout_s: float) -> bool:
    """True when the daemon has ended in time."""
    try:
        process = os.pidfd_open(info.pid)
    except OSError:
        return True
    try:
        deadline = time.monotonic() + timeout_s
        while info.is_running():
            if not select.select([process], [], [], max(0.0, deadline - time.monotonic()))[0]:
                return False
        return True
    finally:
        os.close(process)


def list_mounts(config: Config) -> list[MountInfo]:
    """The mounts of this user that are running, by mount point."""
    return sorted((info for info in iter_notes(config.mounts_dir) if info.is_running()), key=lambda info: info.mountpoint)


def find_mount(path: Path, config: Config | None = None) -> MountInfo | None:
    """The mount that `path` is in, or None."""
    config = config or load_config()
    path = Path(os.path.abspath(path.expanduser()))  # noqa: PTH100 - resolving would follow symlinks of versions
    targets = mounted_targets()
    for candidate in _candidates(path):
        if candidate in targets:
            info = read_note(config.mounts_dir, candidate)
            return info if info is not None and info.is_running() else None
    return None


def _candidates(path: Path) -> Iterator[Path]:
    """The path and what is above it, as written and then with symlinks above the mount followed.

    One by one, as following them looks into the mount, which may not answer.
    """
    yield path
    yield from path.parents
    resolved = path.resolve()
    yield resolved
    yield from resolved.parents
