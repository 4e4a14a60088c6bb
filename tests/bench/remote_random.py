"""Small reads at random places of a very large file in a remote store: what is fetched beside what is touched."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.bench import data
from tests.bench.read_randomly import READERS
from tests.bench.remote_clients import Clients
from tests.bench.remote_sites import Site, object_store
from tests.bench.report import Report, stopwatch
from tests.bench.scale import Scale
from tests.bench.tools import run


def measure_random(report: Report, site: Site, work: Path, scale: Scale) -> None:
    """Reads of 4 KiB by many readers, cold."""
    size = scale.random_file
    report.note(f"{site.name}: storing a file of {size >> 30} GiB")
    source = data.make_large_file(work / "source/large.bin", size)
    clients = Clients.of_new_store(site, work)
    clients.fill(source.parent)
    source.unlink()
    with clients.mounted() as root:
        path = root / "data/latest/large.bin"
        path.stat()
        before = object_store(root)
        with stopwatch() as elapsed:
            run([sys.executable, "-m", "tests.bench.read_randomly", str(path), str(scale.random_reads)])
        after = object_store(root)
    with site.near_server():
        command = [sys.executable, "-m", "tests.bench.chunks_touched", "data:latest", "large.bin", str(scale.random_reads)]
        touched = int(run(command, env=clients.new().env))
    fetched = (after["bytes_read"] - before["bytes_read"]) / touched
    asked = (after["read_range"] - before["read_range"]) / scale.random_reads
    figure = f"{site.name}: {scale.random_reads:,} random reads of 4 KiB of a file of {size >> 30} GiB by {READERS} readers"
    report.bound(f"{figure}: bytes fetched", fetched, unit="× the chunks touched", at_most=1.2)
    report.bound(f"{figure}: requests for a read", asked, unit="requests")
    report.bound(f"{figure}: rate", scale.random_reads / elapsed.seconds, unit="reads/s")
