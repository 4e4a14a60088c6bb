"""The figures, one function each; those of references are in a module of their own."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from tests.bench import data
from tests.bench.read_floor import measure_read_floor
from tests.bench.references import measure_references
from tests.bench.remote import measure_remote
from tests.bench.report import Report, stopwatch
from tests.bench.scale import Scale
from tests.bench.tools import Artfs, Borg, Rclone, Restic, available, run, settle

GB = 1e9


SMALL_FILE = 20_000
#: Files younger than this are read again the next time, as their stamps cannot be trusted yet.
RACY_S = 2.5
IN_ONE_PROCESS = "in one process"
TINY_FILE = 2_000


def measure_ingest(report: Report, work: Path, scale: Scale) -> None:
    """A folder with one large and many small files: stored the first time, and again unchanged."""
    source = work / "source"
    data.make_large_file(source / "large.bin", scale.large_file)
    data.make_small_files(source / "small", scale.small_files, SMALL_FILE)
    time.sleep(RACY_S)
    first: dict[str, list[float]] = {}
    again: dict[str, list[float]] = {}
    for number in range(scale.rounds):
        home = work / f"ingest-{number}"
        home.mkdir()
        for subject, put in _ways_to_store(home, source).items():
            report.note(f"ingest, round {number + 1}: {subject}")
            for times in (first,) if subject.startswith("cp") else (first, again):
                settle()
                with stopwatch() as elapsed:
                    put()
                times.setdefault(subject, []).append(elapsed.seconds)
        for times, seconds in zip((first, again), _put_in_one_process(home, source), strict=True):
            times.setdefault(IN_ONE_PROCESS, []).append(seconds)
        shutil.rmtree(home)
    once = {subject: statistics.median(times) for subject, times in first.items()}
    twice = {subject: statistics.median(times) for subject, times in again.items()}
    own = {IN_ONE_PROCESS: (once.pop(IN_ONE_PROCESS), twice.pop(IN_ONE_PROCESS))}
    aims = {"cp -r": 0.7, "borg create": 1.0, "restic backup": 1.0}
    report.compare("ingest of a folder, first time", once, unit="s", better="less", aims=aims)
    report.compare("ingest again, unchanged", twice, unit="s", better="less")
    for subject, (before, after) in {"as a program": (once["artfs"], twice["artfs"]), **own}.items():
        values = {"artfs": after, "artfs, first time": before}
        figure = f"ingest again, unchanged, against the first time, {subject}"
        report.compare(figure, values, unit="s", better="less", aims={"artfs, first time": 20.0})
    shutil.rmtree(source)


def _ways_to_store(home: Path, source: Path) -> dict[str, Callable[[], object]]:
    ways: dict[str, Callable[[], object]] = {
        "artfs": lambda: Artfs(home / "artfs").put(source),
        "cp -r": lambda: subprocess.run(["cp", "-r", source, home / "copy"], check=True),
        # What artfs does before it says that a version is there: a copy that survives a power cut.
        "cp -r and sync": lambda: subprocess.run(["sh", "-c", f"cp -r {source} {home}/durable && sync"], check=True),
    }
    if available("borg"):
        ways["borg create"] = lambda: Borg(home).put(source)
    if available("restic"):
        ways["restic backup"] = lambda: Restic(home).put(source)
    return ways


def _put_in_one_process(home: Path, source: Path) -> list[float]:
    command = [sys.executable, "-m", "tests.bench.put_in_one_process", str(home / "one-process"), str(source)]
    settle()
    return [float(line) for line in run(command).split()]


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
    "references": measure_references,
    "remote": measure_remote,
    "read-floor": measure_read_floor,
}
