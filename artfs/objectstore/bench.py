"""What an object store gives: latency, throughput at several depths, listing, and whether it keeps to conditions and checksums.

Measured through `ObjectStore`, so that it is what artfs gets, checksums and retries included; only a store in a bucket is asked for
more. Everything is written below one prefix with a random name and deleted at the end, whatever the end is: a failure, Ctrl-C, or
the last figure. Only where the store went away nobody waits for it a second time: then the error says what may be left.

One caller; requests are made by threads that have all ended when a call returns.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from artfs.errors import AccessDenied, StoreUnavailable
from artfs.objectstore.bucket import BucketStore
from artfs.objectstore.protocol import ObjectStore

SMALL_SIZE = 4 << 10
RANGE_SIZE = 8 << 20
#: A pack of artfs.
PUT_SIZE = 32 << 20
_CLEANING_THREADS = 16


@dataclass(frozen=True, slots=True)
class BenchSize:
    """How much is measured. `budget_s` bounds what one line of reading takes, of which every thread makes one request at least."""

    small_objects: int = 512
    small_gets: int = 200
    small_threads: Sequence[int] = (1, 16)
    reads_in_flight: Sequence[int] = (1, 8, 16, 32)
    puts_in_flight: Sequence[int] = (1, 4, 8)
    puts_each: int = 2
    budget_s: float = 4.0


QUICK = BenchSize(small_objects=64, small_gets=40, reads_in_flight=(1, 8), puts_in_flight=(1, 4), puts_each=1, budget_s=1.0)


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds that half, and 19 of 20, small requests took at most, and how many there were in a second."""

    threads: int
    p50_s: float
    p95_s: float
    per_s: float


@dataclass(frozen=True, slots=True)
class Throughput:
    """Bytes a second with so many requests in flight."""

    in_flight: int
    bytes_per_s: float


@dataclass(frozen=True, slots=True)
class BenchFigures:
    """`is_conditional`: a second put of a key left the first object as it was. `refuses_damage`: what did not fit its checksum was
    refused. `keeps_versions`: what is deleted stays as an old version. The last two are None for a store that is no bucket, and the
    last one where the bucket does not tell.
    """

    small_gets: Sequence[Latency]
    range_reads: Sequence[Throughput]
    puts: Sequence[Throughput]
    listed_per_s: float
    is_conditional: bool
    refuses_damage: bool | None = None
    keeps_versions: bool | None = None


def bench_store(store: ObjectStore, size: BenchSize, on_step: Callable[[str], object] | None = None) -> BenchFigures:
    """Measure `store`; `on_step` is told what comes next. Raises what the store raises, and leaves nothing behind.

    StoreUnavailable says which step that was, and what may be left.
    """
    bench = _Bench(store, size, on_step or (lambda _: None))
    try:
        figures = bench.run()
    except StoreUnavailable as error:
        raise bench.explained(error) from error
    except BaseException:
        bench.clean_up()
        raise
    bench.clean_up()
    return figures


class _Bench:
    def __init__(self, store: ObjectStore, size: BenchSize, on_step: Callable[[str], object]) -> None:
        self._store = store
        self._size = size
        self._tell = on_step
        self._step = ""
        self._prefix = f"bench/{secrets.token_hex(8)}/"
        self._stop = threading.Event()
        #: All that may be there: who may put and delete need not be allowed to list.
        self._keys: set[str] = set()

    def run(self) -> BenchFigures:
        size = self._size
        self._meet()
        self._on_step(f"put {size.small_objects} small objects")
        small = [f"{self._prefix}small/{number:05}" for number in range(size.small_objects)]
        content = os.urandom(SMALL_SIZE)
        self._in_threads(16, [partial(self._put, key, content) for key in small])
        latencies = [self._measure_small(small, threads) for threads in size.small_threads]
        self._on_step("list")
        begin = time.perf_counter()
        listed = sum(1 for _ in self._store.iter_objects(f"{self._prefix}small/"))
        listed_per_s = listed / (time.perf_counter() - begin)
        is_conditional = self._measure_condition()
        refuses_damage, keeps_versions = self._ask_bucket()
        puts = [self._measure_puts(count) for count in size.puts_in_flight]
        return BenchFigures(
            small_gets=latencies,
            range_reads=[self._measure_reads(count) for count in size.reads_in_flight],
            puts=puts,
            listed_per_s=listed_per_s,
            is_conditional=is_conditional,
            refuses_damage=refuses_damage,
            keeps_versions=keeps_versions,
        )

    def clean_up(self) -> None:
        """Delete all that was put. What cannot be deleted is left, with an error that names it."""
        self._stop.clear()  # all threads that it was meant for have ended
        self._on_step("clean up")
        try:
            self._in_threads(_CLEANING_THREADS, [partial(self._store.delete, key) for key in sorted(self._keys)])
        except StoreUnavailable as error:
            raise self.explained(error) from error

    def explained(self, error: StoreUnavailable) -> StoreUnavailable:
        """The error with what was being done, and where what was put is left."""
        left = f"; what was put is left below {self._prefix} of the address" if self._keys else ""
        return StoreUnavailable(f"at the step '{self._step}': {error}{left}")

    def _on_step(self, step: str) -> None:
        self._step = step
        self._tell(step)

    def _meet(self) -> None:
        """Fail soon where nobody answers: what is only asked for is waited for much shorter than a write."""
        self._on_step("connect")
        with contextlib.suppress(AccessDenied):  # what is allowed shows in what follows
            self._store.has(f"{self._prefix}nothing")

    def _put(self, key: str, data: bytes) -> None:
        # Noted before: of a put that fails nobody knows whether the object is there.
        self._keys.add(key)
        try:
            self._store.put(key, [data])
        except AccessDenied:
            # Not there; and who may not put may not delete either, which would be told in place of this.
            self._keys.discard(key)
            raise

    def _measure_small(self, keys: Sequence[str], threads: int) -> Latency:
        self._on_step(f"get small objects, {threads} at once")
        times: list[float] = []

        def get(key: str) -> None:
            begin = time.perf_counter()
            self._store.get(key)
            times.append(time.perf_counter() - begin)

        wanted = [keys[number % len(keys)] for number in range(self._size.small_gets * (1 if threads == 1 else 4))]
        started = time.perf_counter()
        self._in_threads(threads, [partial(get, key) for key in wanted])
        per_s = len(wanted) / (time.perf_counter() - started)
        times.sort()
        return Latency(threads, times[len(times) // 2], times[len(times) * 19 // 20], per_s)

    def _measure_condition(self) -> bool:
        self._on_step("put twice")
        key = f"{self._prefix}twice"
        self._put(key, b"first")
        self._put(key, b"later")
        return self._store.get(key) == b"first"

    def _ask_bucket(self) -> tuple[bool | None, bool | None]:
        if not isinstance(self._store, BucketStore):
            return None, None
        self._on_step("put what does not fit its checksum")
        key = f"{self._prefix}damaged"
        self._keys.add(key)
        return self._store.refuses_damage(key), self._store.keeps_versions()

    def _measure_puts(self, in_flight: int) -> Throughput:
        self._on_step(f"put 32 MiB, {in_flight} at once")
        data = os.urandom(PUT_SIZE)
        count = in_flight * self._size.puts_each
        keys = [f"{self._prefix}large/{in_flight}-{number}" for number in range(count)]
        begin = time.perf_counter()
        self._in_threads(in_flight, [partial(self._put, key, data) for key in keys])
        rate = count * PUT_SIZE / (time.perf_counter() - begin)
        # One stays, to be read; the others would fill the store for nothing.
        self._in_threads(in_flight, [partial(self._store.delete, key) for key in keys[1:]])
        return Throughput(in_flight, rate)

    def _measure_reads(self, in_flight: int) -> Throughput:
        self._on_step(f"read 8 MiB, {in_flight} at once")
        key = f"{self._prefix}large/{self._size.puts_in_flight[0]}-0"
        offsets = range(0, PUT_SIZE, RANGE_SIZE)
        begin = time.perf_counter()
        deadline = begin + self._size.budget_s
        done: list[int] = []

        def read(number: int) -> None:
            while True:
                done.append(len(self._store.read_range(key, offsets[number % len(offsets)], RANGE_SIZE)))
                number += 1
                if time.perf_counter() >= deadline or self._stop.is_set():
                    return

        self._in_threads(in_flight, [partial(read, number) for number in range(in_flight)])
        return Throughput(in_flight, sum(done) / (time.perf_counter() - begin))

    def _in_threads(self, count: int, calls: Sequence[Callable[[], object]]) -> None:
        """Make all calls, `count` at once. After an error or Ctrl-C none is begun, and those under way are waited for."""

        def make(call: Callable[[], object]) -> None:
            if self._stop.is_set():  # else the thread whose call failed would wait for the next one as long
                return
            try:
                call()
            except BaseException:
                self._stop.set()
                raise

        with ThreadPoolExecutor(count, thread_name_prefix="artfs-bench") as threads:
            futures = [threads.submit(make, call) for call in calls]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                self._stop.set()
                threads.shutdown(wait=False, cancel_futures=True)
                raise
