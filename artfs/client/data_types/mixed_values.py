"""Cells of a column of mixed types, as JSON text.

Numbers, text, True, False, lists and dicts are themselves. What JSON has no form for is a dict of one key: `{"$bytes": "AAE="}`,
`{"$float": "nan"}`, `{"$datetime": "2026-01-31T12:00:00"}`, `{"$date": …}`, `{"$time": …}`, `{"$decimal": "1.50"}`. A dict of the
user's own that looks so is kept inside `{"$dict": …}`. None in a cell is a null of the column. Pure functions.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any


def encode_mixed(value: Any) -> str | None:
    """The text for a plain value. Equal values have equal texts."""
    if value is None:
        return None
    return json.dumps(_to_json(value), ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


def decode_mixed(text: str | None) -> Any:
    """The value of a text. Raises ValueError, RecursionError or another builtin for what `encode_mixed` cannot have made."""
    return None if text is None else _from_json(json.loads(text))


def _to_json(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": str(value)}
    if isinstance(value, list):
        return [_to_json(item) for item in value]
    if isinstance(value, dict):
        plain = {key: _to_json(item) for key, item in value.items()}
        return {"$dict": plain} if _is_tagged(plain) else plain
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    for kind, tag in ((datetime, "$datetime"), (date, "$date"), (time, "$time")):
        if isinstance(value, kind):
            return {tag: value.isoformat()}
    return {"$decimal": str(value)} if isinstance(value, Decimal) else value


def _from_json(value: Any) -> Any:
    if isinstance(value, list):
        return [_from_json(item) for item in value]
    if not isinstance(value, dict):
        return value
    if not _is_tagged(value):
        return {key: _from_json(item) for key, item in value.items()}
    ((tag, inner),) = value.items()
    return _TAGS[tag](inner)


def _is_tagged(value: dict[str, Any]) -> bool:
    return len(value) == 1 and next(iter(value)) in _TAGS


_TAGS: dict[str, Callable[[Any], Any]] = {
    "$bytes": lambda text: base64.b64decode(text, validate=True),
    "$float": float,
    "$datetime": datetime.fromisoformat,
    "$date": date.fromisoformat,
    "$time": time.fromisoformat,
    "$decimal": Decimal,
    "$dict": lambda inner: {key: _from_json(item) for key, item in inner.items()},
}
