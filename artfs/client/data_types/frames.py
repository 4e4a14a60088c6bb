"""pandas' DataFrames and Series on their way into a table. Knows them by what they can do, so that pandas need not be installed."""

from __future__ import annotations

from typing import Any


def is_frame(value: Any) -> bool:
    """True for a pandas DataFrame."""
    return hasattr(value, "iloc") and hasattr(value, "columns")


def values_of(series: Any) -> list[Any]:
    """The values of a Series; what is missing is None, and not-a-number only among floats.

    pandas has not-a-number for missing text as well; in a column of floats nobody knows which of both it is, so it stays.
    """
    values: list[Any] = series.tolist()
    if getattr(series.dtype, "kind", "O") == "f" and not hasattr(series.dtype, "na_value"):
        return values
    return [None if missing else value for value, missing in zip(values, series.isna().tolist(), strict=True)]
