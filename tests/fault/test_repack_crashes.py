"""A repack that fails at any of its writes leaves each version where it was or where it was to go; the next one goes on (I1)."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from artfs.config import Config, load_config
from artfs.errors import StoreUnavailable
from artfs.repository.gc import collect_garbage
from artfs.repository.open import open_repository
from artfs.repository.repack import repack
from artfs.repository.repository import Repository
from tests.fault.crashing import Points, crashing_repository
from tests.fault.versions import (
    BEFORE,
    assert_gc_leaves_exactly_what_is_needed,
    assert_sound,
    commit,
    expire_leases,
    read_all,
    resolve,
)

#: What comes before or behind these directly is the same moment once more.
_MOMENTS = {"before put", "after put", "after packs.add", "before versions.move", "after versions.move"}
_NEXT = {**BEFORE, "own.txt": b"own"}


def _fail(point: str) -> None:
    raise StoreUnavailable(f"the store failed on purpose {point}: try again")


def _waste(repository: Repository) -> None:
    commit(repository, {**BEFORE, "waste": bytes(range(256)) * 3 + bytes(i * i % 251 for i in range(400_000))})
    commit(repository, BEFORE)
    commit(repository, _NEXT)
    repository.registry.versions.delete(resolve(repository, "v0").id)


def _assert_all_is_there(repository: Repository) -> None:
    assert read_all(repository, resolve(repository, "v1")) == BEFORE
    assert read_all(repository, resolve(repository, "v2")) == _NEXT
    assert_sound(repository)


def test_repack_that_fails_at_any_write_loses_nothing_and_is_finished_by_the_next(config: Config, tmp_path: Path) -> None:
    with open_repository(config) as repository:
        _waste(repository)

    def interrupt(home: Path, points: Points) -> Config:
        shutil.copytree(config.data_dir.parent, home)
        copied = load_config({"entity": "tester", "project": "default"}, {"ARTFS_HOME": str(home)})
        with crashing_repository(copied, points) as crashing, suppress(StoreUnavailable):
            repack(crashing, threshold=0.9)
        return copied

    recorded = Points(None, _fail)
    interrupt(tmp_path / "recorded", recorded)
    numbers = [number for number, name in enumerate(recorded.passed) if name in _MOMENTS]
    assert sum("versions.move" in name for name in recorded.passed) == 4, "before and after each"
    for at in numbers:
        for_ever = at % 2 == 0
        copied = interrupt(tmp_path / f"copy-{at}", Points(at, _fail, for_ever=for_ever))
        with open_repository(copied) as repository:
            _assert_all_is_there(repository)
            collect_garbage(repository, grace_s=0)
            repack(repository, threshold=0.9)
            assert repack(repository, threshold=0.9).packs == 0
            expire_leases(repository)
            assert_gc_leaves_exactly_what_is_needed(repository)
            _assert_all_is_there(repository)
        shutil.rmtree(copied.data_dir.parent)
