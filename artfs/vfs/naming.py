"""Aliases by plain tools: `ln -s v3 best`, `rmdir best`, `mv -T tmp best`.

Each is one transaction of the registry. Afterwards the names that moved are told to the kernel, and their views are retired where
rename(2) or rmdir(2) leaves the kernel with a dead inode. Any thread.
"""

from __future__ import annotations

import errno
from typing import Protocol

from artfs.errors import NotFound, ReadOnly
from artfs.model.names import LATEST, ArtifactName, check_alias, parse_version_label
from artfs.model.records import VersionRecord
from artfs.vfs.node import os_error
from artfs.vfs.scene import Scene
from artfs.vfs.staging.moves import RENAME_EXCHANGE, RENAME_NOREPLACE


class ArtifactPlace(Protocol):
    """What is needed of the directory of an artifact."""

    scene: Scene
    artifact: ArtifactName

    @property
    def where(self) -> str:
        """Its path below the mount point."""
        ...

    def find_version(self, name: str) -> VersionRecord | None:
        """The version that `name` means, if any."""
        ...


def check_new_alias(place: ArtifactPlace, name: str) -> str:
    """`name`, if an alias can be called so; ReadOnly for the name of a version."""
    place.scene.check_writable(name)
    if parse_version_label(name) is not None:
        raise ReadOnly(f"{place.where}/{name} cannot be an alias: names such as v3 are the versions themselves")
    return check_alias(name)


def spare_holders(place: ArtifactPlace, name: str, by: str) -> None:
    """Before the kernel makes the directory under an alias die: let it die for nobody who holds it.

    rename(2) onto a directory and rmdir(2) mark its inode dead, and the version would be gone for those who have it open or
    bind-mounted. ESTALE makes the kernel look the name up again and try once more: then the alias has an inode of its own.
    `by` is the name that comes in its place, if any.
    """
    if not place.scene.views.renew(place.artifact, name, by):
        raise os_error(errno.ESTALE, name)


def point_alias(place: ArtifactPlace, name: str, target: str) -> VersionRecord:
    """Make the alias `name` of the version that `target` means, which is a name in the same artifact."""
    check_new_alias(place, name)
    meant = target.removeprefix("./").rstrip("/")
    version = place.find_version(meant)
    if version is None:
        raise os_error(errno.EINVAL if "/" in meant else errno.ENOENT, target)
    if place.find_version(name) is not None:
        raise os_error(errno.EEXIST, name)
    place.scene.repository.registry.aliases.set(place.artifact, name, version.number)
    place.scene.say_moved(place.artifact, [name])
    return version


def remove_alias(place: ArtifactPlace, name: str) -> None:
    """Take the alias away; the version stays."""
    place.scene.check_writable(name)
    if parse_version_label(name) is not None or place.find_version(name) is None:
        raise ReadOnly(f"{place.where}/{name} cannot be removed: only aliases can; 'artfs rm' deletes versions")
    spare_holders(place, name, "")
    place.scene.repository.registry.aliases.remove(place.artifact, name)
    place.scene.views.retire(place.artifact, name)
    place.scene.say_moved(place.artifact, [name])


def move_name(place: ArtifactPlace, name: str, new_name: str, flags: int) -> None:
    """Rename an alias, replacing another in one step."""
    place.scene.check_writable(name)
    if parse_version_label(name) is not None or name == LATEST:
        raise ReadOnly(f"{place.where}/{name} cannot be renamed: only aliases other than '{LATEST}' can")
    check_new_alias(place, new_name)
    if flags & RENAME_EXCHANGE:
        raise os_error(errno.EINVAL, new_name)
    if place.find_version(new_name) is not None:
        if flags & RENAME_NOREPLACE:
            raise os_error(errno.EEXIST, new_name)
        spare_holders(place, new_name, name)
    try:
        place.scene.repository.registry.aliases.rename(place.artifact, name, new_name)
    except NotFound:
        raise os_error(errno.ENOENT, name) from None
    for moved in (name, new_name):
        place.scene.views.retire(place.artifact, moved)
    place.scene.say_moved(place.artifact, [name, new_name])
