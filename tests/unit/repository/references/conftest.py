"""A repository whose references lead into memory, and a version with one of each kind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from artfs.config import Config
from artfs.model.records import VersionRecord
from artfs.objectstore.open import open_objects
from artfs.registry.open import open_registry
from artfs.repository.open import assemble_repository
from artfs.repository.repository import Repository
from tests.unit.content.memory_home import Remote
from tests.unit.repository.references.referring import LARGE, SMALL, commit


@pytest.fixture
def remote() -> Remote:
    return Remote()


@pytest.fixture
def repository(config: Config, remote: Remote) -> Iterator[Repository]:
    registry, objects = open_registry(config.registry), open_objects(config.objects)
    with assemble_repository(config, registry, objects, remote.references) as opened:
        yield opened


@pytest.fixture
def version(repository: Repository, remote: Remote) -> VersionRecord:
    return commit(
        repository,
        {
            "data/small": remote.put("small", SMALL),
            "data/large": remote.put("large", LARGE),
            "data/digest": remote.put("digest", LARGE, etag=None),
            "data/whole": remote.put("whole", LARGE, gives_ranges=False, etag='"w"'),
            "empty": remote.put("empty", b""),
            "unrecorded": (remote.put("unrecorded", SMALL), remote.unrecorded("unrecorded"))[1],
        },
    )
