"""The exceptions of artfs, all in one tree.

    ArtfsError
    ├── UserError (ValueError)             what was asked for cannot be done as asked
    │   ├── NameNotValid                   a name, alias or path breaks the rules
    │   ├── TypeNotValid (TypeError)       a value of the wrong kind was passed
    │   ├── SourceNotReadable              a local file to be added is missing, unreadable or changed while read
    │   ├── ConfigNotValid                 a setting cannot be used
    │   └── NotInstalled (ImportError)     what was asked for needs a package that is not installed
    ├── NotFound (LookupError, ValueError) there is no such artifact, version, alias, run or object
    │   ├── EntryNotFound (KeyError)       the version has no such path
    │   └── NothingContributed             there is nothing to make a version of
    ├── Conflict                           somebody else was first, or the thing is in use
    │   ├── AlreadyExists                  the name is taken
    │   ├── Busy                           still open, mounted or locked
    │   ├── LeaseLost                      a commit took longer than its lease and its packs may be gone
    │   └── ContributionsDiffer            parallel writers of one version gave a path different content
    ├── ReadOnly                           versions never change (I2)
    ├── NotLogged (AttributeError)         the artifact has no version yet
    ├── AccessDenied (PermissionError)     the credentials, or the lack of them, do not allow it
    ├── IntegrityError                     bytes are not what their digest says; never retried
    │   ├── PackMissing                    a pack is not in the object store
    │   └── ReferenceChanged               what is at a URI is not what was recorded (I9)
    ├── TransientError                     may work when tried again
    │   ├── StoreUnavailable               the object store did not answer as it should
    │   ├── ReferenceUnavailable           the home of a reference did not answer as it should
    │   ├── RegistryUnavailable            the registry did not answer as it should
    │   ├── StoreFull                      no space is left for the bytes
    │   └── TimedOut (TimeoutError)        it is not done yet, within the time that was given
    └── InternalError                      a defect of artfs

The core knows no errno and no exit code: `mount/errno_map.py` and `cli/exit_codes.py` translate, and a test asks both for an
answer to every class of this tree. An error that a caller would expect as a builtin is one too. Every message is one sentence that
says what was wrong, with which name or path, and what to do.
"""

from __future__ import annotations

from typing import Any


class ArtfsError(Exception):
    """Root of everything artfs raises on purpose."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        # KeyError would print the repr of its argument: a sentence in quotation marks.
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # Whoever waits for a worker process gets its error, also one that is made of more than a sentence: a pool that cannot
        # unpickle one waits for ever.
        return _restore, (type(self), self.message, self.__dict__)


def _restore(kind: type[ArtfsError], message: str, state: dict[str, Any]) -> ArtfsError:
    error = kind.__new__(kind, message)
    ArtfsError.__init__(error, message)
    error.__dict__.update(state)
    return error


class UserError(ArtfsError, ValueError):
    """What was asked for cannot be done as asked."""


class NameNotValid(UserError):
    """A name, alias, type or path breaks the rules of `model.names`."""


class TypeNotValid(UserError, TypeError):
    """A value of the wrong kind was passed."""


class SourceNotReadable(UserError):
    """A local file to be added is missing, unreadable, or changed while it was read."""


class ConfigNotValid(UserError):
    """A setting cannot be used; the message names the setting and where it came from."""


class NotInstalled(UserError, ImportError):
    """What was asked for needs an optional package; the message says which extra of artfs brings it."""


class NotFound(ArtfsError, LookupError, ValueError):
    """There is no such artifact, version, alias, run or object."""


class EntryNotFound(NotFound, KeyError):
    """The version has no such path."""


class NothingContributed(NotFound):
    """Nothing was contributed to the version that is to be finished, and the finisher has nothing either. Nothing has happened."""


class Conflict(ArtfsError):
    """Somebody else was first, or the thing is in use."""


class AlreadyExists(Conflict):
    """The name is taken."""


class Busy(Conflict):
    """Still open, mounted or locked."""


class LeaseLost(Conflict):
    """A commit took longer than its lease, so that gc may have collected what it had stored (I4)."""


class ContributionsDiffer(Conflict):
    """Parallel writers of one version gave `path` different content; `writers` names both. Nothing has happened."""

    def __init__(self, message: str, *, path: str, writers: tuple[str, str]) -> None:
        super().__init__(message)
        self.path = path
        self.writers = writers


class ReadOnly(ArtfsError):
    """Versions never change (I2)."""


class NotLogged(ArtfsError, AttributeError):
    """The artifact has no version yet: log it and `wait()` first."""


class AccessDenied(ArtfsError, PermissionError):
    """The credentials, or the lack of them, do not allow it."""


class IntegrityError(ArtfsError):
    """Bytes are not what their digest says, or are no valid encoding (I3). Never retried."""


class PackMissing(IntegrityError):
    """A pack is not in the object store, and nobody knows where else its chunks lie."""


class ReferenceChanged(IntegrityError):
    """What is at the URI of a reference is not what was recorded (I9). `recorded` and `found` say both in words.

    Unless it `was_recorded`, `recorded` is what was found when it was first read.
    """

    def __init__(self, uri: str, *, recorded: str, found: str, was_recorded: bool = True) -> None:
        what = "there" if found == "nothing" else "what was recorded" if was_recorded else "what was found first"
        facts = f"recorded {recorded}, found {found}; restore it, or refer to it anew"
        if not was_recorded:
            facts = (
                f"found first {recorded}, now {found}; mount it anew to read what is there now, or refer to it with its checksum"
            )
        super().__init__(f"{uri} is not {what}: {facts}")
        self.uri = uri
        self.recorded = recorded
        self.found = found


class TransientError(ArtfsError):
    """May work when tried again. With `no_answer` the host has not answered at all, as it may not answer others either."""

    def __init__(self, message: str, *, no_answer: bool = False) -> None:
        super().__init__(message)
        self.no_answer = no_answer


class StoreUnavailable(TransientError):
    """The object store did not answer as it should."""


class ReferenceUnavailable(TransientError):
    """The home of a reference did not answer as it should."""


class RegistryUnavailable(TransientError):
    """The registry did not answer as it should."""


class StoreFull(TransientError):
    """No space is left for the bytes; what was there before is untouched."""


class TimedOut(TransientError, TimeoutError):
    """It was not done within the time that was given; it may be later."""


class InternalError(ArtfsError):
    """A defect of artfs."""
