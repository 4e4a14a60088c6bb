"""What the benchmarks print: one row a figure and subject, as a table and as JSON."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement. `ratio` is artfs against this subject, in the sense of the figure: more is better for artfs."""

    figure: str
    subject: str
    value: float
    unit: str
    ratio: float | None = None
    aim: str = ""
    reached: bool | None = None


@dataclass(slots=True)
class Report:
    rows: list[Row] = field(default_factory=list)
    console: Console = field(default_factory=lambda: Console(stderr=True))

    def note(self, text: str) -> None:
        self.console.print(f"[dim]{text}[/dim]")

    def compare(
        self,
        figure: str,
        values: dict[str, float],
        *,
        unit: str,
        better: Literal["less", "more"],
        aims: dict[str, float] | None = None,
    ) -> None:
        """Add a row for each subject of `values`, among them `artfs`; `aims` are the least ratios against other subjects."""
        ours = values["artfs"]
        self.rows.append(Row(figure, "artfs", ours, unit))
        for subject, value in values.items():
            if subject == "artfs":
                continue
            ratio = value / ours if better == "less" else ours / value
            aim = (aims or {}).get(subject)
            reached = None if aim is None else ratio >= aim
            self.rows.append(Row(figure, subject, value, unit, ratio, f"≥ {aim:g}" if aim else "", reached))

    def add(self, figure: str, subject: str, value: float, *, unit: str) -> None:
        """Add a row for what is worth knowing, and has no aim."""
        self.rows.append(Row(figure, subject, value, unit))

    def bound(self, figure: str, value: float, *, unit: str, at_most: float | None = None, at_least: float | None = None) -> None:
        """Add a row for a figure that has a limit of its own."""
        if at_most is not None:
            self.rows.append(Row(figure, "artfs", value, unit, None, f"≤ {at_most:g} {unit}", value <= at_most))
        elif at_least is not None:
            self.rows.append(Row(figure, "artfs", value, unit, None, f"≥ {at_least:g} {unit}", value >= at_least))
        else:
            self.rows.append(Row(figure, "artfs", value, unit))

    def print_table(self) -> None:
        table = Table("figure", "subject", "measured", "artfs is × as good", "aim", "reached", title="artfs bench")
        previous = ""
        for row in self.rows:
            table.add_row(
                row.figure if row.figure != previous else "",
                row.subject,
                f"{row.value:,.3g} {row.unit}" if row.value < 1000 else f"{row.value:,.0f} {row.unit}",
                "" if row.ratio is None else f"{row.ratio:.2f}",
                row.aim,
                {True: "yes", False: "NO", None: ""}[row.reached],
                end_section=False,
            )
            previous = row.figure
        Console(width=132).print(table)

    def to_json(self) -> str:
        return json.dumps([asdict(row) for row in self.rows], indent=2)

    def write_json(self, path: Path) -> None:
        path.write_text(self.to_json() + "\n")


@dataclass(slots=True)
class Elapsed:
    seconds: float = 0.0


@contextmanager
def stopwatch() -> Iterator[Elapsed]:
    elapsed = Elapsed()
    start = time.perf_counter()
    yield elapsed
    elapsed.seconds = time.perf_counter() - start


def median_seconds(rounds: int, action: Callable[[int], None]) -> float:
    """The median time of `rounds` calls of `action`, which gets the number of the round."""
    times = []
    for number in range(rounds):
        with stopwatch() as elapsed:
            action(number)
        times.append(elapsed.seconds)
    return statistics.median(times)
