"""The part of the lineage graph around one version: runs and versions by breadth, each asked for once.

A graph and not a tree: a version may be reached in several ways, and a run may have used what it logged. Bounded by a depth, as the
whole graph of a busy project is of no use on a screen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from artfs.cli.forms import run_form, version_form
from artfs.model.records import RunRecord, VersionRecord

_T = TypeVar("_T")


class LineageTable(Protocol):
    """What is asked of the registry."""

    def producers(self, version_id: int) -> Sequence[RunRecord]: ...
    def consumers(self, version_id: int) -> Sequence[RunRecord]: ...
    def inputs(self, run_id: str) -> Sequence[VersionRecord]: ...
    def outputs(self, run_id: str) -> Sequence[VersionRecord]: ...


@dataclass(slots=True)
class LineageGraph:
    """Neighbours of each version (by its id) and each run (by its id); `producers` and `inputs` lead upwards."""

    root: VersionRecord
    producers: dict[int, tuple[RunRecord, ...]] = field(default_factory=dict)
    inputs: dict[str, tuple[VersionRecord, ...]] = field(default_factory=dict)
    consumers: dict[int, tuple[RunRecord, ...]] = field(default_factory=dict)
    outputs: dict[str, tuple[VersionRecord, ...]] = field(default_factory=dict)

    def form(self) -> dict[str, Any]:
        """Nodes and edges as JSON. An edge says that `run` has `version` as its `input` or `output`."""
        versions = {version.id: version for version in _flat(self.inputs.values(), self.outputs.values())} | {
            self.root.id: self.root
        }
        runs = {run.id: run for run in _flat(self.producers.values(), self.consumers.values())}
        edges = {(run.id, version_id, "output") for version_id, made in self.producers.items() for run in made}
        edges |= {(run.id, version_id, "input") for version_id, users in self.consumers.items() for run in users}
        edges |= {(run_id, version.id, "input") for run_id, used in self.inputs.items() for version in used}
        edges |= {(run_id, version.id, "output") for run_id, logged in self.outputs.items() for version in logged}
        return {
            "version": self.root.qualified_name,
            "versions": [version_form(versions[key]) for key in sorted(versions)],
            "runs": [run_form(runs[key]) for key in sorted(runs)],
            "edges": [
                {"run": run_id, "version": versions[version_id].qualified_name, "direction": direction}
                for run_id, version_id, direction in sorted(edges)
            ],
        }


def walk_lineage(lineage: LineageTable, root: VersionRecord, depth: int) -> LineageGraph:
    """The graph up to `depth` runs away from `root`, each way."""
    graph = LineageGraph(root)
    for runs_of, versions_of, runs, versions in (
        (lineage.producers, lineage.inputs, graph.producers, graph.inputs),
        (lineage.consumers, lineage.outputs, graph.consumers, graph.outputs),
    ):
        _walk(root=root, depth=depth, runs_of=runs_of, versions_of=versions_of, runs=runs, versions=versions)
    return graph


def _walk(
    *,
    root: VersionRecord,
    depth: int,
    runs_of: Callable[[int], Sequence[RunRecord]],
    versions_of: Callable[[str], Sequence[VersionRecord]],
    runs: dict[int, tuple[RunRecord, ...]],
    versions: dict[str, tuple[VersionRecord, ...]],
) -> None:
    layer = [root]
    while layer and depth > 0:
        depth -= 1
        following: dict[int, VersionRecord] = {}
        for version in layer:
            runs[version.id] = tuple(runs_of(version.id))
            for run in runs[version.id]:
                if run.id not in versions:
                    versions[run.id] = tuple(versions_of(run.id))
                following.update({found.id: found for found in versions[run.id] if found.id not in runs})
        layer = list(following.values())


def _flat(*groups: Iterable[Iterable[_T]]) -> Iterable[_T]:
    return (item for group in groups for items in group for item in items)
