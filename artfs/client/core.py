"""Where an artifact is on its way: being built, under way, or a version. The public face of this is `Artifact`.

    draft ──log──> under way ──> version          a failed upload raises its error from then on
                       version <── Api().artifact(), use_artifact(), lineage
    draft ──contribute──> contributed             final, and part of a version that somebody will finish
    draft or contributed ──finish──> version

Thread-safe where it changes state: calls that hand it over follow one another, and who only looks waits for none of them.
Description, metadata and aliases are for one thread at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from artfs.client.commits import commit_content, contribute_content, finish_content, log_again, use_content
from artfs.client.draft import Draft
from artfs.client.draft_content import DraftContent
from artfs.client.handle import Handle
from artfs.client.session import SESSION
from artfs.client.uploads import Upload, Uploader
from artfs.config import Config
from artfs.errors import NotFound, NotLogged, UserError
from artfs.model.digest import Digest
from artfs.model.entry import Entry, Kind
from artfs.model.metadata import copy_metadata
from artfs.model.names import ArtifactName, check_artifact_name, check_type
from artfs.model.records import VersionRecord, VersionState
from artfs.repository.commit import CommitRequest
from artfs.repository.contribute import NOT_FINISHED
from artfs.repository.repository import Repository


class Core:
    """The state of one `Artifact`."""

    def __init__(self, name: str, type_name: str, handle: Handle) -> None:
        self.name = check_artifact_name(name)
        self.type = check_type(type_name)
        self._handle = handle
        self._draft: Draft | None = Draft(name)
        self._upload: Upload | None = None
        self._record: VersionRecord | None = None
        self._config: Config | None = None
        self._is_known = False
        #: What was contributed last, and the distributed id it was contributed under.
        self._contributed: tuple[DraftContent, str] | None = None
        #: Held by whoever hands it over, also while what is contributed or finished is on its way.
        self._handing_over = threading.Lock()
        #: Guards what it has become; taken inside the other, and not held while anything is waited for.
        self._lock = threading.RLock()

    @classmethod
    def of_version(cls, config: Config, record: VersionRecord) -> Core:
        core = cls(record.artifact.name, record.type, Handle(None, None))
        core._draft, core._config = None, config
        core._take(record)
        return core

    @property
    def draft(self) -> Draft:
        """What is being built; of a version, an empty one that takes nothing."""
        draft = self._draft
        if draft is None:
            draft = Draft(self.name)
            draft.close()
        return draft

    @property
    def is_draft(self) -> bool:
        """True until it was handed to a run that makes a version of it."""
        return self._upload is None and self._record is None

    @property
    def state(self) -> str:
        """`DRAFT`, `CONTRIBUTED`, `PENDING`, `FAILED`, `COMMITTED` or `DELETED`; never waits."""
        record = self.settle()
        if record is not None:
            return record.state.value.upper()
        if self._upload is None:
            return "DRAFT" if self._contributed is None else "CONTRIBUTED"
        return "FAILED" if self._upload.error is not None else "PENDING"

    @property
    def handle(self) -> Handle:
        """Description and metadata as they are to be shown now; never waits."""
        self.settle()
        return self._handle

    def settle(self) -> VersionRecord | None:
        """The version, if there is one by now. Never waits and never raises."""
        with self._lock:
            if self._upload is not None and self._upload.is_done and self._upload.error is None:
                record = self._upload.wait()
                self._upload, self._draft = None, None
                self._take(record)
            elif self._upload is not None and self._upload.told and self._record is not None:
                self._upload = None  # to log it again failed, and somebody knows: it still is the version that it was
            return self._record

    def require(self, what: str) -> VersionRecord:
        """The version; waits for the commit under way. Raises NotLogged where there is none; `what` is what it is needed for."""
        record = self.require_known(what)
        if record.state is VersionState.DELETED:
            raise NotFound(f"{record.name} was deleted, so it has no {what}")
        return record

    def require_known(self, what: str) -> VersionRecord:
        """As `require`, for what stays true of a version that was deleted."""
        self.wait(None, what)
        record = self.settle()
        if record is None:
            raise self._not_logged(what)
        return record

    def wait(self, timeout_s: float | None, what: str = "version to wait for") -> None:
        self.settle()
        upload = self._upload
        if upload is not None:
            upload.wait(timeout_s)
        elif self._record is None:
            raise self._not_logged(what)

    def repository(self) -> Repository:
        """Where the version is. Only when there is one."""
        if self._config is None:
            raise self._not_logged("place in a repository")
        return SESSION.repository(self._config)

    def to_read(self, what: str) -> tuple[Repository, VersionRecord]:
        """The version, whose files are read now: later processes know it while the registry cannot be reached. As `require`."""
        record = self.require(what)
        repository = self.repository()
        if not self._is_known:
            repository.names.opened(record, is_fresh=False)  # this handle may be old
            self._is_known = True
        return repository, record

    @property
    def config(self) -> Config:
        """Settings to find the neighbours of this version with."""
        return self._config or SESSION.current_config()

    def log(self, uploader: Uploader, config: Config, aliases: Sequence[str], run_id: str) -> None:
        """Hand it to the uploader of a run, which is to be its producer."""
        with self._handing_over, self._lock:
            if not self.is_draft:
                find = self._finder()
                self._hand_over(uploader, self.config, partial(log_again, self.config, find, aliases, run_id))
                return
            request = self._request(config, aliases)
            content = self._final_content()
            self._hand_over(uploader, config, partial(commit_content, config, content, replace(request, run_id=run_id)))

    def use(self, uploader: Uploader, config: Config, aliases: Sequence[str], run_id: str) -> bool:
        """Hand what is being built to the uploader of a run, which uses it; False where another thread did already."""
        with self._handing_over, self._lock:
            if not self.is_draft:
                return False
            request = self._request(config, aliases)
            content = self._final_content()
            self._hand_over(uploader, config, partial(use_content, config, content, request, run_id))
            return True

    def contribute(self, config: Config, aliases: Sequence[str], run_id: str, distributed_id: str, *, overwrite: bool) -> None:
        """Make it part of the version that is to be finished under `distributed_id`, now. Raises UserError if it was logged."""
        with self._handing_over:
            self._check_not_handed_over()
            request = replace(self._request(config, aliases), run_id=run_id)
            content = self._final_content()
            try:
                stored = contribute_content(config, content, request, distributed_id, overwrite=overwrite)
                self._contributed = (stored, distributed_id)
            except BaseException as error:
                if self._contributed is None:  # else its content is where it was
                    with self._lock:
                        self._upload = Upload.failed(self.name, error)
                raise

    def finish(self, config: Config, aliases: Sequence[str], run_id: str, distributed_id: str, *, overwrite: bool) -> None:
        """Make a version of it and all that was contributed under `distributed_id`, now.

        After an error of NOT_FINISHED it is as it was before.
        """
        with self._handing_over:
            self._check_not_handed_over()
            request = replace(self._request(config, aliases), run_id=run_id)
            content = self._final_content()
            upload = Upload(self.name)
            upload.work(partial(finish_content, config, content, request, distributed_id, overwrite=overwrite))
            if self._contributed is None and isinstance(upload.error, NOT_FINISHED):
                self.draft.take_back(content)
            elif self._contributed is None or upload.error is None:
                with self._lock:
                    self._config, self._upload = config, upload
        upload.wait()

    def save(self) -> None:
        """Store what was changed on the handle."""
        record = self.require("version to save to")
        self._record = self._handle.save(record, self.repository().registry)

    def delete(self, *, delete_aliases: bool) -> None:
        record = self.require("version to delete")
        self.repository().registry.versions.delete(record.id, delete_aliases=delete_aliases)
        with self._lock:
            self._record = replace(record, state=VersionState.DELETED, aliases=())
            self._handle.aliases.load(())

    def counts(self) -> tuple[int, int]:
        """Files and bytes, of the version or of what was added so far."""
        record = self.settle()
        if record is not None:
            return record.file_count, record.size
        files = self.draft_files()
        return len(files), sum(entry.size for entry in files)

    def draft_files(self) -> list[Entry]:
        """The files that were added, in order."""
        entries = self.draft.content().entries
        return sorted((entry for entry in entries if entry.kind is not Kind.DIRECTORY), key=lambda entry: entry.sort_key)

    def digest(self) -> Digest:
        record = self.settle()
        return record.digest if record is not None else self.draft.content().digest()

    def _check_not_handed_over(self) -> None:
        if self._record is None and self._upload is not None and self._upload.error is not None:
            raise UserError(
                f"{self.name} could not be stored before, and what was added to it may be gone ({self._upload.error}): build a new "
                "Artifact"
            )
        if not self.is_draft:
            name = self.name if self._record is None else self._record.name
            raise UserError(f"{name} was logged or used already: build a new Artifact to contribute or to finish with")

    def _final_content(self) -> DraftContent:
        return self.draft.hand_over() if self._contributed is None else self._contributed[0]

    def _not_logged(self, what: str) -> NotLogged:
        if self._contributed is not None:
            return NotLogged(
                f"the artifact {self.name!r} is a contribution to a version that is to be finished, so it has no {what}: "
                f"run.finish_artifact() makes the version of all that was contributed under {self._contributed[1]!r}"
            )
        return NotLogged(f"the artifact {self.name!r} is not logged yet, so it has no {what}: pass it to run.log_artifact() first")

    def _request(self, config: Config, aliases: Sequence[str]) -> CommitRequest:
        self._handle.mark()
        return CommitRequest(
            artifact=ArtifactName(config.entity, config.project, self.name),
            type=self.type,
            aliases=tuple(aliases),
            description=self._handle.description,
            metadata=copy_metadata(self._handle.metadata),  # the handle's own may be changed while this is under way
        )

    def _finder(self) -> Callable[[], VersionRecord]:
        if self._upload is not None:
            return self._upload.outcome
        record = self.require("version")
        return lambda: record

    def _hand_over(self, uploader: Uploader, config: Config, work: Callable[[], VersionRecord]) -> None:
        self._config = config
        self._upload = uploader.submit(self.name, work)

    def _take(self, record: VersionRecord) -> None:
        self._record = record
        self._handle.load(record)
