"""Reading ranges of objects by obstore: many times the small reads of an SDK, for a tenth of the CPU.

It reads what it can express (`expresses`), the SDKs read the rest. Its runtime has threads of its own and does not survive a fork:
in the child a read would wait for ever (`is_usable`). Any thread; obstore lets go of the interpreter while it waits.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple, TypeVar

from artfs.cloud.buckets import ObjectFacts, Piece, PreconditionFailed
from artfs.cloud.failures import (
    NOT_SECURE,
    NOT_VALID_CREDENTIALS,
    first_line,
    no_bucket,
    no_object,
    of_status,
    reason_of,
    unavailable,
    unreachable,
)
from artfs.cloud.retry import TryAgain
from artfs.errors import ArtfsError

T = TypeVar("T")

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w+)</Code>")
#: How obstore prints what kind of failure came from the network.
_KIND = re.compile(r"HttpError \{\s*kind: (\w+)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

_SDK_MAY_FOLLOW_S = 5.0
#: The process in which obstore first did something.
_process: list[int] = []


class Refused(Exception):
    """The server refuses to give the object; `code` is its reason."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Elsewhere(Exception):
    """The bucket is not in the region that was asked."""


class NotTrusted(Exception):
    """No secure connection can be made. An SDK may trust more: obstore takes no certificate that signed itself, even if told to."""


class Overloaded(Exception):
    """The server asks for patience, however often obstore has tried; for how long is in a header that obstore does not show."""


class ReadAt(NamedTuple):
    """What to read, and how messages name it."""

    scheme: str
    bucket: str
    key: str
    version_id: str | None
    if_match: str | None
    endpoint: str

    @property
    def uri(self) -> str:
        return f"{self.scheme}://{self.bucket}/{self.key}"


def use_few_threads() -> None:
    """Let obstore serve its connections by a thread for every four processors, for the whole process; before its first read.

    By default it has one for each processor, and a read wakes several of them. Seen here on two, 2 000 objects of 20 KiB through a
    mount: 2.9 s of CPU by default, 2.1 s with one thread. Who has set the variable is right.
    """
    os.environ.setdefault("TOKIO_WORKER_THREADS", str(max(1, (os.cpu_count() or 1) // 4)))


def expresses(key: str) -> bool:
    """True if obstore asks for exactly this key: it knows no empty segments, no `.` and `..`, and no control characters."""
    return not _CONTROL.search(key) and not any(segment in {"", ".", ".."} for segment in key.split("/"))


def is_usable() -> bool:
    """False in a process that was forked from one that has read by obstore."""
    return not _process or _process[0] == os.getpid()


def read_range(store: Any, at: ReadAt, offset: int, length: int) -> tuple[ObjectFacts, Piece] | None:
    """The bytes and the facts that came with them; None where nothing lies at `offset`.

    Raises NotFound, PreconditionFailed, Refused, Elsewhere, NotTrusted, and, after obstore has tried again, Overloaded and
    TransientError.
    """
    if not _process:
        _process.append(os.getpid())
    options: Any = {"range": (offset, offset + length)}
    if at.version_id is not None:
        options["version"] = at.version_id
    if at.if_match is not None:
        options["if_match"] = at.if_match
    started = time.monotonic()
    try:
        meta, data = _let_ctrl_c_through(lambda: _get(store, at.key, options))
    except Exception as error:
        status, text = _status_of(error), str(error)
        if status == 416:
            return None
        # An SDK that goes on after this has a whole call's time: both together must not take longer than the mount waits.
        has_time = time.monotonic() - started < _SDK_MAY_FOLLOW_S
        raise _explained(error, status, text, at, has_time=has_time) from error
    if len(data) != min(length, meta["size"] - offset):
        raise unavailable(at.uri, f"the server sent {len(data)} of {min(length, meta['size'] - offset)} bytes")
    modified_ns = round(meta["last_modified"].timestamp()) * 10**9
    version_id = meta["version"] if meta["version"] != "null" else None
    etag = meta["e_tag"] if (meta["e_tag"] or "").strip('"') else None
    return ObjectFacts(at.key, meta["size"], etag, version_id, modified_ns), data


def _get(store: Any, key: str, options: Any) -> tuple[Any, memoryview]:
    import obstore

    result = obstore.get(store, key, options=options)
    # Not copied: whoever keeps bytes cuts them anyway.
    return result.meta, memoryview(result.bytes())


def _let_ctrl_c_through(ask: Callable[[], T]) -> T:
    """What `ask` returns. The main thread lets another one ask: it hears of no signal before obstore has given up."""
    if threading.current_thread() is not threading.main_thread():
        return ask()
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:  # noqa: BLE001  the caller gets it
            answer.set_exception(error)

    threading.Thread(target=run, name="artfs-read", daemon=True).start()
    return answer.result()


def _status_of(error: Exception) -> int:
    match = _STATUS.search(str(error))
    return int(match[1]) if match else 0


def _explained(error: Exception, status: int, text: str, at: ReadAt, *, has_time: bool) -> Exception:
    found = _CODE.search(text)
    code = found[1] if found else ""
    if isinstance(error, FileNotFoundError):
        return no_bucket(at.scheme, at.bucket) if code == "NoSuchBucket" else no_object(at.uri)
    if status == 412:
        return PreconditionFailed(at.uri)
    if status in {401, 403} or code in NOT_VALID_CREDENTIALS:
        return Refused(code or str(status))
    if "redirect without LOCATION" in text or status in {301, 307} or code == "AuthorizationHeaderMalformed":
        return Elsewhere(at.uri)
    if status in {429, 503} and has_time:
        return Overloaded(at.uri)
    if status:
        failure = of_status(at.uri, status, code)
        return failure.error if isinstance(failure, TryAgain) else failure
    return _connection_failure(text, at)


def _connection_failure(text: str, at: ReadAt) -> ArtfsError | NotTrusted:
    match = _KIND.search(text)
    kind = match[1] if match else ""
    if kind == "Connect" and reason_of(text) == NOT_SECURE:
        return NotTrusted(at.uri)
    if kind == "Connect":
        return unreachable(at.uri, at.endpoint, reason_of(text))
    if kind == "Timeout":
        return unavailable(at.uri, f"{at.endpoint} did not answer in time", no_answer=True)
    if kind in {"Interrupted", "Request", "Decode"}:
        return unavailable(at.uri, f"{at.endpoint} ended the connection too early")
    return unavailable(at.uri, f"{at.endpoint} did not answer as it should ({first_line(text)})")
