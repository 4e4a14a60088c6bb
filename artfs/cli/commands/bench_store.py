"""`artfs bench-store`: what an object store gives, and what that means for artfs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from artfs.cli.options import JsonOption
from artfs.cli.output import Cell, Column, is_terminal, print_json, print_table
from artfs.objectstore.bench import QUICK, BenchFigures, BenchSize, Latency, Throughput, bench_store
from artfs.objectstore.open import open_objects

EXAMPLE = "artfs bench-store s3://bucket/artfs --quick"


def command(
    url: Annotated[
        str,
        typer.Argument(metavar="URL", help="Any object store: file:///FOLDER, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX."),
    ],
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Measure less: some 200 MB are moved in place of some GB.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure what an object store gives, and say what that means.

    Latency of small reads, throughput of large reads and writes by the number of requests in flight, listing, and whether a second
    write of a key is refused. Of a bucket also: whether bytes that were damaged on their way are refused, and whether it keeps old
    versions. Works below bench/ of the address, in objects of its own, which it deletes at the end.
    """
    store = open_objects(url, is_patient=False)
    with _steps() as on_step:
        figures = bench_store(store, QUICK if quick else BenchSize(), on_step)
    if as_json:
        print_json(_form(url, figures))
    else:
        print_table(
            [Column("what"), Column("in flight", right=True), Column("figure", right=True), Column("what it means")],
            _rows(figures),
        )


def _rows(figures: BenchFigures) -> Iterator[list[Cell]]:
    for each in figures.small_gets:
        yield ["read 4 KiB", each.threads, f"{_ms(each.p50_s)}, 95 %: {_ms(each.p95_s)}", _meaning_of_latency(each)]
    yield from _throughput_rows("read 8 MiB", figures.range_reads, "what reading a large file reaches, or warming a version")
    yield from _throughput_rows("write 32 MiB", figures.puts, "what put and copy reach, as packs have this size")
    yield ["list", 1, f"{figures.listed_per_s:,.0f} objects/s", "how fast gc looks through what dead commits left"]
    if figures.is_conditional:
        yield ["write twice", 1, "refused", "of two writers of one key the first wins: as it should be"]
    else:
        yield ["write twice", 1, "replaced", "a second write of a key replaces the first: nothing else may write below the address"]
    if figures.refuses_damage is not None:  # a bucket
        yield _row_of_damage(refused=figures.refuses_damage)
        yield _row_of_versions(figures.keeps_versions)


def _row_of_damage(*, refused: bool) -> list[Cell]:
    if refused:
        return ["write damaged", 1, "refused", "the server compares what comes with its checksum: as it should be"]
    return [
        "write damaged",
        1,
        "stored",
        "the server does not look at checksums: TLS, or the signature, is what guards the way there",
    ]


def _row_of_versions(kept: bool | None) -> list[Cell]:
    if kept is None:
        return [
            "old versions",
            None,
            "not told",
            "if the bucket keeps them, what gc deletes takes room until a lifecycle rule ends it",
        ]
    if kept:
        return ["old versions", None, "kept", "what gc deletes takes room until a lifecycle rule ends it: set one"]
    return ["old versions", None, "none", "what gc deletes takes no room any more"]


def _throughput_rows(what: str, measured: Sequence[Throughput], meaning: str) -> Iterator[list[Cell]]:
    best = max(measured, key=lambda each: each.bytes_per_s)
    for each in measured:
        yield [what, each.in_flight, f"{each.bytes_per_s / 1e6:,.0f} MB/s", meaning if each is best else None]


def _meaning_of_latency(each: Latency) -> str:
    if each.threads == 1:
        return "what the first byte of a file takes that is not in the cache: the more, the larger ARTFS_CACHE_LIMIT should be"
    return f"{each.per_s:,.0f} random reads a second"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def _form(url: str, figures: BenchFigures) -> dict[str, Any]:
    def throughput(each: Throughput) -> dict[str, float]:
        return {"in_flight": each.in_flight, "bytes_per_s": round(each.bytes_per_s)}

    return {
        "url": url,
        "small_reads": [
            {
                "in_flight": each.threads,
                "p50_ms": round(each.p50_s * 1000, 3),
                "p95_ms": round(each.p95_s * 1000, 3),
                "per_s": round(each.per_s),
            }
            for each in figures.small_gets
        ],
        "reads": [throughput(each) for each in figures.range_reads],
        "writes": [throughput(each) for each in figures.puts],
        "listed_per_s": round(figures.listed_per_s),
        "conditional_writes": figures.is_conditional,
        "checked_writes": figures.refuses_damage,
        "keeps_versions": figures.keeps_versions,
    }


@contextmanager
def _steps() -> Iterator[Callable[[str], object] | None]:
    """Show what is being measured, on a terminal."""
    if not is_terminal(sys.stderr):
        yield None
        return
    from rich.console import Console

    with Console(stderr=True).status("measuring") as status:
        yield status.update
