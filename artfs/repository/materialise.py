"""Versions as plain local directories: download and checkout.

Files that are right already (size, executable bit, digest) are left alone, times included; wrong ones are replaced in one step, so
that nobody sees half a file. `tree_writer` compares and writes them, `local_tree` keeps everything inside the root.

Blocking; any thread. Progress is reported from the calling thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from artfs.content.manifests import Manifest
from artfs.errors import EntryNotFound, UserError
from artfs.model.entry import Entry, Kind
from artfs.model.names import normalise_path
from artfs.model.progress import OnFilesDone
from artfs.model.records import VersionRecord
from artfs.repository.compare import Difference, iter_foreign, verify_directory
from artfs.repository.local_tree import LocalTree, explained, remove_any
from artfs.repository.repository import Repository
from artfs.repository.tree_writer import MissingReference, TreeWriter

__all__ = ["Difference", "MissingReference", "checkout", "download", "verify_directory"]


def download(
    repository: Repository,
    version: VersionRecord,
    root: Path,
    path_prefix: str | None = None,
    on_progress: OnFilesDone | None = None,
    *,
    allow_missing_references: bool = False,
) -> list[MissingReference]:
    """Make `root` hold all of `version`, or what is at or below `path_prefix`. Other files in it stay.

    Raises ReferenceChanged, AccessDenied or UserError for references whose content is not what was recorded, gone, forbidden or out
    of reach of artfs; with `allow_missing_references` they are returned instead, in the order of their paths, and what is at their
    places in `root` stays. ReferenceUnavailable, which may pass, is raised in any case. `on_progress` is
    told the files that are in place so far, and their bytes; so in `checkout`.
    """
    manifest = repository.manifest(version)
    entries = manifest.iter_entries() if not path_prefix else _select(manifest, version, path_prefix)
    with LocalTree(root, create=True) as tree:
        writer = TreeWriter(repository, tree, allow_missing_references=allow_missing_references)
        writer.write(entries, on_progress)
    return sorted(writer.missing, key=lambda missing: missing.path)


def checkout(repository: Repository, version: VersionRecord, root: Path, on_progress: OnFilesDone | None = None) -> None:
    """Make `root` hold `version` and nothing else."""
    if root.resolve() in (Path("/"), Path.home()):
        raise UserError(f"checkout removes all other files, so it does not work on {root}: choose a directory of its own")
    manifest = repository.manifest(version)
    with LocalTree(root, create=True) as tree:
        with explained(root):
            for path in list(iter_foreign(tree, manifest)):
                _remove(tree, path)
            for entry in manifest.iter_entries():
                if entry.kind is not Kind.DIRECTORY:
                    _remove_directory_in_the_way(tree, entry)
        TreeWriter(repository, tree).write(manifest.iter_entries(), on_progress)


def _select(manifest: Manifest, version: VersionRecord, path_prefix: str) -> Iterator[Entry]:
    """The entries at or below the prefix; if there is no such path, those whose paths begin with it."""
    path = normalise_path(path_prefix)
    if manifest.get(path) is not None:
        return manifest.iter_entries(path)
    directory, _, beginning = path.rpartition("/")
    siblings = manifest.list(directory) if manifest.is_directory(directory) else []
    chosen = [entry.path for entry in siblings if entry.name.startswith(beginning) and not path_prefix.endswith("/")]
    if not chosen:
        raise EntryNotFound(f"{version.name} has no path that begins with {path_prefix!r}: see what it has with `artfs ls`")
    return (entry for each in chosen for entry in manifest.iter_entries(each))


def _remove(tree: LocalTree, path: str) -> None:
    directory, _, name = path.rpartition("/")
    with tree.directory(directory) as parent:
        remove_any(name, parent)


def _remove_directory_in_the_way(tree: LocalTree, entry: Entry) -> None:
    try:
        with tree.directory(entry.path):
            pass
    except OSError:
        return
    _remove(tree, entry.path)
