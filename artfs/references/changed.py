"""Telling whether content is what was recorded, and saying what was recorded and what was found instead (I9). Pure functions."""

from __future__ import annotations

from artfs.errors import ReferenceChanged
from artfs.model.counted import counted
from artfs.model.entry import Reference
from artfs.references.uri import shown_uri

#: Begins the ETag of a reference whose content artfs digested itself, as its home gives none.
DIGEST_PREFIX = "blake3:"


def recorded_digest(reference: Reference) -> str | None:
    """The hexadecimal digest of the content where that is what was recorded, else None."""
    if reference.etag is None or not reference.etag.startswith(DIGEST_PREFIX):
        return None
    return reference.etag.removeprefix(DIGEST_PREFIX)


def is_recorded(reference: Reference) -> bool:
    """False for a reference of `checksum=False`: its identity is its URI."""
    return reference.etag is not None or reference.version_id is not None


def is_weak(etag: str) -> bool:
    """True for an ETag that says nothing about single bytes: servers give it to content that means the same."""
    return etag.startswith("W/")


def same_etag(recorded: str, found: str | None) -> bool:
    """True if content with ETag `found` is what was recorded under ETag `recorded`.

    A weak ETag promises less than a strong one: it never stands for it.
    """
    if found is None:
        return False
    return found == recorded or (is_weak(recorded) and recorded.removeprefix("W/") == found)


def is_same(recorded: Reference, found: Reference) -> bool:
    """True if `found` is content that `recorded` means. What was not recorded, or is not known, is no difference."""
    if recorded.etag is not None and not same_etag(recorded.etag, found.etag):
        return False
    if recorded.version_id is not None and recorded.version_id != found.version_id:
        return False
    return recorded.size is None or found.size is None or recorded.size == found.size


def describe_reference(reference: Reference) -> str:
    """What identifies the content, in words: `ETag "5f3", version 12, 40 bytes`."""
    facts = []
    if reference.etag is not None:
        digest = recorded_digest(reference)
        facts.append(f"digest {digest}" if digest else f"ETag {reference.etag}")
    if reference.version_id is not None:
        facts.append(f"version {reference.version_id}")
    if reference.size is not None:
        facts.append(counted(reference.size, "byte"))
    return ", ".join(facts) or "nothing but its address"


def reference_changed(recorded: Reference, found: Reference | str) -> ReferenceChanged:
    """The error that says what was recorded and what is there now: a reference, or words such as `nothing`."""
    if isinstance(found, Reference):
        # What artfs would have to digest itself is not missing where it was not looked at.
        lacks_etag = recorded.etag is not None and recorded_digest(recorded) is None and found.etag is None
        found = ("no ETag, " if lacks_etag else "") + describe_reference(found)
    return ReferenceChanged(shown_uri(recorded.uri), recorded=describe_reference(recorded), found=found)
