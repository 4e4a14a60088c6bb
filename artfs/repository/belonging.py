"""Whether the object store is the registry's, for a mount that begins: with another one it would show names whose files are EIO.

Who only reads may do without either of the two. So both are asked in a thread that is waited for a moment, and what does not answer
refuses nothing. A store elsewhere that was found to be the registry's is remembered, and not asked again: a version that is in the
cache is mounted and read without a request.

    CACHE/known/<registry and store>.bound         the id of the registry

Any thread.
"""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

from artfs.config import make_private_folder
from artfs.errors import ArtfsError, ConfigNotValid
from artfs.model.digest import digest_of
from artfs.model.secret_uris import shown_uri
from artfs.registry.database import hurried
from artfs.repository.binding import ensure_bound
from artfs.repository.repository import Repository

_PATIENCE_S = 3.0


def refuse_foreign_store(repository: Repository, patience_s: float = _PATIENCE_S) -> None:
    """Raise ConfigNotValid where registry and object store say within `patience_s` that they do not belong together."""
    refusals: list[ConfigNotValid] = []

    def look() -> None:
        try:
            with hurried(patience_s):
                _look(repository)
        except ConfigNotValid as error:
            refusals.append(error)
        except (ArtfsError, OSError):  # who needs it will say so
            pass

    thread = threading.Thread(target=look, name="artfs-look-at-store", daemon=True)
    thread.start()
    thread.join(patience_s)
    if refusals:
        raise refusals[0]


def _look(repository: Repository) -> None:
    if not repository.objects.is_remote:
        ensure_bound(repository, dry_run=True)
        return
    note = _note_of(repository)
    registry_id = repository.registry.identity.get().registry_id
    with contextlib.suppress(OSError):
        if note.read_text() == registry_id:
            return
    ensure_bound(repository, dry_run=True)
    if repository.bound.is_set():
        make_private_folder(note.parent)
        note.write_text(registry_id)


def _note_of(repository: Repository) -> Path:
    addresses = "\n".join(shown_uri(address) for address in (repository.config.registry, repository.config.objects))
    return repository.config.cache_dir / "known" / f"{digest_of(addresses.encode('utf-8', 'surrogateescape')).hex()[:32]}.bound"
