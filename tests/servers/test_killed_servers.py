"""What other tests rely on: a server that was killed comes back with all that it had acknowledged."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import OperationalError

from tests.servers.fake_gcs import FakeGcs
from tests.servers.postgres import PostgresServer
from tests.servers.program import listens
from tests.servers.seaweedfs import SeaweedFs


def test_objects_that_were_put_are_there_after_a_kill(mortal_s3: SeaweedFs) -> None:
    bucket = mortal_s3.create_bucket()
    mortal_s3.fill(bucket, {f"key-{number}": b"%d" % number * 1000 for number in range(50)})
    mortal_s3.kill()
    assert not listens(mortal_s3.port)
    mortal_s3.resume()
    for number in range(50):
        got = mortal_s3.client().get_object(Bucket=bucket, Key=f"key-{number}")
        assert got["Body"].read() == b"%d" % number * 1000


def test_blobs_that_were_put_are_there_after_a_kill(mortal_gcs: FakeGcs) -> None:
    bucket = mortal_gcs.create_bucket()
    mortal_gcs.fill(bucket, {"a": b"one", "b/c": b"two"})
    mortal_gcs.kill()
    assert not listens(mortal_gcs.port)
    mortal_gcs.resume()
    assert mortal_gcs.client().bucket(bucket).blob("b/c").download_as_bytes() == b"two"


def test_transactions_that_were_committed_are_there_after_a_kill_and_others_are_not(mortal_postgres: PostgresServer) -> None:
    url = mortal_postgres.create_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE numbers (number int)")
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO numbers VALUES (1)")
        connection.commit()
        connection.execute("INSERT INTO numbers VALUES (2)")
        mortal_postgres.kill()
        with pytest.raises(OperationalError):
            connection.execute("SELECT 1")
    assert not listens(mortal_postgres.port)
    mortal_postgres.resume()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT number FROM numbers").fetchall() == [(1,)]
