"""Read-ahead across files: who reads in order gets whole groups, who picks files here and there pays for those alone."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from random import Random

from artfs.content.chunk_map import ChunkMap
from artfs.content.file_sequences import FileSequences
from artfs.content.paces import far
from artfs.content.prefetch import Pace
from artfs.errors import StoreUnavailable
from artfs.model.entry import ChunkRef, Entry
from tests.unit.content.chunk_box import ChunkBox
from tests.unit.content.made_entries import file_entry

FILES = [file_entry(f"f{number:05}") for number in range(10_000)]
SIZE = FILES[0].size
PACE = far(256 << 20).across or Pace()


class Fetched:
    """Notes what was fetched: ahead, and by the reader itself where that had not come yet."""

    def __init__(self) -> None:
        self.chunks: set[ChunkRef] = set()
        self.calls = 0
        self.error: Exception | None = None
        self._lock = threading.Lock()

    def __call__(self, refs: Sequence[ChunkRef]) -> None:
        if self.error is not None:
            raise self.error
        new = {*refs} - self.chunks
        with self._lock:
            self.calls += bool(new)
            self.chunks |= new

    @property
    def size(self) -> int:
        return sum(ref.stored_size for ref in self.chunks)


def read(order: Iterable[int], fetched: Fetched, files: Sequence[Entry] = FILES) -> None:
    """Read files whole, one after the other, each when everything that was asked for before has come."""
    sequences = FileSequences(fetched, ChunkMap(ChunkBox()), PACE)
    for number in order:
        entry = files[number]
        sequences.note(entry, 0, entry.size, lambda number=number: iter(files[number + 1 :]))  # type: ignore[misc]
        fetched(entry.content.refs)
        wait_until_idle(sequences)
    sequences.close()


def wait_until_idle(sequences: FileSequences) -> None:
    """Everything asked for so far has come."""
    while any(each.is_extending for each in sequences._sequences.values()) or sequences._steps:
        barrier = threading.Barrier(PACE.threads + 1)
        for _ in range(PACE.threads):
            sequences._workers.submit(lambda barrier=barrier: barrier.wait(60))  # type: ignore[misc]
        barrier.wait(60)


def shuffled(numbers: Iterable[int], by: int) -> list[int]:
    """The numbers in an order in which each is at most `by` places from where it was."""
    random = Random(by)
    return sorted(numbers, key=lambda number: number + random.random() * by)


def batches(count: int, readers: int, batch: int) -> Iterator[int]:
    """The order in which several readers at the same speed begin files, each taking the next batch when it has read one."""
    for first in range(0, count, readers * batch):
        for place in range(batch):
            yield from (first + reader * batch + place for reader in range(readers))


def test_files_read_in_order_come_in_large_groups_and_once() -> None:
    fetched = Fetched()
    read(range(2_000), fetched)
    assert fetched.calls <= (2_000 * SIZE + PACE.largest) // PACE.most_step + 20
    assert fetched.size <= 2_000 * SIZE + PACE.largest


def test_it_never_asks_for_more_than_the_largest_window_ahead() -> None:
    fetched = Fetched()
    places = {ref: place for place, entry in enumerate(FILES) for ref in entry.content.refs}
    sequences = FileSequences(fetched, ChunkMap(ChunkBox()), PACE)
    for number in range(5_000):
        sequences.note(FILES[number], 0, SIZE, lambda number=number: iter(FILES[number + 1 :]))  # type: ignore[misc]
        if number % 500 == 0:
            wait_until_idle(sequences)
            assert max((places[ref] for ref in fetched.chunks), default=0) <= number + PACE.largest // SIZE + 1
    sequences.close()


def test_readers_of_a_pool_who_share_an_order_are_one_sequence() -> None:
    fetched = Fetched()
    read(shuffled(range(2_000), 16), fetched)
    assert fetched.calls <= 80


def test_readers_who_take_turns_with_batches_have_their_files_ahead() -> None:
    fetched = Fetched()
    read(batches(2_048, 8, 64), fetched)
    assert fetched.calls <= 2_048 // 10


def test_few_files_picked_anywhere_are_all_that_is_fetched() -> None:
    for count in (100, 1_000):
        fetched = Fetched()
        read(Random(count).sample(range(len(FILES)), count), fetched)
        assert fetched.size <= 1.05 * count * SIZE


def test_who_begins_files_out_of_order_near_each_other_ends_the_sequence() -> None:
    fetched = Fetched()
    read(range(0, 4_000, 5), fetched)
    assert fetched.size <= 2 * 800 * SIZE + (4 << 20)


def test_a_long_file_among_small_ones_is_begun_and_not_read_whole() -> None:
    long = file_entry("f00010", size=1 << 20, chunk_count=100)
    files = [*FILES[:10], long, *FILES[11:30]]
    fetched = Fetched()
    read(range(10), fetched, files)
    assert 0 < len(fetched.chunks & {*long.content.refs}) <= PACE.most_step >> 20


def test_files_that_cannot_be_fetched_ahead_are_the_readers_business() -> None:
    fetched = Fetched()
    fetched.error = StoreUnavailable("the store is away")
    sequences = FileSequences(fetched, ChunkMap(ChunkBox()), PACE)
    for number in range(100):
        sequences.note(FILES[number], 0, SIZE, lambda number=number: iter(FILES[number + 1 :]))  # type: ignore[misc]
    wait_until_idle(sequences)
    sequences.close()
    assert not fetched.chunks
