"""What was known of names last, on disk: so that a new process reads what was read before while the registry cannot be reached.

    CACHE/known/<registry>/<artifact>.json         (`known_forms` says what is in it)

One small file an artifact, replaced as a whole. It is a cache: whoever writes last wins, what is damaged or another user's is
nothing, and the files are safe to delete. `<registry>` and `<artifact>` are digests of the registry's address without its password,
and of the name. Only reading asks here, and only when the registry does not answer; each answer is told as one of before
(`logger.warning`).

Bounded: the versions looked at last of each artifact, and the artifacts looked at last. Any thread of any process.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from artfs.config import make_private_folder
from artfs.errors import ArtfsError
from artfs.model.digest import Digest, digest_of
from artfs.model.names import ArtifactName, VersionName
from artfs.model.records import CollectionRecord, VersionRecord
from artfs.repository.known_forms import KnownArtifact, decode_known, encode_known

logger = logging.getLogger(__name__)

_MOST_VERSIONS = 200
_MOST_ARTIFACTS = 300
#: Of one file: metadata may be of any size.
_MOST_BYTES = 1 << 20
#: An alias that is seen again is noted again after that time.
_NOTED_AGAIN = timedelta(minutes=1)


class KnownFiles:
    """The files below `folder` for one registry. What looks something up says None for what is not known.

    `is_pinned` tells of a manifest whether it is on this machine to stay.
    """

    def __init__(self, folder: Path, registry: str, is_pinned: Callable[[Digest], bool] = lambda _: False) -> None:
        self._is_pinned = is_pinned
        self._folder = folder / _name_of(registry)
        self._lock = threading.Lock()
        self._has_told = False

    @property
    def are_there(self) -> bool:
        """True if anything is known."""
        with contextlib.suppress(OSError):
            return any(name.endswith(".json") for name in os.listdir(self._folder))  # noqa: PTH208 - one call
        return False

    def may_know(self, artifact: ArtifactName | None) -> bool:
        """True if something may be known of the artifact; of any for None. Cheaper than to look it up."""
        return self.are_there if artifact is None else os.path.exists(self._path(artifact))  # noqa: PTH110 - it never raises

    def keep_version(self, name: VersionName, record: VersionRecord | None) -> None:
        """The name means that version, or none."""
        if record is None:
            self._change(name.artifact, lambda known: known.drop(name.selector), make=False)
        else:
            self._change(
                name.artifact, lambda known: known.note(self._at_hand(known, record), [name.selector], _now(), _NOTED_AGAIN)
            )

    def keep_remembered(self, record: VersionRecord) -> None:
        """A version of which this process knew before the registry was away, unless it is known here."""
        self._change(record.artifact, lambda known: known.note_remembered(record, _now()))

    def keep_versions(self, artifact: ArtifactName, records: Sequence[VersionRecord]) -> None:
        """These are all versions there are. Only those that were looked at before are remembered."""

        def note(known: KnownArtifact) -> bool:
            return known.note_all([self._at_hand(known, record) for record in records], _now(), _NOTED_AGAIN)

        self._change(artifact, note, make=False)

    def keep_collection(self, collection: CollectionRecord) -> None:
        self._change(collection.artifact, lambda known: known.note_collection(collection))

    def version(self, name: VersionName) -> VersionRecord | None:
        known = self._load(name.artifact)
        found = None if known is None else known.find(name.selector)
        if found is None:
            return None
        record, seen_at = found
        how = "was read before" if seen_at is None else f"is {record.label}, as of {seen_at.isoformat(timespec='seconds')}"
        logger.warning("the registry is not reachable: %s %s", name, how)
        return record

    def versions(self, artifact: ArtifactName) -> list[VersionRecord] | None:
        """Those that are remembered, newest first."""
        known = self._load(artifact)
        if known is None or not known.versions:
            return None
        logger.warning("the registry is not reachable: of %s only the versions are shown that were looked at here", artifact)
        return [known.with_aliases(number) for number in sorted(known.versions, reverse=True)]

    def newest(self, artifact: ArtifactName) -> VersionRecord | None:
        known = self._load(artifact)
        return None if known is None or not known.versions else known.with_aliases(max(known.versions))

    def collection(self, artifact: ArtifactName) -> CollectionRecord | None:
        known = self._load(artifact)
        return None if known is None else known.collection_or_guess()

    def collections(self, entity: str, project: str) -> list[CollectionRecord] | None:
        """The artifacts of a project of which something is remembered, by name."""
        known = [self._read(path) for path in sorted(self._folder.glob("*.json"))[: 2 * _MOST_ARTIFACTS]]
        here = [each for each in known if each is not None and (each.artifact.entity, each.artifact.project) == (entity, project)]
        found = [collection for each in here if (collection := each.collection_or_guess()) is not None]
        if not found:
            return None
        logger.warning("the registry is not reachable: only artifacts are shown that were looked at here")
        return sorted(found, key=lambda collection: collection.artifact)

    def _at_hand(self, known: KnownArtifact, record: VersionRecord) -> VersionRecord:
        """The version where it can be read without the object store: where it was before a repack, until its pin has followed."""
        before = known.versions.get(record.number)
        if before is None or before.digest != record.digest or before.manifest == record.manifest:
            return record
        is_behind = self._is_pinned(before.manifest.digest) and not self._is_pinned(record.manifest.digest)
        return replace(record, manifest=before.manifest) if is_behind else record

    def _change(self, artifact: ArtifactName, change: Callable[[KnownArtifact], bool], *, make: bool = True) -> None:
        """Let `change` do something to what is known, and keep that if it says so. A disk that takes nothing is no failure."""
        try:
            with self._lock:
                known = self._load(artifact)
                if known is None and make:
                    known = KnownArtifact(artifact)
                if known is not None and change(known):
                    self._replace(self._path(artifact), _encode_bounded(known))
        except OSError as error:
            self._tell(error)

    def _tell(self, error: OSError) -> None:
        """Say once that nothing can be kept where that is for the user to mend."""
        if isinstance(error, PermissionError) and not self._has_told:
            self._has_told = True
            logger.warning(
                "what names mean cannot be remembered for when the registry is away, as you may not use %s: make it yours again"
                ' (sudo chown -R "$USER" %s), or set ARTFS_HOME or XDG_CACHE_HOME to a folder of your own',
                self._folder.parent,
                self._folder.parent,
            )
        logger.debug("what is known of names cannot be kept: %s", error)

    def _replace(self, path: Path, data: bytes) -> None:
        if not path.exists():
            make_private_folder(path.parent)
            self._make_room()
        new = path.with_name(f".{secrets.token_hex(8)}")
        try:
            # Not synced: after a power cut it may be damaged, and then it is nothing.
            new.write_bytes(data)
            new.replace(path)
        except BaseException:
            new.unlink(missing_ok=True)
            raise

    def _make_room(self) -> None:
        if len(os.listdir(self._folder)) < _MOST_ARTIFACTS:  # noqa: PTH208 - one call
            return
        # Also what was left by a process that was killed while it wrote.
        files = sorted(self._folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        for path in files[: len(files) - _MOST_ARTIFACTS + 1]:
            path.unlink(missing_ok=True)

    def _load(self, artifact: ArtifactName) -> KnownArtifact | None:
        known = self._read(self._path(artifact))
        return known if known is not None and known.artifact == artifact else None

    def _read(self, path: Path) -> KnownArtifact | None:
        try:
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_uid != os.geteuid():  # it would say what names mean
                    return None
                data = file.read(_MOST_BYTES + 1)
            return decode_known(data) if len(data) <= _MOST_BYTES else None
        except (OSError, ArtfsError, ValueError, RecursionError) as error:
            if not isinstance(error, FileNotFoundError):
                logger.debug("%s holds nothing that can be used: %s", path, error)
            return None

    def _path(self, artifact: ArtifactName) -> Path:
        return self._folder / f"{_name_of(str(artifact))}.json"


def _encode_bounded(known: KnownArtifact) -> bytes:
    most = _MOST_VERSIONS
    while True:
        known.shrink(most)
        data = encode_known(known)
        if len(data) <= _MOST_BYTES or most == 0:
            return data
        most = len(known.versions) // 2


def _name_of(text: str) -> str:
    return digest_of(text.encode("utf-8", "surrogateescape")).hex()[:32]


def _now() -> datetime:
    return datetime.now(UTC)
