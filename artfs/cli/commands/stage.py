"""`artfs stage`: a staging directory, empty or over a version."""

from __future__ import annotations

import json
from itertools import count
from typing import Annotated

import typer

from artfs.cli.completion import complete_alias
from artfs.cli.context import current
from artfs.cli.options import ArtifactArgument, TypeOption
from artfs.cli.output import print_line
from artfs.cli.staging_places import STAGING, find_artifact_directory, wait_until_visible
from artfs.errors import AlreadyExists, UserError
from artfs.model.names import ArtifactName, VersionName, check_alias, check_type, parse_version_label
from artfs.model.records import VersionRecord
from artfs.repository.open import open_repository
from artfs.repository.repository import Repository
from artfs.vfs.staging.store import StagingStore

EXAMPLE = "artfs stage pets --from latest --name no-dogs"


def command(
    ctx: typer.Context,
    name: ArtifactArgument,
    *,
    base: Annotated[
        str | None,
        typer.Option("--from", metavar="VERSION", help="Start from a version, by number or alias.", autocompletion=complete_alias),
    ] = None,
    staging_name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Name of the staging directory; edit-1, edit-2, … by default.")
    ] = None,
    type_name: TypeOption = None,
) -> None:
    """Open a staging directory in a mount, and print its path.

    Without --from it is empty. With it, it is a copy-on-write view of the version: changing one file costs one file.
    """
    invocation = current(ctx)
    artifact = invocation.artifact(name)
    selector = None if base is None else _selector(base, name)
    with open_repository(invocation.config) as repository:
        version = None if selector is None else repository.names.version(VersionName(artifact, selector))
        directory = find_artifact_directory(invocation.config, artifact)
        options = _options(repository, artifact, type_name)
        store = StagingStore(invocation.config.staging_dir, repository)
        try:
            made = _create(store, artifact, staging_name, version)
            if options:
                store.put_options(artifact, made, json.dumps(options).encode())
        finally:
            store.close()
    path = directory / STAGING / made
    wait_until_visible(path)
    print_line(str(path))


def _selector(base: str, name: str) -> str:
    """What follows the colon: `latest` and `pets:latest` are the same when the artifact is `pets`."""
    selector = base.removeprefix(f"{name}:")
    if ":" in selector:
        raise UserError(f"{base!r} is no version of {name}: name one by number or alias, for example --from latest")
    return selector if parse_version_label(selector) is not None else check_alias(selector)


def _options(repository: Repository, artifact: ArtifactName, type_name: str | None) -> dict[str, str]:
    """Commit options that remember the type until the first commit: the registry hears of a new artifact only then."""
    if type_name is None:
        return {}
    collection = repository.names.collection(artifact)
    if collection is not None and collection.type != check_type(type_name):
        raise UserError(f"{artifact} has the type {collection.type!r}, not {type_name!r}: leave out --type")
    return {"type": check_type(type_name)}


def _create(store: StagingStore, artifact: ArtifactName, name: str | None, base: VersionRecord | None) -> str:
    if name is not None:
        return store.create(artifact, name, base=base).name
    for number in count(1):
        try:
            return store.create(artifact, f"edit-{number}", base=base).name
        except AlreadyExists:
            continue
    raise AssertionError("count() does not end")
