"""pandas' DataFrames and Series on their way into a table, and numpy's arrays on their way out.

They are known by what they can do, so that neither needs to be installed; both are imported where something is made with them.
"""

from __future__ import annotations

from typing import Any

from artfs.errors import NotInstalled


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


def import_pandas() -> Any:
    """pandas. Raises NotInstalled."""
    try:
        import pandas  # noqa: ICN001, PLC0415  optional, and slow to import
    except ImportError as error:
        raise NotInstalled("a DataFrame needs pandas: install it with pip install pandas") from error
    return pandas


def import_numpy() -> Any:
    """numpy. Raises NotInstalled."""
    try:
        import numpy  # noqa: ICN001, PLC0415  optional, and slow to import
    except ImportError as error:
        raise NotInstalled("an array needs numpy: install it with pip install numpy") from error
    return numpy
