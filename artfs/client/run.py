"""`Run`: one step of a pipeline that is going on, with what it logs and uses."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from artfs.client.artifact import Artifact, core_of
from artfs.client.notices import notice
from artfs.client.recorded_run import RecordedRun
from artfs.client.run_config import RunConfig
from artfs.client.session import SESSION
from artfs.client.uploads import Upload, Uploader
from artfs.config import Config
from artfs.errors import ArtfsError, SourceNotReadable, TypeNotValid, UserError
from artfs.model.names import ArtifactName, check_aliases, check_distributed_id, parse_version_name
from artfs.model.records import Direction, RunRecord, RunState

#: The type of what is logged by its path, without a word about its type.
UNSPECIFIED_TYPE = "unspecified"

Aliases = str | list[str] | tuple[str, ...] | None


class Run(RecordedRun[Artifact]):
    """A run that is going on. `artfs.init()` begins one; as a context manager it finishes by itself.

    Thread-safe: several threads may log to one run. An attribute of `RecordedRun`, and `config`, which shows its keys as
    attributes too.
    """

    def __init__(self, settings: Config, record: RunRecord, config: Mapping[str, Any]) -> None:
        super().__init__(settings, record, Artifact.from_record)
        self._config = RunConfig(config)
        self._state = RunState(record.state)
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._uploader_of_process = Uploader()
        self._types: dict[str, str] = {}
        self._finished = False

    @property
    def config(self) -> RunConfig:
        """What the run was begun with: a dict whose keys are attributes too."""
        return self._config

    @property
    def state(self) -> str:
        return self._state.value

    def log_artifact(
        self,
        artifact_or_path: Artifact | str | os.PathLike[str],
        name: str | None = None,
        type: str | None = None,  # noqa: A002  the name of the parameter in the API this one follows
        aliases: Aliases = None,
    ) -> Artifact:
        """Log an artifact, or a file or directory, as an output of this run. Returns at once; the version is made in the
        background.

        Aliases are added to `latest`, which always moves to what was logged; a text is one alias. For a path, `name` and `type` say
        what it becomes (default `run-ID-BASENAME` and `unspecified`). Versions of one run are made in the order of these calls.
        Content that the name has had in any version makes no new one: that version is logged again.

        Raises UserError (a ValueError) for names and types that cannot be, and after the run has finished; what happens in the
        background is raised by `artifact.wait()`, or by `finish()`.

            run.log_artifact(artifact, aliases=["best-ap50"])
            run.log_artifact("out/model.h5", name="bike-model", type="model")
        """
        self._check_going_on()
        asked = check_aliases(aliases)
        artifact = self._to_artifact(artifact_or_path, name, type)
        core = core_of(artifact)
        if core.is_draft:
            self._check_type(core.name, core.type)
        core.log(self._uploader(), self._settings, asked, self.id)
        return artifact

    def upsert_artifact(
        self,
        artifact_or_path: Artifact | str | os.PathLike[str],
        name: str | None = None,
        type: str | None = None,  # noqa: A002
        aliases: Aliases = None,
        distributed_id: str | None = None,
        *,
        overwrite: bool = False,
    ) -> Artifact:
        """Contribute an artifact to a version that several runs build together. It is stored durably when this returns.

        All that is contributed to one name under one `distributed_id` (default: the group of the run) becomes one version when a
        run calls `finish_artifact()`; nobody sees it before. Aliases, description and metadata are for that version. Other bytes
        at a path that somebody has contributed to already keep the finish from being done; with `overwrite` they take the place
        of those. The artifact is final from then on.

        Raises TypeNotValid (a TypeError) with neither `distributed_id` nor a group, and at once what keeps it from being stored.

            with artfs.init(group="nightly", job_type="worker") as run:
                part = artfs.Artifact("table", type="dataset")
                part.add_file("part.csv", name=f"parts/{rank}.csv")
                run.upsert_artifact(part)
        """
        asked = check_aliases(aliases)
        artifact, together = self._to_build_together("upsert_artifact", artifact_or_path, name, type, distributed_id)
        core_of(artifact).contribute(self._settings, asked, self.id, together, overwrite=overwrite)
        return artifact

    def finish_artifact(
        self,
        artifact_or_path: Artifact | str | os.PathLike[str],
        name: str | None = None,
        type: str | None = None,  # noqa: A002
        aliases: Aliases = None,
        distributed_id: str | None = None,
        *,
        overwrite: bool = False,
    ) -> Artifact:
        """Make one version of all that was contributed under `distributed_id` (default: the group of the run), and of `artifact`.

        Returns the artifact, which is that version then, as after `log_artifact().wait()`. All runs that have contributed become
        its producers. What is contributed afterwards begins the next version.

        To finish again is safe: where nothing was contributed since, and the artifact has nothing that the version finished last
        under the id lacks, it becomes that version. Other content without contributions is plain logging.

        With `overwrite`, the artifact takes the place of what was contributed at the same paths. Raises ContributionsDiffer (a
        Conflict) when two writers gave one path different content, NothingContributed (a NotFound) when there is nothing to make a
        version of: contributions and the artifact are as before. Otherwise as `upsert_artifact`.

            with artfs.init(group="nightly", job_type="finish") as run:
                whole = artfs.Artifact("table", type="dataset", description="made by 64 workers")
                run.finish_artifact(whole, aliases="nightly")
        """
        asked = check_aliases(aliases)
        artifact, together = self._to_build_together("finish_artifact", artifact_or_path, name, type, distributed_id)
        self._uploader().drain()  # what was logged before has the lower number
        core_of(artifact).finish(self._settings, asked, self.id, together, overwrite=overwrite)
        return artifact

    def use_artifact(
        self,
        artifact_or_name: Artifact | str,
        type: str | None = None,  # noqa: A002
        aliases: Aliases = None,
        use_as: str | None = None,  # noqa: ARG002
    ) -> Artifact:
        """Mark a version as an input of this run, and return it.

        A name is `NAME`, `PROJECT/NAME` or `ENTITY/PROJECT/NAME`, followed by `:v3` or `:ALIAS` (default `:latest`). An artifact
        that is being built is logged first, unless the name has a version of that content, and gets `aliases`. `use_as` has no
        effect.

        Raises NotFound (a LookupError and ValueError) if there is no such version, UserError (a ValueError) if it is not of `type`.

            data = run.use_artifact("bike-dataset:latest").download()
        """
        self._check_going_on()
        asked = check_aliases(aliases)
        if isinstance(artifact_or_name, str):
            return self._use_name(artifact_or_name, type, asked)
        if not isinstance(artifact_or_name, Artifact):
            raise TypeNotValid(f"use_artifact() takes an Artifact or a name, not {_kind_of(artifact_or_name)}")
        artifact = artifact_or_name
        _check_wanted_type(artifact.name, artifact.type, type)
        core = core_of(artifact)
        if core.is_draft:
            self._check_type(core.name, core.type)
            if core.use(self._uploader(), self._settings, asked, self.id):
                return artifact.wait()
        record = core.require("version to use")
        core.repository().registry.lineage.add(self.id, record.id, Direction.INPUT)
        return artifact

    def logged_artifacts(self) -> list[Artifact]:
        """The versions this run has logged so far; waits for those under way."""
        self._uploader().drain()
        return super().logged_artifacts()

    def used_artifacts(self) -> list[Artifact]:
        """The versions this run has used so far."""
        self._uploader().drain()
        return super().used_artifacts()

    def finish(self, exit_code: int | None = None, quiet: bool | None = None) -> None:  # noqa: ARG002
        """Wait for all that was logged, and end the run: `finished`, or `failed` if `exit_code` is not 0 or an upload failed.

        Raises what made the first upload fail that nobody has asked about. To call it again does nothing. `quiet` has no effect.
        """
        failures = self._end(failed=bool(exit_code))
        for other in failures[1:]:
            notice(_sentence(other))
        if failures:
            failures[0].wait()

    def close_down(self, *, failed: bool) -> list[str]:
        """End the run as the process ends; returns a sentence for each upload that failed. Scripts call `finish()`."""
        try:
            return [_sentence(upload) for upload in self._end(failed=failed)]
        except ArtfsError as error:
            return [f"run {self.name} could not be finished: {error}"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None or (isinstance(error, SystemExit) and not error.code):
            self.finish()
            return
        try:
            self.finish(exit_code=1)
        except Exception as failure:  # noqa: BLE001  the error of the block is the one to be seen; this one is told
            notice(str(failure))

    def _end(self, *, failed: bool) -> list[Upload]:
        uploader = self._uploader()
        with self._lock:
            if self._finished:
                return []
            self._finished = True
        SESSION.end(self)
        uploader.drain()
        uploader.close()
        failures = uploader.untold_failures()
        for upload in failures:
            upload.told = True
        self._state = RunState.FAILED if failed or failures else RunState.FINISHED
        if self._pid != os.getpid():  # a forked child: only what was logged here is ours, the run ends where it began
            return failures
        SESSION.repository(self._settings).registry.runs.finish(self.id, self._state)
        return failures

    def _uploader(self) -> Uploader:
        if self._uploader_of_process.pid != os.getpid():  # after a fork: neither the thread nor the state of locks came along
            self._lock = threading.Lock()
            self._uploader_of_process = Uploader()
        return self._uploader_of_process

    def _check_going_on(self) -> None:
        if self._finished:
            raise UserError(f"run {self.name} has finished: begin another with artfs.init()")

    def _check_type(self, name: str, type_name: str) -> None:
        """Tell at once, rather than in the background, that the name belongs to artifacts of another type."""
        known = self._types.get(name)
        if known is None:
            artifact = ArtifactName(self._settings.entity, self._settings.project, name)
            collection = SESSION.repository(self._settings).registry.collections.find(artifact)
            known = self._types[name] = type_name if collection is None else collection.type
        if known != type_name:
            raise UserError(f"{name} holds artifacts of type {known!r}, not {type_name!r}: use another name, or that type")

    def _to_build_together(
        self,
        call: str,
        artifact_or_path: Artifact | str | os.PathLike[str],
        name: str | None,
        type_name: str | None,
        distributed_id: str | None,
    ) -> tuple[Artifact, str]:
        """The artifact, checked, and the id under which runs find each other."""
        self._check_going_on()
        together = self.group if distributed_id is None else distributed_id
        if together is None:
            raise TypeNotValid(f"{call}() needs a distributed_id, or a run with a group: artfs.init(group=…) gives it one")
        check_distributed_id(together)
        artifact = self._to_artifact(artifact_or_path, name, type_name, call=call)
        core = core_of(artifact)
        self._check_type(core.name, core.type)
        return artifact, together

    def _to_artifact(
        self,
        artifact_or_path: Artifact | str | os.PathLike[str],
        name: str | None,
        type_name: str | None,
        *,
        call: str = "log_artifact",
    ) -> Artifact:
        if isinstance(artifact_or_path, Artifact):
            artifact = artifact_or_path
            _check_wanted_type(artifact.name, artifact.type, type_name)
            if name is not None and name != core_of(artifact).name:
                raise UserError(f"the artifact is called {core_of(artifact).name!r}: name={name!r} is for logging a path")
            return artifact
        if not isinstance(artifact_or_path, (str, os.PathLike)):
            raise TypeNotValid(f"{call}() takes an Artifact or a path, not {_kind_of(artifact_or_path)}")
        path = Path(artifact_or_path)
        default_name = re.sub(r"[^A-Za-z0-9_.-]+", "-", f"run-{self.id}-{path.resolve().name}")[:128]
        artifact = Artifact(default_name if name is None else name, UNSPECIFIED_TYPE if type_name is None else type_name)
        if path.is_file():
            artifact.add_file(path)
        elif path.is_dir():
            artifact.add_dir(path)
        else:
            raise SourceNotReadable(f"{os.fspath(artifact_or_path)!r} is neither a file nor a directory: pass one, or an Artifact")
        return artifact

    def _use_name(self, name: str, type_name: str | None, aliases: list[str]) -> Artifact:
        self._uploader().drain()  # what this run has logged before is there to be used
        wanted = parse_version_name(name, entity=self._settings.entity, project=self._settings.project)
        repository = SESSION.repository(self._settings)
        registry = repository.registry
        record = registry.versions.resolve(wanted)
        _check_wanted_type(record.name, record.type, type_name)
        if aliases:
            record = registry.versions.edit_aliases(record.id, add=aliases)
        registry.lineage.add(self.id, record.id, Direction.INPUT)
        repository.names.opened(record)
        return Artifact.from_record(self._settings, record)


def _check_wanted_type(name: str, type_name: str, wanted: str | None) -> None:
    if wanted is not None and type_name != wanted:
        raise UserError(f"{name} is of type {type_name!r}, not {wanted!r}")


def _kind_of(value: object) -> str:
    return type(value).__name__


def _sentence(upload: Upload) -> str:
    kind = "" if isinstance(upload.error, ArtfsError) else f"{_kind_of(upload.error)}: "
    return f"{upload.name} was not logged: {kind}{upload.error}"
