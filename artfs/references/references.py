"""References of all kinds: each call goes to the home that its URI's scheme has.

Knows no vendor and no protocol; `open.py` names the homes. Decides what becomes part of an artifact (`naming`); keeps nothing of
content. Any thread, as its homes are; which hosts are silent is all that it remembers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from artfs.errors import NotFound, UserError
from artfs.model.entry import Entry, Reference, reference_entry
from artfs.model.progress import OnFilesDone
from artfs.references.changed import is_recorded, is_same, reference_changed
from artfs.references.naming import name_for, name_found
from artfs.references.protocol import Fetched, Found, Home, LocalHome
from artfs.references.silent_hosts import QUIET_S, SilentHosts
from artfs.references.uri import check_uri, scheme_of, shown_uri

DEFAULT_MAX_OBJECTS = 10_000


class References:
    """`homes` has the home of each scheme; one may serve several. A host that does not answer is left alone for `quiet_s`."""

    def __init__(self, homes: Mapping[str, Home], *, quiet_s: float = QUIET_S) -> None:
        self._homes = dict(homes)
        self._hosts = SilentHosts(quiet_s)

    def find(
        self,
        uri: str,
        *,
        name: str | None = None,
        checksum: bool = True,
        max_objects: int = DEFAULT_MAX_OBJECTS,
        on_progress: OnFilesDone | None = None,
    ) -> list[Entry]:
        """The entries that `uri` makes, in manifest order, with what identifies their content now.

        `name` is the name of one object, or of the folder that those below a prefix go into. Without `checksum` nobody is asked:
        one entry whose identity is the URI, or one for each file of a local folder. A scheme that artfs does not know is recorded
        in the same way when `name` is given. `on_progress` is told the objects found so far and their bytes.

        Raises UserError for what cannot be a reference or has no place in an artifact, and for more than `max_objects`; NotFound
        when nothing is there; AccessDenied and ReferenceUnavailable as its home answers.
        """
        check_uri(uri)
        home = self._homes.get(scheme_of(uri))
        if home is None and name is None:
            raise self._unknown(uri, "to record it all the same, say with name= what it is called in the artifact")
        found = home.expand(uri) if home is not None and checksum else self._unasked(uri, home)
        if found is None:
            return [reference_entry(name_for(uri, name), Reference(uri), time.time_ns())]
        return name_found(uri, found, name=name, max_objects=max_objects, on_progress=on_progress)

    def can_fetch(self, uri: str) -> bool:
        """True if the scheme of `uri` is one that artfs knows; others are only recorded."""
        return scheme_of(uri) in self._homes

    def look(self, reference: Reference) -> Reference:
        """The reference as it would be recorded now. Raises NotFound when there is nothing (any more), and as `find` does."""
        home = self._home(reference)
        with self._hosts.asking(reference.uri):
            return home.look(reference)

    def check(self, reference: Reference) -> None:
        """Raise ReferenceChanged unless what is at the URI is what was recorded.

        Where nothing was recorded (`checksum=False`) it only has to be there: NotFound if it is not.
        """
        try:
            found = self.look(reference)
        except NotFound as error:
            if not is_recorded(reference):
                raise
            raise reference_changed(reference, self._now(reference)) from error
        if not is_same(reference, found):
            raise reference_changed(reference, found)

    def fetch(self, reference: Reference, offset: int, length: int) -> Fetched:
        """Bytes of exactly the content that was recorded (I9): see `Home.fetch`."""
        home = self._home(reference)
        with self._hosts.asking(reference.uri):
            return home.fetch(reference, offset, length)

    def close(self) -> None:
        for home in set(self._homes.values()):
            home.close()

    @staticmethod
    def _unasked(uri: str, home: object) -> Iterator[Found] | None:
        return home.list_folder(uri) if isinstance(home, LocalHome) else None

    def _now(self, reference: Reference) -> Reference | str:
        """What is there instead of what is gone: of a version, the one that took its place."""
        try:
            return "nothing" if reference.version_id is None else self.look(Reference(reference.uri))
        except NotFound:
            return "nothing"

    def _home(self, reference: Reference) -> Home:
        home = self._homes.get(scheme_of(reference.uri))
        if home is None:
            raise self._unknown(reference.uri, "it is only recorded where it is")
        return home

    def _unknown(self, uri: str, remedy: str) -> UserError:
        known = ", ".join(f"{scheme}://" for scheme in sorted(self._homes))
        return UserError(f"{shown_uri(uri)} cannot be fetched, as artfs knows {known} and not {scheme_of(uri)}://: {remedy}")
