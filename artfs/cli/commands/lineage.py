"""`artfs lineage`: where a version came from and what was made of it, as a tree both ways."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from artfs.cli.context import current
from artfs.cli.lineage_graph import LineageGraph, walk_lineage
from artfs.cli.options import JsonOption, VersionArgument
from artfs.cli.output import print_json
from artfs.model.records import RunRecord, VersionRecord
from artfs.repository.open import open_repository

EXAMPLE = "artfs lineage bike-model:v0"
#: Wide enough for any line when nobody's terminal limits it: a wrapped line cannot be found with grep.
_PIPED_WIDTH = 10_000


def command(
    ctx: typer.Context,
    version: VersionArgument,
    depth: Annotated[int, typer.Option("--depth", min=1, metavar="N", help="How many runs away to look, each way.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """Show which runs and versions a version came from and went into.

    Upwards the runs that logged it and the versions they used, downwards the runs that used it and the versions they logged.
    """
    invocation = current(ctx)
    name = invocation.version(version)
    with open_repository(invocation.config) as repository:
        record = repository.registry.versions.resolve(name)
        graph = walk_lineage(repository.registry.lineage, record, depth)
    if as_json:
        print_json(graph.form())
        return
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else _PIPED_WIDTH, highlight=False)
    console.print(_tree(graph), soft_wrap=not sys.stdout.isatty())


def _tree(graph: LineageGraph) -> Tree:
    root = Tree(_version_label(graph.root))
    if graph.producers.get(graph.root.id):
        _add_sources(root.add(Text("came from", style="italic")), graph, graph.root, {graph.root.id})
    if graph.consumers.get(graph.root.id):
        _add_results(root.add(Text("went into", style="italic")), graph, graph.root, {graph.root.id})
    return root


def _add_sources(branch: Tree, graph: LineageGraph, version: VersionRecord, shown: set[int]) -> None:
    for run in graph.producers.get(version.id, ()):
        _add_versions(branch.add(_run_label(run, "logged by")), graph, graph.inputs.get(run.id, ()), shown, upwards=True)


def _add_results(branch: Tree, graph: LineageGraph, version: VersionRecord, shown: set[int]) -> None:
    for run in graph.consumers.get(version.id, ()):
        _add_versions(branch.add(_run_label(run, "used by")), graph, graph.outputs.get(run.id, ()), shown, upwards=False)


def _add_versions(
    branch: Tree, graph: LineageGraph, versions: tuple[VersionRecord, ...], shown: set[int], *, upwards: bool
) -> None:
    for version in versions:
        again = version.id in shown
        leaf = branch.add(_version_label(version, note=" (see above)" if again else ""))
        if not again:  # a run that read what it later wrote, or a diamond: every version is followed once
            shown.add(version.id)
            (_add_sources if upwards else _add_results)(leaf, graph, version, shown)


def _version_label(version: VersionRecord, note: str = "") -> Text:
    aliases = f" [{', '.join(version.aliases)}]" if version.aliases else ""
    deleted = " (deleted)" if version.state.value == "deleted" else ""
    return Text.assemble((version.name, "bold"), f" {version.type}", (aliases, "cyan"), deleted, (note, "dim"))


def _run_label(run: RunRecord, verb: str) -> Text:
    facts = ", ".join(text for text in (run.name if run.name != run.id else "", run.job_type, run.state.value) if text)
    return Text.assemble((f"{verb} ", "dim"), (run.id, "green"), (f" ({facts})", "dim"))
