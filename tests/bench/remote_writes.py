"""Putting a large file into a remote store: all of it new, and again with a hundredth of it changed."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from random import Random

from tests.bench import data
from tests.bench.references import medians
from tests.bench.remote_clients import Clients
from tests.bench.remote_sites import Site
from tests.bench.report import Report, stopwatch
from tests.bench.scale import Scale

_BY_SDK = "boto3, 8 objects of 32 MiB at once"
#: Where the file is changed, in pieces of a hundredth of a tenth each.
_CHANGED_PLACES = 10


def measure_writes(report: Report, site: Site, work: Path, scale: Scale) -> None:
    """The whole command of artfs, from its start to its end, beside the bare uploads of the SDK."""
    source = data.make_large_file(work / "source/large.bin", scale.large_file)
    first = work / "first"
    first.mkdir()
    (first / "first").write_bytes(b"first")
    last: list[Clients] = []

    def put() -> float:
        last[:] = [Clients.of_new_store(site, work)]
        client = last[0].new()
        # Registry and store know each other: each takes its first put once in its life.
        client.put(first, "first")
        with stopwatch() as elapsed:
            client.put(source.parent)
        return elapsed.seconds

    upload = partial(site.sdk, "sdk_writes", site.bucket, str(source))
    seconds = medians(report, f"{site.name}: put", scale.remote_rounds, {"artfs": put, _BY_SDK: upload})
    rates = {subject: scale.large_file / 1e9 / value for subject, value in seconds.items()}
    figure = f"{site.name}: put of {scale.large_file >> 20} MiB of new data, the whole command"
    report.compare(figure, rates, unit="GB/s", better="more", aims={_BY_SDK: 0.8})
    clients = last[0]
    before = clients.stored_bytes()
    _change(source, scale.large_file)
    with stopwatch() as elapsed:
        clients.new().put(source.parent)
    sent = 100 * (clients.stored_bytes() - before) / scale.large_file
    report.bound(f"{site.name}: put with 1 % changed, at {_CHANGED_PLACES} places: bytes sent", sent, unit="%", at_most=3.0)
    report.bound(f"{site.name}: put with 1 % changed, from another machine: the whole command", elapsed.seconds, unit="s")


def _change(path: Path, size: int) -> None:
    random, length = Random(1), size // 100 // _CHANGED_PLACES
    with path.open("r+b") as file:
        for number in range(_CHANGED_PLACES):
            file.seek(size // _CHANGED_PLACES * number + random.randrange(size // _CHANGED_PLACES - length))
            file.write(random.randbytes(length))
