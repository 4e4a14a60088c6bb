"""The exceptions as values: what they carry comes along to whoever waits for another process."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator

import pytest

from artfs import errors


def all_kinds(kind: type[errors.ArtfsError] = errors.ArtfsError) -> Iterator[type[errors.ArtfsError]]:
    yield kind
    for other in kind.__subclasses__():
        yield from all_kinds(other)


def make(kind: type[errors.ArtfsError]) -> errors.ArtfsError:
    if kind is errors.ReferenceChanged:
        return errors.ReferenceChanged("s3://bucket/key", recorded="size 1", found="nothing")
    if kind is errors.ContributionsDiffer:
        return errors.ContributionsDiffer("a sentence", path="a/b", writers=("one", "two"))
    return kind("a sentence")


@pytest.mark.parametrize("kind", sorted(set(all_kinds()), key=str))
def test_an_error_comes_whole_out_of_another_process(kind: type[errors.ArtfsError]) -> None:
    error = make(kind)
    error.add_note("seen there")
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(other) is kind
        assert (str(other), repr(other), vars(other)) == (str(error), repr(error), vars(error))
