"""`artfs bench-store`: figures for any store, and nothing left in it, whatever the end."""

from __future__ import annotations

import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from artfs.cloud.retry import RetryPolicy
from artfs.cloud.s3 import S3Client
from artfs.errors import AccessDenied, StoreUnavailable
from artfs.objectstore.bench import BenchSize, bench_store
from artfs.objectstore.bucket import BucketStore
from artfs.objectstore.local import LocalStore
from artfs.objectstore.memory import MemoryStore
from artfs.objectstore.metered import MeteredStore
from tests.cli.conftest import PROGRAM, Artfs
from tests.cli.test_help import DOCUMENT
from tests.fault.remote_fixtures import object_server as object_server  # noqa: PLC0414  fixtures
from tests.fault.remote_fixtures import remote_environ as remote_environ  # noqa: PLC0414
from tests.fault.remote_fixtures import set_environ as set_environ  # noqa: PLC0414
from tests.servers.seaweedfs import SeaweedFs

TINY = BenchSize(8, 8, (1, 4), (1, 2), (1, 2), 1, 0.0)


def test_it_measures_and_leaves_nothing(artfs: Artfs, tmp_path: Path) -> None:
    url = f"file://{tmp_path}/objects"
    form = artfs("bench-store", url, "--quick", "--json").json
    assert [each["in_flight"] for each in form["small_reads"]] == [1, 16]
    assert [each["in_flight"] for each in form["reads"]] == [1, 8]
    assert [each["in_flight"] for each in form["writes"]] == [1, 4]
    assert all(each["bytes_per_s"] > 0 for each in form["reads"] + form["writes"])
    assert (form["conditional_writes"], form["checked_writes"], form["keeps_versions"]) == (False, None, None)
    assert list(LocalStore(tmp_path / "objects").iter_objects()) == []
    (line,) = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| `bench-store` |")]
    assert [key for key in (*form, *form["small_reads"][0], *form["reads"][0]) if f"`{key}`" not in line] == []


def test_every_figure_has_a_line_that_says_what_it_means(artfs: Artfs, tmp_path: Path) -> None:
    rows = artfs("bench-store", f"file://{tmp_path}/objects", "--quick").rows
    assert [row[0] for row in rows] == ["read 4 KiB"] * 2 + ["read 8 MiB"] * 2 + ["write 32 MiB"] * 2 + ["list", "write twice"]
    assert {row[0] for row in rows if row[3] != "-"} == {row[0] for row in rows}


def test_what_lies_beside_is_not_touched(tmp_path: Path) -> None:
    store = MemoryStore()
    store.put("bench/mine", [b"mine"])
    bench_store(store, TINY)
    assert [info.key for info in store.iter_objects()] == ["bench/mine"]


class _Refusing:
    """A store in a bucket that lets nobody do one thing."""

    def __init__(self, inner: Any, verb: str) -> None:
        self._inner = inner
        self._verb = verb

    def __getattr__(self, name: str) -> Any:
        return self._refuse if name == self._verb else getattr(self._inner, name)

    def _refuse(self, *_: object) -> Any:
        raise AccessDenied(f"{self._verb} is not allowed")


@pytest.mark.parametrize("verb", ["read_range", "iter_objects"])
def test_a_failure_leaves_nothing_either(verb: str) -> None:
    store = MeteredStore(MemoryStore())
    with pytest.raises(AccessDenied, match=verb):
        bench_store(_Refusing(store, verb), TINY)
    assert store.counts()["put"] >= 8
    assert list(store.iter_objects()) == []


def test_who_may_only_read_is_told_so() -> None:
    with pytest.raises(AccessDenied, match="put is not allowed"):
        bench_store(_Refusing(_Refusing(MemoryStore(), "delete"), "put"), TINY)


class _GoingAway:
    """A store that nobody reaches after so many requests."""

    def __init__(self, answered: int) -> None:
        self._inner = MemoryStore()
        self._answered = answered
        self.failed: list[str] = []
        self._lock = threading.Lock()

    def __getattr__(self, verb: str) -> Any:
        def ask(*arguments: Any) -> Any:
            with self._lock:
                self._answered -= 1
                if self._answered < 0:
                    self.failed.append(verb)
                    raise StoreUnavailable("it cannot be reached")
            return getattr(self._inner, verb)(*arguments)

        return ask


def test_a_store_that_nobody_reaches_is_waited_for_once() -> None:
    store = _GoingAway(0)
    with pytest.raises(StoreUnavailable, match=r"^at the step 'connect': it cannot be reached$"):
        bench_store(store, TINY)
    assert store.failed == ["has"]


@pytest.mark.parametrize("answered", range(1, 70, 6))
def test_a_store_that_goes_away_is_waited_for_by_one_step_alone_which_is_told(answered: int) -> None:
    store = _GoingAway(answered)
    steps: list[str] = []
    with pytest.raises(
        StoreUnavailable, match=r"^at the step '.+': it cannot be reached; what was put is left below bench/"
    ) as told:
        bench_store(store, TINY, steps.append)
    assert f"'{steps[-1]}'" in str(told.value)
    assert len(set(store.failed)) == 1
    assert len(store.failed) <= 16, "each thread that was waiting, once"


def test_a_bucket_whose_server_dies_in_the_middle_is_given_up_after_one_deadline(
    object_server: SeaweedFs, remote_environ: dict[str, str]
) -> None:
    soon = RetryPolicy(attempts=40, last_start_s=0.5)
    store = BucketStore(S3Client(soon, soon), remote_environ["ARTFS_OBJECTS"].split("/")[2])
    steps: list[str] = []

    def die(step: str) -> None:
        steps.append(step)
        if step == "get small objects, 4 at once":
            object_server.kill()

    with pytest.raises(
        StoreUnavailable, match=r"^at the step 'get small objects, 4 at once': .*; what was put is left below bench/"
    ):
        bench_store(store, TINY, die)
    assert steps[-1] == "get small objects, 4 at once"


def test_after_ctrl_c_nothing_is_left(environ: dict[str, str], tmp_path: Path) -> None:
    objects = tmp_path / "objects"
    command = [str(PROGRAM), "bench-store", f"file://{objects}"]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while process.poll() is None and not any(objects.rglob("large/*")):
            pass
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, b"artfs: interrupted\n")
    assert list(LocalStore(objects).iter_objects()) == []


def test_an_address_of_no_store_is_refused(artfs: Artfs) -> None:
    assert artfs.fails("bench-store", "ftp://host/x").code == 2
