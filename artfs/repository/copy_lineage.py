"""The runs and the lineage of what was copied, from one registry into another.

Runs keep their ids. An edge is copied with the version it leads to: one that leads to a version that is not at the destination is
left out there until that version is copied as well, and for good when the version was deleted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from artfs.model.names import ArtifactName, format_version_label
from artfs.model.records import LineageEdge, RunRecord, RunState
from artfs.registry.open import Registry
from artfs.repository.copy_plan import ArtifactPlan

#: An edge without its time: what makes two of them the same.
_Key = tuple[str, ArtifactName, int, str]


@dataclass(slots=True)
class LineageCopy:
    """How many runs and edges are new at the destination; what is not there, in words."""

    runs: int = 0
    edges: int = 0
    #: Versions of the source that the runs have used or logged, and that are not at the destination.
    left_out: list[str] = field(default_factory=list)
    #: Ids that belong to other runs at the destination: nothing of these runs was copied.
    other_runs: list[str] = field(default_factory=list)


def copy_lineage(source: Registry, destination: Registry, plans: Sequence[ArtifactPlan]) -> LineageCopy:
    """Copy the runs that made or used versions of the artifacts, and what they did with versions that both sides have."""
    outcome = LineageCopy()
    edges = [edge for plan in plans for edge in _edges_of(source, plan)]
    records = source.imports.runs(sorted({edge.run_id for edge in edges}))
    refused = _copy_runs(destination, [_moved(run, plans) for run in records], outcome)
    outcome.other_runs = sorted(refused)
    targets = {plan.source: plan.target for plan in plans}
    there = {_key(edge) for plan in plans for edge in destination.imports.edges(plan.target)}
    moved = [replace(edge, artifact=targets[edge.artifact]) for edge in edges if edge.run_id not in refused]
    new = [edge for edge in moved if _key(edge) not in there]
    if new:
        destination.imports.add_edges(new)
    outcome.edges = len(new)
    runs = [run.id for run in records if run.id not in refused]
    outcome.left_out = _left_out(source, destination, runs, plans)
    return outcome


def _edges_of(source: Registry, plan: ArtifactPlan) -> Iterable[LineageEdge]:
    copied = {version.number for version in (*plan.missing, *plan.present)}
    return (edge for edge in source.imports.edges(plan.source) if edge.number in copied)


def _copy_runs(destination: Registry, records: Sequence[RunRecord], outcome: LineageCopy) -> set[str]:
    """Enter the runs that are not there, and how those ended that were running; returns the ids that belong to others."""
    there = {run.id: run for run in destination.imports.runs([record.id for record in records])}
    refused: set[str] = set()
    for record in records:
        known = there.get(record.id)
        if known is not None and _is_up_to_date(known, record):
            continue
        if not destination.imports.add_run(record):
            refused.add(record.id)
        elif known is None:
            outcome.runs += 1
    return refused


def _is_up_to_date(known: RunRecord, record: RunRecord) -> bool:
    has_ended = known.state is RunState.RUNNING and record.state is not RunState.RUNNING
    return (known.name, known.created_at) == (record.name, record.created_at) and not has_ended


def _moved(run: RunRecord, plans: Sequence[ArtifactPlan]) -> RunRecord:
    """The run in the project that its artifacts have at the destination; a run of another project stays in one of that name."""
    for plan in plans:
        if (run.entity, run.project) == (plan.source.entity, plan.source.project):
            return replace(run, entity=plan.target.entity, project=plan.target.project)
    for plan in plans:
        if run.entity == plan.source.entity:
            return replace(run, entity=plan.target.entity)
    return run


def _left_out(source: Registry, destination: Registry, runs: Sequence[str], plans: Sequence[ArtifactPlan]) -> list[str]:
    """The versions that the runs are connected with at the source and not at the destination, as the source calls them."""
    there = {_key(edge) for edge in destination.imports.edges_of_runs(runs)}
    missing = {
        (edge.artifact, edge.number)
        for edge in source.imports.edges_of_runs(runs, live=True)
        if _key(edge) not in there and _key(replace(edge, artifact=_renamed(edge.artifact, plans))) not in there
    }
    return [f"{artifact}:{format_version_label(number)}" for artifact, number in sorted(missing)]


def _renamed(artifact: ArtifactName, plans: Sequence[ArtifactPlan]) -> ArtifactName:
    """What the artifact is called at the destination, if it was copied there in the same way."""
    for plan in plans:
        if artifact == plan.source:
            return plan.target
    for plan in plans:
        if (artifact.entity, artifact.project) == (plan.source.entity, plan.source.project):
            return replace(artifact, entity=plan.target.entity, project=plan.target.project)
    return artifact


def _key(edge: LineageEdge) -> _Key:
    return edge.run_id, edge.artifact, edge.number, edge.direction.value
