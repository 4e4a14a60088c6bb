"""A damaged SQLite file: one clear error, no traceback, nothing made worse."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from artfs.config import Config
from artfs.errors import IntegrityError
from artfs.repository.open import open_repository
from artfs.repository.verify import verify_repository
from tests.fault.versions import BEFORE, commit, resolve


@pytest.fixture
def registry_file(config: Config) -> Path:
    with open_repository(config) as repository:
        for number in range(30):
            commit(repository, {**BEFORE, "number.txt": b"%d" % number})
    return Path(config.registry.removeprefix("sqlite:///"))


def test_file_that_is_no_database_any_more_gives_integrity_error(registry_file: Path, config: Config) -> None:
    registry_file.write_bytes(os.urandom(registry_file.stat().st_size))
    with pytest.raises(IntegrityError, match="damaged"):
        open_repository(config)


def test_damaged_pages_give_integrity_error_or_are_reported_by_verify(registry_file: Path, config: Config) -> None:
    size = registry_file.stat().st_size
    with registry_file.open("r+b") as file:
        for page in range(4096, size, 4096):  # all but the first, which makes it a database
            file.seek(page)
            file.write(b"\xff" * 4096)
    with pytest.raises(IntegrityError, match="damaged"), open_repository(config) as repository:
        resolve(repository, "latest")


def test_verify_reports_a_damaged_registry_instead_of_raising(config: Config, registry_file: Path) -> None:
    with open_repository(config) as repository:
        size = registry_file.stat().st_size
        with registry_file.open("r+b") as file:
            for page in range(4096, size, 4096):
                file.seek(page)
                file.write(b"\xff" * 4096)
        repository.registry.close()  # lets go of the pages SQLite has in memory
        report = verify_repository(repository)
    assert [problem.invariant for problem in report.problems] == ["I1"]
    assert "registry" in report.problems[0].what
