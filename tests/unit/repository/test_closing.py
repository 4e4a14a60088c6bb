"""A repository that is closed leaves nothing behind in a program that goes on."""

from __future__ import annotations

import random
import threading

from artfs.config import Config
from artfs.objectstore.memory import MemoryStore
from artfs.registry.open import open_registry
from artfs.repository.open import assemble_repository
from tests.fault.versions import commit

SIZE = 3 << 20
DEADLINE_S = 20.0


class FarStore(MemoryStore):
    """A MemoryStore that says that it is elsewhere."""

    @property
    def is_remote(self) -> bool:
        return True


def test_the_threads_that_read_from_a_remote_store_end(config: Config) -> None:
    before = set(threading.enumerate())
    with assemble_repository(config, open_registry(config.registry), FarStore()) as repository:
        version = commit(repository, {"large": random.Random(1).randbytes(SIZE)}).version
        (entry,) = repository.manifest(version).iter_entries()
        assert len(repository.reader.read(entry, 0, SIZE)) == SIZE
        assert "artfs-request" in {thread.name for thread in set(threading.enumerate()) - before}
    for thread in set(threading.enumerate()) - before:
        thread.join(DEADLINE_S)
        assert not thread.is_alive(), thread.name
