"""Work that runs in threads and is finished in order, with a bound on the bytes under way.

`submit` starts a piece of work at once and takes in what is ready at the front of the queue; when too many bytes are under way it
waits for the front. What finishes a piece runs in the caller's thread, in the order of submission. One caller; only the work itself
is in other threads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, NamedTuple, ParamSpec, TypeVar

T = TypeVar("T")


P = ParamSpec("P")


class InlineExecutor(Executor):
    """Does each piece of work at once in the caller's thread: for one small file, handing it to another takes longer than it."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - it is the future's, as it would be from a thread
            future.set_exception(error)
        return future


class _Piece(NamedTuple):
    size: int
    result: Future[Any] | None
    finish: Callable[[Any], None]


class Pipeline:
    """An ordered queue over an executor; `limit` is bytes."""

    def __init__(self, executor: Executor, limit: int) -> None:
        self._executor = executor
        self._limit = limit
        self._queue: deque[_Piece] = deque()
        self._size = 0

    def submit(self, size: int, work: Callable[[], T], finish: Callable[[T], None]) -> None:
        """Run `work`, which holds `size` bytes, in a thread; call `finish` with its result when all before it is finished."""
        while self._queue and (self._is_ready() or self._size + size > self._limit):
            self._finish_front()
        self._size += size
        self._queue.append(_Piece(size, self._executor.submit(work), finish))

    def then(self, finish: Callable[[None], None]) -> None:
        """Call `finish` when all submitted before is finished."""
        self._queue.append(_Piece(0, None, finish))

    def drain(self) -> None:
        """Returns when everything is finished; raises the first error."""
        while self._queue:
            self._finish_front()

    def cancel(self) -> None:
        """Give up what is not finished, and wait for what runs: it may be using the caller's buffers."""
        for piece in self._queue:
            if piece.result is not None and not piece.result.cancel():
                piece.result.exception()
        self._queue.clear()
        self._size = 0

    def _is_ready(self) -> bool:
        result = self._queue[0].result
        return result is None or result.done()

    def _finish_front(self) -> None:
        piece = self._queue[0]
        result = piece.result.result() if piece.result is not None else None
        self._queue.popleft()
        self._size -= piece.size
        piece.finish(result)
