"""How fast a file could be read from a store on the same machine at the most: what each step takes of the processors alone.

boto3 keeps the bytes that it gets in its own memory. A mount verifies them, keeps them on the disk, and hands them to the kernel,
which hands them to the program. Where the server shares the processors, nothing is waited for, and all of that is paid for in the
same seconds. The steps are measured one by one, as seconds of busy processors; no file system that takes them can be faster than
their sum divided by the processors.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from blake3 import blake3

from artfs.mount.host import unmount
from tests.bench import data
from tests.bench.bare_mount import FILE_NAME
from tests.bench.remote_sites import on_loopback
from tests.bench.report import Report
from tests.bench.scale import Scale
from tests.bench.sdk_reads import RANGE, obstore_range, timed

_RANGES_AT_ONCE = 16
_ROUNDS = 3
_PIECE = 1 << 20
#: As the cache on disk does: the kernel is told to let go of what was written.
_LET_GO_STEP = 4 << 20
_RECEIVING = "the server, and receiving by obstore"
_MOUNTED = "a mount that answers from memory, and its reader"


def measure_read_floor(report: Report, work: Path, scale: Scale) -> None:
    """The steps of a cold read, and the part of boto3's rate that they leave. On a machine that does nothing else."""
    size = scale.large_file
    source = data.make_large_file(work / "large.bin", size)
    with on_loopback() as site:
        site.s3.client().upload_file(str(source), site.bucket, "large.bin")
        by_boto3 = partial(site.sdk, "sdk_reads", "ranges", site.bucket, "large.bin", str(_RANGES_AT_ONCE))
        by_boto3()  # the server has read it from the disk
        boto3_s = statistics.median(by_boto3() for _ in range(_ROUNDS))
        receive = obstore_range(site.bucket, "large.bin", size, site.s3.environ)
        steps = {_RECEIVING: _busy(lambda: timed(_RANGES_AT_ONCE, receive, range(0, size, RANGE)))}
    steps["digests"] = _busy(lambda: _digest(source))
    steps["keeping it on the disk"] = _busy(lambda: _write(source, work / "kept"))
    steps[_MOUNTED] = _busy_mount(work / "mnt", size)
    figure = f"cold read of {size >> 20} MiB on loopback"
    for step, seconds in steps.items():
        report.add(f"{figure}: processors are busy with", step, seconds, unit="s")
    boto3_busy_s = boto3_s * len(os.sched_getaffinity(0))
    for subject, needed in {"of content": list(steps), "of a reference": [_RECEIVING, _MOUNTED]}.items():
        possible = boto3_busy_s / sum(steps[step] for step in needed)
        report.add(f"{figure}: most that any mount can reach", subject, possible, unit="× boto3")


def _digest(source: Path) -> None:
    with source.open("rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            blake3(piece).digest()


def _write(source: Path, target: Path) -> None:
    with source.open("rb", buffering=0) as file, target.open("wb", buffering=0) as kept:
        written = 0
        while piece := file.read(_PIECE):
            written += kept.write(piece)
            if written % _LET_GO_STEP == 0:
                os.posix_fadvise(kept.fileno(), 0, written, os.POSIX_FADV_DONTNEED)


def _busy_mount(mountpoint: Path, size: int) -> float:
    mountpoint.mkdir()
    command = [sys.executable, "-m", "tests.bench.bare_mount", str(mountpoint), str(size)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as serving:
        assert serving.stdout is not None
        serving.stdout.readline()
        try:
            return _busy(lambda: data.read_file(mountpoint / FILE_NAME))
        finally:
            unmount(mountpoint)


def _busy(work: Callable[[], object]) -> float:
    """Seconds that all processors together were busy meanwhile, whoever they worked for."""
    before = _busy_seconds()
    work()
    return _busy_seconds() - before


def _busy_seconds() -> float:
    user, nice, system, _idle, _waiting, irq, softirq = map(int, Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
