from __future__ import annotations

import errno
from collections.abc import Iterator

import pytest

from artfs import errors
from artfs.mount.errno_map import errno_of


def every_class(root: type[errors.ArtfsError] = errors.ArtfsError) -> Iterator[type[errors.ArtfsError]]:
    yield root
    for child in root.__subclasses__():
        yield from every_class(child)


@pytest.mark.parametrize("kind", sorted(set(every_class()), key=str))
def test_every_error_of_the_tree_has_an_errno(kind: type[errors.ArtfsError]) -> None:
    assert errno_of(kind.__new__(kind, "reason")) in errno.errorcode


def test_the_errno_says_what_happened() -> None:
    assert errno_of(errors.ReadOnly("x")) == errno.EROFS
    assert errno_of(errors.EntryNotFound("x")) == errno.ENOENT
    assert errno_of(errors.AlreadyExists("x")) == errno.EEXIST
    assert errno_of(errors.NameNotValid("x")) == errno.EINVAL
    assert errno_of(errors.StoreFull("x")) == errno.ENOSPC
    assert errno_of(OSError(errno.EXDEV, "x")) == errno.EXDEV
    assert errno_of(OSError("without a number")) == errno.EIO
    assert errno_of(ZeroDivisionError()) == errno.EIO
