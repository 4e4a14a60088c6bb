"""The page about many machines runs as it is written, with PostgreSQL and a bucket on an S3 server."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.test_walkthrough import REPOSITORY, run_page
from tests.servers.fake_gcs import FakeGcs
from tests.servers.postgres import PostgresServer
from tests.servers.seaweedfs import SeaweedFs

PAGE = REPOSITORY / "docs" / "many-machines.md"


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "work"
    folder.mkdir()
    yield folder
    if os.path.ismount(folder / "mnt"):
        subprocess.run(["fusermount3", "-u", "-z", folder / "mnt"], check=False)


def test_the_page_runs_as_it_is_written(work: Path, s3_server: SeaweedFs, postgres_server: PostgresServer) -> None:
    url = postgres_server.create_database()
    shared = {"ARTFS_REGISTRY": url, "ARTFS_OBJECTS": f"s3://{s3_server.create_bucket()}/artfs"}
    run_page(work, {**s3_server.environ, **shared}, page=PAGE)
    postgres_server.drop_database(url)


def test_the_lifecycle_rules_are_such_as_the_vendors_take(s3_server: SeaweedFs, gcs_server: FakeGcs) -> None:
    of_s3, of_google = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL))
    name, client = s3_server.create_bucket(versioned=True), s3_server.client()
    client.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration=of_s3)
    (rule,) = client.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    assert rule["NoncurrentVersionExpiration"]["NoncurrentDays"] == 7
    bucket = gcs_server.client().bucket(gcs_server.create_bucket(versioned=True))
    bucket.lifecycle_rules = of_google["lifecycle"]["rule"]
    bucket.patch()


def test_every_file_the_page_links_to_is_there() -> None:
    targets = re.findall(r"\]\((?!#|http)([^)#]*)", PAGE.read_text())
    assert [target for target in targets if not (PAGE.parent / target).exists()] == []
