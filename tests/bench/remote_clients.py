"""Clients of one remote store: each is a machine of its own, with nothing in its cache."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.bench.remote_sites import Site
from tests.bench.tools import Artfs


@dataclass(slots=True)
class Clients:
    """Of a store in a bucket and a database of its own, below the folder `work`."""

    site: Site
    work: Path
    store: str
    database: str
    _count: int = 0

    @classmethod
    def of_new_store(cls, site: Site, work: Path) -> Clients:
        with site.near_server():
            store, database = site.s3.create_bucket(), site.postgres.create_database()
        return cls(site, work, store, database)

    def fill(self, source: Path, name: str = "data") -> None:
        """Put a folder, and a small artifact by which clients meet the servers before a clock starts."""
        first = self.work / "first"
        first.mkdir()
        (first / "first").write_bytes(b"first")
        with self.site.near_server():
            near = replace(self.new(), prefix=())
            near.put(first, "first")
            near.put(source, name)

    def new(self) -> Artfs:
        self._count += 1
        environ = {**self.site.s3.environ, "ARTFS_REGISTRY": self.database, "ARTFS_OBJECTS": f"s3://{self.store}/bench"}
        return Artfs(self.work / f"client-{self._count}", environ, self.site.at_client)

    @contextmanager
    def mounted(self, client: Artfs | None = None) -> Iterator[Path]:
        """The mount of a new client, or of one that was there before; it has met the servers."""
        with (client or self.new()).mounted(self.work / "mnt") as root:
            (root / "first/latest/first").read_bytes()
            yield root

    def stored_bytes(self) -> int:
        """Bytes of all objects of the store."""
        with self.site.near_server():
            pages = self.site.s3.client().get_paginator("list_objects_v2").paginate(Bucket=self.store)
            return sum(found["Size"] for page in pages for found in page.get("Contents", ()))
