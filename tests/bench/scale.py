"""How much is measured: a quick run measures the same things on less."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured. Sizes are bytes."""

    large_file: int = 1 << 30
    small_files: int = 10_000
    many_files: int = 100_000
    open_files: int = 1_000_000
    references: int = 10_000
    small_references: int = 2_000
    rounds: int = 3
    remote_files: int = 10_000
    random_file: int = 10 << 30
    random_reads: int = 2_000
    remote_rounds: int = 2


QUICK = Scale(
    large_file=128 << 20,
    small_files=2_000,
    many_files=10_000,
    open_files=100_000,
    references=2_000,
    small_references=400,
    rounds=1,
    remote_files=1_000,
    random_file=1 << 30,
    random_reads=500,
    remote_rounds=1,
)
