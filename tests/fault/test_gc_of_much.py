"""What gc asks of a registry that knows 2,000 versions and 20,000 packs: a few statements for each hundred of them."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from artfs.model.chunk_list import encode_chunk_ref
from artfs.model.digest import digest_of
from artfs.model.entry import ChunkRef, LeaseId, make_pack_id
from artfs.registry.dialects import now
from artfs.registry.schema import chunks, entities, leases, packs, version_packs, versions
from artfs.registry.scopes import ensure_collection
from artfs.repository.binding import ensure_bound
from artfs.repository.gc import collect_garbage
from artfs.repository.gc_report import KEPT_NEEDED
from artfs.repository.repository import Repository
from artfs.repository.survey import take_survey
from tests.fault.contributing import make_runs, upsert
from tests.fault.statements import counted
from tests.fault.versions import ARTIFACT

VERSIONS, PACKS_OF_EACH = 2000, 10
PACKS = VERSIONS * PACKS_OF_EACH
#: Versions that are deleted.
GONE = 500


def fill(connection: Connection) -> None:
    """What as many commits leave in the registry; nothing of it is in the object store."""
    collection = ensure_collection(connection, ARTIFACT, "dataset").id
    entity = connection.execute(select(entities.c.id)).scalar_one()
    time = now(connection)
    over = {"entity_id": entity, "holder": "a test", "started_at": time, "expires_at": time, "ended_at": time}
    commits = [LeaseId(number.to_bytes(12)) for number in range(VERSIONS)]
    connection.execute(insert(leases), [{**over, "lease": lease} for lease in commits])
    ids = [make_pack_id(lease, number) for lease in commits for number in range(PACKS_OF_EACH)]
    row = {"entity_id": entity, "size": 1 << 25, "created_at": time, "state": "committed"}
    connection.execute(insert(packs), [{**row, "pack": pack, "lease": pack[:12]} for pack in ids])
    connection.execute(
        insert(chunks),
        [
            {"entity_id": entity, "digest": digest_of(pack), "pack_id": number, "offset": 0, "stored_size": 1, "size": 1}
            for number, pack in enumerate(ids, 1)
        ],
    )
    version = {"collection_id": collection, "size": 1, "file_count": 1, "metadata": {}, "created_at": time}
    gone, live = {"state": "deleted", "deleted_at": time}, {"state": "committed", "deleted_at": None}
    manifests = [encode_chunk_ref(ChunkRef(digest_of(lease), 1, make_pack_id(lease, 0), 0, 1)) for lease in commits]
    connection.execute(
        insert(versions),
        [
            {**version, **(gone if number < GONE else live), "number": number, "digest": digest_of(manifest), "manifest": manifest}
            for number, manifest in enumerate(manifests)
        ],
    )
    connection.execute(
        insert(version_packs),
        [{"version_id": 1 + number // PACKS_OF_EACH, "pack_id": 1 + number} for number in range(GONE * PACKS_OF_EACH, PACKS)],
    )


def test_gc_asks_a_few_times_for_each_hundred_leases_and_packs(repository: Repository) -> None:
    ensure_bound(repository)
    repository.registry._database.write(fill)
    with counted() as count:
        report = collect_garbage(repository, grace_s=0)
    assert (report.leases, report.deleted.packs, report.kept[KEPT_NEEDED].packs) == (VERSIONS, 5000, 15_000)
    # Each 100 leases take some 15 statements, each 100 packs that are deleted some 13, and each 500 that stay 5.
    assert count() < 1200


def test_verify_asks_as_often_for_many_contributions_as_for_few(repository: Repository) -> None:
    make_runs(repository)
    asked = []
    for name in ("first", "second"):
        upsert(repository, {f"{name}.txt": name.encode()}, "first")
        with counted() as count:
            survey = take_survey(repository)
        asked.append(count())
        assert all(survey.needed_by(record) for record in survey.contributions)
    assert len(survey.contributions) == 2
    assert asked[0] == asked[1]
