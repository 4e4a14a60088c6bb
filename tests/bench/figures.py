"""The figures, one function each. Sizes come from `Scale`, so that a quick run measures the same things on less."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from tests.bench import data
from tests.bench.report import Report, stopwatch
from tests.bench.tools import Artfs, Borg, Rclone, Restic, available, settle

GB = 1e9


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured. Sizes are bytes."""

    large_file: int = 1 << 30
    small_files: int = 10_000
    many_files: int = 100_000
    open_files: int = 1_000_000
    rounds: int = 3


QUICK = Scale(large_file=128 << 20, small_files=2_000, many_files=10_000, open_files=100_000, rounds=1)
SMALL_FILE = 20_000
TINY_FILE = 2_000


def measure_ingest(report: Report, work: Path, scale: Scale) -> None:
    """A folder with one large and many small files: stored the first time, and again unchanged."""
    source = work / "source"
    data.make_large_file(source / "large.bin", scale.large_file)
    data.make_small_files(source / "small", scale.small_files, SMALL_FILE)
    first: dict[str, list[float]] = {}
    again: dict[str, list[float]] = {}
    for number in range(scale.rounds):
        home = work / f"ingest-{number}"
        home.mkdir()
        puts: dict[str, Callable[[], object]] = {
            "artfs": lambda home=home: Artfs(home / "artfs").put(source),  # type: ignore[misc]
            "cp -r": lambda home=home: subprocess.run(["cp", "-r", source, home / "copy"], check=True),  # type: ignore[misc]
        }
        if available("borg"):
            puts["borg create"] = lambda home=home: Borg(home).put(source)  # type: ignore[misc]
        if available("restic"):
            puts["restic backup"] = lambda home=home: Restic(home).put(source)  # type: ignore[misc]
        for subject, put in puts.items():
            report.note(f"ingest, round {number + 1}: {subject}")
            settle()
            with stopwatch() as elapsed:
                put()
            first.setdefault(subject, []).append(elapsed.seconds)
            if subject == "cp -r":
                continue
            settle()
            with stopwatch() as elapsed:
                put()
            again.setdefault(subject, []).append(elapsed.seconds)
        shutil.rmtree(home)
    once = {subject: statistics.median(times) for subject, times in first.items()}
    report.compare(
        "ingest of a folder, first time",
        once,
        unit="s",
        better="less",
        aims={"cp -r": 0.7, "borg create": 1.0, "restic backup": 1.0},
    )
    twice = {subject: statistics.median(times) for subject, times in again.items()}
    values = {"artfs": twice["artfs"], "artfs, first time": once["artfs"], **{k: v for k, v in twice.items() if k != "artfs"}}
    report.compare("ingest again, unchanged", values, unit="s", better="less", aims={"artfs, first time": 20.0})
    shutil.rmtree(source)


def measure_reads(report: Report, work: Path, scale: Scale) -> None:
    """First and warm sequential read of a large file, and warm listing of many small ones, through the mounts."""
    source = work / "source"
    large = data.make_large_file(source / "large.bin", scale.large_file)
    data.make_small_files(source / "small", scale.small_files, SMALL_FILE)
    mountpoint = work / "mnt"
    artfs = Artfs(work / "artfs")
    artfs.put(source)
    subjects: dict[str, Callable[[], AbstractContextManager[Path]]] = {
        "artfs": lambda: _below(artfs.mounted(mountpoint), "data/latest"),
        "native": lambda: nullcontext(source),
    }
    if available("rclone"):
        subjects["rclone mount"] = lambda: Rclone().mounted(mountpoint, source)
    if available("restic"):
        restic = Restic(work)
        restic.put(source)
        subjects["restic mount"] = lambda: restic.mounted(mountpoint, source)
    if available("borg"):
        borg = Borg(work)
        borg.put(source)
        subjects["borg mount"] = lambda: borg.mounted(mountpoint, source)
    times: dict[str, dict[str, list[float]]] = {"first": {}, "warm": {}, "stat": {}}
    settle()
    for number in range(scale.rounds):
        data.read_file(large)
        for subject, mounted in subjects.items():
            report.note(f"reads, round {number + 1}: {subject}")
            with mounted() as root:
                _measure_one_mount(root, subject, times)
    median = {what: {subject: statistics.median(values) for subject, values in by.items()} for what, by in times.items()}
    rates = {
        what: {subject: scale.large_file / GB / value for subject, value in median[what].items()} for what in ("first", "warm")
    }
    report.compare(
        "first read of a local 1 GiB file" if scale.large_file == 1 << 30 else "first read of a local file",
        rates["first"],
        unit="GB/s",
        better="more",
        aims={"restic mount": 2.0, "borg mount": 2.0},
    )
    report.bound("first read of a local file, by itself", rates["first"]["artfs"], unit="GB/s", at_least=0.9)
    report.compare("warm sequential read", rates["warm"], unit="GB/s", better="more", aims={"native": 0.7})
    report.compare("warm stat and readdir below a version", median["stat"], unit="s", better="less", aims={"native": 0.9})
    shutil.rmtree(source)


def _measure_one_mount(root: Path, subject: str, times: dict[str, dict[str, list[float]]]) -> None:
    with stopwatch() as elapsed:
        data.read_file(root / "large.bin")
    times["first"].setdefault(subject, []).append(elapsed.seconds)
    with stopwatch() as elapsed:
        data.read_file(root / "large.bin")
    times["warm"].setdefault(subject, []).append(elapsed.seconds)
    data.stat_all(root / "small")
    with stopwatch() as elapsed:
        for _ in range(5):
            data.stat_all(root / "small")
    times["stat"].setdefault(subject, []).append(elapsed.seconds)


@contextmanager
def _below(mounted: AbstractContextManager[Path], path: str) -> Iterator[Path]:
    with mounted as root:
        yield root / path


def measure_small_change(report: Report, work: Path, scale: Scale) -> None:
    """One file changed among many: what is stored anew, and how long the commit takes."""
    source = data.make_small_files(work / "source", scale.many_files, TINY_FILE)
    artfs = Artfs(work / "artfs")
    artfs.put(source)
    before = artfs.stored_bytes()
    changed = source / "0000" / "image-0000000.png"
    changed.write_bytes(changed.read_bytes()[::-1])
    settle()
    with stopwatch() as elapsed:
        artfs.put(source)
    figure = f"one file changed among {scale.many_files:,}"
    limit = 2 * TINY_FILE + (256 << 10)
    report.bound(f"{figure}: new bytes stored", artfs.stored_bytes() - before, unit="B", at_most=limit)
    report.bound(f"{figure}: put of the folder", elapsed.seconds, unit="s", at_most=10.0)
    with artfs.mounted(work / "mnt") as root:
        artfs.call("stage", "data", "--from", "latest", "--name", "edit")
        staged = root / "data" / "staging" / "edit" / "0000" / "image-0000001.png"
        with stopwatch() as elapsed:
            staged.write_bytes(b"one file")
            staged.parents[1].rename(root / "data" / "edited")
    report.bound(f"{figure}: edit in staging and commit", elapsed.seconds, unit="s", at_most=10.0)
    shutil.rmtree(source)


def measure_open(report: Report, work: Path, scale: Scale) -> None:
    """Opening a version of very many files, in a process of its own: seconds and memory."""
    printed = subprocess.run(
        [sys.executable, "-m", "tests.bench.open_large_version", str(work / "artfs"), str(scale.open_files)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    seconds, mebibytes = float(printed[0]), float(printed[1])
    figure = f"opening a version of {scale.open_files:,} files"
    report.bound(f"{figure}, one lookup, one listing", seconds, unit="s", at_most=1.0)
    report.bound(f"{figure}: memory for it", mebibytes, unit="MiB", at_most=150.0)


FIGURES: dict[str, Callable[[Report, Path, Scale], None]] = {
    "ingest": measure_ingest,
    "reads": measure_reads,
    "small-change": measure_small_change,
    "open": measure_open,
}
