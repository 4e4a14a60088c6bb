"""Names as the registry knows them, and as it knew them last for as long as it cannot be reached.

Content needs no registry once its version is known, so that whoever reads goes on with the names he has seen while the database is
down or away: a mount with what it remembers, a new process with what `known_files` has kept on disk. What is not known fails as the
registry does, and who asks next does not wait for it (`outages`).

Who follows the registry (`follow`) hears of every change, and so answers from memory without asking as long as nothing changes.
An answer that was on its way while something changed is not believed for longer than the one request: `_generation` tells.

For reading alone: what changes a name asks the registry itself. Any thread.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from artfs.errors import NotFound, RegistryUnavailable
from artfs.model.names import ArtifactName, VersionName
from artfs.model.records import CollectionRecord, RunRecord, VersionRecord
from artfs.registry.database import hurried
from artfs.registry.open import Registry
from artfs.repository.known_files import KnownFiles
from artfs.repository.known_moves import Following, OnMoved
from artfs.repository.outages import Outage, Outages

T = TypeVar("T")

#: How long one is waited for when memory will do, and in a mount: a server that has fallen silent is waited for twice, as the
#: connection may be what is dead. And elsewhere when the disk will do, which may be older.
_ANSWER_S, _FIRST_ANSWER_S = 3.0, 10.0
#: Also who follows asks now and then: a proxy before the database may swallow what it tells.
_BELIEVED_S = 60.0
#: Answers that are remembered; a list is one.
_MOST_ANSWERS = 4096


@dataclass(frozen=True, slots=True)
class _Question(Generic[T]):
    """What is asked, of whom, and where the answer is kept. Changes of `artifact` make it old; None for those of any."""

    key: Hashable
    artifact: ArtifactName | None
    ask: Callable[[Registry], T]
    look_up: Callable[[KnownFiles], T | None]
    #: None is kept where the registry said NotFound.
    keep: Callable[[KnownFiles, T | None], None]


@dataclass(slots=True)
class _Answer:
    """What the registry, or the disk, said: perhaps NotFound. Believed without asking until then, or until it changes."""

    value: Any
    artifact: ArtifactName | None
    believed_until_s: float = 0.0


class KnownNames:
    """What readers ask of `registry` about names. `files` keeps it for other processes."""

    def __init__(self, registry: Registry, files: KnownFiles | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._registry = registry
        self._files = files
        self._clock = clock
        self._lock = threading.Lock()
        self._answers: OrderedDict[Hashable, _Answer] = OrderedDict()
        self._outages = Outages(clock)
        self._generation = 0
        self._following: Following | None = None

    def version(self, name: VersionName) -> VersionRecord:
        """The version that a label or an alias means. Raises NotFound."""
        return self._answer(
            _Question(
                name,
                name.artifact,
                lambda registry: registry.versions.resolve(name),
                lambda files: files.version(name),
                lambda files, found: files.keep_version(name, found),
            )
        )

    def versions(self, artifact: ArtifactName) -> list[VersionRecord]:
        """The versions of the artifact, newest first. Raises NotFound when there is no such artifact."""
        return self._answer(
            _Question(
                ("versions", artifact),
                artifact,
                lambda registry: registry.versions.list(artifact),
                lambda files: files.versions(artifact),
                lambda files, found: files.keep_versions(artifact, found or []),
            )
        )

    def newest(self, artifact: ArtifactName) -> VersionRecord | None:
        """The live version with the highest number. Raises NotFound when there is no such artifact."""
        return self._answer(
            _Question(
                ("newest", artifact),
                artifact,
                lambda registry: registry.versions.newest(artifact),
                lambda files: files.newest(artifact),
                _keep_nothing,
            )
        )

    def collection(self, artifact: ArtifactName) -> CollectionRecord | None:
        """The collection, None when there is no such artifact."""
        return self._answer(
            _Question(
                ("collection", artifact),
                artifact,
                lambda registry: registry.collections.find(artifact),
                lambda files: files.collection(artifact),
                lambda files, found: None if found is None else files.keep_collection(found),
            )
        )

    def collections(self, entity: str, project: str) -> list[CollectionRecord]:
        """The collections of a project."""
        return self._answer(
            _Question(
                ("collections", entity, project),
                None,
                lambda registry: registry.collections.list(entity, project),
                lambda files: files.collections(entity, project),
                _keep_nothing,
            )
        )

    def opened(self, version: VersionRecord, *, is_fresh: bool = True) -> None:
        """The version is looked at: a list of names alone makes none known to other processes.

        It `is_fresh` if the registry, where it was reached, has just said so.
        """
        if self._files is None:
            return
        if is_fresh and self._outages.now is None:
            self._files.keep_version(VersionName(version.artifact, version.label), version)
        else:
            self._files.keep_remembered(version)

    def runs(self, version: VersionRecord) -> tuple[list[RunRecord], list[RunRecord]] | None:
        """The runs that logged the version and those that used it; None while nobody can be asked."""
        lineage = self._registry.lineage
        return self._reach(lambda: (lineage.producers(version.id), lineage.consumers(version.id)))

    def state(self) -> dict[str, Any]:
        """For people: whether the registry is reached, since when not, and why."""
        if self._outages.now is not None or not self._is_live():
            self._reach(self._registry.now)
        return self._outages.state()

    def follow(self, on_moved: OnMoved) -> None:
        """Hear of changes from now on, until `close`. `on_moved` is told, in a thread, which names moved of those asked for."""
        self._following = Following(self._registry, self.asked_names, self.forget, on_moved)

    def close(self) -> None:
        """Follow no longer."""
        if self._following is not None:
            self._following.close()

    def forget(self, artifact: ArtifactName | None) -> None:
        """The artifact has changed: ask again before its names are believed. None: any may have, as the registry is heard again."""
        if artifact is None:
            self._outages.ended()
        with self._lock:
            self._generation += 1
            for answer in self._answers.values():
                if artifact is None or answer.artifact in (None, artifact):
                    answer.believed_until_s = 0.0

    def asked_names(self, artifact: ArtifactName | None) -> dict[VersionName, int | None]:
        """The names of versions that were asked for, of that artifact or of all, with the number of what they meant."""
        with self._lock:
            found = [(key, answer.value) for key, answer in self._answers.items() if isinstance(key, VersionName)]
        return {
            name: value.number if isinstance(value, VersionRecord) else None
            for name, value in found
            if artifact in (None, name.artifact)
        }

    def _answer(self, question: _Question[T]) -> T:
        is_live = self._is_live()
        with self._lock:
            known = self._answers.get(question.key)
            generation = self._generation
            if known is not None:
                self._answers.move_to_end(question.key)
                if is_live and self._clock() < known.believed_until_s:
                    return cast("T", _given(known.value))
        outage = self._outages.to_respect()
        if outage is None:
            try:
                with self._patience(question, known):
                    answer: T | NotFound = question.ask(self._registry)
            except NotFound as error:
                answer = error
            except RegistryUnavailable as error:
                outage = self._failed(error)
            if outage is None:
                self._heard(question, answer, generation if is_live else None)
                return _given(answer)
        return self._remembered(question, known, outage)

    def _patience(self, question: _Question[Any], known: _Answer | None) -> AbstractContextManager[None]:
        is_mount = self._following is not None
        if known is not None:
            return hurried(_ANSWER_S)
        if self._files is not None and self._files.may_know(question.artifact):
            return hurried(_ANSWER_S if is_mount else _FIRST_ANSWER_S)
        # A mount waits for a server that is started anew, but not for one that is silent.
        return hurried(_ANSWER_S, waits=True) if is_mount else nullcontext()

    def _heard(self, question: _Question[T], value: T | NotFound, generation: int | None) -> None:
        self._outages.ended()
        with self._lock:
            until_s = self._clock() + _BELIEVED_S if generation == self._generation else 0.0
            before = self._answers.get(question.key)
            for key, artifact, part in _parts(value):  # whoever sees a list opens what is in it, perhaps later
                self._remember(key, _Answer(part, artifact, until_s))
            self._remember(question.key, _Answer(value, question.artifact, until_s))
        if self._files is not None and (before is None or _differ(before.value, value)):
            question.keep(self._files, None if isinstance(value, NotFound) else value)

    def _remembered(self, question: _Question[T], known: _Answer | None, outage: Outage) -> T:
        if known is not None:
            return cast("T", _given(known.value))
        found = None if self._files is None else question.look_up(self._files)
        if found is None:
            # A new one: an exception that is raised anew would keep the frames of all who raised it before.
            raise RegistryUnavailable(outage.error.message) from outage.error
        with self._lock:
            self._remember(question.key, _Answer(found, question.artifact))
        return found

    def _remember(self, key: Hashable, answer: _Answer) -> None:
        self._answers[key] = answer
        self._answers.move_to_end(key)
        if len(self._answers) > _MOST_ANSWERS:
            self._answers.popitem(last=False)

    def _is_live(self) -> bool:
        return self._following is not None and self._following.is_live

    def _reach(self, ask: Callable[[], T]) -> T | None:
        """The answer, if there is one soon."""
        if self._outages.to_respect() is not None:
            return None
        try:
            with hurried(_ANSWER_S):
                answer = ask()
        except RegistryUnavailable as error:
            self._failed(error)
            return None
        self._outages.ended()
        return answer

    def _failed(self, error: RegistryUnavailable) -> Outage:
        return self._outages.begun(error, end_is_heard=self._following is not None and not self._is_live())


def _keep_nothing(files: KnownFiles, found: object) -> None:
    """What is asked so is put together from what else is kept."""


def _parts(value: object) -> Iterable[tuple[Hashable, ArtifactName, Any]]:
    """The answers that are in a list, what is wanted most at the end."""
    for each in reversed(value) if isinstance(value, list) else ():
        if isinstance(each, CollectionRecord):
            yield ("collection", each.artifact), each.artifact, each
        else:
            for selector in (each.label, *each.aliases):
                yield VersionName(each.artifact, selector), each.artifact, each


def _differ(one: object, other: object) -> bool:
    return one != other and not (isinstance(one, NotFound) and isinstance(other, NotFound))


def _given(answer: T | NotFound) -> T:
    if isinstance(answer, NotFound):
        # A new one: see above.
        raise type(answer)(answer.message)
    return answer
