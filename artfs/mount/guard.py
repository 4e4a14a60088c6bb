"""The guard around every handler: one exception of another kind than FUSEError would end the whole mount.

OSError and ArtfsError become their errno; anything else is a defect: EIO, a traceback in the log, and the mount lives on. Reasons
that an errno cannot tell are written down for `/.artfs/errors`. Runs on the event loop; does not wait by itself.
"""

from __future__ import annotations

import errno
import functools
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

import pyfuse3

from artfs.errors import ArtfsError, NotFound, ReadOnly, UserError
from artfs.mount.errno_map import errno_of
from artfs.mount.notify import Notifier
from artfs.vfs.problems import Problems

logger = logging.getLogger(__name__)
T = TypeVar("T")
P = ParamSpec("P")

#: What tools run into all the time, and what says enough by itself.
_EXPECTED = frozenset(
    {errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR, errno.EXDEV, errno.EROFS, errno.EINVAL, errno.ESTALE}
)
#: Requests that may have to bring content.
_OF_CONTENT = frozenset({"read", "getattr", "open", "setattr"})


class Guarded(Protocol):
    """What the guard needs of the operations."""

    @property
    def problems(self) -> Problems:
        """Where reasons are kept for people."""
        ...

    def describe(self, handler: str, arguments: tuple[Any, ...]) -> str:
        """The path that a request is about, as far as it is known."""
        ...

    def count(self, handler: str) -> None:
        """One more request."""
        ...

    @property
    def notifier(self) -> Notifier:
        """Who tells the kernel about names that a request has moved."""
        ...


S = TypeVar("S", bound=Guarded)


def guard(handler: Callable[Concatenate[S, P], Coroutine[Any, Any, T]]) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
    """The handler, raising nothing but FUSEError."""
    name = handler.__name__

    @functools.wraps(handler)
    async def guarded(self: S, *arguments: P.args, **named: P.kwargs) -> T:
        self.count(name)
        moves = self.notifier.collect()
        try:
            return await handler(self, *arguments, **named)
        except pyfuse3.FUSEError:
            raise
        except (OSError, ArtfsError) as error:
            number = errno_of(error)
            if (name in _OF_CONTENT and isinstance(error, UserError)) or (name == "read" and isinstance(error, NotFound)):
                # Of a reference that cannot be fetched: neither an argument of the program nor the name of the file is wrong.
                number = errno.EIO
            if name == "rename" and number == errno.EINVAL and isinstance(error, ArtfsError):
                number = errno.EPERM  # of EINVAL, mv says that a directory cannot be moved into itself
            if _needs_a_reason(error, number):
                _write_down(self, name, arguments, error, number)
        except Exception:
            logger.exception("%s %s failed in a way that nobody expected", name, _describe(self, name, arguments))
            self.problems.record(_describe(self, name, arguments), "a defect of artfs: the log has the details")
            number = errno.EIO
        finally:
            self.notifier.tell(moves)
        raise pyfuse3.FUSEError(number)

    return cast("Callable[Concatenate[S, P], Coroutine[Any, Any, T]]", guarded)


def _needs_a_reason(error: Exception, number: int) -> bool:
    """True if the errno alone would leave a person wondering."""
    return number not in _EXPECTED or (isinstance(error, ArtfsError) and not isinstance(error, (NotFound, ReadOnly)))


def _write_down(operations: Guarded, name: str, arguments: tuple[Any, ...], error: Exception, number: int) -> None:
    where = _describe(operations, name, arguments)
    operations.problems.record(where, str(error))
    log = logger.error if number == errno.EIO else logger.info
    log("%s %s: %s (%s)", name, where, error, errno.errorcode.get(number, number))


def _describe(operations: Guarded, name: str, arguments: tuple[Any, ...]) -> str:
    try:
        return operations.describe(name, arguments)
    except Exception:  # noqa: BLE001 - the description of a failure must not become another one
        return "(unknown)"
