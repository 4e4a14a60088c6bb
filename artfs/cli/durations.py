"""Durations as people write them: `90s`, `15m`, `24h`, `7d`."""

from __future__ import annotations

import re

from artfs.errors import UserError

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(|s|m|h|d|w)")
_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_LONGEST_S = 36_500 * 86400.0


def parse_duration(text: str) -> float:
    """Seconds meant by `text`; a bare number is seconds."""
    match = _DURATION.fullmatch(text.strip().lower())
    if not match:
        raise UserError(f"{text!r} is not a duration: write for example 90s, 15m, 24h or 7d")
    number, unit = match.groups()
    seconds = float(number) * _SECONDS[unit]
    if seconds > _LONGEST_S:  # no calendar goes further
        raise UserError(f"{text!r} is longer than 100 years: write for example 90s, 15m, 24h or 7d")
    return seconds


def format_duration(seconds: float) -> str:
    """The largest unit that leaves a whole number, else seconds: 86400 → `1d`, 90 → `90s`."""
    for unit in ("w", "d", "h", "m"):
        if seconds >= _SECONDS[unit] and seconds % _SECONDS[unit] == 0:
            return f"{int(seconds // _SECONDS[unit])}{unit}"
    return f"{seconds:g}s"


def format_age(seconds: float) -> str:
    """How long ago something was, in one unit, rounded down: `12s`, `5m`, `3h`, `8d`."""
    for unit in ("d", "h", "m"):
        if seconds >= _SECONDS[unit]:
            return f"{int(seconds // _SECONDS[unit])}{unit}"
    return f"{max(int(seconds), 0)}s"
