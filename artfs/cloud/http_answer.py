"""An answer over HTTP: what its head says, checked against what was asked, and its body as it comes.

A server that answers with another range than the one that was asked for is refused here, so that nobody above can take bytes for
others. The body is counted. Knows nothing of references. An answer belongs to one thread at a time.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as HttpTimeout

from artfs.cloud.http_errors import breaks_protocol, ended_early, stalled, too_slow
from artfs.model.counted import counted

_PIECE = 256 << 10
#: Beyond, nanoseconds do not fit into 64 bits.
_TOO_LATE_S = (1 << 63) // 1_000_000_000
_CONTENT_RANGE = re.compile(r"bytes\s+([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)\s*", re.IGNORECASE)
_UNSATISFIED = re.compile(r"bytes\s+\*/([0-9]{1,18})\s*", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]{1,18}")


class Budget:
    """How long a call may wait for its server. Time that passes elsewhere does not count."""

    #: Whoever sends slower than this, in bytes a second, uses the budget up.
    SLOWEST = 64 << 10

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.spent_s = 0.0

    def left_s(self, received: int = 0) -> float:
        """Seconds that are left when so many bytes were received, which buy time; none or less when it is over."""
        return self._seconds + received / self.SLOWEST - self.spent_s

    def __enter__(self) -> Budget:
        self._began = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.spent_s += time.monotonic() - self._began


#: Asks again for the body from a number of received bytes on; None where that cannot give the same content.
Resume = Callable[[int], BaseHTTPResponse | None]


class HttpBody(Iterator[bytes]):
    """The bytes of a body, as they arrive. Whoever does not read it to the end closes it; a closed one has ended.

    Raises ReferenceUnavailable when it ends before or goes on after `expected` bytes, comes too slowly, or breaks off and `resume`
    cannot help.
    """

    def __init__(self, uri: str, response: BaseHTTPResponse, expected: int | None, budget: Budget, resume: Resume) -> None:
        self._uri = uri
        self._response: BaseHTTPResponse | None = response
        self._expected = expected
        self._budget = budget
        self._resume = resume
        self.received = 0
        #: The connection ended before the body did, and was not just silent.
        self.broke_off = False

    def __next__(self) -> bytes:
        piece = self._read() if self._response is not None else b""
        if not piece:
            self.close()
            raise StopIteration
        self.received += len(piece)
        if self._budget.left_s(self.received) <= 0:
            self.close()
            raise too_slow(self._uri, self.received, self._budget.spent_s)
        if self._expected is not None and self.received > self._expected:
            self.close()
            raise breaks_protocol(self._uri, f"it sends more than the {counted(self._expected, 'byte')} that it promised")
        return piece

    def _read(self) -> bytes:
        while True:
            error: Exception | None = None
            try:
                # One system call at a time: what trickles in is seen, and counted against the budget.
                with self._budget:
                    piece = self._response.read1(_PIECE, decode_content=False) if self._response is not None else b""
            except (HTTPError, OSError) as broken:
                error = broken
            else:
                if piece or self._expected is None or self.received >= self._expected:
                    return piece
            self.close()
            self._response = self._resume(self.received)
            if self._response is None:
                if isinstance(error, HttpTimeout):
                    raise stalled(self._uri, self.received, self._expected) from error
                self.broke_off = True
                raise ended_early(self._uri, self.received, self._expected) from error

    def close(self) -> None:
        """Let go of the connection. It is used again if the body was read to its end."""
        response, self._response = self._response, None
        if response is not None:
            if response.closed:
                response.release_conn()
            else:
                response.close()


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """`size` is that of the whole content, None where the server does not say; `start` is where in it the body begins."""

    status: int
    etag: str | None
    modified_ns: int | None
    size: int | None
    start: int
    body: HttpBody


def etag_of(headers: Mapping[str, str]) -> str | None:
    """The ETag exactly as it was sent, None where there is none."""
    return (headers.get("ETag") or "").strip() or None


def modified_ns_of(headers: Mapping[str, str]) -> int | None:
    """When the content was last modified; None where that is not said, or not in a time that a file can have."""
    try:
        modified = parsedate_to_datetime(headers.get("Last-Modified") or "")
        seconds = int((modified if modified.tzinfo else modified.replace(tzinfo=UTC)).timestamp())
    except (ValueError, TypeError, OverflowError):
        return None
    return seconds * 1_000_000_000 if 0 <= seconds < _TOO_LATE_S else None


def length_of(response: BaseHTTPResponse) -> int | None:
    """The Content-Length where it is a number that means something."""
    text = (response.headers.get("Content-Length") or "").strip()
    if "Transfer-Encoding" in response.headers or not _NUMBER.fullmatch(text):
        return None
    return int(text)


def size_if_unsatisfied(response: BaseHTTPResponse) -> int | None:
    """The size of the content that a 416 says there is."""
    match = _UNSATISFIED.fullmatch(response.headers.get("Content-Range") or "")
    return int(match[1]) if match else None


def check_range(uri: str, response: BaseHTTPResponse, offset: int, length: int | None) -> tuple[int, int | None]:
    """The bytes that a 206 brings, and the size of the whole; ReferenceUnavailable unless they are what was asked for."""
    text = response.headers.get("Content-Range") or ""
    match = _CONTENT_RANGE.fullmatch(text)
    asked = f"bytes {offset}-{'' if length is None else offset + length - 1}"
    if not match:
        raise breaks_protocol(uri, f"it answers a request for {asked} with a part, and does not say which")
    first, last = int(match[1]), int(match[2])
    total = None if match[3] == "*" else int(match[3])
    count = last - first + 1
    reaches_end = total is not None and last == total - 1
    is_whole = count == length or (reaches_end and (length is None or count < length))
    if first != offset or not is_whole or (total is not None and last >= total):
        raise breaks_protocol(uri, f"it answers a request for {asked} with {text.strip()!r}")
    promised = length_of(response)
    if promised is not None and promised != count:
        raise breaks_protocol(uri, f"it answers with {counted(promised, 'byte')} and says {text.strip()!r}")
    return count, total
