"""`artfs status`: settings in force, what is stored, what is mounted, where the logs are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from artfs.cli.context import current
from artfs.cli.options import JsonOption
from artfs.cli.output import Cell, Size, format_size, print_fields, print_json
from artfs.cli.unfinished import describe_unfinished, unfinished_form
from artfs.config import Config
from artfs.errors import RegistryUnavailable
from artfs.model.contributions import ContributionSet
from artfs.model.counted import counted
from artfs.mount.control import list_mounts
from artfs.mount.mount_info import MountInfo
from artfs.repository.contribute import list_unfinished
from artfs.repository.open import open_repository
from artfs.repository.repository import Repository
from artfs.vfs.staging.folder import is_staging_name

EXAMPLE = "artfs status --json"
#: What only the registry knows.
_STORED = (
    *("projects", "artifacts", "versions", "version_size", "packs", "stored_size", "commits_under_way"),
    "unfinished",
)


def command(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Show the settings in force, what is stored and what is mounted.

    Counts are of everything in the registry, not of one project. What parallel runs have contributed and nobody has finished is
    listed, too. Passwords in addresses are not shown. While the registry cannot be reached, the rest is shown, and the exit code
    is 6.
    """
    config = current(ctx).config
    unfinished: list[ContributionSet] = []
    stored: dict[str, Any] = dict.fromkeys(_STORED)
    problem: RegistryUnavailable | None = None
    try:
        with open_repository(config) as repository:
            _check_reached(repository)
            unfinished = list_unfinished(repository)
            stored = _stored(repository, unfinished)
    except RegistryUnavailable as error:
        problem = error
    form = {**_settings(config), **stored, "registry_problem": None if problem is None else problem.message, **_local(config)}
    if as_json:
        print_json(form)
    else:
        print_fields(_fields(form, [f"{describe_unfinished(found)}, {format_size(found.size)}" for found in unfinished]))
    if problem is not None:
        raise RegistryUnavailable(f"what is stored is not known: {problem}")


def _check_reached(repository: Repository) -> None:
    """Raise RegistryUnavailable soon where a registry is silent: each question would be waited for much longer."""
    state = repository.names.state()
    if not state["reachable"]:
        raise RegistryUnavailable(state["reason"])


def _settings(config: Config) -> dict[str, Any]:
    return {
        "entity": config.entity,
        "project": config.project,
        "registry": _without_password(config.registry),
        "objects": _without_password(config.objects),
        "run": config.run_id,
    }


def _stored(repository: Repository, unfinished: list[ContributionSet]) -> dict[str, Any]:
    """What the registry tells."""
    registry = repository.registry
    projects = registry.collections.projects()
    collections = [collection for entity, project in projects for collection in registry.collections.list(entity, project)]
    packs = [pack.size for pack in registry.packs.iter_all()]
    return {
        "projects": len(projects),
        "artifacts": len(collections),
        "versions": sum(collection.version_count for collection in collections),
        "version_size": sum(version.size for version in registry.versions.iter_live()),
        "packs": len(packs),
        "stored_size": sum(packs),
        "commits_under_way": len(registry.leases.list_active()),
        "unfinished": [unfinished_form(found) for found in unfinished],
    }


def _local(config: Config) -> dict[str, Any]:
    """What this machine tells."""
    return {
        "mounts": [_mount_form(mount) for mount in list_mounts(config)],
        "staging": sorted(str(path) for path in _staging_directories(config.staging_dir)),
        "log_dir": str(config.log_dir),
        "staging_dir": str(config.staging_dir),
        "memo_dir": str(config.memo_dir),
    }


def _mount_form(mount: MountInfo) -> dict[str, Any]:
    return {
        "mountpoint": str(mount.mountpoint),
        "target": mount.target,
        "pid": mount.pid,
        "read_only": mount.read_only,
        "run": mount.run_id,
        "log": str(mount.log) if mount.log else None,
    }


def _staging_directories(root: Path) -> Iterator[Path]:
    """`ENTITY/PROJECT/ARTIFACT/NAME` of each open staging directory, relative to `root`."""
    return (path.relative_to(root) for path in root.glob("*/*/*/*") if is_staging_name(path.name) and path.is_dir())


def _fields(form: dict[str, Any], unfinished: list[str]) -> list[tuple[str, Cell | list[str]]]:
    mounts = [
        f"{mount['mountpoint']} ({mount['target']}{', read-only' if mount['read_only'] else ''}, process {mount['pid']})"
        for mount in form["mounts"]
    ]
    settings = [(name, form[name]) for name in ("entity", "project", "registry", "objects", "run")]
    stored: list[tuple[str, Cell | list[str]]] = []
    if form["registry_problem"] is None:
        stored = [
            ("artifacts", f"{form['artifacts']} in {counted(form['projects'], 'project')}"),
            ("versions", form["versions"]),
            ("size of versions", Size(form["version_size"])),
            ("packs", form["packs"]),
            ("size of packs", Size(form["stored_size"])),
            ("commits under way", form["commits_under_way"]),
            ("contributed, not finished", unfinished or None),
        ]
    local = [("mounts", mounts or None), ("staging", form["staging"] or None), ("logs", form["log_dir"])]
    return [*settings, *stored, *local]


def _without_password(url: str) -> str:
    return re.sub(r"(?<=://)([^/@:]*):[^/@]*@", r"\1:***@", url)
