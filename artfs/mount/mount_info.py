"""Which mounts there are: what the kernel says, and what the daemons have written down. Any thread.

Each daemon keeps a small JSON file in the folder `mounts` while it runs. A file whose process is gone (or whose process id means
another process by now, which started at another time) is left over from a crash, and counts for nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from artfs.model.digest import digest_of

FILE_SYSTEM_TYPE = "fuse.artfs"


@dataclass(frozen=True, slots=True)
class MountInfo:
    """One mount. `target` is what is at its root, `pid` and `process_start` say which process serves it; `log` is its log file."""

    mountpoint: Path
    target: str
    pid: int
    process_start: int
    entity: str
    project: str
    read_only: bool = False
    allow_other: bool = False
    run_id: str | None = None
    log: Path | None = None
    since: str = ""

    def is_running(self) -> bool:
        """True while the process that serves the mount is there."""
        return self.pid > 0 and start_of_process(self.pid) == self.process_start


def start_of_process(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    # The second field is the name in parentheses, which may hold anything.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def _note_path(mounts_dir: Path, mountpoint: Path) -> Path:
    return mounts_dir / f"{digest_of(os.fsencode(mountpoint)).hex()[:16]}.json"


def write_note(mounts_dir: Path, info: MountInfo) -> None:
    """Write down that `info` is mounted."""
    mounts_dir.mkdir(parents=True, exist_ok=True)
    path = _note_path(mounts_dir, info.mountpoint)
    new = path.with_suffix(f".{info.pid}.new")
    new.write_text(json.dumps(asdict(info), default=str))
    new.replace(path)


def remove_note(mounts_dir: Path, info: MountInfo) -> None:
    """Take the note of `info` away, unless another daemon has taken its place."""
    noted = _read_note(_note_path(mounts_dir, info.mountpoint))
    if noted is not None and (noted.pid, noted.process_start) == (info.pid, info.process_start):
        _note_path(mounts_dir, info.mountpoint).unlink(missing_ok=True)


def read_note(mounts_dir: Path, mountpoint: Path) -> MountInfo | None:
    """What is written down of the mount at `mountpoint`, dead or alive."""
    return _read_note(_note_path(mounts_dir, mountpoint))


def iter_notes(mounts_dir: Path) -> Iterator[MountInfo]:
    """All that is written down, dead or alive."""
    for path in sorted(mounts_dir.glob("*.json")):
        info = _read_note(path)
        if info is not None:
            yield info


def forget_dead(mounts_dir: Path) -> None:
    """Remove the notes of daemons that are gone."""
    for info in iter_notes(mounts_dir):
        if not info.is_running():
            with contextlib.suppress(OSError):
                remove_note(mounts_dir, info)


def _read_note(path: Path) -> MountInfo | None:
    try:
        fields = json.loads(path.read_text())
        info = MountInfo(**fields)
        log = None if info.log is None else Path(info.log)
        return replace(info, mountpoint=Path(info.mountpoint), log=log)
    except (OSError, ValueError, TypeError):  # a note that is no note says nothing
        return None


def mounted_targets() -> dict[Path, str]:
    """The artfs mounts that this process sees, by mount point, with the text after `artfs#`."""
    found = {}
    for line in Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines():
        fields, _, rest = line.partition(" - ")
        kind, source, *_ = rest.split(" ")
        if kind == FILE_SYSTEM_TYPE:
            found[Path(_unescape(fields.split(" ")[4]))] = _unescape(source).removeprefix("artfs#")
    return found


def _unescape(text: str) -> str:
    """mountinfo writes blanks and the like as three octal digits."""
    parts = text.split("\\")
    return parts[0] + "".join(chr(int(part[:3], 8)) + part[3:] for part in parts[1:])
