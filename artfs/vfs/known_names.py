"""Names as the registry knows them, and as it knew them last for as long as it cannot be reached.

Content needs no registry once its version is known, so that a mount goes on serving the names it has seen while the database is
down or away. After a failure one request in a few seconds asks again, and the others are answered from memory at once: a server
that does not answer at all would otherwise keep each of them for as long as connecting may take. What is not known fails as the
registry does.

For reading alone: what changes a name asks the registry itself. Any thread.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from artfs.errors import NotFound, RegistryUnavailable
from artfs.model.names import ArtifactName, VersionName
from artfs.model.records import CollectionRecord, VersionRecord
from artfs.registry.open import Registry

T = TypeVar("T")

#: How long after a failure everybody but one is answered from memory.
_PAUSE_S = 3.0
#: Answers that are remembered; a list is one.
_MOST_ANSWERS = 4096


@dataclass(frozen=True, slots=True)
class _Outage:
    """The registry is not reached since then; `error` is what it said last."""

    since: datetime
    error: RegistryUnavailable


class KnownNames:
    """What a mount asks of `registry` about names."""

    def __init__(self, registry: Registry, clock: Callable[[], float] = time.monotonic) -> None:
        self._registry = registry
        self._clock = clock
        self._lock = threading.Lock()
        self._answers: OrderedDict[Hashable, Any] = OrderedDict()
        self._outage: _Outage | None = None
        self._ask_again_s = 0.0

    def version(self, name: VersionName) -> VersionRecord:
        """The version that a label or an alias means. Raises NotFound."""
        return self._ask(("version", name), lambda: self._registry.versions.resolve(name))

    def versions(self, artifact: ArtifactName) -> list[VersionRecord]:
        """The versions of the artifact, newest first. Raises NotFound when there is no such artifact."""
        found = self._ask(("versions", artifact), lambda: self._registry.versions.list(artifact))
        with self._lock:
            for version in found:  # whoever sees a list opens what is in it, perhaps later
                for selector in (version.label, *version.aliases):
                    self._keep(("version", VersionName(artifact, selector)), version)
        return found

    def collection(self, artifact: ArtifactName) -> CollectionRecord | None:
        """The collection, None when there is no such artifact."""
        return self._ask(("collection", artifact), lambda: self._registry.collections.find(artifact))

    def collections(self, entity: str, project: str) -> list[CollectionRecord]:
        """The collections of a project."""
        found = self._ask(("collections", entity, project), lambda: self._registry.collections.list(entity, project))
        with self._lock:
            for collection in found:
                self._keep(("collection", collection.artifact), collection)
        return found

    def state(self) -> dict[str, Any]:
        """For people: whether the registry was reached last, since when not, and why."""
        outage = self._outage
        if outage is None:
            return {"reachable": True}
        return {"reachable": False, "since": outage.since.isoformat(timespec="seconds"), "reason": outage.error.message}

    def _ask(self, key: Hashable, ask: Callable[[], T]) -> T:
        outage = self._outage_to_respect()
        if outage is None:
            try:
                answer: T | NotFound = ask()
            except NotFound as error:
                answer = error
            except RegistryUnavailable as error:
                outage = self._failed(error)
            if outage is None:
                with self._lock:
                    self._outage = None
                    self._keep(key, answer)
                return _given(answer)
        with self._lock:
            if key not in self._answers:
                raise outage.error
            known: T | NotFound = self._answers[key]
        return _given(known)

    def _outage_to_respect(self) -> _Outage | None:
        """The outage during which this request shall not ask; None if it shall."""
        with self._lock:
            if self._outage is None or self._clock() >= self._ask_again_s:
                self._ask_again_s = self._clock() + _PAUSE_S  # for this one's answer the others do not wait
                return None
            return self._outage

    def _failed(self, error: RegistryUnavailable) -> _Outage:
        with self._lock:
            self._ask_again_s = self._clock() + _PAUSE_S
            self._outage = _Outage(self._outage.since if self._outage is not None else datetime.now(UTC), error)
            return self._outage

    def _keep(self, key: Hashable, answer: object) -> None:
        self._answers[key] = answer
        self._answers.move_to_end(key)
        if len(self._answers) > _MOST_ANSWERS:
            self._answers.popitem(last=False)


def _given(answer: T | NotFound) -> T:
    if isinstance(answer, NotFound):
        # A new one: an exception that is raised anew would keep the frames of all who raised it before.
        raise type(answer)(answer.message)
    return answer
