"""Following the registry: finding out which of the names that were asked for mean something else now.

Only those are worth telling the kernel, which would otherwise look up every name of an artifact whenever anything in it changes.

Threads: `Listening` calls `_hear` in one of its own, which must not wait; a second one asks what the names mean now and tells it.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Mapping, Sequence

from artfs.errors import ArtfsError, NotFound
from artfs.model.names import ArtifactName, VersionName
from artfs.registry.changes import Listening
from artfs.registry.database import hurried
from artfs.registry.open import Registry

logger = logging.getLogger(__name__)

#: Told which names of an artifact mean something else now.
OnMoved = Callable[[ArtifactName, Sequence[str]], None]
#: Names that were asked for, with the number of the version that they meant: None where they meant none.
Meant = Mapping[VersionName, int | None]

_ANSWER_S = 3.0


class Following:
    """Listens until it is closed.

    When an artifact has changed, or any may have (None), `asked_names` says what names meant before, and `forget` is told.
    """

    def __init__(
        self,
        registry: Registry,
        asked_names: Callable[[ArtifactName | None], Meant],
        forget: Callable[[ArtifactName | None], None],
        on_moved: OnMoved,
    ) -> None:
        self._registry = registry
        self._asked_names = asked_names
        self._forget = forget
        self._on_moved = on_moved
        self._changed: queue.SimpleQueue[Meant | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="artfs-moved-names", daemon=True)
        self._thread.start()
        self._listening: Listening = registry.changes.listen(self._hear)

    @property
    def is_live(self) -> bool:
        """True while every change is heard (`Listening.is_live`)."""
        return self._listening.is_live

    def close(self) -> None:
        """Listen no longer."""
        self._listening.close()
        self._changed.put(None)
        self._thread.join()

    def _hear(self, artifact: ArtifactName | None) -> None:
        # What the names meant is noted before anybody asks again.
        meant = self._asked_names(artifact)
        self._forget(artifact)
        if meant:
            self._changed.put(meant)

    def _work(self) -> None:
        while (meant := self._changed.get()) is not None:
            for artifact in dict.fromkeys(name.artifact for name in meant):
                try:
                    moved = self._moved(artifact, {name: meant[name] for name in meant if name.artifact == artifact})
                except ArtfsError as error:  # the kernel believes a name for a second only
                    logger.info("which names of %s moved is not known: %s", artifact, error)
                    continue
                if moved:
                    self._on_moved(artifact, moved)

    def _moved(self, artifact: ArtifactName, meant: Meant) -> list[str]:
        """The names that mean something else now.

        Those of versions only come and go. What was not there may be there now; what was there and is deleted is not looked for, as
        the kernel finds out within a second.
        """
        try:
            with hurried(_ANSWER_S):
                aliases = self._registry.aliases.list(artifact)
        except NotFound:
            aliases = {}
        of_aliases = [
            name.selector for name, number in meant.items() if name.number is None and aliases.get(name.selector) != number
        ]
        return of_aliases + [name.selector for name, number in meant.items() if name.number is not None and number is None]
