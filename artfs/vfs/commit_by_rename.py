"""Commit by rename(2): `mv staging/NAME best` makes a version that `best` and `latest` mean, `mv staging/NAME v4` insists on v4.

The first attempt is answered with ESTALE, on which the kernel tries again: between the two it forgets the names that are to move,
while it holds no lock, and keeps no name of the artifact until they have moved. So whoever comes after rename(2) sees what is.

The staging directory is gone afterwards, and only then (I6). The kernel moves the staging directory's dentry to the new name; as
that dentry has a timeout of 0 by then, the next use of the name looks it up and finds the version. Any thread.
"""

from __future__ import annotations

import errno

from artfs.errors import AlreadyExists, ArtfsError, NotFound
from artfs.model.names import LATEST, check_alias, format_version_label, parse_version_label
from artfs.vfs.naming import ArtifactPlace
from artfs.vfs.node import os_error
from artfs.vfs.staging.commit import commit_staging
from artfs.vfs.staging.moves import RENAME_EXCHANGE, RENAME_NOREPLACE
from artfs.vfs.staging.options import StagingOptions

#: The type of an artifact that was made by mkdir(2), unless its options file says another.
DEFAULT_TYPE = "dataset"


def commit_by_rename(place: ArtifactPlace, staging: str, new_name: str, flags: int) -> None:
    """Make a version of the staging directory `staging` of the artifact, called `new_name` too."""
    scene, artifact = place.scene, place.artifact
    scene.check_writable(new_name)
    number = parse_version_label(new_name)
    if number is None:
        check_alias(new_name)
    if flags & RENAME_EXCHANGE:
        raise os_error(errno.EINVAL, new_name)
    if (flags & RENAME_NOREPLACE or number is not None) and place.find_version(new_name) is not None:
        raise AlreadyExists(f"{place.where}/{new_name} is there already: nothing was committed")
    _prepare(place, staging, new_name)
    try:
        _commit(place, staging, new_name, number)
    except (ArtfsError, OSError) as error:
        scene.journal.failed(artifact, staging, error)
        scene.problems.record(f"{place.where}/staging/{staging}".lstrip("/"), f"not committed: {error}")
        raise


def _prepare(place: ArtifactPlace, staging: str, new_name: str) -> None:
    scene, artifact = place.scene, place.artifact
    if scene.views.renew(artifact, new_name, f"staging/{staging}"):
        return
    scene.views.unsettle(artifact)
    newest = place.find_version(LATEST)
    following = format_version_label(newest.number + 1) if newest is not None else format_version_label(0)
    try:
        aliases = scene.staged.store.get_options(artifact, staging).aliases
    except ArtfsError:  # the second attempt will say what is wrong
        aliases = ()
    scene.say_moved(artifact, dict.fromkeys((new_name, LATEST, following, *aliases)))
    raise os_error(errno.ESTALE, new_name)


def _commit(place: ArtifactPlace, staging: str, new_name: str, number: int | None) -> None:
    scene, artifact = place.scene, place.artifact
    aliases = (new_name,) if number is None and new_name != LATEST else ()
    options = StagingOptions(aliases=aliases, type=_type_of_new(place, staging))
    tree = scene.staged.get(artifact, staging)
    base = tree.directory.base
    if base is not None and scene.touched.is_new(base.record):
        scene.touched.record(base.record)  # what a run edits, it has used
    with tree.without_writers():
        outcome = commit_staging(scene.repository, tree.directory, options, run_id=scene.touched.run_id, expected_number=number)
    scene.staged.drop(artifact, staging)
    scene.journal.committed(artifact, staging, outcome)
    # rename(2) has left the inode that was under the name dead.
    scene.views.retire(artifact, new_name)
    scene.views.unsettle(artifact)
    version = outcome.version
    scene.say_moved(artifact, dict.fromkeys((new_name, version.label, LATEST, *version.aliases)))


def _type_of_new(place: ArtifactPlace, staging: str) -> str | None:
    """The type for an artifact of which the registry knows nothing yet; None to leave the type as it is."""
    scene, artifact = place.scene, place.artifact
    if scene.repository.registry.collections.find(artifact) is not None:
        return None
    try:
        said = scene.staged.store.get_options(artifact, staging).type
    except NotFound:
        said = None
    return said or DEFAULT_TYPE
