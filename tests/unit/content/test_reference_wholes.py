"""References as a whole: from homes that give nothing else, and streamed from front to back (I9)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from artfs.chunks.shared_fetches import SharedFetches
from artfs.content.reference_reader import ReferenceReader
from artfs.errors import ReferenceChanged, ReferenceUnavailable, StoreFull
from artfs.model.entry import Reference
from artfs.references.protocol import Fetched, Piece
from artfs.references.references import References
from tests.unit.content.made_bytes import noise
from tests.unit.content.memory_home import Endless, Given, MemoryHome, Opener, Remote

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


class SlowToLetGo(MemoryHome):
    """Gives what `home` gives, and waits for `go_on` whenever an answer is closed."""

    def __init__(self, home: MemoryHome, go_on: threading.Event) -> None:
        super().__init__(home.things)
        self._go_on = go_on

    def fetch(self, reference: Reference, offset: int, length: int) -> Fetched:
        fetched = super().fetch(reference, offset, length)

        def pieces() -> Iterator[Piece]:
            try:
                yield from fetched.pieces
            finally:
                self._go_on.wait()

        return replace(fetched, pieces=pieces())


class TestWholeBodies:
    """Homes that give nothing but the whole."""

    def test_the_whole_of_a_large_one_is_fetched_once(self, remote: Remote, opened: Opener) -> None:
        content = Endless(6 * MIB)
        entry = remote.put("f", content, gives_ranges=False)
        reader = opened()
        for offset in [3 * MIB, 0, 5 * MIB, *range(0, 6 * MIB, 512 * KIB)]:
            assert reader.read(entry, offset, 512 * KIB) == content.read(offset, offset + 512 * KIB)
        assert len(remote.home.fetches) == 1

    def test_readers_at_the_same_time_share_it(self, remote: Remote, opened: Opener) -> None:
        content = Endless(20 * MIB)
        entry = remote.put("f", content, gives_ranges=False)
        reader = opened()
        offsets = [number * 2 * MIB for number in range(10)]
        with ThreadPoolExecutor(10) as threads:
            found = list(threads.map(lambda offset: reader.read(entry, offset, 1000), offsets))
        assert found == [content.read(offset, offset + 1000) for offset in offsets]
        assert remote.home.bytes_sent <= len(content) + 10 * MIB

    @pytest.mark.parametrize("size", [1000, 5 * MIB])
    def test_no_byte_is_used_before_the_digest_is_right(self, remote: Remote, opened: Opener, size: int) -> None:
        good = noise(size)
        entry = remote.put("f", good, etag=None)
        reader = opened()
        remote.home.things["mem://box/f"].content = Given(good[:-1] + b"!")
        for _ in range(2):
            with pytest.raises(ReferenceChanged, match="recorded digest"):
                reader.read(entry, 0, 10)
        with pytest.raises(ReferenceChanged, match="recorded digest"):
            next(reader.iter_bytes(entry))
        remote.home.things["mem://box/f"].content = Given(good)
        assert reader.read(entry, 5, 10) == good[5:15]
        assert b"".join(reader.iter_bytes(entry)) == good

    def test_the_beginning_of_a_huge_one_does_not_bring_all(self, remote: Remote, opened: Opener) -> None:
        content = Endless(10 * GIB)
        entry = remote.put("f", content, gives_ranges=False)
        reader = opened()
        assert reader.read(entry, 0, 4096) == content.read(0, 4096)
        reader.close()
        assert remote.home.bytes_sent < 100 * MIB

    def test_one_that_breaks_off_is_an_error_and_is_asked_for_again(self, remote: Remote, opened: Opener) -> None:
        content = Endless(5 * MIB)
        entry = remote.put("f", content, gives_ranges=False)
        reader = opened()
        remote.home.break_offs = [2 * MIB]
        with pytest.raises(ReferenceUnavailable):
            reader.read(entry, 3 * MIB, 10)
        assert reader.read(entry, 3 * MIB, 10) == content.read(3 * MIB, 3 * MIB + 10)

    def test_nothing_with_a_name_is_left_in_the_folder(self, remote: Remote, opened: Opener, tmp_path: Path) -> None:
        entry = remote.put("f", Endless(5 * MIB), gives_ranges=False)
        opened().read(entry, 0, 10)
        assert list((tmp_path / "spools").iterdir()) == []

    def test_messages_do_not_show_what_lets_in(self, remote: Remote, opened: Opener, tmp_path: Path) -> None:
        entry = remote.put("f?X-Amz-Signature=5ec3e7", Endless(5 * MIB), gives_ranges=False)
        (tmp_path / "spools").write_bytes(b"no folder")
        with pytest.raises(StoreFull, match=r"mem://box/f\?X-Amz-Signature=… cannot be kept in .*make room") as caught:
            opened().read(entry, 0, 10)
        assert "5ec3e7" not in str(caught.value)

    def test_one_that_there_is_no_room_for_says_so(self, remote: Remote, tmp_path: Path) -> None:
        entry = remote.put("f", Endless(50 * MIB), gives_ranges=False)
        told = threading.Event()
        # Its thread is still busy letting go of the connection when the reader is told.
        references = References({"mem": SlowToLetGo(remote.home, told)})
        reader = ReferenceReader(references, SharedFetches(64 * MIB), tmp_path / "spools", reserve=lambda size: None)
        with pytest.raises(StoreFull, match=r"comes only as a whole.*raise cache_limit"):
            reader.read(entry, 0, 100)
        told.set()
        reader.close()

    def test_few_are_kept(self, remote: Remote, opened: Opener) -> None:
        content = Endless(2 * MIB)
        reader = opened()
        entries = [remote.put(f"f{number}", content, gives_ranges=False, etag=f'"{number}"') for number in range(20)]
        for entry in entries:
            assert reader.read(entry, MIB, 10) == content.read(MIB, MIB + 10)
            assert reader.read(entry, 2 * MIB - 5, 10) == content.read(2 * MIB - 5, 2 * MIB)
        assert len(reader._spools._spools) <= 4 + 8


class TestStreams:
    """The whole from front to back."""

    @pytest.mark.parametrize("size", [1, 1000, MIB, MIB + 1, 30 * MIB + 17])
    @pytest.mark.parametrize("how", [{}, {"gives_ranges": False}, {"etag": None}])
    @pytest.mark.parametrize("memory", [0, 256 * MIB])
    def test_pieces_make_up_the_content(
        self, remote: Remote, opened: Opener, size: int, how: dict[str, object], memory: int
    ) -> None:
        content = Endless(size)
        entry = remote.put("f", content, **how)
        reader = opened(memory)
        for is_scratch in (False, True):
            assert b"".join(reader.iter_bytes(entry, is_scratch=is_scratch)) == content.read(0, size)

    def test_every_byte_comes_once_in_large_ranges(self, remote: Remote, opened: Opener) -> None:
        content = Endless(200 * MIB)
        entry = remote.put("f", content)
        assert sum(map(len, opened().iter_bytes(entry))) == len(content)
        assert remote.home.bytes_sent == len(content)
        assert len(remote.home.fetches) < 45

    def test_ranges_are_under_way_while_one_is_used(self, remote: Remote, opened: Opener) -> None:
        entry = remote.put("f", Endless(200 * MIB))
        pieces = opened().iter_bytes(entry)
        most, running = 0, 0
        lock, enough = threading.Lock(), threading.Event()

        def count(offset: int, length: int) -> None:
            nonlocal most, running
            with lock:
                running += 1
                most = max(most, running)
                if running == 8:
                    enough.set()
            if offset > 60 * MIB:
                enough.wait(10)
            with lock:
                running -= 1

        remote.home.on_fetch = count
        assert sum(map(len, pieces)) == 200 * MIB
        assert 4 <= most <= 9

    def test_a_connection_that_breaks_off_is_resumed(self, remote: Remote, opened: Opener) -> None:
        content = Endless(20 * MIB)
        entry = remote.put("f", content)
        remote.home.break_offs = [300 * KIB, 400 * KIB, MIB, 100]
        assert b"".join(opened().iter_bytes(entry)) == content.read(0, len(content))

    def test_one_that_brings_nothing_is_an_error(self, remote: Remote, opened: Opener) -> None:
        entry = remote.put("f", Endless(20 * MIB))
        remote.home.break_offs = [300 * KIB, 0]
        with pytest.raises(ReferenceUnavailable, match="ended early"):
            list(opened().iter_bytes(entry))

    def test_many_streams_that_stand_still_do_not_keep_another_from_going_on(self, remote: Remote, opened: Opener) -> None:
        content = Endless(40 * MIB)
        reader = opened()
        standing = []
        for number in range(6):
            pieces = reader.iter_bytes(remote.put(f"f{number}", content, etag=f'"{number}"'))
            standing.append([next(pieces) for _ in range(20)])
            standing.append(pieces)  # type: ignore[arg-type]
        entry = remote.put("last", content, etag='"last"')
        assert b"".join(reader.iter_bytes(entry)) == content.read(0, len(content))

    def test_one_that_is_dropped_gives_back_its_room(self, remote: Remote, opened: Opener) -> None:
        content = Endless(60 * MIB)
        entry = remote.put("f", content)
        reader = opened()
        for _ in range(5):
            pieces = reader.iter_bytes(entry)
            for _ in range(100):
                next(pieces)
            del pieces
        with pytest.raises(ValueError, match="released too many times"):
            _release_all(reader)

    def test_one_goes_on_when_the_reader_is_closed(self, remote: Remote, opened: Opener) -> None:
        content = Endless(20 * MIB)
        entry = remote.put("f", content)
        reader = opened()
        gate = threading.Event()
        for _ in range(8):  # so that what is asked for ahead does not begin
            reader._streams._workers.submit(lambda: gate.wait(30))
        pieces = reader.iter_bytes(entry)
        begun = [next(pieces) for _ in range(MIB // (256 * KIB) + 1)]
        reader.close()
        gate.set()
        assert b"".join([*begun, *pieces]) == content.read(0, len(content))
        with pytest.raises(ValueError, match="released too many times"):
            _release_all(reader)

    def test_a_change_in_the_middle_is_an_error(self, remote: Remote, opened: Opener) -> None:
        entry = remote.put("f", Endless(60 * MIB))
        pieces = opened().iter_bytes(entry)
        next(pieces)
        remote.put("f", Endless(60 * MIB), etag='"e2"')
        with pytest.raises(ReferenceChanged):
            list(pieces)


def _release_all(reader: ReferenceReader) -> None:
    room = reader._streams._room
    for _ in range(8):
        assert room.acquire(timeout=30)
    for _ in range(9):
        room.release()
