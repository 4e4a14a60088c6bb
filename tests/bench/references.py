"""The figures of references: expanding a prefix, and reading through the mount beside the bare SDK on the same server."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from pathlib import Path

from tests.bench import data
from tests.bench.report import Report, stopwatch
from tests.bench.scale import Scale
from tests.bench.tools import Artfs, run
from tests.servers.haproxy import HaProxy
from tests.servers.seaweedfs import SeaweedFs

_SMALL = 20 << 10
_COUNTED_FILES = 100
_GB = 1e9


def measure_references(report: Report, work: Path, scale: Scale) -> None:
    """S3 references: expand a prefix, read one large object, read many small ones; seconds beside boto3, and requests."""
    server = SeaweedFs.start()
    try:
        _measure_expand(report, server, work, scale)
        _measure_large(report, server, work, scale)
        _measure_small(report, server, work, scale)
    finally:
        server.stop()


def _measure_expand(report: Report, server: SeaweedFs, work: Path, scale: Scale) -> None:
    report.note(f"expand: filling {scale.references:,} objects")
    bucket = server.create_bucket(versioned=True)
    server.fill_fast(bucket, (f"many/{number:06d}" for number in range(scale.references)))
    uri = f"s3://{bucket}/many"
    artfs = Artfs(work / "expand", server.environ)
    with stopwatch() as elapsed:
        artfs.call("put", uri, "many")
    figure = f"put of a prefix of {scale.references:,} objects"
    report.bound(f"{figure}: the whole command", elapsed.seconds, unit="s", at_most=10.0)
    proxy = HaProxy.start(server.port)
    try:
        Artfs(work / "counted", server.environ_at(proxy.endpoint)).call("put", uri, "many")
        report.bound(f"{figure}: requests", len(proxy.requests()), unit="requests", at_most=scale.references // 1000 + 5)
    finally:
        proxy.stop()


def _measure_large(report: Report, server: SeaweedFs, work: Path, scale: Scale) -> None:
    report.note("large reference: uploading")
    bucket = server.create_bucket()
    source = data.make_large_file(work / "large.bin", scale.large_file)
    server.client().upload_file(str(source), bucket, "large.bin")
    artfs = Artfs(work / "large", server.environ)
    _put_with_first(server, artfs, f"s3://{bucket}/large.bin", "large")

    def through_mount() -> float:
        with artfs.mounted(work / "mnt") as root:
            _meet_the_server(root)
            with stopwatch() as elapsed:
                data.read_file(root / "large" / "latest" / "large.bin")
        return elapsed.seconds

    seconds = medians(
        report,
        "large reference",
        scale.rounds,
        {
            "artfs": through_mount,
            "boto3, 8 ranges of 8 MiB at once": lambda: _sdk(server, "ranges", bucket, "large.bin"),
        },
    )
    rates = {subject: scale.large_file / _GB / value for subject, value in seconds.items()}
    figure = "first sequential read of a large S3 reference through the mount"
    report.compare(figure, rates, unit="GB/s", better="more", aims={"boto3, 8 ranges of 8 MiB at once": 0.8})


def _measure_small(report: Report, server: SeaweedFs, work: Path, scale: Scale) -> None:
    bucket = server.create_bucket(versioned=True)
    source = data.make_small_files(work / "small", scale.small_references, _SMALL)
    paths = [path for path in source.rglob("*") if path.is_file()]
    server.fill(bucket, ((f"small/{path.name}", path.read_bytes()) for path in paths))
    artfs = Artfs(work / "small-home", server.environ)
    _put_with_first(server, artfs, f"s3://{bucket}/small", "small")

    def through_mount() -> float:
        with artfs.mounted(work / "mnt") as root:
            _meet_the_server(root)
            return float(run([sys.executable, "-m", "tests.bench.read_many", str(root / "small" / "latest")]))

    seconds = medians(
        report,
        "small references",
        scale.rounds,
        {"artfs": through_mount, "boto3, 16 threads": lambda: _sdk(server, "objects", bucket, "small/")},
    )
    rates = {subject: scale.small_references / value for subject, value in seconds.items()}
    figure = f"first read of {scale.small_references:,} S3 references of 20 KiB by 16 readers"
    report.compare(figure, rates, unit="files/s", better="more", aims={"boto3, 16 threads": 2.0})
    _count_requests(report, server, work, f"s3://{bucket}/small")


def _count_requests(report: Report, server: SeaweedFs, work: Path, uri: str) -> None:
    proxy = HaProxy.start(server.port)
    try:
        artfs = Artfs(work / "counted-small", server.environ_at(proxy.endpoint))
        artfs.call("put", uri, "small")
        with artfs.mounted(work / "mnt") as root:
            paths = sorted((root / "small" / "latest").iterdir())[:_COUNTED_FILES]
            proxy.clear()
            for path in paths:
                path.read_bytes()
            report.bound("requests for one small reference", len(proxy.requests()) / len(paths), unit="requests", at_most=1.01)
    finally:
        proxy.stop()


def _put_with_first(server: SeaweedFs, artfs: Artfs, uri: str, name: str) -> None:
    bucket = server.create_bucket()
    server.fill(bucket, {"first": b"first"})
    artfs.call("put", f"s3://{bucket}/first", "first")
    artfs.call("put", uri, name)


def _meet_the_server(root: Path) -> None:
    """Have the mount import the SDK and make its client, which the SDK by itself has done as well when its clock starts."""
    (root / "first" / "latest" / "first").read_bytes()


def _sdk(server: SeaweedFs, *arguments: str) -> float:
    return float(run([sys.executable, "-m", "tests.bench.sdk_reads", *arguments], env=server.environ))


def medians(report: Report, what: str, rounds: int, subjects: dict[str, Callable[[], float]]) -> dict[str, float]:
    """The median seconds of each subject, which take turns."""
    times: dict[str, list[float]] = {subject: [] for subject in subjects}
    for number in range(rounds):
        for subject, measure in subjects.items():
            report.note(f"{what}, round {number + 1}: {subject}")
            times[subject].append(measure())
    return {subject: statistics.median(seconds) for subject, seconds in times.items()}
