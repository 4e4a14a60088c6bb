"""Lineage: which run used or logged which version. Any thread; every method is one transaction."""

from __future__ import annotations

from sqlalchemy import Connection, select

from artfs.model.records import Direction, RunRecord, VersionRecord
from artfs.registry.batches import in_batches
from artfs.registry.database import Database
from artfs.registry.lineage_rows import add_edge, require_run, select_runs
from artfs.registry.schema import lineage, versions
from artfs.registry.version_rows import get_version, select_versions


class Lineage:
    """The graph of runs and versions, walked in both directions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, run_id: str, version_id: int, direction: Direction) -> None:
        """Record an edge; nothing happens when it is there. NotFound when there is no such run or version."""

        def work(connection: Connection) -> None:
            get_version(connection, version_id)
            add_edge(connection, run_id, version_id, direction)

        self._database.write(work)

    def producers(self, version_id: int) -> list[RunRecord]:
        """The runs that have logged the version, the first one first."""
        return self._runs(version_id, Direction.OUTPUT)

    def consumers(self, version_id: int) -> list[RunRecord]:
        """The runs that have used the version, the first one first."""
        return self._runs(version_id, Direction.INPUT)

    def outputs(self, run_id: str) -> list[VersionRecord]:
        """What the run has logged, in that order, versions deleted since among them."""
        return self._versions(run_id, Direction.OUTPUT)

    def inputs(self, run_id: str) -> list[VersionRecord]:
        """What the run has used, in that order, versions deleted since among them."""
        return self._versions(run_id, Direction.INPUT)

    def _runs(self, version_id: int, direction: Direction) -> list[RunRecord]:
        def work(connection: Connection) -> list[RunRecord]:
            get_version(connection, version_id)
            criteria = (lineage.c.version_id == version_id, lineage.c.direction == direction.value)
            return select_runs(connection, *criteria, order_by=lineage.c.id, through_lineage=True)

        return self._database.read(work)

    def _versions(self, run_id: str, direction: Direction) -> list[VersionRecord]:
        def work(connection: Connection) -> list[VersionRecord]:
            criteria = (lineage.c.run_id == require_run(connection, run_id), lineage.c.direction == direction.value)
            ids = list(connection.execute(select(lineage.c.version_id).where(*criteria).order_by(lineage.c.id)).scalars())
            found: dict[int, VersionRecord] = {}
            for batch in in_batches(ids):
                records = select_versions(connection, versions.c.id.in_(batch))
                found.update((record.id, record) for record in records)
            return [found[version_id] for version_id in ids]

        return self._database.read(work)
