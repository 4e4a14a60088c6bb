"""Digests, pack ids and entries."""

from __future__ import annotations

from hypothesis import given

from artfs.model.digest import Digester, digest_of, format_digest
from artfs.model.entry import (
    Entry,
    Kind,
    LeaseId,
    Reference,
    directory_entry,
    lease_of_pack,
    lease_prefix,
    make_pack_id,
    pack_key,
    parent_paths,
    with_parents,
)
from artfs.objectstore.key import check_key
from tests.unit.model.entries import manifests, property_test

LEASE = LeaseId(bytes(range(12)))
#: What `printf abc | b3sum` prints.
ABC = "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"


def test_a_digest_is_what_b3sum_prints() -> None:
    assert format_digest(digest_of(b"abc")) == ABC


def test_a_digest_of_pieces_is_that_of_the_whole() -> None:
    digester = Digester()
    digester.update(b"a")
    digester.update(memoryview(b"bc"))
    assert digester.digest() == digest_of(b"abc")


def test_packs_of_one_commit_share_a_prefix_of_their_keys() -> None:
    first, last = make_pack_id(LEASE, 0), make_pack_id(LEASE, 2**32 - 1)
    assert lease_of_pack(first) == lease_of_pack(last) == LEASE
    assert pack_key(first) == check_key("packs/000102030405060708090a0b/00000000")
    assert pack_key(last) == lease_prefix(LEASE) + "ffffffff"


def test_parents_are_named_from_the_nearest_on() -> None:
    assert parent_paths("a/b/c") == ["a/b", "a"]
    assert parent_paths("a") == []


@property_test
@given(manifests())
def test_every_directory_has_an_entry_and_a_listing_is_one_range(entries: list[Entry]) -> None:
    there = {entry.path for entry in entries if entry.kind is Kind.DIRECTORY}
    assert all(entry.directory in there | {""} for entry in entries)
    assert entries == sorted(entries, key=lambda entry: entry.sort_key)
    assert with_parents(entries) == entries


def test_a_directory_that_is_given_is_not_made_again() -> None:
    given_entry = directory_entry("a")
    assert with_parents([given_entry, Entry("a/b")]) == [given_entry, Entry("a/b")]


def test_references_differ_by_all_that_identifies_them() -> None:
    references = [
        Reference("u"),
        Reference("u", ""),
        Reference("u", None, ""),
        Reference("u", "e"),
        Reference("ue"),
        Reference("u", None, "e"),
    ]
    assert len({reference.identity() for reference in references}) == len(references)
    assert Reference("u", "e", size=1).identity() == Reference("u", "e", size=2).identity()
