"""From an address to an object store: the one place that knows which class serves which scheme."""

from __future__ import annotations

from pathlib import Path

from artfs.errors import ConfigNotValid
from artfs.objectstore.local import LocalStore
from artfs.objectstore.memory import MemoryStore
from artfs.objectstore.protocol import ObjectStore


def open_objects(url: str) -> ObjectStore:
    """The store at `url`: `file:///folder` or `memory://` (a new, empty one). The path in a `file://` address is taken as it is."""
    scheme, separator, place = url.partition("://")
    if separator and scheme == "file":
        if not place.startswith("/") or "\0" in place:
            raise ConfigNotValid(f"the object store {url!r} has no absolute path: write for example file:///var/lib/artfs/objects")
        return LocalStore(Path(place))
    if separator and scheme == "memory":
        return MemoryStore()
    raise ConfigNotValid(f"the object store {url!r} is of no kind that artfs knows: use file:///FOLDER (or memory:// for a trial)")
