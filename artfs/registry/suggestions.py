"""What to say when a name is not there: which names there are, and which one may have been meant."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from artfs.model.names import ArtifactName, format_version_label
from artfs.registry.schema import aliases, collections, entities, projects, runs, versions

_SHOWN = 10


def missing_artifact(connection: Connection, artifact: ArtifactName) -> str:
    """A sentence (without an end) for an artifact that is not there."""
    rows = connection.execute(
        select(collections.c.name)
        .join(projects, projects.c.id == collections.c.project_id)
        .join(entities, entities.c.id == projects.c.entity_id)
        .where((entities.c.name == artifact.entity) & (projects.c.name == artifact.project))
        .order_by(collections.c.name)
    )
    names = list(rows.scalars())
    start = f"there is no artifact {artifact}"
    if not names:
        elsewhere = connection.execute(
            select(entities.c.name, projects.c.name)
            .join(projects, projects.c.id == collections.c.project_id)
            .join(entities, entities.c.id == projects.c.entity_id)
            .where(collections.c.name == artifact.name)
            .order_by(entities.c.name, projects.c.name)
        )
        found = [f"{entity}/{project}/{artifact.name}" for entity, project in elsewhere]
        rest = f"did you mean {_some(found)}?" if found else f"the project {artifact.entity}/{artifact.project} has no artifacts"
        return f"{start}: {rest}"
    close = difflib.get_close_matches(artifact.name, names, n=3)
    return f"{start}: did you mean {_some(close)}?" if close else f"{start}: the project has {_some(names)}"


def missing_version(connection: Connection, artifact: ArtifactName, collection_id: int, selector: str) -> str:
    """A sentence for a version or alias that is not there."""
    query = select(aliases.c.name).where(aliases.c.collection_id == collection_id).order_by(aliases.c.name)
    names = list(connection.execute(query).scalars())
    count, lowest, highest = connection.execute(
        select(func.count(), func.min(versions.c.number), func.max(versions.c.number)).where(
            (versions.c.collection_id == collection_id) & (versions.c.state == "committed")
        )
    ).one()
    start = f"there is no version {artifact}:{selector}"
    if not count:
        return f"{start}: {artifact} has no versions"
    close = difflib.get_close_matches(selector, names, n=1)
    guess = f"did you mean {close[0]!r}? " if close else ""
    first, last = format_version_label(lowest), format_version_label(highest)
    there = first if count == 1 else f"{count} versions from {first} to {last}"
    return f"{start}: {guess}it has {there} and {_aliases(names)}"


def missing_run(connection: Connection, run_id: str) -> str:
    """A sentence for a run that is not there."""
    names = list(connection.execute(select(runs.c.run).order_by(runs.c.id.desc()).limit(1000)).scalars())
    close = difflib.get_close_matches(run_id, names, n=1)
    return f"there is no run {run_id!r}" + (f": did you mean {close[0]!r}?" if close else ": `artfs runs` lists those there are")


def _aliases(names: Sequence[str]) -> str:
    if not names:
        return "no aliases"
    return f"the alias{'es' if len(names) > 1 else ''} {_some(names)}"


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
