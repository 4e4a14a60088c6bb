"""Opening the cache that the settings name."""

from __future__ import annotations

from pathlib import Path

from artfs.chunks.disk_cache.cache import DiskCache


def open_disk_cache(folder: Path, limit: int) -> DiskCache | None:
    """The cache in `folder`; None for a limit of 0. Touches nothing. ConfigNotValid for a limit that is too small to be of use."""
    return DiskCache(folder, limit) if limit else None
