"""Fixtures of the content tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from artfs.chunks.shared_fetches import SharedFetches
from artfs.content.reference_reader import ReferenceReader
from tests.unit.content.memory_home import Opener, Remote
from tests.unit.content.workbench import Workbench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    made = Workbench(tmp_path)
    yield made
    made.close()


@pytest.fixture
def remote() -> Remote:
    return Remote()


@pytest.fixture
def opened(remote: Remote, tmp_path: Path) -> Iterator[Opener]:
    readers: list[ReferenceReader] = []

    def open_reader(memory: int = 256 << 20, patience_s: float = 30) -> ReferenceReader:
        readers.append(ReferenceReader(remote.references, SharedFetches(memory, patience_s), tmp_path / "spools"))
        return readers[-1]

    yield open_reader
    for reader in readers:
        reader.close()
