"""The part of `Artifact` that holds objects: tables in, and out again.

Several threads may add to one artifact at the same time.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod

from artfs.client.core import Core
from artfs.client.data_types.partitioned_table import Files, PartitionedTable
from artfs.client.data_types.stored import paths_of, read_object
from artfs.client.data_types.table import Table
from artfs.client.entry import ArtifactEntry
from artfs.client.session import SESSION
from artfs.client.stored_files import DraftFiles, VersionFiles
from artfs.errors import NameNotValid
from artfs.model.names import normalise_path

StrPath = str | os.PathLike[str]


class HoldsObjects(ABC):
    """Keeps tables in files of the artifact, and reads them back."""

    _core: Core

    @abstractmethod
    def _fetch(self, path: str, root: StrPath | None) -> str:
        """Download one file of the version; its local path. What `Entry.download` calls."""

    def add(self, obj: Table | PartitionedTable, name: StrPath, overwrite: bool = False) -> ArtifactEntry:
        """Add a table as it is now; `get(name)` gives it back.

        A Table is stored as the Parquet file `NAME.table.parquet`, which any tool can read, a PartitionedTable as
        `NAME.partitioned-table.json`. The same content under the same name again does nothing; anything else of that name is
        refused unless `overwrite`.

        Raises TypeNotValid (a TypeError) for other objects, NameNotValid (a ValueError) for a name that cannot be or is taken,
        NotInstalled without pyarrow (`pip install 'artfs[tables]'`), ReadOnly after the artifact was logged.

            artifact.add(artfs.Table(columns=["a", "b"], data=[[1, 2]]), "parts/table_1")
            artifact.add(artfs.data_types.PartitionedTable("parts"), "table")
        """
        path, others = paths_of(obj, os.fspath(name) if isinstance(name, os.PathLike) else name)
        draft = self._core.draft
        draft.check_open()
        data = obj.encode()
        entry = draft.add_object(data, path, others, SESSION.current_config(), time.time_ns(), overwrite=overwrite)
        return ArtifactEntry(entry, self._fetch)

    def get(self, name: StrPath) -> Table | PartitionedTable | None:
        """The object that was added as `name`, or whose file is at that path; None if there is none.

        Reads no more than the end of its file; the rows are read when they are asked for. Raises IntegrityError if the file is
        damaged, NotInstalled without pyarrow.

            table = run.use_artifact("results:latest").get("table")
        """
        text = os.fspath(name) if isinstance(name, os.PathLike) else name
        try:
            path = normalise_path(text)
        except NameNotValid:  # nothing can be there
            return None
        return read_object(self._files(), path)

    def _files(self) -> Files:
        if self._core.is_draft:
            return DraftFiles(self._core.draft)
        return VersionFiles(self._core.config, self._core.require("objects to get"))
