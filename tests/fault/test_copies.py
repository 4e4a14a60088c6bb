"""Copies between stores of all kinds, by the program: equal at the end, sent once, and gone on with after a kill or a bad link."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from artfs.config import load_config
from artfs.model.names import ArtifactName
from artfs.repository.open import open_repository
from artfs.repository.repository import Repository
from tests.fault.versions import assert_sound, commit, read_all
from tests.mount.mounting import eventually
from tests.servers.fake_gcs import FakeGcs
from tests.servers.haproxy import HaProxy
from tests.servers.postgres import PostgresServer
from tests.servers.seaweedfs import SeaweedFs
from tests.servers.tcp_proxy import TcpProxy
from tests.unit.repository.copying import assert_same, facts, noise

PROGRAM = Path(sys.executable).with_name("artfs")
MIB = 1 << 20
BIG = ArtifactName("tester", "bikes", "big")
WALKTHROUGH = Path(__file__).parents[1] / "client" / "walkthrough.py"


class Places:
    """The program with places: `s3` is a bucket and PostgreSQL, `gs` a bucket and SQLite, `other` a folder and SQLite."""

    def __init__(self, environ: dict[str, str], stores: dict[str, tuple[str, str]]) -> None:
        self.environ = environ
        home = Path(environ["ARTFS_HOME"])
        home.mkdir(exist_ok=True)
        tables = [
            f'[places.{name}]\nregistry = "{registry}"\nobjects = "{objects}"' for name, (registry, objects) in stores.items()
        ]
        (home / "config.toml").write_text("\n".join(tables))

    def __call__(self, *arguments: str | Path) -> str:
        """Run the program, and demand success."""
        command = [PROGRAM, *arguments]
        done = subprocess.run(command, env=self.environ, capture_output=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def json(self, *arguments: str | Path) -> Any:
        return json.loads(self(*arguments, "--json"))

    def open(self, at: str = "") -> Repository:
        """The repository of a place, in this process."""
        config = load_config({"project": "bikes"}, self.environ)
        return open_repository(config.at(at) if at else config)


def facts_of(repository: Repository) -> dict[str, Any]:
    """All that is known of a project: its runs, and its versions with lineage, entries, and what their files hold."""
    artifacts = [found.artifact for found in repository.registry.collections.list("tester", "bikes")]
    return {
        "runs": sorted(repository.registry.runs.list("tester", "bikes"), key=lambda run: run.id),
        **{artifact.name: facts(repository, artifact) for artifact in artifacts},
        "content": [
            read_all(repository, version) for artifact in artifacts for version in repository.registry.versions.list(artifact)
        ],
    }


@pytest.fixture
def bucket_environ(
    environ: dict[str, str], s3_proxy: HaProxy, s3_server: SeaweedFs, gcs_server: FakeGcs, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """The environment in which both servers are found; also that of this process."""
    variables = {**s3_server.environ_at(s3_proxy.endpoint), **gcs_server.environ}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return {**environ, **variables}


@pytest.fixture
def places(
    bucket_environ: dict[str, str], tmp_path: Path, s3_server: SeaweedFs, gcs_server: FakeGcs, postgres_server: PostgresServer
) -> Iterator[Places]:
    database = postgres_server.create_database()
    stores = {
        "s3": (database, f"s3://{s3_server.create_bucket()}/artfs"),
        "gs": (f"sqlite:///{tmp_path}/gs.sqlite", f"gs://{gcs_server.create_bucket()}/deep/prefix"),
        "other": (f"sqlite:///{tmp_path}/other.sqlite", f"file://{tmp_path}/other"),
    }
    yield Places(bucket_environ, stores)
    postgres_server.drop_database(database)


@pytest.fixture
def walked(places: Places, tmp_path: Path) -> Places:
    """The project `bikes` of the walkthrough: two artifacts with aliases, deleted versions, runs and lineage."""
    folder = tmp_path / "walk"
    folder.mkdir()
    subprocess.run([sys.executable, WALKTHROUGH], env=places.environ, cwd=folder, check=True, capture_output=True, timeout=120)
    return places


def test_a_project_goes_round_all_stores_and_is_the_same_everywhere(walked: Places) -> None:
    with walked.open() as here:
        known = facts_of(here)
    assert known.keys() == {"runs", "bike-dataset", "bike-model", "external-model", "content"}
    for source, destination in (("bikes/", "@s3"), ("bikes/@s3", "@gs"), ("bikes/@gs", "@other")):
        report = walked.json("copy", source, destination)
        assert (report["conflicts"], report["left_out"], report["other_runs"]) == ([], [], [])
        with walked.open(destination.removeprefix("@")) as there:
            assert facts_of(there) == known
            assert_sound(there)


def test_copying_again_asks_for_no_object(walked: Places, s3_proxy: HaProxy) -> None:
    walked("copy", "bikes/", "@s3")
    s3_proxy.clear()
    walked("copy", "bikes/", "@s3")
    assert [request.target for request in s3_proxy.requests() if "/packs/" in request.target] == []


@pytest.fixture
def versions(places: Places) -> Places:
    """`bikes/big` with three versions of 12 MiB that have nothing in common."""
    with places.open() as repository:
        for number in range(3):
            commit(repository, {"a.bin": noise(number, 4 * MIB), "b.bin": noise(10 + number, 8 * MIB)}, artifact=BIG)
    return places


def assert_copied(places: Places, at: str) -> None:
    with places.open() as here, places.open(at) as there:
        assert_same(here, there, [BIG])


def test_a_copy_that_was_killed_goes_on_where_it_was(versions: Places, s3_proxy: HaProxy) -> None:
    command = [str(PROGRAM), "--project", "bikes", "copy", "big", "@s3"]
    with subprocess.Popen(command, env=versions.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        eventually(lambda: len(_stored(s3_proxy)) >= 4, what="the copy of a version, of three packs, and a third")
        process.kill()
    s3_proxy.clear()
    with versions.open("s3") as there:
        before = {version.label for version in there.registry.versions.list(BIG)}
    report = versions.json("copy", "bikes/big", "@s3")
    assert before
    assert {*report["artifacts"][0]["copied"]} == {"v0", "v1", "v2"} - before
    assert report["bytes_sent"] < (13 * MIB) * (3 - len(before))
    assert_copied(versions, "s3")


def _stored(proxy: HaProxy) -> list[str]:
    return [request.target for request in proxy.requests("PUT") if "/packs/" in request.target and request.status == 200]


def test_a_copy_survives_a_bad_link_and_reads_its_source_in_few_large_requests(versions: Places, s3_proxy: HaProxy) -> None:
    s3_proxy.fail(503, times=2, method="PUT", retry_after=0)
    s3_proxy.drop(times=2, method="PUT", containing="/packs/")
    versions("copy", "bikes/big", "@s3")
    s3_proxy.clear()
    versions("copy", "bikes/big@s3", "@other")
    # Three versions of 12 MiB in windows of 4 MiB, and a root, pages and lists for each.
    assert len(s3_proxy.requests("GET")) <= 3 * (4 + 4)
    assert sum(request.length for request in s3_proxy.requests("GET")) < 37 * MIB
    s3_proxy.clear()
    s3_proxy.cut(100_000, times=2, method="GET")
    s3_proxy.fail(503, times=2, method="GET", retry_after=0)
    versions("copy", "bikes/big@s3", "@gs")
    for place in ("other", "gs"):
        assert_copied(versions, place)


def test_a_copy_whose_network_goes_away_goes_on_by_itself_and_sends_only_what_is_missing(
    versions: Places, s3_server: SeaweedFs
) -> None:
    proxy = TcpProxy.start(s3_server.port)
    environ = {**versions.environ, **s3_server.environ_at(f"http://127.0.0.1:{proxy.port}")}
    command = [str(PROGRAM), "--project", "bikes", "copy", "big", "@s3", "--json"]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE) as process:
        with versions.open("s3") as there:
            eventually(lambda: any(there.objects.iter_objects("packs/")), what="the first pack")
            proxy.cut()
            before = len(there.registry.imports.numbers(BIG))
        proxy.heal()
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert before < 3
    assert 0 < proxy.carried() < 13 * MIB * (3 - before)
    proxy.stop()
    assert json.loads(output)["bytes_sent"] < 3 * 13 * MIB
    assert_copied(versions, "s3")


def test_a_bench_of_a_bucket_leaves_nothing_in_it(places: Places, s3_server: SeaweedFs) -> None:
    bucket = s3_server.create_bucket()
    form = places.json("bench-store", f"s3://{bucket}/some/prefix", "--quick")
    assert (form["conditional_writes"], form["checked_writes"], form["keeps_versions"]) == (True, True, False)
    assert s3_server.client().list_objects_v2(Bucket=bucket)["KeyCount"] == 0
