"""Whether there is a registry at an address, asked without making one. Any thread."""

from __future__ import annotations

from pathlib import Path

from artfs.registry.open import upgrade_registry

_SQLITE = "sqlite:///"


def has_registry(url: str) -> bool:
    """False when none was made there yet. Raises as opening does when it cannot be reached, or is no address."""
    # Even to read, SQLite would make the file.
    if url.startswith(_SQLITE) and not Path(url.removeprefix(_SQLITE)).expanduser().exists():
        return False
    _, upgrade = upgrade_registry(url, dry_run=True)
    return upgrade.before is not None
