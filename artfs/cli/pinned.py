"""Pins follow what repacks have moved, on whatever host, when a command deals with the cache; what is said of those that do not."""

from __future__ import annotations

from artfs.cli.output import print_warning
from artfs.errors import ArtfsError
from artfs.repository.pins import follow_moves
from artfs.repository.repository import Repository


def follow_pins(repository: Repository) -> None:
    """What is pinned on this machine stays readable without the object store. Raises nothing of artfs."""
    if repository.cache is None:
        return
    try:
        failed = follow_moves(repository, repository.cache).failed
    except ArtfsError as error:
        print_warning(f"what is pinned has not followed repacks: {error}")
        return
    for label, why in failed.items():
        print_warning(f"the pin of {label} has not followed a repack, so reading it needs the object store: {why}")
