"""Local files and bytes into the store: everything one commit writes, under one lease.

An ingest cuts, digests, compresses and packs; it does not know versions. Until the commit that follows it, what it stored is kept
by its lease alone (I4), but is found by who stores the same. File data and manifest data (pages, roots, chunk lists) go into packs
of their own, so that reading a manifest does not hop over data.

Thread-safe: several threads may add to one ingest. `finish` and `abort` come last and once all calls of `add_…` have returned.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from itertools import count
from pathlib import Path

from typing_extensions import Buffer

from artfs.chunks.cutter import cut
from artfs.content.add_files import WHOLE_SIZE, FileAdder
from artfs.content.chunk_sink import ChunkSink, PackIndex, Prepared
from artfs.content.content_builder import ContentBuilder
from artfs.content.memo import Memo
from artfs.content.pipeline import InlineExecutor
from artfs.content.source import stat_source
from artfs.content.walk import FoundFile
from artfs.model.digest import Digest, digest_of
from artfs.model.entry import ChunkRef, Entry, LeaseId, PackId, make_pack_id
from artfs.model.progress import OnFilesDone
from artfs.objectstore.protocol import ObjectStore

_MOST_THREADS = 4
#: Of the program, not of the thread that asks: a mount has threads on one of them while many read.
_PROCESSORS = len(os.sched_getaffinity(0))
#: As many where the processors are fewer, for a store that is far away: so is its registry then, and threads wait for its answers.
_LEAST_THREADS_REMOTE = 4


class Ingest:
    """Adds content for one commit. `memo_dir` None means that local files are always read."""

    def __init__(
        self,
        *,
        entity: str,
        lease: LeaseId,
        objects: ObjectStore,
        packs: PackIndex,
        memo_dir: Path | None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.entity = entity
        self.lease = lease
        self._sequence = count()
        self._data = ChunkSink(entity, lease, objects, packs, self._next_pack)
        self._manifest = ChunkSink(entity, lease, objects, packs, self._next_pack)
        self._memo = Memo(memo_dir, entity, packs, now_ns=now_ns)
        self._executor: ThreadPoolExecutor | None = None
        self._executor_lock = threading.Lock()
        self._least_threads = _LEAST_THREADS_REMOTE if objects.is_remote else 1

    @property
    def stored_bytes(self) -> int:
        """Bytes of chunks that were new and are stored, or on their way, by now."""
        return self._data.stored_bytes + self._manifest.stored_bytes

    def add_file(self, source: Path, path: str) -> Entry:
        """Take in the content of the file `source`; the entry is for `path` of the artifact.

        Raises SourceNotReadable if it is missing, unreadable, no regular file, or changes while it is read.
        """
        # A long file is cut here and its chunks prepared by threads; a short one is over before a thread has woken up.
        file = _find_file(path, source)
        return self._add([file], InlineExecutor() if file.stamp.size <= WHOLE_SIZE else self._threads(), None)[0]

    def add_files(self, items: Iterable[tuple[str, Path]], on_progress: OnFilesDone | None = None) -> list[Entry]:
        """Take in many files, given as (path, file), in parallel; their entries, in the same order.

        `on_progress(files, bytes)` is called in this thread with what is done so far. After an error the ingest is as good as
        before; what was stored for the files before the bad one is found again when they are added again.
        """
        return self.add_found((_find_file(path, source) for path, source in items), on_progress)

    def add_found(self, files: Iterable[FoundFile], on_progress: OnFilesDone | None = None) -> list[Entry]:
        """As `add_files`, for files that a walk has looked at."""
        return self._add(files, self._threads(), on_progress)

    def add_bytes(self, data: Buffer, path: str, mtime_ns: int | None = None, *, executable: bool = False) -> Entry:
        """Take in bytes from memory. `mtime_ns` None means now."""
        view = memoryview(data).cast("B")
        pieces = cut(view, final=True)
        builder = ContentBuilder(self._manifest.put)
        builder.add(self._data.store(self._data.prepare(pieces)))
        return Entry(
            path,
            size=len(view),
            executable=executable,
            mtime_ns=time.time_ns() if mtime_ns is None else mtime_ns,
            digest=digest_of(view),
            content=builder.finish(),
        )

    def put_chunk(self, data: bytes) -> ChunkRef:
        """Store a manifest page, root or chunk list."""
        return self._manifest.put(data)

    def find_chunks(self, digests: Sequence[Digest]) -> dict[Digest, ChunkRef]:
        """Where those chunks of files lie that need not be stored again. For any thread."""
        return self._data.find(digests)

    def add_encoded(self, chunks: Sequence[Prepared]) -> list[ChunkRef]:
        """Store chunks of files that were found nowhere (`find_chunks`), as another store has them; their places, in order.

        The caller has verified them (I3).
        """
        return self._data.store(chunks)

    def flush(self) -> None:
        """Returns when everything added so far can be read from the object store; more may be added meanwhile and afterwards."""
        # The last pack of data and that of the manifest go together: nothing names the manifest before both are durable (I1).
        self._data.send()
        self._manifest.flush()
        self._data.flush()

    def finish(self) -> None:
        """Returns when everything added is durable and in the registry (I1)."""
        self.flush()
        self._memo.save()
        self._stop_threads()

    def abort(self) -> None:
        """Give up what is not stored yet; what is stored is garbage, which gc finds by the lease.

        What was learned about files stays: an ingest that found nothing new is given up as well.
        """
        self._stop_threads()
        self._data.discard()
        self._manifest.discard()
        self._memo.save()

    def _add(self, files: Iterable[FoundFile], executor: Executor, on_progress: OnFilesDone | None) -> list[Entry]:
        return FileAdder(executor, self._data, self._manifest, self._memo, on_progress).run(files)

    def _next_pack(self) -> PackId:
        return make_pack_id(self.lease, next(self._sequence))

    def _threads(self) -> ThreadPoolExecutor:
        with self._executor_lock:
            if self._executor is None:
                workers = min(_MOST_THREADS, max(_PROCESSORS, self._least_threads))
                self._executor = ThreadPoolExecutor(workers, thread_name_prefix="artfs-ingest")
            return self._executor

    def _stop_threads(self) -> None:
        with self._executor_lock:
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown()


def _find_file(path: str, source: Path) -> FoundFile:
    place = os.fspath(source)
    return FoundFile(path, place, stat_source(place))
