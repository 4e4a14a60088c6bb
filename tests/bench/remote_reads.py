"""Reading a remote store through the mount: a large file, many small ones, a long listing, and all of it again."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.bench import data
from tests.bench.read_many import READERS
from tests.bench.references import medians
from tests.bench.remote_clients import Clients
from tests.bench.remote_sites import Site, object_store, requests
from tests.bench.report import Report, stopwatch
from tests.bench.scale import Scale
from tests.bench.tools import available, run

_SMALL = 20 << 10
_TINY = 200
_GB = 1e9
_RANGES = (8, 16, 32)
_OTHER_MOUNTS = tuple(filter(available, ("rclone", "s3fs")))
_BY_SDK = "boto3, 16 threads, an object a file"


def measure_large(report: Report, site: Site, work: Path, scale: Scale) -> None:
    """A large file, from beginning to end."""
    report.note(f"{site.name}: storing a large file")
    source = data.make_large_file(work / "source/large.bin", scale.large_file)
    with site.near_server():
        site.s3.client().upload_file(str(source), site.bucket, "large/large.bin")
    clients = Clients.of_new_store(site, work)
    clients.fill(source.parent)

    def through_mount() -> float:
        with clients.mounted() as root:
            return _seconds_to_read(root / "data/latest/large.bin")

    def by_other_mount(tool: str) -> float:
        with site.mounted_by(tool, work / "other") as root:
            (root / "large/large.bin").stat()
            return _seconds_to_read(root / "large/large.bin")

    subjects: dict[str, Callable[[], float]] = {"artfs": through_mount}
    for threads in _RANGES:
        ranges = partial(site.sdk, "sdk_reads", "ranges", site.bucket, "large/large.bin", str(threads))
        subjects[f"boto3, {threads} ranges of 8 MiB"] = ranges
    subjects["obstore, 16 ranges of 8 MiB"] = partial(site.sdk, "sdk_reads", "obstore", site.bucket, "large/large.bin", "16")
    subjects |= {f"{tool} mount": partial(by_other_mount, tool) for tool in _OTHER_MOUNTS}
    seconds = medians(report, f"{site.name}: a large file", scale.remote_rounds, subjects)
    rates = {subject: scale.large_file / _GB / value for subject, value in seconds.items()}
    best = max((subject for subject in rates if subject.startswith("boto3")), key=rates.__getitem__)
    figure = f"{site.name}: sequential cold read of {scale.large_file >> 20} MiB"
    report.compare(figure, rates, unit="GB/s", better="more", aims={best: 0.9})


def _seconds_to_read(path: Path) -> float:
    with stopwatch() as elapsed:
        data.read_file(path)
    return elapsed.seconds


def measure_small(report: Report, site: Site, work: Path, scale: Scale) -> None:
    """Many small files: in the order of directories, in random order, and all of them again after another mount."""
    report.note(f"{site.name}: storing {scale.remote_files:,} small files")
    source = data.make_small_files(work / "source", scale.remote_files, _SMALL)
    paths = [path for path in source.rglob("*") if path.is_file()]
    with site.near_server():
        site.s3.fill(site.bucket, ((f"small/{path.relative_to(source)}", path.read_bytes()) for path in paths))
    clients = Clients.of_new_store(site, work)
    clients.fill(source)

    def through_mount(readers: int) -> float:
        with clients.mounted() as root:
            return _seconds_to_read_many(root / "data/latest", readers)

    def by_other_mount(tool: str) -> float:
        with site.mounted_by(tool, work / "other") as root:
            return _seconds_to_read_many(root / "small", READERS)

    subjects: dict[str, Callable[[], float]] = {
        "artfs": partial(through_mount, READERS),
        "artfs, 1 reader": partial(through_mount, 1),
        _BY_SDK: partial(site.sdk, "sdk_reads", "objects", site.bucket, "small/"),
    }
    subjects |= {f"{tool} mount, {READERS} readers": partial(by_other_mount, tool) for tool in _OTHER_MOUNTS}
    seconds = medians(report, f"{site.name}: small files", scale.remote_rounds, subjects)
    rates = {subject: scale.remote_files / value for subject, value in seconds.items()}
    figure = f"{site.name}: {scale.remote_files:,} files of 20 KiB cold in directory order by {READERS} readers"
    report.compare(figure, rates, unit="files/s", better="more", aims={_BY_SDK: 10.0})
    _measure_random_order(report, clients, scale)


def _seconds_to_read_many(folder: Path, *how: object) -> float:
    return float(run([sys.executable, "-m", "tests.bench.read_many", str(folder), *map(str, how)]))


def _measure_random_order(report: Report, clients: Clients, scale: Scale) -> None:
    name = clients.site.name
    report.note(f"{name}: small files in random order")
    client = clients.new()
    with clients.mounted(client) as root:
        before = object_store(root)
        seconds = _seconds_to_read_many(root / "data/latest", READERS, "random")
        after = object_store(root)
    fetched = (after["bytes_read"] - before["bytes_read"]) / (scale.remote_files * _SMALL)
    report.bound(f"{name}: the same in random order: bytes fetched", fetched, unit="× the version", at_most=1.3)
    report.bound(f"{name}: the same in random order: rate", scale.remote_files / seconds, unit="files/s")
    with client.mounted(clients.work / "mnt") as root:
        _seconds_to_read_many(root / "data/latest", READERS)
        asked = requests(object_store(root))
    report.bound(f"{name}: second mount of a warm version, everything read again", asked, unit="requests", at_most=0)


def measure_listing(report: Report, site: Site, work: Path, scale: Scale) -> None:
    """The first `ls -l` of a folder of very many files."""
    report.note(f"{site.name}: storing {scale.many_files:,} tiny files")
    source = data.make_small_files(work / "source", scale.many_files, _TINY, per_folder=scale.many_files)
    clients = Clients.of_new_store(site, work)
    clients.fill(source)
    shutil.rmtree(source)
    with clients.mounted() as root:
        before = requests(object_store(root))
        with stopwatch() as elapsed, os.scandir(root / "data/latest/0000") as entries:
            found = sum(1 for entry in entries if entry.stat().st_size == _TINY)
        asked = requests(object_store(root)) - before
    if found != scale.many_files:
        raise RuntimeError(f"{found} files were listed in place of {scale.many_files}")
    figure = f"{site.name}: first `ls -l` of {scale.many_files:,} files after mounting"
    report.bound(f"{figure}: requests", asked, unit="requests", at_most=10)
    report.bound(f"{figure}: time", elapsed.seconds, unit="s")
