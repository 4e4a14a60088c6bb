"""Long lists of values in statements, some at a time. Pure; any thread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
#: Values in one IN list: enough to make round trips rare, few enough for every database.
BATCH = 500


def in_batches(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """The values in order, at most BATCH at a time; nothing where there are none."""
    for start in range(0, len(values), BATCH):
        yield values[start : start + BATCH]
