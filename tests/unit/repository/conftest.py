"""Two repositories: the one of every test, and where copies go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from artfs.config import Config, load_config
from artfs.repository.open import open_repository
from artfs.repository.repository import Repository


@pytest.fixture
def there(tmp_path: Path) -> Config:
    """Where copies go."""
    return load_config({"entity": "tester", "project": "default"}, {"ARTFS_HOME": str(tmp_path / "there")})


@pytest.fixture
def destination(there: Config) -> Iterator[Repository]:
    with open_repository(there) as opened:
        yield opened
