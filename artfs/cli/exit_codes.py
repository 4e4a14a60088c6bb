"""What the exit code of `artfs` says about an error: the one table.

| code | meaning                                                                    |
|------|----------------------------------------------------------------------------|
| 0    | done                                                                       |
| 1    | the answer is no (`artfs diff --exit-code` found a difference)             |
| 2    | the command, a name, a setting or a local file cannot be used as asked     |
| 3    | there is no such artifact, version, alias, path or run                     |
| 4    | somebody else was first, or the thing is in use                            |
| 5    | bytes are not what their digest says, or `artfs verify` found problems     |
| 6    | the store or the registry did not answer: may work when tried again        |
| 7    | versions are read-only                                                     |
| 8    | no space is left                                                           |
| 9    | the home of a reference, the store or the registry does not allow it       |
| 70   | a defect of artfs                                                          |
| 130  | interrupted with Ctrl-C                                                    |
| 141  | the reader of the output went away                                         |

A class that is not in the table has the code of the nearest class above it that is.
"""

from __future__ import annotations

import errno

from artfs import errors

DONE = 0
DIFFERENT = 1
USAGE = 2
NOT_FOUND = 3
CONFLICT = 4
INTEGRITY = 5
TRANSIENT = 6
READ_ONLY = 7
NO_SPACE = 8
DENIED = 9
INTERNAL = 70
INTERRUPTED = 130
PIPE_CLOSED = 141

EXIT_CODES: dict[type[BaseException], int] = {
    errors.ArtfsError: INTERNAL,
    errors.UserError: USAGE,
    errors.NotFound: NOT_FOUND,
    errors.Conflict: CONFLICT,
    errors.ReadOnly: READ_ONLY,
    errors.NotLogged: USAGE,
    errors.AccessDenied: DENIED,
    errors.IntegrityError: INTEGRITY,
    errors.PackMissing: INTEGRITY,
    errors.TransientError: TRANSIENT,
    errors.StoreFull: NO_SPACE,
    errors.InternalError: INTERNAL,
}

_ERRNO_CODES = {
    errno.ENOSPC: NO_SPACE,
    errno.EDQUOT: NO_SPACE,
    errno.EROFS: READ_ONLY,
    errno.EBUSY: CONFLICT,
    errno.EEXIST: CONFLICT,
    errno.ENOTEMPTY: CONFLICT,
    errno.EIO: INTEGRITY,
    errno.ETIMEDOUT: TRANSIENT,
}


def exit_code_of(error: BaseException) -> int:
    """The exit code that tells the caller's script what kind of error it was."""
    for ancestor in type(error).__mro__:
        if ancestor in EXIT_CODES:
            return EXIT_CODES[ancestor]
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):
        return PIPE_CLOSED
    if isinstance(error, OSError):  # of a local file or of the mount: the user's paths, not a defect
        return _ERRNO_CODES.get(error.errno or 0, USAGE)
    return INTERNAL
