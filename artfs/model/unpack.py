"""msgpack of unknown origin, with bounds.

A header of a few bytes may claim an array of billions, for which msgpack would make room before it looks for the elements. In the
formats of artfs each element of a long array stands for 16 bytes or more elsewhere, so an honest array is never longer than that.
"""

from __future__ import annotations

from typing import Any

import msgpack

from artfs.errors import IntegrityError

_BYTES_PER_ELEMENT = 16
_SHORTEST_LIMIT = 16


def unpack(data: bytes) -> Any:
    """What `data` encodes: lists, text, bytes, numbers. Raises what msgpack raises; the caller turns it into IntegrityError."""
    return msgpack.unpackb(
        data,
        max_array_len=max(_SHORTEST_LIMIT, len(data) // _BYTES_PER_ELEMENT),
        max_map_len=0,
        max_ext_len=0,
    )


def checked_count(value: Any) -> int:
    """`value` if it is a whole number from 0 on, else IntegrityError."""
    if type(value) is not int or value < 0:
        raise IntegrityError(f"{value!r} stands where a size or a number should be")
    return value
