"""`scripts/bench`: measure, print a table, and with --json the same as JSON."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.bench.figures import FIGURES
from tests.bench.report import Report
from tests.bench.scale import QUICK, Scale


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=f"which to measure: {', '.join(FIGURES)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="measure on an eighth of the data, once: to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there as JSON, too ('-' prints them instead)")
    parser.add_argument("--dir", type=Path, help="work in a temporary folder below this one (default: the system's)")
    parser.add_argument("--remote", action="store_true", help="the same as the figure 'remote', and no other unless named")
    options = parser.parse_args()
    wanted = [*options.figures, *(["remote"] if options.remote else [])] or list(FIGURES)
    unknown = set(wanted) - set(FIGURES)
    if unknown:
        parser.error(f"no such figure: {', '.join(sorted(unknown))}; there are {', '.join(FIGURES)}")
    report = Report()
    try:
        for name in dict.fromkeys(wanted):
            with tempfile.TemporaryDirectory(prefix="artfs-bench-", dir=options.dir) as work:
                FIGURES[name](report, Path(work), QUICK if options.quick else Scale())
    finally:  # what was measured before something failed is worth seeing
        _show(report, options.json)


def _show(report: Report, json: Path | None) -> None:
    if json == Path("-"):
        print(report.to_json())
        return
    report.print_table()
    if json:
        report.write_json(json)


if __name__ == "__main__":
    main()
