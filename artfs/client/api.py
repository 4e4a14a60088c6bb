"""`Api`: reading and changing what was logged, outside of any run."""

from __future__ import annotations

from collections.abc import Mapping

from artfs.client.artifact import Artifact
from artfs.client.recorded_run import RecordedRun
from artfs.client.session import SESSION
from artfs.config import Config, load_config
from artfs.errors import NotFound, UserError
from artfs.model.names import check_entity, check_project, parse_artifact_name, parse_version_name
from artfs.registry.open import Registry


class Api:
    """Finds artifacts and runs by name; marks nothing as used.

    `overrides` may give `entity` and `project` for names that do not say theirs; else those of the current run count, or of the
    settings. `timeout` and `api_key` are taken for compatibility and have no effect.

        artifact = artfs.Api().artifact("bikes/bike-dataset:latest")
    """

    def __init__(
        self,
        overrides: Mapping[str, str] | None = None,
        timeout: int | None = None,  # noqa: ARG002
        api_key: str | None = None,  # noqa: ARG002
    ) -> None:
        said = overrides or {}
        self._settings: Config | None = None
        if said.get("entity") or said.get("project"):
            self._settings = load_config({"entity": said.get("entity"), "project": said.get("project")})

    @property
    def default_entity(self) -> str:
        return self._config.entity

    def artifact(self, name: str, type: str | None = None) -> Artifact:  # noqa: A002
        """The version called `NAME`, `PROJECT/NAME` or `ENTITY/PROJECT/NAME`, followed by `:v3` or `:ALIAS` (default `:latest`).

        Raises NotFound (a LookupError and ValueError) if there is none, UserError (a ValueError) if it is not of `type`.
        """
        config = self._config
        wanted = parse_version_name(name, entity=config.entity, project=config.project)
        record = SESSION.repository(config).names.version(wanted)  # which was known last is enough for reading
        if type is not None and record.type != type:
            raise UserError(f"{record.name} is of type {record.type!r}, not {type!r}")
        return Artifact.from_record(config, record)

    def artifact_exists(self, name: str, type: str | None = None) -> bool:  # noqa: A002
        """True if `artifact(name, type)` would give a version."""
        try:
            return self.artifact(name).type == type or type is None
        except NotFound:
            return False

    def artifact_versions(self, type_name: str, name: str, per_page: int = 50) -> list[Artifact]:  # noqa: ARG002
        """All versions of an artifact that are not deleted, newest first. `per_page` has no effect.

        While the registry cannot be reached, those that were looked at on this machine, and a warning that says so. Raises NotFound
        if there is no such artifact, UserError (a ValueError) if it is not of the type `type_name`.
        """
        config = self._config
        artifact = parse_artifact_name(name, entity=config.entity, project=config.project)
        names = SESSION.repository(config).names
        records, collection = names.versions(artifact), names.collection(artifact)
        if collection is not None and collection.type != type_name:
            raise UserError(f"{artifact.name} holds artifacts of type {collection.type!r}, not {type_name!r}")
        return [Artifact.from_record(config, record) for record in records]

    def artifacts(self, type_name: str, name: str, per_page: int = 50) -> list[Artifact]:
        """The same as `artifact_versions`."""
        return self.artifact_versions(type_name, name, per_page)

    def run(self, path: str) -> RecordedRun[Artifact]:
        """The run `ID`, `PROJECT/ID` or `ENTITY/PROJECT/ID`. Raises NotFound if there is none."""
        config = self._config
        *place, run_id = path.strip("/").split("/")
        record = self._registry.runs.get(run_id)
        if [record.entity, record.project][2 - len(place) :] != place:
            raise NotFound(f"there is no run {path!r}: a run {run_id!r} is in {record.entity}/{record.project}")
        return RecordedRun(config, record, Artifact.from_record)

    def runs(self, path: str | None = None, per_page: int = 50) -> list[RecordedRun[Artifact]]:  # noqa: ARG002
        """The runs of `PROJECT` or `ENTITY/PROJECT` (default: the project of the settings), newest first."""
        config = self._config
        parts = path.split("/") if path else [config.project]
        if len(parts) > 2:
            raise UserError(f"{path!r} is no project: expected PROJECT or ENTITY/PROJECT")
        entity, project = [config.entity, *parts][-2:]
        records = self._registry.runs.list(check_entity(entity), check_project(project))
        return [RecordedRun(config, record, Artifact.from_record) for record in records]

    @property
    def _config(self) -> Config:
        return self._settings or SESSION.current_config()

    @property
    def _registry(self) -> Registry:
        return SESSION.repository(self._config).registry
