"""The tables of the registry: what a row means, and each column's meaning, sentinel and invariant.

The newest schema as SQLAlchemy sees it, the same for SQLite and PostgreSQL. A change here needs a numbered step in
`migrations.py`. Ids named `id` are small integers inside one registry and mean nothing outside; a name that people see is a
column of its own. Foreign keys are enforced by both databases.
"""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    event,
)

from artfs.registry.columns import JsonObject, PlainText, UtcTime

metadata = MetaData()

#: SQLite counts only a plain INTEGER up by itself; PostgreSQL's integer would end at two thousand million.
_Id = BigInteger().with_variant(Integer(), "sqlite")


def _id() -> Column[int]:
    return Column("id", _Id, primary_key=True, autoincrement=True)


def _refers_to(target: str) -> Column[int]:
    """A column that always names a row of another table; `versions.id` makes it `version_id`."""
    table = target.partition(".")[0]
    name = {"entities": "entity"}.get(table, table.removesuffix("s"))
    return Column(f"{name}_id", _Id, ForeignKey(target), nullable=False)


# One row: the schema this registry has now. A second row never exists.
schema_version = Table(
    "artfs_schema",
    metadata,
    # Always 1: the key that keeps the row alone.
    Column("singleton", Integer, CheckConstraint("singleton = 1"), primary_key=True, autoincrement=False),
    # Number of the newest migration that was applied. Only grows.
    Column("version", Integer, nullable=False),
    # When it was applied.
    Column("applied_at", UtcTime, nullable=False),
)

# One row: which registry this is, and which object store it keeps its bytes in. Made with the registry; a second row never exists.
identity = Table(
    "identity",
    metadata,
    # Always 1: the key that keeps the row alone.
    Column("singleton", Integer, CheckConstraint("singleton = 1"), primary_key=True, autoincrement=False),
    # 32 hexadecimal digits, drawn at random when the registry was made. Never changes.
    Column("registry_id", PlainText, nullable=False),
    # The id that is in the mark of its object store (`repository.binding`); NULL until the first write. Set once.
    Column("store_id", PlainText),
)

# One row: a writing transaction that took place a short while ago, in PostgreSQL. So a client whose connection broke while it
# waited for the answer to COMMIT finds out what became of it (`settlement`).
transactions = Table(
    "transactions",
    metadata,
    # 16 random bytes, drawn by the client.
    Column("token", LargeBinary, primary_key=True),
    Column("written_at", UtcTime, nullable=False),
)
Index("transactions_written", transactions.c.written_at)

# One row: an entity (a user or a team), the border of deduplication. Made when it is first named, never deleted.
entities = Table(
    "entities",
    metadata,
    _id(),
    # As people write it. Unique, never changes.
    Column("name", PlainText, nullable=False, unique=True),
    Column("created_at", UtcTime, nullable=False),
    sqlite_autoincrement=True,
)

# One row: a project of an entity. Made when it is first named, never deleted.
projects = Table(
    "projects",
    metadata,
    _id(),
    _refers_to("entities.id"),
    # Unique within its entity, never changes.
    Column("name", PlainText, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("entity_id", "name"),
    sqlite_autoincrement=True,
)

# One row: an artifact collection, that is all versions of one name. Never deleted.
# Whoever changes its versions or aliases locks this row first, so that such transactions run one after the other (I8).
collections = Table(
    "collections",
    metadata,
    _id(),
    _refers_to("projects.id"),
    # Unique within its project, never changes.
    Column("name", PlainText, nullable=False),
    # One name has one type ("dataset", "model"). Never changes.
    Column("type", PlainText, nullable=False),
    # The number of the next new version: more than every number ever given here, deleted ones too (I2). Only grows.
    Column("next_number", BigInteger, CheckConstraint("next_number >= 0"), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    # How many transactions may have changed it, its versions or aliases: what those who listen compare in SQLite (`announcements`).
    # Stays 0 in PostgreSQL, which tells them itself.
    Column("changes", BigInteger, nullable=False, server_default="0"),
    UniqueConstraint("project_id", "name"),
    sqlite_autoincrement=True,
)

# One row: an immutable version (I2). It is inserted when everything it names is durable (I1). After that only description,
# metadata and state change. The row stays when the version is deleted, as lineage names it.
versions = Table(
    "versions",
    metadata,
    _id(),
    _refers_to("collections.id"),
    # 3 for `v3`. Unique in the collection, never given again.
    Column("number", BigInteger, CheckConstraint("number >= 0"), nullable=False),
    # Version digest: 32 bytes. Unique among the committed versions of the collection (I8), see the index below.
    Column("digest", LargeBinary, nullable=False),
    # Where the root of its manifest lies: an encoded chunk reference (`model.chunk_list`). Dangling once the state is deleted.
    Column("manifest", LargeBinary, nullable=False),
    # Bytes in all its files together.
    Column("size", BigInteger, CheckConstraint("size >= 0"), nullable=False),
    # Its files; directories and symlinks do not count.
    Column("file_count", BigInteger, CheckConstraint("file_count >= 0"), nullable=False),
    # Free text; NULL means that nobody has said anything.
    Column("description", PlainText),
    # What the user has noted: a JSON object, `{}` when nothing.
    Column("metadata", JsonObject, nullable=False),
    # committed → deleted, never back.
    Column("state", PlainText, CheckConstraint("state IN ('committed', 'deleted')"), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    # NULL exactly as long as the state is committed.
    Column("deleted_at", UtcTime, CheckConstraint("(deleted_at IS NULL) = (state = 'committed')")),
    UniqueConstraint("collection_id", "number"),
    sqlite_autoincrement=True,
)
# The database itself refuses a second committed version of one content, whatever the code above it does (I8).
# As text, the same for both: an `Index` with a condition for PostgreSQL would import all of its dialect, whatever is used.
event.listen(
    versions,
    "after_create",
    DDL(  # type: ignore[no-untyped-call]
        "CREATE UNIQUE INDEX versions_committed_digest ON versions (collection_id, digest) WHERE state = 'committed'"
    ),
)

# One row: a movable name. It stands on one committed version of its own collection, or does not exist.
aliases = Table(
    "aliases",
    metadata,
    _refers_to("collections.id"),
    # Unique in the collection; never of the form `v3`.
    Column("name", PlainText, nullable=False),
    # The version it stands on; moving the alias changes this column.
    _refers_to("versions.id"),
    # When it came to stand there.
    Column("moved_at", UtcTime, nullable=False),
    PrimaryKeyConstraint("collection_id", "name"),
)
Index("aliases_version", aliases.c.version_id)

# One row: a run, that is one execution of a pipeline step. Never deleted.
runs = Table(
    "runs",
    metadata,
    # Grows with the order in which runs were made: clocks may stand still or go back.
    _id(),
    # What people and ARTFS_RUN_ID call it: 1 to 128 of `[A-Za-z0-9_.-]`, unique in the registry, never changes.
    Column("run", PlainText, nullable=False, unique=True),
    _refers_to("projects.id"),
    # For people; need not be unique.
    Column("name", PlainText, nullable=False),
    # What kind of step it is ("train"); NULL when not said.
    Column("job_type", PlainText),
    # Runs that belong together, such as the workers of one distributed job; NULL when not said.
    Column("group_name", PlainText),
    # Its settings: a JSON object, `{}` when nothing.
    Column("config", JsonObject, nullable=False),
    # running, finished or failed.
    Column("state", PlainText, CheckConstraint("state IN ('running', 'finished', 'failed')"), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    # NULL while it is running.
    Column("finished_at", UtcTime, CheckConstraint("(finished_at IS NULL) = (state = 'running')")),
    sqlite_autoincrement=True,
)
Index("runs_project", runs.c.project_id)

# One row: a run used a version or has logged it. At most one row for a run, version and direction, however often it does.
lineage = Table(
    "lineage",
    metadata,
    # Grows with the order in which edges were made, so that the first producer can be told from the others.
    _id(),
    _refers_to("runs.id"),
    # May be a deleted version: history does not change.
    _refers_to("versions.id"),
    # input: the run used the version; output: it has logged it.
    Column("direction", PlainText, CheckConstraint("direction IN ('input', 'output')"), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("run_id", "version_id", "direction"),
    sqlite_autoincrement=True,
)
Index("lineage_version", lineage.c.version_id)

# One row: a commit under way, or one that ended and whose leftovers gc has not looked at yet. gc deletes it.
leases = Table(
    "leases",
    metadata,
    # 12 random bytes: the head of the ids of all packs this commit writes.
    Column("lease", LargeBinary, primary_key=True),
    _refers_to("entities.id"),
    # Who holds it, for people: host, process, what for.
    Column("holder", PlainText, nullable=False),
    Column("started_at", UtcTime, nullable=False),
    # The commit is dead when this has passed. Heartbeats push it out; once passed it is never pushed out again (I4).
    Column("expires_at", UtcTime, nullable=False),
    # When it was ended; NULL while it is under way or dead and not noticed. Set once: nothing is written under it any more.
    Column("ended_at", UtcTime),
)

# One row: a pack that is durable in the object store (I1). Row and object go together, object first, by gc.
# pending → committed → (doomed → committed)* → doomed → deleting → no row; or pending → no row when its commit failed.
packs = Table(
    "packs",
    metadata,
    # Stands for the pack in the tables below, where 16 bytes a row would be too many. Never given again.
    _id(),
    # The pack's id: 12 bytes of its lease and a sequence number of 4. Never used again (I4).
    Column("pack", LargeBinary, nullable=False, unique=True),
    # Its commit: the head of `pack`. No foreign key, as packs outlive leases.
    Column("lease", LargeBinary, nullable=False),
    # Whose content it is: only commits of this entity find its chunks.
    _refers_to("entities.id"),
    # Bytes of the object.
    Column("size", BigInteger, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    # pending: only the commit that wrote it may name it. committed: a committed version needed it at some time, or another commit
    # has found it.
    # deleting: gc has begun to delete the object, there is no way back.
    Column("state", PlainText, CheckConstraint("state IN ('pending', 'committed', 'deleting')"), nullable=False),
    # When gc found that no version needs it; NULL otherwise. A commit that needs it after all sets it to NULL again (I4).
    Column("doomed_at", UtcTime, CheckConstraint("state <> 'pending' OR doomed_at IS NULL")),
    sqlite_autoincrement=True,
)
Index("packs_lease", packs.c.lease)

# One row: a pack that gc has deleted not long ago. Readers may still hold references into it: the row says whose chunks they are,
# so that they are told where the same content lies now, and nobody else's. Dropped after a month.
collected_packs = Table(
    "collected_packs",
    metadata,
    # The pack's id. It never comes back.
    Column("pack", LargeBinary, primary_key=True),
    # Whose content it was.
    _refers_to("entities.id"),
    # When its row in `packs` went.
    Column("collected_at", UtcTime, nullable=False),
)
Index("collected_packs_time", collected_packs.c.collected_at)

# One row: a committed version needs this pack: for file data, chunk lists, manifest pages or its root. What gc goes by (I4).
# The rows of a version come with its row and go when it is deleted.
version_packs = Table(
    "version_packs",
    metadata,
    _refers_to("versions.id"),
    _refers_to("packs.id"),
    PrimaryKeyConstraint("version_id", "pack_id"),
    sqlite_with_rowid=False,
)
Index("version_packs_pack", version_packs.c.pack_id)

# One row: a chunk lies at this place of a pack. Used for deduplication alone: a lost row costs space, never content.
# The rows of a pack come with its row, and go before its object does. A digest may lie in several packs, when several
# commits wrote it at the same time.
chunks = Table(
    "chunks",
    metadata,
    # The entity of the pack, repeated so that a look-up never sees another tenant's content.
    _refers_to("entities.id"),
    # BLAKE3 of the plain bytes: 32 bytes.
    Column("digest", LargeBinary, nullable=False),
    _refers_to("packs.id"),
    # Where it begins in the pack.
    Column("offset", BigInteger, nullable=False),
    # Bytes it takes there.
    Column("stored_size", Integer, nullable=False),
    # Its plain bytes. Equal to stored_size exactly when it is stored as it is.
    Column("size", Integer, nullable=False),
    PrimaryKeyConstraint("entity_id", "digest", "pack_id"),
    sqlite_with_rowid=False,
)
Index("chunks_pack", chunks.c.pack_id)

# One row: what one of several parallel writers has added to a version that is not finished. Nobody sees it before that.
# Whoever finishes or gives up rows of a collection locks the collection first. A writer that adds one does not, so that writers do
# not wait for each other: what is not committed when a finish looks is for the next version.
contributions = Table(
    "contributions",
    metadata,
    # Grows with the order of contributions: the first to contribute is the first producer, and what overwrites comes later.
    _id(),
    _refers_to("collections.id"),
    # Which unfinished version: writers that name the same id contribute to the same version.
    Column("distributed_id", PlainText, nullable=False),
    # Who contributed.
    _refers_to("runs.id"),
    # What: a manifest like a version's, named by an encoded chunk reference. Dangling once version_id is set.
    Column("manifest", LargeBinary, nullable=False),
    # Asked of the version that is to be: a JSON object of aliases, description, metadata and overwrite, `{}` when nothing.
    Column("wishes", JsonObject, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    # The version it has become part of; NULL until that is finished. Set once. A contribution that is given up loses its row.
    Column("version_id", _Id, ForeignKey("versions.id")),
    # Bytes in all its files, and how many they are: for those who list what is not finished.
    Column("size", BigInteger, nullable=False, server_default="0"),
    Column("file_count", BigInteger, nullable=False, server_default="0"),
    sqlite_autoincrement=True,
)
Index("contributions_unfinished", contributions.c.collection_id, contributions.c.distributed_id)

# One row: a contribution that is not finished needs this pack. As `version_packs`, and gone when it is finished or given up.
contribution_packs = Table(
    "contribution_packs",
    metadata,
    _refers_to("contributions.id"),
    _refers_to("packs.id"),
    PrimaryKeyConstraint("contribution_id", "pack_id"),
    sqlite_with_rowid=False,
)
Index("contribution_packs_pack", contribution_packs.c.pack_id)
