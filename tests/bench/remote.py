"""The figures of remote object stores: on loopback and over a slow link, beside bare SDKs and other mounts in the same run."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.bench.remote_random import measure_random
from tests.bench.remote_reads import measure_large, measure_listing, measure_small
from tests.bench.remote_sites import on_loopback, over_link
from tests.bench.remote_writes import measure_writes
from tests.bench.report import Report
from tests.bench.scale import Scale
from tests.servers.link import why_no_link

_MEASURES = (measure_large, measure_small, measure_listing, measure_writes, measure_random)


def measure_remote(report: Report, work: Path, scale: Scale) -> None:
    """All of them, at each site there can be: the link takes root."""
    sites = [on_loopback]
    if reason := why_no_link():
        report.note(f"remote, on loopback only: {reason}")
    else:
        sites.append(over_link)
    for site in sites:
        with site() as there:
            for measure in _MEASURES:
                folder = work / measure.__name__
                folder.mkdir()
                measure(report, there, folder, scale)
                shutil.rmtree(folder)
