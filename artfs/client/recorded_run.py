"""A run as the registry knows it: what `logged_by()`, `used_by()` and `Api().run()` give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from artfs.client.session import SESSION
from artfs.config import Config
from artfs.model.records import RunRecord, VersionRecord

#: `Artifact`; a parameter, because artifacts lead to runs and runs to artifacts.
A = TypeVar("A")


class RecordedRun(Generic[A]):
    """One run: a step of a pipeline, with what it used and logged.

    Attributes: `id`, `name`, `entity`, `project`, `job_type`, `group` (None where not given), `config`, `state` (`running`,
    `finished` or `failed`), `created_at` (ISO 8601, UTC).
    """

    def __init__(self, config: Config, record: RunRecord, show: Callable[[Config, VersionRecord], A]) -> None:
        self._settings = config
        self._record = record
        self._show = show

    @property
    def id(self) -> str:
        return self._record.id

    @property
    def name(self) -> str:
        return self._record.name

    @property
    def entity(self) -> str:
        return self._record.entity

    @property
    def project(self) -> str:
        return self._record.project

    @property
    def job_type(self) -> str | None:
        return self._record.job_type

    @property
    def group(self) -> str | None:
        return self._record.group

    @property
    def config(self) -> dict[str, Any]:
        return dict(self._record.config)

    @property
    def state(self) -> str:
        return self._record.state.value

    @property
    def created_at(self) -> str:
        return self._record.created_at.isoformat()

    @property
    def path(self) -> list[str]:
        """`[entity, project, id]`; joined with `/`, a name for `Api().run()`."""
        return [self.entity, self.project, self.id]

    def logged_artifacts(self) -> list[A]:
        """The versions this run has logged, oldest first."""
        records = SESSION.repository(self._settings).registry.lineage.outputs(self.id)
        return [self._show(self._settings, record) for record in records]

    def used_artifacts(self) -> list[A]:
        """The versions this run has used, oldest first."""
        records = SESSION.repository(self._settings).registry.lineage.inputs(self.id)
        return [self._show(self._settings, record) for record in records]

    def __repr__(self) -> str:
        return f"<Run {'/'.join(self.path)} ({self.name}, {self.state})>"
