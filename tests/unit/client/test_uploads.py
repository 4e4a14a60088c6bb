"""The uploader: order, failures, and waiting."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime

import pytest

from artfs.client.uploads import Upload, Uploader
from artfs.errors import StoreUnavailable, TimedOut
from artfs.model.digest import NO_DIGEST
from artfs.model.entry import ChunkRef, PackId
from artfs.model.names import ArtifactName
from artfs.model.records import VersionRecord, VersionState


def version(number: int) -> VersionRecord:
    return VersionRecord(
        id=number,
        collection_id=1,
        artifact=ArtifactName("entity", "project", "name"),
        type="dataset",
        number=number,
        digest=NO_DIGEST,
        manifest=ChunkRef(NO_DIGEST, 1, PackId(bytes(16)), 0, 1),
        size=0,
        file_count=0,
        description=None,
        metadata={},
        state=VersionState.COMMITTED,
        created_at=datetime.now(UTC),
        aliases=(),
    )


def fail() -> VersionRecord:
    raise StoreUnavailable("the store is away")


def test_work_is_done_in_the_order_of_submission() -> None:
    uploader = Uploader()
    done: list[int] = []

    def work(number: int) -> VersionRecord:
        done.append(number)
        return version(number)

    uploads = [uploader.submit(str(number), lambda number=number: work(number)) for number in range(50)]  # type: ignore[misc]
    uploader.close()
    assert [upload.wait(60).number for upload in uploads] == list(range(50))
    assert done == list(range(50))


def test_a_failure_is_raised_to_whoever_waits_and_work_goes_on() -> None:
    uploader = Uploader()
    bad, good = uploader.submit("bad", fail), uploader.submit("good", lambda: version(1))
    uploader.drain()
    assert uploader.untold_failures() == [bad]
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="away"):
            bad.wait()
    assert good.wait().number == 1
    assert uploader.untold_failures() == []
    uploader.close()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), StoreUnavailable("away")])
def test_what_is_no_defect_leaves_no_traceback_in_the_log(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    def work() -> VersionRecord:
        raise error

    upload = Upload("interrupted")
    with caplog.at_level(logging.INFO, logger="artfs.client.uploads"):
        upload.work(work)
    assert [(record.levelno, bool(record.exc_info)) for record in caplog.records] == [(logging.INFO, False)]
    with pytest.raises(type(error)):
        upload.wait()


def test_a_failure_is_remembered_while_others_succeed() -> None:
    uploader = Uploader()
    bad = uploader.submit("bad", fail)
    for number in range(5):
        uploader.submit("good", lambda number=number: version(number)).wait(60)  # type: ignore[misc]
    assert uploader.untold_failures() == [bad]
    uploader.close()


def test_waiting_has_an_end() -> None:
    uploader = Uploader()
    go_on = threading.Event()

    def slow() -> VersionRecord:
        go_on.wait(60)
        return version(1)

    upload = uploader.submit("slow", slow)
    with pytest.raises(TimedOut, match="slow was not logged within 0 s"):
        upload.wait(0)
    assert not upload.is_done
    go_on.set()
    assert upload.wait(60).number == 1
    uploader.close()
