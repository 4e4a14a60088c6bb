"""Several hosts that share one repository: in S3 and PostgreSQL, or, where the parameter is `files`, in files that all of them see.

What tests do to its objects is done here too, past artfs: bits flip and objects are lost and put back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from artfs.config import load_config
from artfs.model.entry import ChunkRef, PackId, pack_key
from artfs.repository.open import open_repository
from artfs.repository.repository import Repository
from tests.unit.cloud.conftest import SetEnviron

OpenHost = Callable[[], Repository]

ANYWHERE = pytest.mark.parametrize("open_host", ["files", "servers"], indirect=True)


@pytest.fixture
def open_host(
    request: pytest.FixtureRequest, environ: dict[str, str], set_environ: SetEnviron, tmp_path: Path
) -> Iterator[OpenHost]:
    """Opens the repository as one more host does: with a cache of its own, and nothing in memory."""
    if getattr(request, "param", "servers") == "servers":
        s3_server, postgres_server = request.getfixturevalue("s3_server"), request.getfixturevalue("postgres_server")
        set_environ(s3_server.environ)
        stores = {"ARTFS_OBJECTS": f"s3://{s3_server.create_bucket()}/shared", "ARTFS_REGISTRY": postgres_server.create_database()}
    else:
        shared = tmp_path / "shared"
        shared.mkdir()
        stores = {"ARTFS_OBJECTS": f"file://{shared}/objects", "ARTFS_REGISTRY": f"sqlite:///{shared}/registry.sqlite"}
    hosts = iter(range(100))
    with ExitStack() as opened:

        def open_one() -> Repository:
            home = {"ARTFS_HOME": str(tmp_path / f"host-{next(hosts)}")}
            return opened.enter_context(open_repository(load_config(environ={**environ, **stores, **home})))

        yield open_one


def lose(repository: Repository, pack: PackId) -> bytes:
    """Take the object of a pack away; what it was."""
    data = repository.objects.get(pack_key(pack))
    repository.objects.delete(pack_key(pack))
    return data


def put_back(repository: Repository, pack: PackId, data: bytes) -> None:
    """Make this the object of a pack, whatever was there."""
    repository.objects.delete(pack_key(pack))
    repository.objects.put(pack_key(pack), [data])


def damage(repository: Repository, ref: ChunkRef) -> bytes:
    """Flip a bit of a chunk in the store; what the object was before."""
    before = repository.objects.get(pack_key(ref.pack))
    after = bytearray(before)
    after[ref.offset + ref.stored_size // 2] ^= 0x40
    put_back(repository, ref.pack, bytes(after))
    return before
