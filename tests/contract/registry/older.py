"""Registries as older artfs made them: a new one, taken back step by step."""

from __future__ import annotations

from sqlalchemy import Connection, inspect, text

from artfs.registry.open import Registry

#: What each step has added: tables, and columns of tables.
_ADDED: dict[int, tuple[list[str], dict[str, list[str]]]] = {
    3: (["identity", "transactions", "collected_packs"], {"collections": ["changes"]}),
    2: ([], {"contributions": ["size", "file_count"]}),
}


def make_older(registry: Registry, number: int) -> None:
    """Make the registry one of schema `number`."""

    def work(connection: Connection) -> None:
        for step in range(max(_ADDED), number, -1):
            dropped, columns = _ADDED[step]
            for table in dropped:
                connection.execute(text(f"DROP TABLE {table}"))
            for table, names in columns.items():
                for name in names:
                    connection.execute(text(f"ALTER TABLE {table} DROP COLUMN {name}"))
        set_schema(connection, number)

    registry._database.change_schema(work)


def set_schema(connection: Connection, number: int) -> None:
    connection.execute(text(f"UPDATE artfs_schema SET version = {number}"))


def schema_number(registry: Registry) -> int:
    return int(
        registry._database.read(lambda connection: connection.execute(text("SELECT version FROM artfs_schema")).scalar_one())
    )


def tables(registry: Registry) -> dict[str, object]:
    """The columns and indexes of every table."""

    def work(connection: Connection) -> dict[str, object]:
        found = inspect(connection)
        return {
            table: (
                {column["name"]: (str(column["type"]), column["nullable"]) for column in found.get_columns(table)},
                sorted(str(index["name"]) for index in found.get_indexes(table)),
            )
            for table in found.get_table_names()
        }

    return registry._database.read(work)
