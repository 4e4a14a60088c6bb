"""Renaming in a staging directory, in every combination of upper and base.

The destination always comes first, and a gone marker before whatever would let old content be seen again: a crash between two
host operations leaves a name twice at worst, never none and never a deleted one (I5). Moving a file or directory of the base costs
the same whatever is in it: what appears at the new place is a stand-in. Not thread-safe, like `Overlay`.
"""

from __future__ import annotations

import errno

from artfs.vfs.staging.layout import check_new_path, host_name, os_error
from artfs.vfs.staging.overlay import Child, Overlay

RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2


def rename(overlay: Overlay, old: str, new: str, flags: int = 0) -> None:
    """rename(2) and renameat2(2) with RENAME_NOREPLACE or RENAME_EXCHANGE; other flags are EINVAL."""
    if flags not in (0, RENAME_NOREPLACE, RENAME_EXCHANGE):
        raise os_error(errno.EINVAL, new)
    if not old or not new:
        raise os_error(errno.EBUSY, old or new)
    # The directories of both are looked at first, then the names: errors come in the order in which the kernel gives them.
    new_parent, _, new_name = new.rpartition("/")
    overlay.directory(old.rpartition("/")[0])
    new_place = overlay.directory(new_parent)
    moved = overlay.existing(old)
    check_new_path(new, new_name)
    replaced = overlay.child(new_place, new_name)
    if replaced is None and flags == RENAME_EXCHANGE:
        raise os_error(errno.ENOENT, new)
    if replaced is not None and flags == RENAME_NOREPLACE:
        raise os_error(errno.EEXIST, new)
    if moved.is_directory and new.startswith(old + "/"):
        raise os_error(errno.EINVAL, new)
    if replaced is not None and flags == RENAME_EXCHANGE:
        _exchange(overlay, old, new, moved, replaced)
        return
    if replaced is not None:
        _check_replaceable(overlay, old, new, moved, replaced)
    if old != new:
        _move(overlay, old, new, moved, replaced)


def _check_replaceable(overlay: Overlay, old: str, new: str, moved: Child, replaced: Child) -> None:
    if old.startswith(new + "/"):
        raise os_error(errno.ENOTEMPTY, new)
    if moved.is_directory and not replaced.is_directory:
        raise os_error(errno.ENOTDIR, new)
    if replaced.is_directory and not moved.is_directory:
        raise os_error(errno.EISDIR, new)
    if replaced.is_directory and old != new and not overlay.is_empty(overlay.place_of(replaced)):
        raise os_error(errno.ENOTEMPTY, new)


def _move(overlay: Overlay, old: str, new: str, moved: Child, replaced: Child | None) -> None:
    old_parent, _, old_name = old.rpartition("/")
    new_parent, _, new_name = new.rpartition("/")
    source = overlay.ensure_upper(old_parent)
    destination = f"{overlay.ensure_upper(new_parent).upper}/{host_name(new_name)}"
    if replaced is not None and replaced.is_directory and replaced.host_path is not None:
        overlay.flatten(replaced.host_path)
    if moved.host_path is not None:
        overlay.hide(source, old_name)
        overlay.host.rename(moved.host_path, destination)
    elif moved.entry is not None:
        overlay.host.rename(overlay.make_stand_in(moved.entry), destination)
        overlay.hide(source, old_name)
    if moved.is_directory:
        overlay.forget_places()


def _exchange(overlay: Overlay, old: str, new: str, moved: Child, replaced: Child) -> None:
    if replaced.is_directory and old.startswith(new + "/"):
        raise os_error(errno.EINVAL, new)
    if old == new:
        return
    # Both get names in upper, which hide those of the base for good: the swap itself is then one step of the host.
    first, second = _in_upper(overlay, old, moved), _in_upper(overlay, new, replaced)
    overlay.host.exchange(first, second)
    if moved.is_directory or replaced.is_directory:
        overlay.forget_places()


def _in_upper(overlay: Overlay, path: str, child: Child) -> str:
    if child.host_path is not None or child.entry is None:
        return str(child.host_path)
    parent, _, name = path.rpartition("/")
    host_path = f"{overlay.ensure_upper(parent).upper}/{host_name(name)}"
    overlay.host.rename(overlay.make_stand_in(child.entry), host_path)
    if child.is_directory:
        overlay.forget_places()
    return host_path
