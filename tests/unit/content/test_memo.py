"""The memo: unchanged files are not read again, and no file that could have changed is taken for unchanged."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from artfs.content.devices import fuse_devices
from artfs.content.memo import RACY_MARGIN_NS, Memo, root_of
from artfs.content.memo_file import decode_memo, encode_memo, encode_stamp
from artfs.content.source import stat_source
from artfs.content.stamp import Stamp
from artfs.model.digest import digest_of
from artfs.model.entry import ChunkRef, Content, LeaseId, make_pack_id
from tests.unit.content.made_bytes import noise
from tests.unit.content.workbench import DictPackIndex, Workbench

PACK = make_pack_id(LeaseId(b"memo-lease.."), 1)


def memo_files(bench: Workbench) -> list[Path]:
    return sorted((bench.folder / "memo").glob("*"))


def lookups_of(bench: Workbench, files: list[tuple[str, Path]]) -> int:
    """How many chunks were looked up to add the files with a memo: none if no file was read."""
    before = sum(bench.packs.lookups)
    bench.add(files, memo=True)
    return sum(bench.packs.lookups) - before


@pytest.fixture
def files(bench: Workbench) -> list[tuple[str, Path]]:
    sizes = {"a": 10, "b": 0, "d/c": 200_000, "d/long": 5_000_000}
    return [(path, bench.write_file(f"src/{path}", noise(size, size))) for path, size in sizes.items()]


def test_unchanged_files_are_not_read_again(bench: Workbench, files: list[tuple[str, Path]]) -> None:
    first, _ = bench.add(files, memo=True)
    before = sum(bench.packs.lookups)
    again, ingest = bench.add(files, memo=True)
    assert again == first
    assert sum(bench.packs.lookups) == before
    assert ingest.stored_bytes == 0


def test_a_long_file_with_chunk_lists_is_remembered(bench: Workbench) -> None:
    place = bench.folder / "src" / "sparse"
    place.parent.mkdir()
    with place.open("wb") as file:
        for number in range(1100):  # more chunks than an entry names itself, as zeros are cut at the largest size
            file.seek((number + 1) * (256 << 10) - 8)
            file.write(number.to_bytes(8, "big"))
    first, _ = bench.add([("sparse", place)], memo=True)
    assert first[0].content.is_indirect
    assert lookups_of(bench, [("sparse", place)]) == 0
    assert bench.add([("sparse", place)], memo=True)[0] == first


def test_only_the_changed_file_is_read_again(bench: Workbench, files: list[tuple[str, Path]]) -> None:
    bench.add(files, memo=True)
    bench.write_file("src/a", b"something else")
    assert lookups_of(bench, files) == 1
    assert lookups_of(bench, files) == 0


def test_same_size_and_mtime_is_not_enough(bench: Workbench) -> None:
    place = bench.write_file("src/f", b"one")
    os.utime(place, ns=(1, 1))
    bench.add([("f", place)], memo=True)
    place.write_bytes(b"two")
    os.utime(place, ns=(1, 1))  # the ctime cannot be set back
    (entry,), _ = bench.add([("f", place)], memo=True)
    assert entry.digest == digest_of(b"two")


def test_a_file_stamped_just_now_is_not_trusted(bench: Workbench) -> None:
    place = bench.write_file("src/f", b"one")
    ingest = bench.ingest(memo=True, later_ns=RACY_MARGIN_NS // 2)
    ingest.add_file(place, "f")
    ingest.finish()
    bench.packs.commit()
    assert lookups_of(bench, [("f", place)]) == 1  # read again, and by now old enough to be remembered
    assert lookups_of(bench, [("f", place)]) == 0


def test_an_ingest_that_is_given_up_leaves_what_it_learned(bench: Workbench, files: list[tuple[str, Path]]) -> None:
    bench.add(files)
    nothing_new = bench.ingest(memo=True)
    nothing_new.add_files(files)
    nothing_new.abort()
    assert lookups_of(bench, files) == 0


def test_stamps_of_a_fuse_file_system_mean_nothing(tmp_path: Path) -> None:
    mount_info = tmp_path / "mountinfo"
    mount_info.write_text(
        "36 35 0:77 / /mnt rw,noatime shared:1 - fuse.artfs artfs#x rw\n"
        "37 35 8:1 / /disk rw - fuseblk /dev/sda1 rw\n"
        "damaged\n38 35 x:y / /odd rw - fuse odd rw\n"
    )
    packs = DictPackIndex()
    packs.committed.add(PACK)
    known = (digest_of(b"x"), Content((ChunkRef(digest_of(b"x"), 1, PACK, 0, 1),)))
    memo = Memo(tmp_path / "memo", "tester", packs, mount_info=mount_info)
    for device, expected in ((os.makedev(0, 77), None), (os.makedev(8, 1), known), (os.makedev(0, 1), known)):
        stamp = Stamp(device, 2, 1, 3, 4, 0o644)
        memo.record("/d/f", "f", stamp, 1 << 62, known)
        assert memo.find("/d/f", "f", stamp) == expected


def test_where_mounts_are_not_told_stamps_are_trusted(tmp_path: Path) -> None:
    assert fuse_devices(tmp_path / "nothing") == frozenset()


def test_content_in_packs_that_cannot_be_used_is_unknown(bench: Workbench, files: list[tuple[str, Path]]) -> None:
    bench.add(files, memo=True)
    bench.packs.committed.clear()
    assert lookups_of(bench, files) > 0


@pytest.mark.parametrize("damage", ["empty", "short", "flipped", "garbage", "folder", "other-version"])
def test_a_damaged_memo_is_ignored_and_written_anew(bench: Workbench, files: list[tuple[str, Path]], damage: str) -> None:
    first, _ = bench.add(files, memo=True)
    (file,) = memo_files(bench)
    data = file.read_bytes()
    if damage == "folder":
        file.unlink()
        file.mkdir()
    else:
        damaged = {
            "empty": b"",
            "short": data[:-5],
            "flipped": data[:-5] + bytes([data[-5] ^ 1]) + data[-4:],
            "garbage": noise(500),
            "other-version": data.replace(b"memo 1", b"memo 9"),
        }
        file.write_bytes(damaged[damage])
    assert lookups_of(bench, files) > 0
    if damage != "folder":
        assert bench.add(files, memo=True)[0] == first
        assert lookups_of(bench, files) == 0


def test_a_memo_folder_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    (tmp_path / "memo").write_bytes(b"a file in the folder's place")
    place = bench.write_file("src/f", b"data")
    bench.add([("f", place)], memo=True)
    (entry,), _ = bench.add([("f", place)], memo=True)
    assert entry.digest == digest_of(b"data")
    bench.close()


def test_old_memos_go_when_there_are_too_many(tmp_path: Path) -> None:
    packs = DictPackIndex()
    for number in range(5):
        place = tmp_path / f"src{number}" / "f"
        place.parent.mkdir()
        place.write_bytes(b"x")
        stamp = stat_source(str(place))
        memo = Memo(tmp_path / "memo", "tester", packs, now_ns=lambda: 1 << 62, total_size=400)
        memo.record(str(place), "f", stamp, 1 << 62, (digest_of(b"x"), Content((ChunkRef(digest_of(b"x"), 1, PACK, 0, 1),))))
        memo.save()
        for file in (tmp_path / "memo").iterdir():
            os.utime(file, ns=(0, file.stat().st_mtime_ns - 10**9))
    left = list((tmp_path / "memo").iterdir())
    assert 1 <= len(left) < 5
    assert sum(file.stat().st_size for file in left) <= 400
    packs.committed.add(PACK)
    memo = Memo(tmp_path / "memo", "tester", packs)
    assert memo.find(str(tmp_path / "src4" / "f"), "f", stat_source(str(tmp_path / "src4" / "f"))) is not None
    assert memo.find(str(tmp_path / "src0" / "f"), "f", stat_source(str(tmp_path / "src0" / "f"))) is None


def test_entities_do_not_share_memos(tmp_path: Path) -> None:
    packs = DictPackIndex()
    packs.committed.add(PACK)
    stamp = Stamp(1, 2, 1, 3, 4, 0o644)
    memo = Memo(tmp_path, "one", packs)
    memo.record("/d/f", "f", stamp, 1 << 62, (digest_of(b"x"), Content((ChunkRef(digest_of(b"x"), 1, PACK, 0, 1),))))
    memo.save()
    assert Memo(tmp_path, "one", packs).find("/d/f", "f", stamp) is not None
    assert Memo(tmp_path, "two", packs).find("/d/f", "f", stamp) is None


def test_without_a_folder_nothing_is_remembered() -> None:
    memo = Memo(None, "tester", DictPackIndex())
    stamp = Stamp(1, 2, 0, 3, 4, 0o644)
    memo.record("/d/f", "f", stamp, 1 << 62, (digest_of(b""), Content()))
    assert memo.find("/d/f", "f", stamp) is None
    memo.save()


def test_hostile_memos_never_raise() -> None:
    known = {
        encode_stamp(Stamp(1, number, number, 5, 6, 0)): (
            digest_of(bytes(number)),
            Content((ChunkRef(digest_of(bytes(number)), number, PACK, 0, number),)),
        )
        for number in range(1, 20)
    }
    data = encode_memo(known)
    rows = decode_memo(data)
    assert rows is not None
    assert {key: rows.find(key, number) for number, key in enumerate(known, 1)} == known
    rng = random.Random(1)
    for _ in range(300):
        body = bytearray(data[45:])
        for _ in range(rng.randrange(1, 8)):
            body[rng.randrange(len(body))] = rng.randrange(256)
        found = decode_memo(data[:13] + digest_of(body) + bytes(body))  # as if the digest were right
        if found is not None:
            for number, key in enumerate(known, 1):
                result = found.find(key, number)
                assert result is None or sum(ref.size for ref in result[1].refs) == number


@pytest.mark.parametrize(
    ("place", "path", "root"),
    [
        ("/data/set/a/b.png", "a/b.png", "/data/set"),
        ("/data/set/a/b.png", "prefix/a/b.png", "/data/set"),
        ("/data/set/b.png", "other.png", "/data/set"),
        ("/data/images/b.png", "images/b.png", "/data"),
        ("b.png", "b.png", ""),
        ("/b.png", "x/b.png", ""),
    ],
)
def test_the_source_folder_is_what_the_path_does_not_name(place: str, path: str, root: str) -> None:
    assert root_of(place, path) == root
