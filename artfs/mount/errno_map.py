"""Which errno a tool sees for an error of artfs. The sentence behind it is in `/.artfs/errors` and in the log.

`cli/exit_codes.py` is the other table of this kind; a test asks both for every class of the tree.
"""

from __future__ import annotations

import errno

from artfs import errors

_ERRNO: dict[type[errors.ArtfsError], int] = {
    errors.ArtfsError: errno.EIO,
    errors.UserError: errno.EINVAL,
    errors.SourceNotReadable: errno.EIO,
    errors.NotFound: errno.ENOENT,
    errors.Conflict: errno.EBUSY,
    errors.AlreadyExists: errno.EEXIST,
    errors.Busy: errno.EBUSY,
    errors.LeaseLost: errno.EAGAIN,
    errors.ReadOnly: errno.EROFS,
    errors.NotLogged: errno.ENOENT,
    # Of the home of a reference, not of the file: that one may be read.
    errors.AccessDenied: errno.EIO,
    errors.IntegrityError: errno.EIO,
    errors.PackMissing: errno.EIO,
    errors.TransientError: errno.EIO,
    errors.StoreFull: errno.ENOSPC,
    errors.InternalError: errno.EIO,
}


def errno_of(error: BaseException) -> int:
    """The errno for an exception of any kind; EIO for what nobody expected."""
    if isinstance(error, errors.ArtfsError):
        return next(_ERRNO[parent] for parent in type(error).__mro__ if parent in _ERRNO)
    if isinstance(error, OSError) and error.errno:
        return error.errno
    return errno.EIO
