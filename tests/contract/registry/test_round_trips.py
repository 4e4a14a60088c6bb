"""How often a registry that is far away is asked: each round trip takes as long as the way there and back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy import text

from artfs.model.digest import digest_of
from artfs.model.entry import ChunkRef, make_pack_id
from artfs.model.names import ArtifactName
from artfs.registry.open import Registry, open_registry
from tests.contract.registry.relay import Relay, relay_to
from tests.contract.registry.writer import BIKE, Writer
from tests.servers.postgres import PostgresServer

ARTIFACT = ArtifactName("someone", "project", "name")


@pytest.fixture
def relay(postgres_server: PostgresServer) -> Iterator[Relay]:
    with relay_to(postgres_server.port) as relay:
        yield relay


@pytest.fixture
def far(relay: Relay, postgres_server: PostgresServer) -> Iterator[Registry]:
    """A registry through the relay, which has been used."""
    with closing(open_registry(relay.url(postgres_server.create_database()))) as opened:
        opened.leases.open(ARTIFACT.entity, "holder", 60)
        relay.sent.clear()
        yield opened


def test_a_look_up_is_one_round_trip(relay: Relay, far: Registry) -> None:
    far.collections.find(ARTIFACT)
    assert len(relay.sent) == 1
    lease = far.leases.open(ARTIFACT.entity, "holder", 60).id
    relay.sent.clear()
    assert not far.packs.find_chunks(ARTIFACT.entity, lease, [digest_of(b"chunk")])
    assert len(relay.sent) == 1


def test_versions_are_listed_and_found_by_name_in_one_round_trip_each(relay: Relay, far: Registry) -> None:
    writer = Writer(far)
    made = [writer.log(content, aliases=("best",)).version for content in (b"A", b"B")]
    relay.sent.clear()
    assert [version.number for version in far.versions.list(BIKE)] == [1, 0]
    assert far.versions.newest(BIKE) == writer.resolve("best")
    assert writer.resolve("v0").id == made[0].id
    assert len(relay.sent) == 4


def test_who_listens_leaves_a_connection_for_the_next_transaction(relay: Relay, far: Registry) -> None:
    with closing(far._database.detach()):
        relay.sent.clear()
        far.collections.find(ARTIFACT)
        assert len(relay.sent) == 1


def test_a_server_that_was_connected_to_just_now_is_not_asked_whether_it_is_there(relay: Relay, far: Registry) -> None:
    far.close()
    relay.sent.clear()
    far.collections.find(ARTIFACT)
    assert not [message for message in relay.sent if b"SELECT 1" in message], relay.sent


def test_no_statement_is_kept_in_the_session_which_a_pooling_proxy_may_give_to_another_host(far: Registry) -> None:
    for _ in range(20):
        far.collections.find(ARTIFACT)
        far.now()
    kept = text("SELECT count(*) FROM pg_prepared_statements")
    assert far._database.read(lambda connection: connection.execute(kept).scalar_one()) == 0


def test_a_transaction_asks_neither_for_the_time_nor_whether_the_server_is_there(relay: Relay, far: Registry) -> None:
    lease = far.leases.open(ARTIFACT.entity, "holder", 60).id
    assert len(relay.sent) == 5, "begin, the entity, the lease, the token, commit"
    relay.sent.clear()
    pack = make_pack_id(lease, 0)
    refs = [ChunkRef(digest_of(bytes([number])), 1, pack, number, 1) for number in range(20)]
    far.packs.add(ARTIFACT.entity, lease, pack, 100, refs)
    assert len(relay.sent) == 6, "begin, the lease, the pack, its chunks, the token, commit"
